"""The loss of a recipe, as a module that compares a batch's outputs with its targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.data import Split
from zoo.data.split import IGNORED
from zoo.errors import ZooError, unknown
from zoo.recipes import CrossEntropy, Deviation, Focal, MultiTask, Pairs, Recipe


def build(recipe: Recipe, train: Split, config: dict[str, Any]) -> nn.Module:
    """The recipe's loss as a module of (outputs in float32, targets) -> scalar; parameters that it has are trained too.

    Raises `ZooError` where it does not fit the data, such as a class weight for each of another number of classes.
    """
    loss = recipe.loss
    return _BUILDERS[type(loss)](loss, train, config)


class _Loss(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[..., Tensor], **buffers: Tensor | None) -> None:
        super().__init__()
        self.function = function
        for name, value in buffers.items():
            self.register_buffer(name, value, persistent=False)

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return self.function(outputs, targets, **dict(self.named_buffers()))


def _cross_entropy(loss: CrossEntropy, train: Split, config: dict[str, Any]) -> nn.Module:
    def function(outputs: Tensor, targets: Tensor, weight: Tensor | None = None) -> Tensor:
        if outputs.ndim > 2:  # one row a step: (N, T, K) and (N, T)
            outputs, targets = outputs.flatten(0, -2), targets.flatten()
        return F.cross_entropy(outputs, targets, weight=weight, label_smoothing=loss.label_smoothing)

    return _Loss(function, **_class_weight(loss, train, config["labels"]))


def _class_weight(loss: CrossEntropy, train: Split, labels: list[str]) -> dict[str, Tensor]:
    classes = len(labels)
    if loss.class_weight is None:
        return {}
    if loss.class_weight == "balanced":
        counts = torch.bincount(train.targets[train.targets != IGNORED].flatten(), minlength=classes)
        return {"weight": counts.sum() / (classes * counts.clamp(min=1)).float()}
    if isinstance(loss.class_weight, dict):
        if lost := [label for label in loss.class_weight if label not in labels]:
            raise ZooError(f"loss.class_weight: {unknown('label', lost[0], labels)}")
        return {"weight": torch.tensor([loss.class_weight.get(label, 1.0) for label in labels])}
    return {"weight": _one_a_class("loss.class_weight", loss.class_weight, classes)}


def _one_a_class(key: str, values: list[float], classes: int) -> Tensor:
    if len(values) != classes:
        raise ZooError(f"{key} has {len(values)} values for {classes} classes; give one for each.")
    return torch.tensor(values)


def _focal(loss: Focal, train: Split, config: dict[str, Any]) -> nn.Module:
    from zoo.nn import FocalLoss

    alpha = None if loss.alpha is None else _one_a_class("loss.alpha", loss.alpha, len(config["labels"]))
    return FocalLoss(gamma=loss.gamma, alpha=alpha)


def _deviation(loss: Deviation, train: Split, config: dict[str, Any]) -> nn.Module:
    measure = {"mse": nn.MSELoss(), "mae": nn.L1Loss(), "huber": nn.HuberLoss(delta=loss.delta)}[loss.name]
    # In standard deviations, if the model knows them: then rates, clipping and delta mean the same in every unit.
    scale = config["model_args"].get("scale", 1.0)

    def function(outputs: Tensor, targets: Tensor) -> Tensor:
        outputs = outputs.view_as(targets)  # (N, 1) beside (N,) would be broadcast to all pairs
        return measure(outputs, targets) if scale == 1.0 else measure(outputs / scale, targets / scale)

    return _Loss(function)


def _pairs(loss: Pairs, train: Split, config: dict[str, Any]) -> nn.Module:
    from zoo.nn import ContrastiveLoss, TripletLoss

    return (ContrastiveLoss if loss.name == "contrastive" else TripletLoss)(margin=loss.margin)


def _multi_task(loss: MultiTask, train: Split, config: dict[str, Any]) -> nn.Module:
    from zoo.nn import MultiTaskLoss

    return MultiTaskLoss(config["input"]["tasks"], weighting=loss.weighting)


_BUILDERS: dict[type, Callable[..., nn.Module]] = {
    CrossEntropy: _cross_entropy,
    Focal: _focal,
    Deviation: _deviation,
    Pairs: _pairs,
    MultiTask: _multi_task,
}
