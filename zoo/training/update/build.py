"""The optimizer of a recipe, and its learning rates."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from zoo.errors import ZooError
from zoo.parts import OPTIMIZERS, settings
from zoo.recipes import SGD, Optimizer, Timm
from zoo.recipes.optimizers import timm_optimizers
from zoo.training.checkpoint import optimizer_tensors
from zoo.training.update.groups import parameter_groups


def optimizer(model: nn.Module, criterion: nn.Module, recipe: Optimizer) -> torch.optim.Optimizer:
    """torch's optimizer, or timm's, over the groups of `zoo.training.update.groups`, which are the recipe's.

    Raises `ZooError` for groups that do not fit the model, and if timm's optimizer refuses its arguments or has a
    state that a checkpoint does not hold.
    """
    groups = parameter_groups(model, criterion, recipe)
    if (part := OPTIMIZERS.outside(recipe.name)) is not None:
        own = settings(part, recipe)
        return _tried(groups, recipe.name, own, "optimizer", partial(part.make, lr=recipe.lr, **own))
    if isinstance(recipe, Timm):
        create = partial(timm_optimizers().create_optimizer_v2, opt=recipe.name, lr=recipe.lr, **recipe.args)
        return _tried(groups, recipe.name, recipe.args, "optimizer.args", create)
    if isinstance(recipe, SGD):
        return torch.optim.SGD(
            groups,
            lr=recipe.lr,
            momentum=recipe.momentum,
            nesterov=recipe.nesterov and recipe.momentum > 0,
            fused=recipe.fused,
        )
    betas = (recipe.betas[0], recipe.betas[1])
    kind = torch.optim.Adam if recipe.name == "adam" else torch.optim.AdamW
    return kind(groups, lr=recipe.lr, betas=betas, eps=recipe.eps, fused=recipe.fused)


def set_rate(optimizer: torch.optim.Optimizer, rate: float, epoch: int) -> None:
    """Set every group's learning rate to `rate` times its scale, or to 0 in its `frozen_epochs`.

    Until these are over the group's parameters need no gradient, so none is computed; `epoch` counts from 0.
    """
    for group in optimizer.param_groups:
        frozen = epoch < group["frozen_epochs"]
        group["lr"] = 0.0 if frozen else rate * group["lr_scale"]
        if group["frozen_epochs"]:
            for parameter in group["params"]:
                parameter.requires_grad_(not frozen)


def _tried(
    groups: list[dict[str, Any]],
    name: str,
    arguments: dict[str, Any],
    key: str,
    create: Callable[[Any], torch.optim.Optimizer],
) -> torch.optim.Optimizer:
    """An optimizer of timm's or a plug-in's, after a trial step of another one: many check their arguments only
    then."""
    device = groups[0]["params"][0].device
    trial = [nn.Parameter(torch.ones(shape, device=device)) for shape in ((2, 2), (2,))]
    for parameter in trial:
        parameter.grad = torch.ones_like(parameter)
    try:
        tried = create(trial)
        if tried.state_dict().keys() != {"state", "param_groups"}:
            raise ZooError(
                f"optimizer.name: {name} draws random numbers of its own, which a checkpoint does not hold; "
                "take another."
            )
        tried.step()
        optimizer_tensors(tried)
        return create(groups)
    except ZooError:
        raise
    except Exception as error:  # an optimizer may raise anything for arguments that it cannot use
        why = " ".join(str(error).split())
        raise ZooError(f"{key}: {name} cannot train with {arguments} ({why}); change them.") from error
