"""Checks that a file answers as its weight does, on a grid of batch sizes and lengths that mostly were not traced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from zoo import tasks

if TYPE_CHECKING:
    import numpy as np

    from zoo._export.graph import Graph

TRACED = (3, 5)
"""Batch size and length of the example that exporters trace; no case of the grid has either."""

BATCHES, LENGTHS = (1, 2, 7), (1, 2, 9, 40)
TOLERANCE = 1e-4
"""How far an output may be from the weight's, as a share of the largest output of its case."""

Run = Callable[[dict[str, "np.ndarray[Any, Any]"]], list["np.ndarray[Any, Any]"]]


@dataclass
class Agreement:
    """The result on the grid: the `largest` difference as a share of the scale, and the share of equal `labels` (1 if
    none).

    `grid` lists the (N, T) that were compared, T of 0 for inputs without a length. `failed` is the first fault.
    """

    grid: list[tuple[int, int]] = field(default_factory=list)
    largest: float = 0.0
    labels: float = 1.0
    tolerance: float = TOLERANCE
    failed: str = ""

    @property
    def ok(self) -> bool:
        return not self.failed


def example(config: dict[str, Any], rows: dict[str, int], n: int, t: int, seed: int = 0) -> tuple[Tensor, ...]:
    """Random inputs of a weight's graph: n samples of t steps, if steps are free. `rows` are sizes of its tables."""
    random, input = torch.Generator().manual_seed(seed), config["input"]

    def whole(high: int, *shape: int) -> Tensor:
        return torch.randint(high, shape, generator=random)

    if input["kind"] == "image":
        return (whole(int(input["maximum"]) + 1, n, input["channels"], *input["size"]).to(torch.uint8),)
    if input["kind"] == "characters":
        return (whole(len(input["symbols"]), n, t),)
    if input["kind"] == "series":
        mean, std = torch.tensor(input["mean"]), torch.tensor(input["std"])
        return (torch.randn(n, input["context"], len(mean), generator=random) * std + mean,)
    if input["kind"] == "table":
        about = list(input["numbers"].values())
        mean, std, log = (torch.tensor([float(one[key]) for one in about]) for key in ("mean", "std", "log"))
        numbers = torch.randn(n, len(about), generator=random) * std + mean
        numbers = torch.where(log > 0, numbers.expm1(), numbers)
        blank = torch.rand(n, len(about), generator=random) < 0.1
        codes = [whole(1 + len(known), n) for known in input["categories"].values()]
        return numbers.masked_fill(blank, torch.nan), torch.stack(codes, 1) if codes else whole(1, n, 0)
    lengths = whole(t, n) + 1
    within = torch.arange(t) < lengths[:, None]
    tokens = whole(rows["vocab_size"], n, t) * within
    if input["kind"] == "text":
        return tokens, lengths
    return tokens, whole(rows["characters"], n, t, 1 + t % 7) * within[..., None], lengths


def prove(graph: Graph, run: Run, config: dict[str, Any], free_length: bool) -> Agreement:
    """Compare a file, as `run`, with the graph that it was made from, over the whole grid."""
    found, same, total = Agreement(), 0, 0
    for n, t, inputs in grid(config, free_length):
        found.grid.append((n, t))
        case = f"N = {n}" + (f", T = {t}" if free_length else "")
        with torch.inference_mode():
            expected = graph(*inputs)
        try:
            given = run({name: x.numpy() for name, x in zip(graph.input_names, inputs, strict=True)})
        except Exception as error:  # onnxruntime has many kinds of errors for a graph that does not fit its inputs
            found.failed = found.failed or f"it fails at {case} ({' '.join(str(error).split())[:200]})"
            continue
        for name, ours, theirs in zip(graph.output_names, expected, map(torch.from_numpy, given), strict=True):
            if ours.shape != theirs.shape:
                found.failed = found.failed or f"{name} has the shape {list(theirs.shape)} at {case}"
                continue
            # Written so that NaN fails as well.
            scale = float(ours.abs().max()) or 1.0
            difference = float((ours - theirs).abs().max()) / scale
            found.largest = max(found.largest, difference)
            if not difference <= TOLERANCE:
                found.failed = found.failed or f"{name} differs by {difference:.1e} of its scale at {case}"
            if name == "logits" and not tasks.get(config["task"]).several:
                total += ours[..., 0].numel()
                same += int((_best(ours, scale, theirs)).sum())
    found.labels = same / total if total else 1.0
    if found.labels < 1:
        found.failed = found.failed or f"{1 - found.labels:.1%} of the labels differ"
    return found


def grid(config: dict[str, Any], free_length: bool) -> Iterator[tuple[int, int, tuple[Tensor, ...]]]:
    """(N, T, inputs) of every case."""
    rows = {key: config["model_args"].get(key, 2) for key in ("vocab_size", "characters")}
    for n in BATCHES:
        for t in LENGTHS if free_length else (0,):
            yield n, t, example(config, rows, n, t, seed=1000 * n + t)


def _best(ours: Tensor, scale: float, theirs: Tensor) -> Tensor:
    """Where the labels are equal; labels whose scores are equal to the tolerance count as equal."""
    chosen = ours.gather(-1, theirs.argmax(-1, keepdim=True)).squeeze(-1)
    return chosen >= ours.max(-1).values - TOLERANCE * scale
