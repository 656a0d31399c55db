"""The optimizer of a recipe, with its parameter groups."""

from __future__ import annotations

from fnmatch import fnmatchcase

import torch
from torch import nn

from zoo.errors import ZooError
from zoo.recipes import SGD, Adam


def optimizer(model: nn.Module, criterion: nn.Module, recipe: SGD | Adam) -> torch.optim.Optimizer:
    """torch's optimizer over the trainable parameters of `model`, and of the loss where it has any (`loss.NAME`).

    Each parameter belongs to the first group whose glob matches its name, else to the rest. Vectors (biases, norms)
    take no weight decay unless the recipe says `decay_vectors` or the group has one. Each group carries `lr_scale`, by
    which the engine multiplies the scheduled rate. Raises `ZooError` for a group that matches no parameter.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    used: set[str] = set()
    named = {**dict(model.named_parameters()), **dict(criterion.named_parameters("loss"))}
    for name, parameter in named.items():
        if not parameter.requires_grad:
            continue
        group = next((g for g in recipe.groups if fnmatchcase(name, g.match)), None)
        decays = recipe.decay_vectors or parameter.ndim > 1
        decay = recipe.weight_decay if decays else 0.0
        if group is not None:
            used.add(group.match)
            decay = decay if group.weight_decay is None else group.weight_decay
        groups.setdefault((group.lr_scale if group else 1.0, decay), []).append(parameter)
    for group in recipe.groups:
        if group.match not in used:
            names = ", ".join(name for name, _ in list(named.items())[:6])
            raise ZooError(f"optimizer.groups: no parameter matches {group.match!r}; parameters are called {names}, …")
    settings = [{"params": p, "lr_scale": scale, "weight_decay": decay} for (scale, decay), p in groups.items()]
    if recipe.name == "sgd":
        return torch.optim.SGD(
            settings,
            lr=recipe.lr,
            momentum=recipe.momentum,
            nesterov=recipe.nesterov and recipe.momentum > 0,
            fused=True,
        )
    betas = (recipe.betas[0], recipe.betas[1])
    kind = torch.optim.Adam if recipe.name == "adam" else torch.optim.AdamW
    return kind(settings, lr=recipe.lr, betas=betas, eps=recipe.eps, fused=True)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group the learning rate `rate` times its own scale."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["lr_scale"]
