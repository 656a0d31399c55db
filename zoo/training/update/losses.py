"""The loss of a recipe, as a module that compares a batch's outputs with its targets."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.data import Split
from zoo.data.split import IGNORED
from zoo.errors import ZooError, unknown
from zoo.parts import LOSSES, settings
from zoo.recipes import CrossEntropy, Deviation, Focal, MultiTask, Pairs, Recipe


def build(recipe: Recipe, train: Split, config: dict[str, Any]) -> nn.Module:
    """The recipe's loss as a module of (outputs in float32, targets) -> scalar; parameters that it has are trained too.

    Raises `ZooError` if it does not fit the data, such as class weights for another number of classes.
    """
    loss = recipe.loss
    if train.weights is not None:
        return _weighted(recipe, train.weights, train, config)
    if (part := LOSSES.outside(loss.name)) is not None:
        made = settings(part, loss)
        return part.make(**made) if isinstance(part.make, type) else _Loss(partial(part.make, **made))
    return _BUILDERS[type(loss)](loss, train, config)


class Weighted(nn.Module):
    """The mean of the rows' losses, weighed by `weights` [all training rows]; `at` are the rows of the next batch."""

    def __init__(self, each: Callable[..., tuple[Tensor, Tensor]], weights: Tensor) -> None:
        super().__init__()
        self.each = each
        self.weights: Tensor
        self.register_buffer("weights", weights, persistent=False)
        self.at: Tensor | None = None

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        assert self.at is not None
        losses, counts = self.each(outputs, targets)
        weights = self.weights[self.at.to(self.weights.device)]
        total = (counts * weights).sum()
        # All rows of a batch may have weight 0.
        return (losses * weights).sum() / total.clamp(min=torch.finfo(total.dtype).tiny)


def _weighted(recipe: Recipe, weights: Tensor, train: Split, config: dict[str, Any]) -> nn.Module:
    """Like `build`, for rows of different weight. Raises `ZooError` for settings in which a row's weight has no
    meaning."""
    loss = recipe.loss
    if recipe.train.accumulate > 1:
        raise ZooError("data.columns.weight needs whole batches; set train.accumulate=1.")
    if recipe.data.augment.mixup is not None or recipe.data.augment.cutmix is not None:
        raise ZooError(
            "data.columns.weight weighs rows, but data.augment.mixup and cutmix blend rows; leave one of them out."
        )
    if isinstance(loss, Deviation):
        scale = config["model_args"].get("scale", 1.0)
        element = {
            "mse": nn.MSELoss(reduction="none"),
            "mae": nn.L1Loss(reduction="none"),
            "huber": nn.HuberLoss(reduction="none", delta=loss.delta),
        }[loss.name]

        def numbers(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
            found = element(outputs.view_as(targets) / scale, targets / scale)
            return found, torch.ones_like(found)

        return Weighted(numbers, weights)
    if isinstance(loss, CrossEntropy):
        of_class = _class_weight(loss, train, config["labels"]).get("weight")

        def classes(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
            weight = None if of_class is None else of_class.to(outputs.device)
            found = F.cross_entropy(
                outputs, targets, weight=weight, label_smoothing=loss.label_smoothing, reduction="none"
            )
            return found, torch.ones_like(found) if weight is None else weight[targets]

        return Weighted(classes, weights)
    if isinstance(loss, Focal):
        from zoo.nn import FocalLoss

        focal = _focal(loss, train, config)
        assert isinstance(focal, FocalLoss)
        focal.reduction = "none"

        def hard(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
            found = focal.to(outputs.device)(outputs, targets)
            return found, torch.ones_like(found)

        return Weighted(hard, weights)
    raise ZooError(
        f"data.columns.weight weighs single rows, but loss.name {loss.name} is not computed row by row; leave it out."
    )


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
        if outputs.ndim > 2:  # one row for each step: (N, T, K) and (N, T)
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
    # In standard deviations, if the model knows them, so that rates, clipping and delta mean the same in every unit.
    scale = config["model_args"].get("scale", 1.0)

    def function(outputs: Tensor, targets: Tensor) -> Tensor:
        outputs = outputs.view_as(targets)  # (N, 1) and (N,) would be broadcast to all pairs
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
