"""Adversarial training: the step goes up the loss, has the length asked for, and is taken back bit for bit."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import zoo
from zoo.recipes import Adversarial
from zoo.training.adversarial import perturbed, tables


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Embedding(20, 4), nn.Flatten(), nn.Linear(12, 3))


def loss_of(model: nn.Module) -> torch.Tensor:
    tokens = torch.arange(12).view(4, 3)
    return nn.functional.cross_entropy(model(tokens), torch.tensor([0, 1, 2, 0]))


def test_the_step_raises_the_loss_and_is_taken_back():
    model = network()
    table = tables(model, Adversarial(match=["0.*"]))
    loss = loss_of(model)
    loss.backward()
    before = [p.detach().clone() for p in model.parameters()]
    with perturbed(table, 0.5):
        step = model[0].weight.detach() - before[0]
        assert step.norm().item() == pytest.approx(0.5, rel=1e-5)
        torch.testing.assert_close(step, 0.5 * model[0].weight.grad / model[0].weight.grad.norm())
        assert loss_of(model) > loss
        assert torch.equal(model[2].weight, before[1])
    assert all(torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True))


def test_the_weights_come_back_after_an_error():
    model = network()
    loss_of(model).backward()
    before = model[0].weight.detach().clone()
    with pytest.raises(RuntimeError), perturbed([model[0].weight], 1.0):
        raise RuntimeError
    assert torch.equal(model[0].weight, before)


def test_a_glob_that_matches_nothing_is_told():
    with pytest.raises(zoo.ZooError, match=r"'embeding\.\*'.*0\.weight"):
        tables(network(), Adversarial(match=["0.*", "embeding.*"]))


def test_a_recipe_turns_it_on(tmp_path):
    settings = {"train.epochs": None, "train.steps": 3}
    plain = zoo.train("mlp.digits", out=tmp_path / "plain", device="cpu", **settings)
    moved = {"match": ["body.*"], "epsilon": 0.1}
    run = zoo.train("mlp.digits", out=tmp_path / "moved", device="cpu", **settings, **{"train.adversarial": moved})
    weights = [(r.folder / "model.safetensors").read_bytes() for r in (plain, run)]
    assert weights[0] != weights[1] and run.recipe.train.adversarial == Adversarial(**moved)
