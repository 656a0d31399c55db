"""`zoo.nn.bias_relu` and `zoo.nn.sigmoid` beside the same composed of PyTorch's operations, on the CPU.

    python benchmarks/functions.py [--rounds N] [--processor]

Activations are those of the first stage of `resnet18_cifar` at batch 128, float32. Timed is one forward and backward
pass, in turns; medians are compared. Saved are the bytes that autograd keeps between the two, each tensor counted once:
alone, and in front of a convolution, which keeps its input anyway. Results and gradients must be equal to 1e-6.

`--processor` compares processor seconds in place of those on the clock, for a machine that others use too.
Prints a Markdown table; exits 1 where results differ or more is saved than by the composed form.
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
from torch.autograd.graph import saved_tensors_hooks

from zoo.nn import bias_relu, sigmoid

SHAPE = (128, 64, 32, 32)

Pass = Callable[[Tensor, Tensor], Tensor]


def main() -> int:
    parser = argparse.ArgumentParser(description="bias_relu and sigmoid beside their composed forms.")
    parser.add_argument("--rounds", type=int, default=15, help="times that each pass is timed")
    parser.add_argument("--processor", action="store_true", help="compare processor seconds, not those on the clock")
    arguments = parser.parse_args()
    clock = time.process_time if arguments.processor else time.perf_counter
    torch.manual_seed(0)
    rows = [row for name, ways in WAYS.items() for row in compared(name, ways, arguments.rounds, clock)]
    print(f"Times {'of the processor' if arguments.processor else 'on the clock'}.")
    report(rows)
    return 0 if all(row.met for row in rows) else 1


# The zoo's own first; the second is what the others are compared with.
WAYS: dict[str, dict[str, Pass]] = {
    "bias_relu": {
        "zoo": lambda x, bias: bias_relu(x, bias),
        "composed": lambda x, bias: F.relu(x + bias.view(-1, 1, 1)),
    },
    "sigmoid": {
        "zoo": lambda x, bias: sigmoid(x),
        "composed": lambda x, bias: 1 / (1 + torch.exp(-x)),
        "torch.sigmoid": lambda x, bias: torch.sigmoid(x),
    },
}


def compared(name: str, ways: dict[str, Pass], rounds: int, clock: Callable[[], float]) -> list[Row]:
    x, bias = torch.randn(SHAPE, requires_grad=True), torch.randn(SHAPE[1], requires_grad=True)
    weight = torch.randn(8, SHAPE[1], 1, 1)
    upstream = torch.randn(SHAPE)
    taken: dict[str, list[float]] = {way: [] for way in ways}
    results: dict[str, list[Tensor]] = {}
    for turn in range(rounds + 1):
        for way, compute in ways.items():
            began = clock()
            y = compute(x, bias)
            gradients = torch.autograd.grad(y, (x, bias), upstream, allow_unused=True)
            if turn:  # the first one warms
                taken[way].append(clock() - began)
            results[way] = [tensor.detach() for tensor in (y, *gradients) if tensor is not None]
    rows = []
    for way, compute in ways.items():
        alone = saved_bytes(lambda compute=compute: compute(x, bias)) / x.numel()
        before = saved_bytes(lambda compute=compute: F.conv2d(compute(x, bias), weight.requires_grad_())) / x.numel()
        figure = f"{1000 * statistics.median(taken[way]):.1f} ms, saves {alone:.0f} bytes a number"
        rows.append(Row(f"{name}, {way}", f"{figure}, {before:.0f} before a convolution"))
    zoo, composed = (saved_bytes(lambda way=way: ways[way](x, bias)) for way in ("zoo", "composed"))
    time_ratio = statistics.median(taken["composed"]) / statistics.median(taken["zoo"])
    apart = max((a - b).abs().max() / b.abs().max() for a, b in zip(results["zoo"], results["composed"], strict=True))
    return [
        *rows,
        Row(f"{name}, composed / zoo, time", f"{time_ratio:.1f}×"),
        Row(f"{name}, composed / zoo, saved", f"{composed / zoo:.1f}×", "> 1×", composed > zoo),
        Row(f"{name}, results differ by", f"{apart:.0e} of the largest", "≤ 1e-6", bool(apart <= 1e-6)),
    ]


def saved_bytes(compute: Callable[[], Tensor]) -> int:
    """What autograd keeps of a computation, each tensor counted once."""
    kept: dict[int, Tensor] = {}
    with saved_tensors_hooks(lambda tensor: kept.setdefault(tensor.data_ptr(), tensor), lambda tensor: tensor):
        result = compute()
    assert result.requires_grad
    return sum(tensor.nbytes for tensor in kept.values())


if __name__ == "__main__":
    sys.exit(main())
