"""Golden losses: the first 20 of every recipe, shortened, must stay what they were.

A change that moves them must say why; then `python tests/training/test_golden.py [RECIPE…]` writes them again (all
recipes if none is named; ZOO_DATA must be set for those on published data).
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from torch import nn

from zoo.environment import environment
from zoo.recipes import Recipe, list_recipes, load_recipe
from zoo.training import loop
from zoo.training.setup import prepare
from zoo.training.update import losses
from zoo.training.update.losses import build as build_loss

GOLDEN = Path(__file__).parent / "golden"


def shortened(name: str) -> Recipe:
    """20 steps in single precision, on small batches with a rate as much smaller; all else as in the recipe."""
    whole = load_recipe(name)
    changes = {
        "train.epochs": None,
        "train.steps": 20,
        "train.precision": "fp32",
        "train.compile": False,
        "data.batch_size": 16,
        "optimizer.lr": whole.optimizer.lr * 16 / whole.data.batch_size,
    }
    return load_recipe(name, changes)


class Enough(Exception):
    """As many losses as were asked for."""


def first_losses(recipe: Recipe, count: int = 1000) -> list[float]:
    """The first `count` losses of the recipe, computed on one thread of the CPU."""
    found: list[float] = []

    def note(module: nn.Module, inputs: Any, loss: torch.Tensor) -> None:
        found.append(loss.item())
        if len(found) == count:
            raise Enough

    def build(*arguments: Any) -> nn.Module:
        criterion = build_loss(*arguments)
        criterion.register_forward_hook(note)
        return criterion

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with patch.object(losses, "build", build), tempfile.TemporaryDirectory() as folder, suppress(Enough):
            loop.fit(recipe, prepare(recipe, Path(folder)), Path(folder), torch.device("cpu"))
    finally:
        torch.set_num_threads(threads)
    return found


def platform() -> dict[str, str]:
    """What the last digits of a loss depend on."""
    return {key: value for key, value in environment().items() if key in ("platform", "cpu", "torch")}


def cases() -> Iterator[Any]:
    """Each recipe with how many losses are compared; what takes long is compared in full by the slow tests."""
    for name in list_recipes():
        recipe = load_recipe(name)
        data = [] if recipe.data.name == "digits" else [pytest.mark.data]
        # The tokenizer is trained on all of the texts.
        slow = [pytest.mark.slow] if recipe.data.name in ("imdb", "sst2") else []
        if recipe.model.startswith("resnet"):
            yield pytest.param(name, 4, marks=data, id=f"{name}, the first 4")
            slow = [pytest.mark.slow]
        yield pytest.param(name, None, marks=[*data, *slow], id=name)


@pytest.mark.parametrize(("name", "count"), list(cases()))
def test_the_first_losses_are_what_they_were(name: str, count: int | None):
    recipe, path = shortened(name), GOLDEN / f"{name}.json"
    again = f"run: python tests/training/test_golden.py {name}"
    assert path.is_file(), f"the recipe has no golden losses yet; {again}"
    golden = json.loads(path.read_text(encoding="utf-8"))
    here, there = platform(), golden["environment"]
    if here["platform"] != there["platform"]:
        pytest.skip(f"the losses were made on {there['platform']}, where random numbers are drawn in another way")
    if torch.empty(8).bernoulli_(0.5, generator=torch.Generator().manual_seed(0)).tolist() != [0, 0, 1, 0, 0, 0, 1, 1]:
        pytest.skip(f"torch {torch.__version__} draws what drops out in another way")
    # Another processor or torch rounds otherwise, and every step makes a little more of it.
    tolerance = 1e-5 if here == there else 1e-2
    losses = golden["losses"][:count]
    assert first_losses(recipe, count or 1000) == pytest.approx(losses, rel=tolerance), f"say why they moved; {again}"


def test_recipes_that_are_gone_have_no_golden_losses():
    assert {path.stem for path in GOLDEN.glob("*.json")} <= set(list_recipes())


if __name__ == "__main__":
    for name in sys.argv[1:] or list_recipes():
        content = {"environment": platform(), "losses": first_losses(shortened(name))}
        (GOLDEN / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
