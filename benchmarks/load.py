"""What it costs to import the zoo and to load ResNet-18 (ImageNet size, 46.8 MB, local file), beside its peers.

    python benchmarks/load.py [--rounds N]

A shipped weight, whose file holds float16, is loaded beside theirs too: on one thread and on all, alone and while
another process uses a core.
Needs torchvision and timm. Every contender is timed once a round, in turn, so that whatever else the machine does hits
them alike; medians are compared. The floor is the least that any loader can do: the constructor on the meta device,
`safetensors.torch.load_file`, and assignment. Memory is that of a child process while it loads and then reads every
parameter (Linux alone tells). Prints a Markdown table; exits 1 where a target is missed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

IMPORT = """
import time, torch
began = time.perf_counter()
import zoo
{more}
print(time.perf_counter() - began)
"""

# VmHWM is the peak of the resident memory; writing 5 to clear_refs sets it back to what is resident now.
MEMORY = """
import sys, torch, zoo
{first}
def kilobytes(key):
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1])
open("/proc/self/clear_refs", "w").write("5")
before = kilobytes("VmRSS")
{load}
total = sum(float(parameter.detach().sum()) for parameter in model.parameters())
print((kilobytes("VmHWM") - before) * 1024)
"""
MEMORY_OF = {
    "zoo.create": ("bundle", "", "model = zoo.create(sys.argv[1])"),
    "zoo.create, float16 file": ("half", "", "model = zoo.create(sys.argv[1])"),
    "torchvision": (
        "torch",
        "import torchvision",
        "model = torchvision.models.resnet18(); model.load_state_dict(torch.load(sys.argv[1], weights_only=True))",
    ),
}


@dataclass(frozen=True)
class Row:
    """A line of the table: `figure` in the words of the reader, held to `target` where there is one."""

    what: str
    figure: str
    target: str = ""
    met: bool = True


def main() -> int:
    parser = argparse.ArgumentParser(description="Import and load times of the zoo beside its peers.")
    parser.add_argument("--rounds", type=int, default=21, help="times that each contender is timed")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ZOO_HOME"] = str(Path(folder) / "home")
        files = prepare(Path(folder))
        rows = [*load_rows(files, rounds), *shipped_rows(files, rounds), *memory_rows(files)]
        rows += [*import_rows(min(rounds, 7)), predict_row(Path(folder), min(rounds, 7))]
    report(rows)
    return 0 if all(row.met for row in rows) else 1


def prepare(folder: Path) -> dict[str, Path]:
    """The same numbers as a bundle, as torchvision's file and as timm's."""
    import torch
    import torchvision
    from safetensors.torch import save_file

    import zoo
    from zoo.bundles.write import write_bundle

    fresh = zoo.create("resnet18")
    bundles = {"bundle": folder / "resnet18.random_v1", "half": folder / "resnet18.half_v1"}
    for path, dtype in zip(bundles.values(), (torch.float32, torch.float16), strict=True):
        write_bundle(
            path,
            state_dict={
                key: tensor.to(dtype) if tensor.is_floating_point() else tensor
                for key, tensor in fresh.state_dict().items()
            },
            config={
                "schema": 1,
                "model": "resnet18",
                "model_args": {},
                "task": "image-classification",
                "labels": [str(label) for label in range(1000)],
                "input": {},
            },
            recipe_text="model: resnet18\n",
            metrics={"schema": 1, "metrics": {}},
            card=lambda config, metrics: "",
            log_csv="",
            metadata={},
        )
    state = torchvision.models.resnet18().state_dict()
    torch.save(state, folder / "resnet18.pt")
    save_file(state, folder / "resnet18.safetensors")
    time.sleep(0.2)  # what was written just now is hashed again, rather than remembered
    return {**bundles, "torch": folder / "resnet18.pt", "timm": folder / "resnet18.safetensors"}


def contenders(files: dict[str, Path]) -> dict[str, Callable[[], object]]:
    import timm
    import torch
    import torchvision
    from safetensors.torch import load_file

    import zoo
    from zoo import integrity, registry
    from zoo.home import home

    def first() -> object:
        integrity._memo.clear()
        shutil.rmtree(home() / "verified", ignore_errors=True)
        began = time.perf_counter()
        zoo.create(files["bundle"])
        return time.perf_counter() - began

    def with_torchvision() -> object:
        model = torchvision.models.resnet18()
        model.load_state_dict(torch.load(files["torch"], weights_only=True))
        return model.eval()

    def with_timm() -> object:
        overlay = {"file": str(files["timm"])}
        return timm.create_model("resnet18", pretrained=True, pretrained_cfg_overlay=overlay).eval()

    def floor() -> object:
        with torch.device("meta"):
            model = registry.get("resnet18").constructor()
        model.load_state_dict(load_file(files["bundle"] / "model.safetensors"), assign=True)
        return model.eval()

    return {
        "zoo, first load": first,
        "zoo": lambda: zoo.create(files["bundle"]),
        "torchvision": with_torchvision,
        "timm": with_timm,
        "floor": floor,
    }


def medians(loaders: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Seconds of each, timed in turn."""
    times: dict[str, list[float]] = {name: [] for name in loaders}
    for turn in range(rounds + 1):
        for name, load in loaders.items():
            result = None  # what freeing the model before costs belongs to nobody's time
            began = time.perf_counter()
            result = load()
            took = result if isinstance(result, float) else time.perf_counter() - began
            if turn:  # the first turn imports and warms
                times[name].append(took)
    return {name: statistics.median(taken) for name, taken in times.items()}


