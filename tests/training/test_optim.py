"""Parameter groups: who is in which, with which rate and weight decay, and what a step then does."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from zoo import ZooError
from zoo.recipes import SGD, Adam, Group
from zoo.training.optim import optimizer, set_rate

NOTHING = nn.Module()  # a loss without parameters


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
        self.head = nn.Linear(2, 3)


def settings(recipe: SGD | Adam, model: nn.Module | None = None) -> dict[str, tuple[float, float]]:
    """Parameter -> (lr_scale, weight_decay); every trainable parameter must be in one group."""
    model = model or Net()
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    found: dict[str, tuple[float, float]] = {}
    for group in optimizer(model, NOTHING, recipe).param_groups:
        for parameter in group["params"]:
            assert names[id(parameter)] not in found
            found[names[id(parameter)]] = (group["lr_scale"], group["weight_decay"])
    assert set(found) == {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    return found


def sgd(**more: Any) -> SGD:
    return SGD(name="sgd", lr=0.1, weight_decay=0.5, **more)


def test_vectors_take_no_weight_decay():
    found = settings(sgd())
    assert {name for name, (_, decay) in found.items() if decay} == {"body.0.weight", "head.weight"}
    assert {scale for scale, _ in found.values()} == {1.0}
    assert {decay for _, decay in settings(sgd(decay_vectors=True)).values()} == {0.5}


def test_the_first_group_that_matches_counts():
    groups = [Group(match="head.*", lr_scale=10.0), Group(match="*.bias", weight_decay=0.25, lr_scale=2.0)]
    found = settings(sgd(groups=groups))
    assert found == {
        "body.0.weight": (1.0, 0.5),
        "body.0.bias": (2.0, 0.25),
        "body.1.weight": (1.0, 0.0),
        "body.1.bias": (2.0, 0.25),  # a vector decays where its group says so
        "head.weight": (10.0, 0.5),
        "head.bias": (10.0, 0.0),  # and not where the group leaves it open
    }


def test_what_is_frozen_stays_out():
    model = Net()
    model.body.requires_grad_(False)
    assert set(settings(sgd(), model)) == {"head.weight", "head.bias"}


def test_a_group_that_matches_nothing_is_refused():
    with pytest.raises(ZooError) as raised:
        optimizer(Net(), NOTHING, sgd(groups=[Group(match="neck.*")]))
    assert str(raised.value) == (
        "optimizer.groups: no parameter matches 'neck.*'; parameters are called body.0.weight, body.0.bias, "
        "body.1.weight, body.1.bias, head.weight, head.bias, …"
    )


def test_a_group_whose_parameters_all_belong_to_earlier_ones_is_refused():
    with pytest.raises(ZooError, match=r"'head\.bias'"):
        optimizer(Net(), NOTHING, sgd(groups=[Group(match="head.*"), Group(match="head.bias")]))


@pytest.mark.parametrize(
    ("recipe", "reference"),
    [
        (SGD(name="sgd", lr=0.1, momentum=0.8), lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.8, nesterov=True)),
        (SGD(name="sgd", lr=0.1, momentum=0.0), lambda p: torch.optim.SGD(p, lr=0.1)),
        (Adam(name="adam", lr=0.1, betas=[0.8, 0.9]), lambda p: torch.optim.Adam(p, lr=0.1, betas=(0.8, 0.9))),
        (Adam(name="adamw", lr=0.1, eps=1e-3), lambda p: torch.optim.AdamW(p, lr=0.1, eps=1e-3, weight_decay=0)),
    ],
)
def test_steps_are_those_of_torch(recipe: SGD | Adam, reference: Any):
    torch.manual_seed(0)
    mine, other = nn.Linear(3, 2), nn.Linear(3, 2)
    other.load_state_dict(mine.state_dict())
    ours, theirs = optimizer(mine, NOTHING, recipe), reference(other.parameters())
    for _ in range(4):
        x = torch.randn(5, 3)
        for model, steps in ((mine, ours), (other, theirs)):
            steps.zero_grad()
            model(x).square().sum().backward()
            steps.step()
    for a, b in zip(mine.parameters(), other.parameters(), strict=True):
        assert torch.allclose(a, b, rtol=1e-5, atol=1e-7)


def test_set_rate_keeps_each_groups_scale():
    steps = optimizer(
        Net(), NOTHING, sgd(groups=[Group(match="head.*", lr_scale=0.1), Group(match="body.*", lr_scale=0.0)])
    )
    before = {scale: group["lr"] for group in steps.param_groups for scale in [group["lr_scale"]]}
    set_rate(steps, 3.0)
    after = {group["lr_scale"]: group["lr"] for group in steps.param_groups}
    assert before == {0.1: 0.1, 0.0: 0.1} and after == {0.1: pytest.approx(0.3), 0.0: 0.0}
