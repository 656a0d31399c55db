"""The nearest neighbours of an image in a simple case: the embedding is the pixels."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from zoo import data, registry, viz


class Pixels(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x.flatten(1)


@pytest.fixture
def bundle(
    own_models: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, make_bundle: Callable[..., Path]
) -> Path:
    model = registry.Model("pixels", Pixels, "metric-learning", "default", "a test", "this test", (1, 8, 8))
    own_models(model)
    return make_bundle(
        tmp_path / "pixels.tiny_v1",
        Pixels().state_dict(),
        model="pixels",
        model_args={},
        task="metric-learning",
        labels=[],
        input={"kind": "image", "channels": 1, "size": [8, 8], "maximum": 16, "mean": [0.5], "std": [0.25]},
        data="digits",
    )


def images() -> Tensor:
    found = data.load("digits").test.inputs
    assert isinstance(found, Tensor)
    return found.flatten(1).float() / 16 / 0.25


def test_the_neighbours_are_the_nearest_others_and_have_their_own_labels(bundle: Path) -> None:
    figure = viz.neighbours(bundle)
    test, pixels = data.load("digits").test, images()
    panels = [figure.axes[start : start + 8] for start in range(0, 40, 8)]
    assert len(figure.axes) == 40 and "of 359 images of digits's test split" in figure.get_suptitle()
    for label, (query, *near) in enumerate(panels):
        assert query.get_title() == f"query, {label}"
        place = test.targets.tolist().index(label)
        distances = (pixels - pixels[place]).norm(dim=1)
        nearest = [other for other in distances.argsort().tolist() if other != place][:7]
        want = [f"{int(test.targets[other])}\ndistance {distances[other]:.2f}" for other in nearest]
        assert [axes.get_title() for axes in near] == want
        shown = torch.as_tensor(near[0].images[0].get_array()).float()
        torch.testing.assert_close(shown.flatten(), pixels[nearest[0]] * 0.25)


def test_an_image_of_ones_own_is_looked_up_among_all(bundle: Path) -> None:
    raw = torch.as_tensor(data.load("digits").test.inputs[5]).clone()
    raw[0, 0, 0] += 1
    figure = viz.neighbours(bundle, raw)
    query, first, *_ = figure.axes
    assert len(figure.axes) == 8 and query.get_title() == "query"
    assert first.get_title().endswith("\ndistance 0.25"), "the image that it was made from"
    shown = torch.as_tensor(query.images[0].get_array()).float()
    torch.testing.assert_close(shown, raw[0] / 16)


@pytest.mark.parametrize("floats", [False, True])
def test_an_image_of_the_split_is_not_its_own_neighbour(bundle: Path, floats: bool) -> None:
    raw = torch.as_tensor(data.load("digits").test.inputs[5])
    figure = viz.neighbours(bundle, raw / 16.01 if floats else raw)
    first = torch.as_tensor(figure.axes[1].images[0].get_array()).flatten() / 0.25
    distances = (images() - images()[5]).norm(dim=1)
    torch.testing.assert_close(first.float(), images()[distances.argsort()[1]])
    assert not any(axes.get_title().endswith(" 0.00") for axes in figure.axes)


def test_no_title_stands_on_another_or_beyond_the_edge(bundle: Path) -> None:
    figure = viz.neighbours(bundle)
    figure.canvas.draw()
    boxes = [axes.title.get_window_extent() for axes in figure.axes]
    width, height = figure.canvas.get_width_height()
    assert all(box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height for box in boxes)
    assert all(not one.overlaps(other) for one, other in combinations(boxes, 2))