def load_rows(files: dict[str, Path], rounds: int) -> list[Row]:
    median = medians(contenders(files), rounds)
    zoo, first = median["zoo"], median["zoo, first load"]
    rows = [Row(f"load, {name}", f"{1000 * seconds:.1f} ms") for name, seconds in median.items()]
    for peer in ("torchvision", "timm"):
        rows.append(Row(f"{peer} / zoo", f"{median[peer] / zoo:.1f}×", "≥ 5×", median[peer] >= 5 * zoo))
        ratio = median[peer] / first
        rows.append(Row(f"{peer} / zoo, first load (hash included)", f"{ratio:.1f}×", "> 1×", ratio > 1))
    return [*rows, Row("zoo / floor", f"{zoo / median['floor']:.2f}×", "≤ 1.6×", zoo <= 1.6 * median["floor"])]


def shipped_rows(files: dict[str, Path], rounds: int) -> list[Row]:
    """`resnet18_cifar` as it is shipped, in float16, beside ResNet-18 as torchvision and timm have it."""
    import torch

    import zoo

    peers = contenders(files)
    loaders = {"zoo": lambda: zoo.create("resnet18_cifar", pretrained=True)}
    loaders |= {name: peers[name] for name in ("torchvision", "timm")}
    rows, all_threads = [], torch.get_num_threads()
    for threads in sorted({1, all_threads}):
        torch.set_num_threads(threads)
        for busy in (False, True):
            neighbour = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if busy else None
            try:
                median = medians(loaders, rounds)
            finally:
                if neighbour is not None:
                    neighbour.kill()
                    neighbour.wait()
            where = f"{threads} thread{'s' * (threads > 1)}, {'beside a busy process' if busy else 'alone'}"
            rows.append(Row(f"load, shipped float16 weight, {where}", f"{1000 * median['zoo']:.1f} ms"))
            for peer, wanted in (("torchvision", 4 if busy else 8), ("timm", 4 if busy else 6)):
                ratio = median[peer] / median["zoo"]
                rows.append(Row(f"{peer} / zoo, {where}", f"{ratio:.1f}×", f"≥ {wanted}×", ratio >= wanted))
    torch.set_num_threads(all_threads)
    return rows


def memory_rows(files: dict[str, Path]) -> list[Row]:
    if not sys.platform.startswith("linux"):
        return []
    rows = []
    for name, (file, first, load) in MEMORY_OF.items():
        code, path = MEMORY.format(first=first, load=load), files[file]
        size = (path / "model.safetensors" if path.is_dir() else path).stat().st_size
        peak = statistics.median(measured(code, path) for _ in range(3)) / size
        held = name == "zoo.create"
        rows.append(
            Row(f"peak memory, {name}", f"{peak:.2f} × file", "≤ 1.2 ×" if held else "", peak <= 1.2 or not held)
        )
    return rows


def import_rows(rounds: int) -> list[Row]:
    def took(*command: str) -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, *command], check=True, capture_output=True)
        return time.perf_counter() - began

    taken: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, seconds in {
            "import zoo, after import torch": lambda: measured(IMPORT.format(more="")),
            "the same and zoo.create, zoo.list_models": lambda: measured(
                IMPORT.format(more="zoo.create, zoo.list_models")
            ),
            "zoo --help": lambda: took("-m", "zoo", "--help"),
            "zoo --version": lambda: took("-m", "zoo", "--version"),
        }.items():
            taken.setdefault(name, []).append(seconds())
    limits = {"import zoo, after import torch": 0.05, "zoo --help": 0.3, "zoo --version": 0.3}
    rows = []
    for name, seconds in taken.items():
        limit = limits.get(name)
        median = statistics.median(seconds)
        target = f"≤ {1000 * limit:.0f} ms" if limit else ""
        rows.append(Row(name, f"{1000 * median:.1f} ms", target, limit is None or median <= limit))
    return rows


def predict_row(folder: Path, rounds: int) -> Row:
    """From the start of the command to the answer, less what a process takes that imports torch alone."""
    import numpy as np

    np.save(folder / "digit.npy", np.zeros((8, 8), np.uint8))
    commands = {
        "torch": ["-c", "import torch"],
        "predict": ["-m", "zoo", "predict", "mlp.digits_v1", str(folder / "digit.npy")],
    }
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, *command], check=True, capture_output=True)
            taken[name].append(time.perf_counter() - began)
    over = statistics.median(taken["predict"]) - statistics.median(taken["torch"])
    return Row("zoo predict, over import torch", f"{1000 * over:.0f} ms", "≤ 400 ms", over <= 0.4)


def measured(code: str, *arguments: Path) -> float:
    """The number that a fresh Python process prints."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def report(rows: list[Row]) -> None:
    from zoo.environment import environment

    machine = environment()
    print(f"{machine['cpu']}, {machine['threads']} threads, {machine['platform']}, torch {machine['torch']}\n")
    print("| | measured | target | |\n| --- | --- | --- | --- |")
    for row in rows:
        print(
            f"| {row.what} | {row.figure} | {row.target} | {('met' if row.met else 'MISSED') if row.target else ''} |"
        )


if __name__ == "__main__":
    sys.exit(main())
