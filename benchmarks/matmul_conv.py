"""3 x 3 convolutions over few pixels: `zoo.nn.matmul_conv.MatmulConv` beside `F.conv2d`, in bfloat16 on the CPU.

    python benchmarks/matmul_conv.py [--rounds N] [--processor]

The shapes are those of the last stage of `resnet18_cifar` at batch 128, channels last, as its training has them.
Forward and backward passes are timed apart, in turns; medians are compared. What both compute must agree to bfloat16's
accuracy. oneDNN runs other code on other processors; the gain is claimed for those with bfloat16 matrix units (AMX).

`--processor` compares processor seconds in place of those on the clock, for a machine that others use too.
Prints a Markdown table; exits 1 where results differ or both passes together are not faster than the library's.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from load import Row, report
from torch import Tensor

from zoo.nn.matmul_conv import MatmulConv

# Input, output channels, stride.
SHAPES = (((128, 512, 4, 4), 512, 1), ((128, 256, 8, 8), 512, 2))

Convolution = Callable[[Tensor, Tensor], Tensor]


def main() -> int:
    parser = argparse.ArgumentParser(description="MatmulConv beside F.conv2d in bfloat16.")
    parser.add_argument("--rounds", type=int, default=15, help="times that each pass is timed")
    parser.add_argument("--processor", action="store_true", help="compare processor seconds, not those on the clock")
    arguments = parser.parse_args()
    clock = time.process_time if arguments.processor else time.perf_counter
    torch.manual_seed(0)
    rows = [row for case in SHAPES for row in compared(*case, arguments.rounds, clock)]
    print(f"Times {'of the processor' if arguments.processor else 'on the clock'}.")
    report(rows)
    return 0 if all(row.met for row in rows) else 1


def compared(shape: tuple[int, ...], outputs: int, stride: int, rounds: int, clock: Callable[[], float]) -> list[Row]:
    x = torch.randn(shape, dtype=torch.bfloat16).to(memory_format=torch.channels_last).requires_grad_()
    weight = torch.randn(outputs, shape[1], 3, 3, dtype=torch.bfloat16) / (3 * shape[1] ** 0.5)
    weight = weight.to(memory_format=torch.channels_last).requires_grad_()
    ways: dict[str, Convolution] = {
        "zoo": lambda x, weight: MatmulConv.apply(x, weight, stride),  # type: ignore[return-value]
        "library": lambda x, weight: F.conv2d(x, weight, stride=stride, padding=1),
    }
    taken: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    results: dict[str, tuple[Tensor, ...]] = {}
    for turn in range(rounds + 1):
        for name, way in ways.items():
            began = clock()
            y = way(x, weight)
            between = clock()
            gradients = torch.autograd.grad(y, (x, weight), y.detach())
            ended = clock()
            results[name] = (y.detach(), *gradients)
            if turn:  # the first one warms
                taken[name].append((between - began, ended - between))
    where = f"{shape}" + (f", stride {stride}" if stride > 1 else "")
    rows = []
    median = {
        name: [1000 * statistics.median(part) for part in zip(*times, strict=True)] for name, times in taken.items()
    }
    for part, zoo, library in zip(("forward", "backward"), median["zoo"], median["library"], strict=True):
        rows.append(Row(f"{where}, {part}", f"{library:.1f} ms / {zoo:.1f} ms = {library / zoo:.1f}×"))
    ratio = sum(median["library"]) / sum(median["zoo"])
    rows.append(Row(f"{where}, library / zoo", f"{ratio:.1f}×", "> 1×", ratio > 1))
    apart = max(
        ((a.float() - b.float()).norm() / b.float().norm()).item()
        for a, b in zip(results["zoo"], results["library"], strict=True)
    )
    # Eight bits of mantissa: each result is rounded to 2^-9, and so is the y that is sent back.
    return [*rows, Row(f"{where}, results differ by", f"{apart:.0e}", "≤ 1e-2", apart <= 1e-2)]


if __name__ == "__main__":
    sys.exit(main())
