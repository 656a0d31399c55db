"""Parameter groups: who is in which, with which rate and weight decay, and what a step then does."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from zoo import ZooError, registry
from zoo.construct import construct
from zoo.recipes import SGD, Adam, Curve, Group, Optimizer, Timm
from zoo.training.update.build import optimizer, set_rate
from zoo.training.update.groups import depths
from zoo.training.update.schedule import factor

NOTHING = nn.Module()  # a loss without parameters


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
        self.head = nn.Linear(2, 3)


def settings(recipe: Optimizer, model: nn.Module | None = None) -> dict[str, tuple[float, float]]:
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
        "head.bias": (10.0, 0.0),  # but not if the group leaves it open
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
    with pytest.raises(
        ZooError, match=r"all parameters that 'head\.bias' matches belong to an earlier group; put this group first\."
    ):
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


@pytest.mark.parametrize("recipe", [sgd(), sgd(fused=False), Adam(name="adamw", lr=0.1, fused=False)])
def test_one_kernel_takes_a_step_unless_the_recipe_says_otherwise(recipe: SGD | Adam):
    assert all(group["fused"] is recipe.fused for group in optimizer(Net(), NOTHING, recipe).param_groups)


def test_the_rate_of_every_group_in_every_step():
    groups = [Group(match="head.*", lr_scale=10.0), Group(match="*.bias", frozen_epochs=2)]
    model = Net()
    steps = optimizer(model, NOTHING, sgd(groups=groups, layer_decay=0.5))
    names = {parameter: name for name, parameter in model.named_parameters()}
    scales = {"body.0.weight": 0.5, "body.1.weight": 0.5, "head.weight": 10.0, "head.bias": 10.0}
    for step in range(12):
        epoch = step // 4
        rate = 0.1 * factor(Curve(name="one_cycle", warmup=0.25), step, 12, epoch, [])
        set_rate(steps, rate, epoch)
        found = {names[p]: group["lr"] for group in steps.param_groups for p in group["params"]}
        rest = 0.5 if epoch >= 2 else 0.0
        expected = {**scales, "body.0.bias": rest, "body.1.bias": rest}
        assert found == {name: pytest.approx(rate * scale) for name, scale in expected.items()}
        assert {name for name, p in model.named_parameters() if not p.requires_grad} == (
            set() if epoch >= 2 else {"body.0.bias", "body.1.bias"}
        )


def test_a_scale_of_zero_freezes():
    model = Net()
    assert set(settings(sgd(groups=[Group(match="body.*", lr_scale=0.0)]), model)) == {"head.weight", "head.bias"}
    assert {name for name, p in model.named_parameters() if not p.requires_grad} == {
        "body.0.weight",
        "body.0.bias",
        "body.1.weight",
        "body.1.bias",
    }


@pytest.mark.parametrize("frozen", [{"lr_scale": 0.0}, {"frozen_epochs": 1}], ids=str)
def test_groups_that_leave_nothing_to_train_are_refused(frozen: dict[str, Any]):
    with pytest.raises(ZooError, match=r"^optimizer\.groups: nothing is left to train in the first epoch; freeze "):
        optimizer(Net(), NOTHING, sgd(groups=[Group(match="*", **frozen)]))


@pytest.mark.parametrize("recipe", [SGD(name="sgd", lr=0.1), Timm(name="lamb", lr=0.1)], ids=lambda r: r.name)
def test_a_group_stands_still_until_its_epochs_are_over(recipe: Optimizer):
    torch.manual_seed(0)
    model = Net()
    frozen = recipe.model_copy(update={"groups": [Group(match="body.*", frozen_epochs=2)], "weight_decay": 0.1})
    steps = optimizer(model, NOTHING, frozen)
    for epoch in range(3):
        before = {name: p.detach().clone() for name, p in model.named_parameters()}
        set_rate(steps, 0.1, epoch)
        steps.zero_grad()
        model.head(model.body(torch.randn(4, 1, 5, 5)).mean((2, 3))).square().sum().backward()
        steps.step()
        moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
        moving = {"head.weight", "head.bias"} if epoch < 2 else set(before)
        assert moved | {"body.0.bias"} == moving | {"body.0.bias"}, "the norm behind this bias may leave it no gradient"


LAYERS = {
    "mlp": [["body.0.weight", "body.0.bias"], ["body.2.weight", "body.2.bias"], ["head.weight", "head.bias"]],
    "resnet18": [
        ["stem.0.weight", "stem.1.weight", "stem.1.bias"],  # the norm goes with its convolution
        *(f"stages.{stage}.{block}." for stage in range(4) for block in range(2)),
        ["head.weight", "head.bias"],
    ],
    "bilstm_attn": [["embedding.weight"], "encoder.", "pool.", ["head.weight", "head.bias"]],
}


@pytest.mark.parametrize("name", LAYERS)
def test_layer_decay_goes_down_from_the_output(name: str):
    with torch.device("meta"):
        model = construct(name, {})
    found = settings(sgd(layer_decay=0.75), model)
    seen: set[str] = set()
    for depth, layer in enumerate(reversed(LAYERS[name])):
        own = {key for key in found if (key.startswith(layer) if isinstance(layer, str) else key in layer)}
        assert own and {found[key][0] for key in own} == {0.75**depth}
        seen |= own
    assert seen == set(found)
    assert all(
        decay == (0.5 if dict(model.named_parameters())[key].ndim > 1 else 0.0) for key, (_, decay) in found.items()
    )


@pytest.mark.parametrize("name", registry.names())
def test_layer_decay_leaves_the_head_of_every_model_the_whole_rate(name: str):
    with torch.device("meta"):
        model = construct(name, {})
    scales = {key: scale for key, (scale, _) in settings(sgd(layer_decay=0.5), model).items()}
    last = {key for key, scale in scales.items() if scale == 1.0}
    assert last == {key for key in scales if key.split(".")[0] == list(scales)[-1].split(".")[0]} != set(scales)


def test_layer_decay_and_groups_multiply():
    found = settings(sgd(layer_decay=0.5, groups=[Group(match="*.bias", lr_scale=2.0, weight_decay=0.1)]))
    assert found == {
        "body.0.weight": (0.5, 0.5),
        "body.0.bias": (1.0, 0.1),
        "body.1.weight": (0.5, 0.0),
        "body.1.bias": (1.0, 0.1),
        "head.weight": (1.0, 0.5),
        "head.bias": (2.0, 0.1),
    }


def test_parameters_outside_every_layer_belong_to_the_first():
    model = nn.Module()
    model.token = nn.Parameter(torch.zeros(1, 1, 4))
    model.norm = nn.LayerNorm(4)
    model.blocks = nn.ModuleList([nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4)), nn.Linear(4, 4)])
    # In parallel, not one after another.
    model.head = nn.ModuleDict({"a": nn.Linear(4, 2), "b": nn.Linear(4, 3)})
    names = {parameter: name for name, parameter in model.named_parameters()}
    found = {
        names[parameter]: depth for parameter, depth in depths(model).items() if names[parameter].endswith("weight")
    }
    assert depths(model)[model.token] == 2 and found == {
        "norm.weight": 2,
        "blocks.0.0.weight": 2,
        "blocks.0.1.weight": 2,
        "blocks.1.weight": 1,
        "head.a.weight": 0,
        "head.b.weight": 0,
    }


def test_layer_decay_of_a_single_layer_is_refused():
    with pytest.raises(ZooError, match=r"^optimizer\.layer_decay: Linear has a single layer; leave it out\.$"):
        optimizer(nn.Linear(2, 2), NOTHING, sgd(layer_decay=0.5))


def test_timms_optimizer_takes_groups_and_arguments():
    recipe = Timm(
        name="lamb",
        lr=0.1,
        weight_decay=0.5,
        args={"betas": [0.8, 0.9], "eps": 1e-3},
        groups=[Group(match="head.*", lr_scale=3.0)],
    )
    assert settings(recipe) == {
        "body.0.weight": (1.0, 0.5),
        "body.0.bias": (1.0, 0.0),
        "body.1.weight": (1.0, 0.0),
        "body.1.bias": (1.0, 0.0),
        "head.weight": (3.0, 0.5),
        "head.bias": (3.0, 0.0),
    }
    built = optimizer(Net(), NOTHING, recipe)
    assert type(built).__name__ == "Lamb"
    assert all(list(g["betas"]) == [0.8, 0.9] and g["eps"] == 1e-3 and g["lr"] == 0.1 for g in built.param_groups)


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        (
            Timm(name="lamb", lr=0.1, args={"betas": 3}),
            r"^optimizer\.args: lamb cannot train with \{'betas': 3\} \(.*\); ",
        ),
        (Timm(name="adan", lr=0.1, args={"betas": [0.9]}), r"^optimizer\.args: adan cannot train with "),
        (Timm(name="adamp", lr=0.1, args={"eps": "small"}), r"^optimizer\.args: adamp cannot train with "),
        (Timm(name="kron", lr=0.1), r"^optimizer\.name: kron draws random numbers of its own, which a checkpoint "),
    ],
    ids=lambda value: value.name if isinstance(value, Timm) else "",
)
@pytest.mark.filterwarnings("ignore:It is highly recommended to have 'opt_einsum'")
def test_what_cannot_be_built_is_refused(recipe: Timm, said: str):
    with pytest.raises(ZooError, match=said):
        optimizer(Net(), NOTHING, recipe)
