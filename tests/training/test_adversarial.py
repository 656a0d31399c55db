"""Adversarial training: the step goes up the loss, has the length asked for, and is taken back bit for bit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import zoo
from zoo.recipes import Adversarial
from zoo.training.update.adversarial import perturbed, tables


def parts() -> tuple[nn.Module, nn.Embedding, nn.Linear]:
    torch.manual_seed(0)
    table, head = nn.Embedding(20, 4), nn.Linear(12, 3)
    return nn.Sequential(table, nn.Flatten(), head), table, head


def loss_of(model: nn.Module) -> torch.Tensor:
    tokens = torch.arange(12).view(4, 3)
    return nn.functional.cross_entropy(model(tokens), torch.tensor([0, 1, 2, 0]))


def test_the_step_raises_the_loss_and_is_taken_back():
    model, table, head = parts()
    moved = tables(model, Adversarial(match=["0.*"]))
    loss = loss_of(model)
    loss.backward()
    gradient = table.weight.grad
    assert gradient is not None
    before = [p.detach().clone() for p in model.parameters()]
    with perturbed(moved, 0.5):
        step = table.weight.detach() - before[0]
        torch.testing.assert_close(step, 0.5 * gradient / gradient.norm())
        assert loss_of(model) > loss
        assert torch.equal(head.weight, before[1])
    assert all(torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True))


def test_the_weights_come_back_after_an_error():
    model, table, _ = parts()
    loss_of(model).backward()
    before = table.weight.detach().clone()
    with pytest.raises(RuntimeError), perturbed(list(table.parameters()), 1.0):
        raise RuntimeError
    assert torch.equal(table.weight, before)


def test_frozen_weights_stay_where_they_are():
    model, table, _ = parts()
    table.requires_grad_(False)
    loss = loss_of(model)
    loss.backward()
    with perturbed(tables(model, Adversarial(match=["0.*"])), 0.5):
        assert loss_of(model) == loss


def test_a_glob_that_matches_nothing_is_reported():
    with pytest.raises(zoo.ZooError, match=r"'embeding\.\*'.*0\.weight"):
        tables(parts()[0], Adversarial(match=["0.*", "embeding.*"]))


def test_a_recipe_turns_it_on(tmp_path):
    moved = {"match": ["body.*"], "epsilon": 0.1}
    settings: dict[str, Any] = {"device": "cpu", "train.epochs": None, "train.steps": 3}
    plain = zoo.train("mlp.digits", out=tmp_path / "plain", **settings)
    run = zoo.train("mlp.digits", out=tmp_path / "moved", **{**settings, "train.adversarial": moved})
    weights = [(r.folder / "model.safetensors").read_bytes() for r in (plain, run)]
    assert weights[0] != weights[1] and run.recipe.train.adversarial == Adversarial(**moved)
