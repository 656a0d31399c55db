"""Parameter groups: which parameters are trained with which rate and weight decay, and from which epoch on."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from torch import nn

from zoo.errors import ZooError
from zoo.recipes import Group, Optimizer


def parameter_groups(model: nn.Module, criterion: nn.Module, recipe: Optimizer) -> list[dict[str, Any]]:
    """The trainable parameters of `model`, and of the loss if it has any (`loss.NAME`), as an optimizer's groups.

    Each parameter belongs to the first group whose glob matches its name, else to the rest. Vectors (biases, norms)
    take no weight decay unless the recipe says `decay_vectors` or the group has one; nor do the parameters that the
    model names in its `no_weight_decay`, as timm's models do for class tokens and position tables. Each group has an
    `lr_scale`, by which the engine multiplies the scheduled rate: the recipe's own, times `layer_decay` for each layer
    between the parameter and the output (`depths`). A parameter with `lr_scale` 0 is left out and needs no gradient
    from here on.

    Raises `ZooError` for a group that matches no parameter, groups that leave nothing to train, and a `layer_decay`
    if there is a single layer.
    """
    named = {**dict(model.named_parameters()), **dict(criterion.named_parameters("loss"))}
    rest, used = Group(match="*"), set()
    depth, spared = depths(model), _spared(model)
    if recipe.layer_decay < 1 and not any(depth.values()):
        raise ZooError(f"optimizer.layer_decay: {type(model).__name__} has a single layer; leave it out.")
    groups: dict[tuple[float, float, int], list[nn.Parameter]] = {}
    for name, parameter in named.items():
        if not parameter.requires_grad:
            continue
        group = next((g for g in recipe.groups if fnmatchcase(name, g.match)), rest)
        used.add(group.match)
        if group.lr_scale == 0:
            parameter.requires_grad_(False)
            continue
        decay = group.weight_decay
        if decay is None:
            decay = recipe.weight_decay if recipe.decay_vectors or parameter.ndim > 1 else 0.0
            decay = 0.0 if any(fnmatchcase(name, glob) for glob in spared) else decay
        scale = group.lr_scale * recipe.layer_decay ** depth.get(parameter, 0)
        groups.setdefault((scale, decay, group.frozen_epochs), []).append(parameter)
    for group in recipe.groups:
        if group.match not in used:
            if any(fnmatchcase(name, group.match) for name in named):
                raise ZooError(
                    f"optimizer.groups: all parameters that {group.match!r} matches belong to an earlier group; put "
                    "this group first."
                )
            names = ", ".join(name for name, _ in list(named.items())[:6])
            raise ZooError(f"optimizer.groups: no parameter matches {group.match!r}; parameters are called {names}, …")
    if all(frozen for _, _, frozen in groups):
        raise ZooError("optimizer.groups: nothing is left to train in the first epoch; freeze fewer parameters.")
    return [
        {"params": parameters, "lr_scale": scale, "weight_decay": decay, "frozen_epochs": frozen}
        for (scale, decay, frozen), parameters in groups.items()
    ]


def rest(model: nn.Module, recipe: Optimizer, epoch: int) -> None:
    """Put the norms of layers that are frozen in this epoch (counted from 0) into eval mode, so that they keep their
    statistics.

    Frozen are the parameters of a group with `lr_scale` 0, or of a group in its `frozen_epochs`. A norm that kept
    measuring would change the outputs of the frozen layers.
    """
    for name, module in model.named_modules():
        if getattr(module, "running_mean", None) is None:
            continue
        group = next((g for g in recipe.groups if fnmatchcase(f"{name}.weight", g.match)), None)
        if group is not None and (group.lr_scale == 0 or epoch < group.frozen_epochs):
            module.eval()


def _spared(model: nn.Module) -> list[str]:
    """The names, or globs, of the parameters for which the model and its parts ask no weight decay."""
    return [
        f"{name}.{own}" if name else own
        for name, module in model.named_modules()
        if callable(getattr(module, "no_weight_decay", None))
        for own in module.no_weight_decay()  # type: ignore[operator]
    ]


def depths(model: nn.Module) -> dict[nn.Parameter, int]:
    """How many layers lie between each parameter and the output: 0 for those of the last one.

    Layers are the model's children in the order in which they were registered, with `nn.Sequential` and `nn.ModuleList`
    opened, however deep. A child without a matrix, such as a norm, belongs to the layer before it, and a parameter
    that is in no child to the first layer. timm's layer decay does not help here: it treats a model that does not
    name its layers as a single layer.
    """
    found: dict[nn.Parameter, int] = dict.fromkeys(model.parameters(), 0)
    layer = -1
    for child in _children(model):
        own = list(child.parameters())
        layer += any(parameter.ndim > 1 for parameter in own)
        found |= dict.fromkeys(own, max(layer, 0))
    return {parameter: max(layer, 0) - place for parameter, place in found.items()}


def _children(module: nn.Module) -> Iterator[nn.Module]:
    for child in module.children():
        if isinstance(child, (nn.Sequential, nn.ModuleList)):
            yield from _children(child)
        else:
            yield child
