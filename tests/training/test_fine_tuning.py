"""What fine-tuning keeps: frozen layers with their statistics, tokens without decay, weights of a wrapped model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import zoo
from zoo.recipes import Adam, Group
from zoo.training.update.groups import parameter_groups, rest

RECIPE: dict[str, Any] = {
    "model": "mlp_bn",
    "model_args": {"widths": [16, 8], "in_features": 64},
    "init": "kaiming_normal",
    "data": {"name": "digits", "batch_size": 64},
    "optimizer": {"name": "adamw", "lr": 0.01},
    "train": {"epochs": 2},
}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return zoo.train(RECIPE, out=tmp_path_factory.mktemp("first") / "run", device="cpu").folder


def tuned(first: str, out: Path, group: dict[str, Any], epochs: int = 1) -> dict[str, Tensor]:
    optimizer = {**RECIPE["optimizer"], "groups": [{"match": "body.*", **group}]}
    recipe = {**RECIPE, "init_from": first, "optimizer": optimizer, "train": {"epochs": epochs}}
    return load_file(zoo.train(recipe, out=out, device="cpu").folder / "model.safetensors")


@pytest.mark.parametrize(
    "group", [{"lr_scale": 0.0}, {"frozen_epochs": 1, "lr_scale": 0.1}], ids=["always", "at first"]
)
def test_what_is_frozen_keeps_its_statistics_too(group: dict[str, Any], first: Path, tmp_path: Path):
    if "frozen_epochs" in group:
        optimizer = {**RECIPE["optimizer"], "groups": [{"match": "body.*", **group}]}
        recipe = {**RECIPE, "init_from": str(first), "optimizer": optimizer, "train": {"epochs": 2, "average": None}}
        run = zoo.train(recipe, out=tmp_path / "run", device="cpu")
        kept = next(iter(sorted((run.folder / "checkpoints").glob("*.safetensors"))))
        found = {k.removeprefix("model/"): v for k, v in load_file(kept).items() if k.startswith("model/")}
        after = load_file(run.folder / "model.safetensors")
        assert not torch.equal(after["body.1.running_mean"], found["body.1.running_mean"]), "it goes on when it is free"
    else:
        found = tuned(str(first), tmp_path / "run", group)
    before = load_file(first / "model.safetensors")
    for name, tensor in before.items():
        assert torch.equal(tensor, found[name]) != name.startswith("head."), name


def test_norms_outside_the_frozen_part_go_on():
    model = nn.ModuleDict({"body": nn.BatchNorm1d(2, affine=False), "neck": nn.BatchNorm1d(2), "drop": nn.Dropout()})
    recipe = Adam(name="adamw", lr=0.1, groups=[Group(match="body.*", frozen_epochs=2)])
    for epoch, training in ((0, False), (1, False), (2, True)):
        model.train()
        rest(model, recipe, epoch)
        assert (model["body"].training, model["neck"].training, model["drop"].training) == (training, True, True)


def test_tokens_and_tables_that_a_model_names_take_no_decay():
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cls_token = nn.Parameter(torch.zeros(1, 1, 4))
            self.table = nn.Parameter(torch.zeros(9, 4))
            self.head = nn.Linear(4, 2)

        def no_weight_decay(self) -> set[str]:
            return {"cls_token", "*table"}

    recipe = Adam(name="adamw", lr=0.1, weight_decay=0.5)
    for model, prefix in ((Tokens(), ""), (nn.ModuleDict({"inner": Tokens()}), "inner.")):
        decays = {id(p): g["weight_decay"] for g in parameter_groups(model, nn.Module(), recipe) for p in g["params"]}
        found = {name: decays[id(p)] for name, p in model.named_parameters()}
        assert found == {
            f"{prefix}cls_token": 0.0,
            f"{prefix}table": 0.0,
            f"{prefix}head.weight": 0.5,
            f"{prefix}head.bias": 0.0,
        }
    groups = [Group(match="cls_token", weight_decay=0.1)]
    found = parameter_groups(Tokens(), nn.Module(), recipe.model_copy(update={"groups": groups}))
    assert 0.1 in {group["weight_decay"] for group in found}, "a recipe's own say comes first"


def test_of_timms_models_too():
    model = zoo.create("timm/vit_tiny_patch16_224", img_size=32, depth=1)
    recipe = Adam(name="adamw", lr=0.1, weight_decay=0.5)
    decays = {id(p): g["weight_decay"] for g in parameter_groups(model, nn.Module(), recipe) for p in g["params"]}
    named = {name: decays[id(p)] for name, p in model.named_parameters()}
    assert named["cls_token"] == named["pos_embed"] == 0.0 and named["blocks.0.attn.qkv.weight"] == 0.5


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module.", "module._orig_mod.", "_orig_mod.module."])
def test_weights_of_a_wrapped_model_are_taken(prefix: str, first: Path, tmp_path: Path):
    tensors = load_file(first / "model.safetensors")
    save_file({f"{prefix}{name}": tensor for name, tensor in tensors.items()}, tmp_path / "wrapped.safetensors")
    found = tuned(str(tmp_path / "wrapped.safetensors"), tmp_path / "run", {"lr_scale": 0.0})
    assert all(torch.equal(tensor, found[name]) for name, tensor in tensors.items() if name.startswith("body."))


def test_and_of_a_partly_compiled_model(first: Path, tmp_path: Path):
    tensors = load_file(first / "model.safetensors")
    save_file({n.replace("body.", "body._orig_mod."): t for n, t in tensors.items()}, tmp_path / "part.safetensors")
    found = tuned(str(tmp_path / "part.safetensors"), tmp_path / "run", {"lr_scale": 0.0})
    assert torch.equal(tensors["body.0.weight"], found["body.0.weight"])
