"""What the project claims of a GPU, measured in one run: correct, fast, and a weight grown again.

    python benchmarks/gpu.py [STAGE …] [--device cuda] [--tiny]

It runs all stages in this order, or only those that you name:

    tests       the tests that need CUDA
    same        every shipped weight's outputs on the device beside the CPU's, cuDNN's recurrent layers among them
    figures     every shipped weight measured on the device, beside its published figure
    exact       the same bits twice, and after a kill; float16 with its scaler, bfloat16, parts, compiled, channels_last
    load        ResNet-18 onto the device, beside torchvision and timm
    engine      a training step of the engine over a bare loop, and beside timm's
    minute      resnet18_cifar to 94 % of CIFAR-10 within 60 s (benchmarks/resnet18_cifar.gpu.yaml)
    grow        resnet18_cifar.cifar10 with three seeds

Data sets are looked for in ZOO_DATA; a stage that lacks its own says so and is left out. `--tiny` runs every stage with
a few steps on whatever device there is, the CPU too: it shows that the script works, and its figures mean nothing.
Prints a Markdown table for each stage as it ends; exits 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peers
import torch
from load import Row, report
from safetensors.torch import load_file
from torch import Tensor

import zoo
from zoo import data, sources

HERE = Path(__file__).parent
NEAR = 1e-4  # outputs of two devices, as a share of the scale
FIGURE = 1e-3


def main() -> int:
    parser = argparse.ArgumentParser(description="What the project claims of a GPU.")
    parser.add_argument("stages", nargs="*", metavar="STAGE", help=f"{', '.join(STAGES)}; all by default")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="a few steps of each, to see that it works")
    arguments = parser.parse_args()
    if unknown := set(arguments.stages) - set(STAGES):
        sys.exit(f"error: there is no stage {', '.join(sorted(unknown))}; choose among {', '.join(STAGES)}.")
    device = torch.device(arguments.device)
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    print(f"{card}, torch {torch.__version__}, Python {sys.version.split()[0]}\n")
    met = True
    for name in arguments.stages or STAGES:
        began = time.perf_counter()
        rows = STAGES[name](device, arguments.tiny)
        print(f"\n{name}, {time.perf_counter() - began:.0f} s")
        report(rows)
        met = met and all(row.met for row in rows)
    return 0 if met else 1


def tests(device: torch.device, tiny: bool) -> list[Row]:
    command = [sys.executable, "-m", "pytest", "-q", "-k", "cuda or gpu", "-p", "no:cacheprovider", "tests"]
    done = subprocess.run(
        [*command, *(["--collect-only"] if tiny else [])], cwd=HERE.parent, capture_output=True, text=True
    )
    last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr.strip()[-100:]
    return [Row("tests that need CUDA", last, "pass", done.returncode in (0, 5))]


def same(device: torch.device, tiny: bool) -> list[Row]:
    from zoo._export.graph import Graph
    from zoo._export.proof import example
    from zoo.bundles.load import load_model

    rows = []
    for weight in zoo.list_weights("mlp.*" if tiny else "*"):
        bundle = sources.find(weight)
        config = bundle.config
        inputs = example(config, {key: config["model_args"].get(key, 2) for key in ("vocab_size", "characters")}, 7, 9)
        outputs = []
        for place in (torch.device("cpu"), device):
            with torch.device(place):  # the transform's constants too
                graph = Graph(load_model(bundle, device=place), config).eval()
            with torch.inference_mode():
                outputs.append(graph(*(one.to(place) for one in inputs))[0].float().cpu())
        far = float((outputs[0] - outputs[1]).abs().max() / outputs[0].abs().max())
        rows.append(Row(weight, f"{far:.1e}", f"≤ {NEAR:g}", far <= NEAR))
    return rows


def figures(device: torch.device, tiny: bool) -> list[Row]:
    rows = []
    for weight in zoo.list_weights("mlp.*" if tiny else "*"):
        info = zoo.info(weight)
        if not (info.data and data.at_hand(info.data)):
            rows.append(Row(weight, f"left out: {info.data} is not at hand"))
            continue
        metric, published = next(iter(info.metrics.items()))
        found = zoo.evaluate(weight, device=device)[metric]
        met = abs(found - published) <= FIGURE * max(1.0, abs(published))
        rows.append(Row(weight, f"{metric} {found:.4f}, published {published:.4f}", f"≤ {FIGURE:g} apart", met))
    return rows


DIGITS: dict[str, Any] = {"train.epochs": 6}
SWITCHES: dict[str, dict[str, Any]] = {
    "float16 with its scaler": {"train.precision": "fp16"},
    "bfloat16": {"train.precision": "bf16"},
    "in four parts": {"train.accumulate": 4},
    "compiled": {"train.compile": True},
}


def exact(device: torch.device, tiny: bool) -> list[Row]:
    steady = {**DIGITS, "train.deterministic": True}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        first, second = (tensors(zoo.train("mlp.digits", steady, out=folder / n, device=device)) for n in ("a", "b"))
        rows = [Row("the same bits twice", str(equal(first, second)), "True", equal(first, second))]
        killed = resumed(folder / "c", device)
        rows.append(
            Row("killed and resumed, as if never stopped", str(equal(first, killed)), "True", equal(first, killed))
        )
        for name, change in SWITCHES.items():
            if device.type == "cpu" and change.get("train.precision") == "fp16":
                continue  # which needs a GPU
            reached = zoo.train("mlp.digits", {**DIGITS, **change}, out=folder / name, device=device).metrics[
                "accuracy"
            ]
            rows.append(Row(name, f"accuracy {reached:.3f}", "≥ 0.9", reached >= 0.9))
        if data.at_hand("cifar10"):
            short = {"train.epochs": None, "train.steps": 2 if tiny else 200, "data.batch_size": 64}
            run = zoo.train(HERE / "cnn_cifar.fast.yaml", short, out=folder / "last", device=device)
            reached = run.metrics["accuracy"]
            rows.append(Row("channels_last", f"accuracy {reached:.3f}", "≥ 0.3", tiny or reached >= 0.3))
    return rows


def resumed(folder: Path, device: torch.device) -> dict[str, Tensor]:
    """The tensors of a run that SIGTERM stopped after its first epoch, and that then went on."""
    settings = [f"train.epochs={DIGITS['train.epochs']}", "train.deterministic=true"]
    command = [
        sys.executable,
        "-m",
        "zoo",
        "train",
        "mlp.digits",
        *settings,
        "--out",
        str(folder),
        "--device",
        str(device),
    ]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    log = folder / "log.csv"
    while process.poll() is None and not (log.is_file() and len(log.read_text().splitlines()) > 1):
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    process.wait()
    return tensors(
        zoo.train("mlp.digits", {**DIGITS, "train.deterministic": True}, out=folder, resume=True, device=device)
    )


def tensors(run: zoo.Run) -> dict[str, Tensor]:
    return load_file(run.folder / "model.safetensors")


def equal(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)


def load(device: torch.device, tiny: bool) -> list[Row]:
    import timm
    import torchvision

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        torch.manual_seed(0)
        plain = torchvision.models.resnet18()
        torch.save(plain.state_dict(), folder / "resnet18.pth")
        from safetensors.torch import save_file

        save_file(timm.create_model("resnet18").state_dict(), folder / "timm.safetensors")

        def torchvisions() -> None:
            model = torchvision.models.resnet18()
            model.load_state_dict(torch.load(folder / "resnet18.pth", weights_only=True, map_location=device))
            model.to(device)

        def timms() -> None:
            given = {"file": str(folder / "timm.safetensors")}
            timm.create_model("resnet18", pretrained=True, pretrained_cfg_overlay=given).to(device)

        contenders: dict[str, Callable[[], Any]] = {
            "zoo": lambda: zoo.create("resnet18_cifar.cifar10_v1", device=device),
            "torchvision": torchvisions,
            "timm": timms,
        }
        taken: dict[str, list[float]] = {name: [] for name in contenders}
        for _ in range(2 if tiny else 20):
            for name, contender in contenders.items():
                synchronised(device)
                began = time.perf_counter()
                contender()
                synchronised(device)
                taken[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(times) for name, times in taken.items()}
    rows = [Row(name, f"{1000 * seconds:.1f} ms") for name, seconds in medians.items()]
    return rows + [Row(f"{name} / zoo", f"{medians[name] / medians['zoo']:.1f}") for name in ("torchvision", "timm")]


def engine(device: torch.device, tiny: bool) -> list[Row]:
    if not data.at_hand("cifar10"):
        return [Row("left out", "cifar10 is not at hand")]
    import train as contest

    peers.DEVICE = device
    case = contest.CASES["resnet18_cifar"]
    rounds, taken = (1 if tiny else 3), {name: [] for name in ("zoo", "bare", "timm")}
    for turn in range(rounds):
        for name in list(taken)[:: -1 if turn % 2 else 1]:
            taken[name].append(contest.contend("resnet18_cifar", name, False)[0])
    medians = {name: statistics.median(times) for name, times in taken.items()}
    over = medians["zoo"] / medians["bare"] - 1
    return [
        *(Row(name, f"{1000 * seconds / (case.steps or 1):.1f} ms a step") for name, seconds in medians.items()),
        Row("zoo over bare", f"{100 * over:+.1f} %", "≤ +5 %", tiny or over <= 0.05),
        Row("timm / zoo", f"{medians['timm'] / medians['zoo']:.2f}"),
    ]


def minute(device: torch.device, tiny: bool) -> list[Row]:
    if not data.at_hand("cifar10"):
        return [Row("left out", "cifar10 is not at hand")]
    short = {"train.epochs": None, "train.steps": 2, "data.batch_size": 32, "train.compile": False} if tiny else {}
    data.load("cifar10")  # decoded once before the clock starts, as whoever trains twice has it
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        reached = zoo.train(HERE / "resnet18_cifar.gpu.yaml", short, out=folder, device=device).metrics["accuracy"]
        seconds = time.perf_counter() - began
    return [
        Row("accuracy", f"{100 * reached:.2f} %", "≥ 94 %", tiny or reached >= 0.94),
        Row("the whole training", f"{seconds:.1f} s", "≤ 60 s", tiny or seconds <= 60),
    ]


def grow(device: torch.device, tiny: bool) -> list[Row]:
    if not data.at_hand("cifar10"):
        return [Row("left out", "cifar10 is not at hand")]
    change: dict[str, Any] = {"train.matmul_conv": False}  # which is for CPUs
    if tiny:
        change |= {"train.epochs": None, "train.steps": 2, "data.batch_size": 32}
    reached = []
    for seed in range(1 if tiny else 3):
        out = Path("runs") / f"gpu.resnet18_cifar.cifar10.{seed}"
        with tempfile.TemporaryDirectory() as scratch:
            place = Path(scratch) / "run" if tiny else out
            run = zoo.train("resnet18_cifar.cifar10", {**change, "train.seed": seed}, out=place, device=device)
            reached.append(run.metrics["accuracy"])
    mean = statistics.fmean(reached)
    return [
        Row("accuracy of each seed", ", ".join(f"{100 * one:.2f} %" for one in reached)),
        Row("mean", f"{100 * mean:.2f} %", "≥ 96 %", tiny or mean >= 0.96),
    ]


def synchronised(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


STAGES: dict[str, Callable[[torch.device, bool], list[Row]]] = {
    "tests": tests,
    "same": same,
    "figures": figures,
    "exact": exact,
    "load": load,
    "engine": engine,
    "minute": minute,
    "grow": grow,
}

if __name__ == "__main__":
    sys.exit(main())
