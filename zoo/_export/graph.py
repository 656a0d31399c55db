"""A weight as one graph: raw input as arrays -> input transform -> model -> answers as arrays."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from zoo import tasks
from zoo.errors import ZooError

INPUTS: dict[str, dict[str, tuple[str, ...]]] = {
    "image": {"pixels": ("N",)},
    "text": {"tokens": ("N", "T"), "lengths": ("N",)},
    "table": {"numbers": ("N",), "categories": ("N",)},
    "series": {"values": ("N",)},
    "characters": {"tokens": ("N", "T")},
    "tagged": {"words": ("N", "T"), "characters": ("N", "T", "C"), "lengths": ("N",)},
}
"""Kind of data -> the graph's inputs, each with its free first dimensions; the other dimensions are the weight's."""


class Graph(nn.Module):
    """The model with its input transform before it and its answer's arithmetic after it.

    `config` is the bundle's config.json. Inputs are those of `INPUTS` and outputs the task's (`Task.exports`), in
    order; a model that attends gives `attention` (N, T) after them. Inputs: images uint8 (N, C, H, W) of the weight's
    size; tokens int64 (N, T) and lengths int64 (N,); numbers float32 (N, F) with NaN for blanks and categories int64
    (N, C) with 0 for blanks; values float32 (N, context, S) in their own units. Raises `ZooError` for a task or a
    kind of data that cannot be exported.
    """

    def __init__(self, model: nn.Module, config: dict[str, Any]) -> None:
        super().__init__()
        task, kind = tasks.get(config["task"]), config["input"]["kind"]
        if not task.exports or kind not in INPUTS:
            known = ", ".join(name for name in tasks.names() if tasks.get(name).exports)
            raise ZooError(
                f"a model for {task.name} on {kind} data cannot be exported to ONNX; export one for {known}."
            )
        self.model, self.input_names, self.output_names = model, tuple(INPUTS[kind]), task.exports
        self.attends = "return_attention" in inspect.signature(model.forward).parameters
        if self.attends:
            self.output_names += ("attention",)
        self.temperature = float(config.get("temperature") or 1.0)
        self.before, self.after = _TRANSFORMS.get(kind, _as_they_are)(config["input"])

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        weights: list[Tensor] = []
        if self.attends:
            outputs, *weights = self.model(*self.before(*inputs), return_attention=True)
        else:
            outputs = self.model(*self.before(*inputs))
        outputs = self.after(outputs)
        shares = ((outputs / self.temperature).softmax(-1),) if "probabilities" in self.output_names else ()
        return (outputs, *shares, *weights)


Transform = tuple[Callable[..., tuple[Tensor, ...]], Callable[[Tensor], Tensor]]


def _as_they_are(input: dict[str, Any]) -> Transform:
    return lambda *inputs: inputs, lambda outputs: outputs


def _image(input: dict[str, Any]) -> Transform:
    mean, std = (torch.tensor(input[key]).view(1, -1, 1, 1) for key in ("mean", "std"))
    scale, shift = 1 / (std * input["maximum"]), -mean / std
    return lambda pixels: (pixels.to(torch.float32) * scale + shift,), lambda outputs: outputs


def _table(input: dict[str, Any]) -> Transform:
    about = list(input["numbers"].values())
    log, mean, std = (torch.tensor([float(one[key]) for one in about]) for key in ("log", "mean", "std"))

    def before(numbers: Tensor, categories: Tensor) -> tuple[Tensor, ...]:
        logarithms = numbers.sign() * numbers.abs().log1p()
        return (torch.where(log > 0, logarithms, numbers) - mean) / std, categories

    return before, lambda outputs: outputs


def _series(input: dict[str, Any]) -> Transform:
    mean, std = torch.tensor(input["mean"]), torch.tensor(input["std"])
    return lambda values: ((values - mean) / std,), lambda outputs: outputs * std + mean


_TRANSFORMS = {"image": _image, "table": _table, "series": _series}
