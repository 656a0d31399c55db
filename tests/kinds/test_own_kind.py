"""A kind of data, a task, a data set and a model from outside the package: each costs one function."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import zoo
from zoo import ZooError, kinds, plugins
from zoo.data import Split
from zoo.kinds import holds
from zoo.kinds.feed import Batches, shuffled_batches
from zoo.limits import Count
from zoo.recipes import load_recipe, parse
from zoo.tasks import Task
from zoo.tasks.classification import ACCURACY, LABELLED

ARROWS = "_<>^v"
RECIPE: dict[str, Any] = {
    "model": "arrow_net",
    "init": "default",
    "data": {"name": "walks", "batch_size": 16, "arrows": {"length": 6}},
    "optimizer": {"name": "adamw", "lr": 0.1},
    "train": {"epochs": 4},
}


@dataclass(frozen=True)
class Arrows:
    """Walks as rows of arrows, the first `length` of each."""

    length: Count = 4


def arrows() -> kinds.Kind:
    """Raw input: a text of arrows. Inputs: their numbers (N, length) int64, 0 after the end."""

    def encode(walks: Any, length: int) -> Tensor:
        return torch.tensor([[ARROWS.index(step) for step in walk[:length].ljust(length, "_")] for walk in walks])

    def training(recipe: Any, split: Split, input: kinds.Input, device: torch.device) -> Any:
        steps, targets = encode(split.inputs, input.settings["length"]).to(device), split.targets.to(device)
        return shuffled_batches(recipe, len(split), device, lambda at, *more: ((steps[at],), targets[at]))

    def evaluation(split: Split, input: kinds.Input, size: int, device: torch.device) -> Batches:
        steps = encode(split.inputs, input.settings["length"])

        def begin() -> Iterator[tuple[tuple[Tensor], Tensor]]:
            for some, truth in zip(steps.split(size), split.targets.split(size), strict=True):
                yield (some.to(device),), truth.to(device)

        return Batches(size, begin)

    def prepare(raw: list[Any], input: kinds.Input) -> tuple[Tensor]:
        if not all(isinstance(walk, str) and set(walk) <= set(ARROWS) for walk in raw):
            raise ZooError("a walk is a text of arrows; give one such as '<<^'.")
        return (encode(raw, input.settings["length"]),)

    return kinds.Kind(
        section=Arrows,
        describe=lambda recipe, *more: kinds.Described({"kind": "arrows", "length": recipe.data.arrows.length}, {}),
        training=training,
        evaluation=evaluation,
        holds=(holds.count("length"),),
        blank=lambda settings: (torch.zeros(2, settings["length"], dtype=torch.int64),),
        samples=lambda settings: "rows of arrows",
        prepare=prepare,
    )


def arrow_classification() -> Task:
    return Task(name="arrow-classification", kind="arrows", metrics={"accuracy": ACCURACY}, **LABELLED)


class ArrowNet(nn.Module):
    def __init__(self, num_classes: int = 2) -> None:
        super().__init__()
        self.steps, self.head = nn.Embedding(len(ARROWS), 4), nn.Linear(4, num_classes)

    def forward(self, steps: Tensor) -> Tensor:
        return self.head(self.steps(steps).sum(1))


def walks() -> tuple[Split, Split]:
    """Whether a walk goes left more often than right."""
    draws = torch.randint(1, 5, (96, 5), generator=torch.Generator().manual_seed(0))
    texts = ["".join(ARROWS[step] for step in row) for row in draws.tolist()]
    targets = torch.tensor([int(text.count("<") > text.count(">")) for text in texts])
    return Split(texts[:64], targets[:64]), Split(texts[64:], targets[64:])


@pytest.fixture(autouse=True)
def outside() -> Iterator[None]:
    with plugins.temporary():
        zoo.register_kind()(arrows)
        zoo.register_task()(arrow_classification)
        zoo.register_data(kind="arrows", labels=["right", "left"])(walks)
        zoo.register_model(
            task="arrow-classification", init="default", description="Sums arrows", source="a test", name="arrow_net"
        )(ArrowNet)
        yield


def test_it_is_trained_measured_asked_and_verified(tmp_path: Path) -> None:
    run = zoo.train(RECIPE, out=tmp_path / "run", device="cpu", progress=False)
    assert run.metrics["accuracy"] > 0.9 and zoo.evaluate(run) == run.metrics
    resolved = load_recipe(run.folder)
    assert resolved.content()["data"]["arrows"] == {"length": 6}
    assert not {"text", "series", "augment", "size"} & resolved.content()["data"].keys(), "nothing of another kind"
    assert parse(resolved.content()).to_yaml() == resolved.to_yaml()
    ask = zoo.predictor(run.folder)
    assert [answer.label for answer in ask(["<<^", "v>>"])] == ["left", "right"]
    with pytest.raises(ZooError, match="a walk is a text of arrows"):
        ask("left, left, up")
    report = zoo.verify(run.folder)
    assert report.ok, report.message


@pytest.mark.slow
def test_it_is_published(tmp_path: Path) -> None:
    run = zoo.train(RECIPE, out=tmp_path / "run", device="cpu", progress=False)
    zoo.publish(run, tmp_path / "shelf")
    (published,) = (tmp_path / "shelf").glob("arrow_net.*_v1")
    assert zoo.predictor(published)("<<").label == "left"
    assert "for arrow-classification" in (published / "README.md").read_text()


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"length": 0}, r"data\.arrows\.length should be greater than or equal to 1, not 0"),
        ({"lenght": 3}, r"unknown key data\.arrows\.lenght; did you mean 'length'"),
        (3, r"data\.arrows should be a mapping"),
    ],
)
def test_its_settings_are_checked_like_all_others(section: Any, message: str) -> None:
    with pytest.raises(ZooError, match=message):
        parse({**RECIPE, "data": {**RECIPE["data"], "arrows": section}})


def test_its_settings_belong_to_no_other_kind() -> None:
    with pytest.raises(ZooError, match=r"data\.arrows is for arrows data, but mlp reads image data; remove it"):
        parse({**RECIPE, "model": "mlp", "data": {"name": "digits", "arrows": {"length": 3}}})
    assert parse({**RECIPE, "data": {"name": "walks"}}).data.arrows.length == 4, "the default"
