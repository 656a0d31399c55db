"""MNIST with three targets for each image: the digit, whether it is odd, and how thick its strokes are."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.data import idx
from zoo.data.entry import Entry
from zoo.data.split import Split

TASKS: dict[str, dict[str, Any]] = {
    "digit": {"kind": "classification", "outputs": 10},
    "odd": {"kind": "binary", "outputs": 1},
    "thickness": {"kind": "regression", "outputs": 1},
}
CHUNK = 5_000  # images at a time: all at once would need gigabytes


def thickness(images: Tensor) -> Tensor:
    """The mean width of the strokes in pixels, to a thousandth: grey images uint8 (N, 1, H, W) -> float32 (N,).

    A stroke of width w and length L covers the area A = w L and has an outline of P = 2 L, its two ends neglected, so
    w = 2 A / P. Grey pixels are partly covered: A is the sum of all values. P is their total variation, the sum of
    |gradient|, which is the mean length of the outlines at all grey levels (the coarea formula: Federer 1969, Geometric
    Measure Theory, 3.2.11). The gradient is taken at the corners where four pixels meet, so that it has no preferred
    direction. Both sums are of integers or roots of integers: no rounding of theirs reaches the last digit given.
    Strokes below two pixels blur into their surroundings; they are measured up to 0.4 wider than drawn.

    An image of a single grey has no strokes, and its width is NaN.
    """
    widths = []
    for grey in images.split(CHUNK):
        pixels = F.pad(grey.int(), (1, 1, 1, 1))
        top, bottom = pixels[..., :-1, :], pixels[..., 1:, :]
        across, down = (top + bottom).diff(dim=-1), (bottom - top)[..., :-1] + (bottom - top)[..., 1:]
        outline = (across.square() + down.square()).double().sqrt().sum((1, 2, 3)) / 2
        widths.append(2 * grey.sum((1, 2, 3)) / outline)
    return torch.cat(widths).mul(1000).round().div(1000).float()


def split(digits: Split) -> Split:
    """Images with their digits -> the same images; targets float32 (N, 3), one column a task of `TASKS`."""
    assert isinstance(digits.inputs, Tensor)
    digit = digits.targets.float()
    return Split(digits.inputs, torch.stack([digit, digit % 2, thickness(digits.inputs)], 1))


MNIST_TASKS = Entry(
    name="mnist_tasks",
    kind="image",
    labels=[],
    maximum=255.0,
    raw=idx.MNIST.raw,
    read=lambda folder: tuple(map(split, idx.MNIST.read(folder))),
    fingerprint="1303174f6f8f322e1661e04c6c757842e3970d44f1dc7bf73dec2099017fd644",
    note="The thickness of the strokes is in pixels.",
    tasks=TASKS,
)
