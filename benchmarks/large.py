"""A weight of 4 GiB: what loading it onto the CPU costs beside reading its file, in time and memory.

    python benchmarks/large.py [--gib N] [--rounds N] [--folder DIR]

The file lies in DIR (default: a temporary folder; it needs N GiB there, and is deleted). Each measurement is a process
of its own, which begins with the file out of the page cache, in turn with the others; medians are printed. "Read" is
`readinto` of the whole file, the least that any loader does. "Loaded" means that every parameter was looked at: a
tensor that is mapped costs nothing before. The first load of a file hashes it as well. Seconds of a CPU are what is
left of the time on a machine that does nothing else and has the file in memory. Memory is what the process holds
at most beyond what it held after its imports (Linux alone says that).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

CHILD = """
import os, sys, time
what, path, device = sys.argv[1:4]
import torch, zoo, zoo.bundles.load, zoo.sources.finding
torch.set_num_threads(1)
def memory(key):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(key + ":"))
file = os.path.join(path, "model.safetensors")
with open(file, "rb") as open_file:
    os.posix_fadvise(open_file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
open("/proc/self/clear_refs", "w").write("5")
before, cpu, start = memory("VmRSS"), time.process_time(), time.perf_counter()
if what == "read":
    buffer = bytearray(1 << 20)
    with open(file, "rb", buffering=0) as open_file:
        while open_file.readinto(buffer): pass
else:
    model = zoo.create(path)
    seen = sum(float(parameter.detach().view(-1)[::1024].sum()) for parameter in model.parameters())
seconds = time.perf_counter() - start
print(seconds, time.process_time() - cpu, (memory("VmHWM") - before) * 1024)
"""
WIDTH = 16_384  # 1 GiB a layer in float32


def write(folder: Path, layers: int, dtype: str) -> int:
    """Write the bundle of an mlp whose layers take 1 GiB each, with random tensors. Returns the bytes of its
    tensors' file."""
    import torch

    from zoo.bundles.index import entry_of, write_index
    from zoo.integrity import sha256

    sizes = {"F32": 4, "F16": 2}
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(layers):
        shapes |= {f"body.{2 * layer}.weight": (WIDTH, WIDTH), f"body.{2 * layer}.bias": (WIDTH,)}
    shapes |= {"head.weight": (10, WIDTH), "head.bias": (10,)}
    head, at = {}, 0
    for name, shape in shapes.items():
        end = at + sizes[dtype] * torch.Size(shape).numel()
        head[name], at = {"dtype": dtype, "shape": shape, "data_offsets": [at, end]}, end
    raw = json.dumps(head).encode()
    bundle = folder / f"mlp.large{dtype.lower()}_v1"
    bundle.mkdir()
    with (bundle / "model.safetensors").open("wb") as out:
        out.write(len(raw).to_bytes(8, "little") + raw)
        block = torch.randn(4 << 20).to(torch.float16 if dtype == "F16" else torch.float32).numpy().tobytes()
        for begin in range(0, at, len(block)):
            out.write(block[: min(len(block), at - begin)])
        out.flush()
        os.fsync(out.fileno())  # what is not on the disk yet cannot leave the page cache
    arguments = {"in_features": WIDTH, "widths": [WIDTH] * layers}
    count = sum(torch.Size(shape).numel() for shape in shapes.values())
    config = {"schema": 1, "model": "mlp", "model_args": arguments, "task": "image-classification", "input": {}}
    config |= {"labels": [str(n) for n in range(10)], "num_parameters": count}
    (bundle / "config.json").write_text(json.dumps(config))
    metrics = {"schema": 1, "metrics": {}, "sha256": sha256(bundle / "model.safetensors")}
    (bundle / "metrics.json").write_text(json.dumps(metrics))
    (bundle / "recipe.yaml").write_text("model: mlp\n")
    write_index(folder / "index.json", {bundle.name: entry_of(bundle, bundle.name, True)})
    return (bundle / "model.safetensors").stat().st_size


def main() -> None:
    parser = argparse.ArgumentParser(description="Load a large weight beside reading its file.")
    parser.add_argument("--gib", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--dtype", choices=("F32", "F16"), default="F32", help="as the file has them")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=given.folder))
    try:
        layers = given.gib if given.dtype == "F32" else 2 * given.gib
        size, bundle = write(folder, layers, given.dtype), f"{folder}/mlp.large{given.dtype.lower()}_v1"
        taken: dict[str, list[tuple[float, float, float]]] = {}
        for _ in range(given.rounds):
            for row in ("read", "loaded, first time", "loaded, again"):
                if row == "loaded, first time":
                    shutil.rmtree(folder / "home", ignore_errors=True)
                command = [sys.executable, "-c", CHILD, row.partition(",")[0], bundle, "cpu"]
                environment = {**os.environ, "ZOO_HOME": str(folder / "home")}
                done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
                seconds, cpu, memory = map(float, done.stdout.split())
                taken.setdefault(row, []).append((seconds, cpu, memory / size))
    finally:
        shutil.rmtree(folder)
    medians = {row: [statistics.median(column) for column in zip(*all, strict=True)] for row, all in taken.items()}
    print(f"| {size / 2**30:.1f} GiB, {given.dtype} | s | × reading | s of a CPU | peak memory, × file |")
    print("| --- | --- | --- | --- | --- |")
    for row, (seconds, cpu, memory) in medians.items():
        print(f"| {row} | {seconds:.1f} | {seconds / medians['read'][0]:.2f} | {cpu:.1f} | {memory:.2f} |")


if __name__ == "__main__":
    main()
