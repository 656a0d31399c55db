"""The thickness of strokes against strokes of known width, and the targets against a reader in plain Python."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from zoo.data import files, load
from zoo.data.mnist_tasks import MNIST_TASKS, TASKS, split, thickness
from zoo.data.split import Split

FINE = 8  # points a pixel each way; a drawn pixel is their mean


def stroke(width: float, angle: float, length: float = 16, side: int = 28) -> Tensor:
    """A straight stroke with round ends, drawn off the centre: uint8 (1, 1, side, side)."""
    place = (np.arange(side * FINE) + 0.5) / FINE - side / 2
    x, y = place[None, :] - 0.3, place[:, None] + 0.2
    along, beside = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    inside = np.hypot(np.maximum(np.abs(along) - length / 2, 0), beside) < width / 2
    grey = inside.reshape(side, FINE, side, FINE).mean((1, 3)) * 255
    return torch.from_numpy(grey.round().astype(np.uint8))[None, None]


@pytest.mark.parametrize("width", [2.0, 3.0, 4.0, 5.0])
def test_a_stroke_is_as_thick_as_it_was_drawn_whatever_its_direction(width: float):
    measured = torch.stack([thickness(stroke(width, angle)) for angle in np.linspace(0, math.pi, 13)])
    neglected = 1 - math.pi * width / 4 / (16 + math.pi * width / 2)  # what the two ends add to the outline
    assert measured / (width * neglected) == pytest.approx(np.ones((13, 1)), abs=0.08)


def test_turned_mirrored_shifted_or_fainter_it_stays_as_thick():
    image = stroke(2.5, 0.4)
    for same in (image.flip(-1), image.flip(-2), image.mT, image.rot90(dims=(2, 3)), image.roll((3, -2), (2, 3))):
        assert torch.equal(thickness(same), thickness(image))
    assert thickness(image // 2).item() == pytest.approx(thickness(image).item(), abs=0.02)


def test_images_are_measured_one_by_one(monkeypatch: pytest.MonkeyPatch):
    images = torch.cat([stroke(width, 1.0) for width in (1, 2, 3, 4, 5)])
    together = thickness(images)
    assert (together.diff() > 0).all()
    monkeypatch.setattr("zoo.data.mnist_tasks.CHUNK", 2)
    assert torch.equal(thickness(images), together)


def test_targets_are_digit_parity_and_thickness():
    images = torch.cat([stroke(2, 0.0), stroke(3, 1.0), stroke(4, 2.0)])
    found = split(Split(images, torch.tensor([7, 0, 4])))
    assert found.inputs is images and found.targets.dtype == torch.float32
    assert found.targets[:, :2].tolist() == [[7, 1], [0, 0], [4, 0]]
    assert torch.equal(found.targets[:, 2], thickness(images))
    assert list(TASKS) == ["digit", "odd", "thickness"]


def plain_thickness(image: list[list[int]]) -> float:
    """Twice the area over the outline, written out pixel by pixel."""
    rows = [[0] * 30, *([0, *row, 0] for row in image), [0] * 30]
    outline = 0.0
    for i in range(29):
        for j in range(29):
            a, b, c, d = rows[i][j], rows[i][j + 1], rows[i + 1][j], rows[i + 1][j + 1]
            outline += math.hypot((b + d - a - c) / 2, (c + d - a - b) / 2)
    return 2 * sum(map(sum, image)) / outline


@pytest.mark.data
def test_the_published_files_read_in_plain_python_give_the_same_targets():
    assert MNIST_TASKS.raw is not None
    folder = files.in_zoo_data(MNIST_TASKS.raw)
    assert folder

    def content(name: str) -> bytes:
        path = Path(folder) / name
        return path.read_bytes() if path.is_file() else gzip.decompress(path.with_name(f"{name}.gz").read_bytes())

    images, labels = content("t10k-images-idx3-ubyte")[16:], content("t10k-labels-idx1-ubyte")[8:]
    test = load("mnist_tasks").test
    assert isinstance(test.inputs, Tensor) and len(test) == len(labels)
    for row in range(0, 10_000, 100):
        pixels = images[784 * row : 784 * (row + 1)]
        image = [list(pixels[28 * i : 28 * (i + 1)]) for i in range(28)]
        assert test.inputs[row, 0].tolist() == image
        digit, odd, width = test.targets[row].tolist()
        assert (digit, odd) == (labels[row], labels[row] % 2)
        assert width == pytest.approx(plain_thickness(image), abs=6e-4)


@pytest.mark.data
def test_it_agrees_with_the_distance_transform_on_the_strokes_ridges():
    """Another measure of the same: twice the mean distance to the background along the middle of the strokes."""
    from scipy import ndimage

    test = load("mnist_tasks").test
    assert isinstance(test.inputs, Tensor)
    fine = torch.nn.functional.interpolate(test.inputs[:300].float(), scale_factor=4, mode="bicubic")[:, 0]
    other = []
    for image in fine.numpy():
        distance = np.asarray(ndimage.distance_transform_edt(image > 127))
        ridge = (distance == ndimage.maximum_filter(distance, 3)) & (distance > 1)
        other.append(2 * distance[ridge].mean() / 4)
    ours = test.targets[:300, 2].numpy()
    assert np.corrcoef(ours, other)[0, 1] > 0.9
    assert ours.mean() == pytest.approx(np.mean(other), rel=0.05)
