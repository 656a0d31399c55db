"""The filters of a vision model, and its layers' outputs for an image."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from zoo.errors import ZooError, unknown
from zoo.viz._figure import bare, new, percent
from zoo.viz._pictures import picture, scale, seen, tiled
from zoo.viz._which import name_of, predictor_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from zoo.viz._which import Weight

MOST = 64  # channels or filters shown: as many as eight inches hold so that each is still visible


def activations(model: nn.Module, inputs: Iterable[Tensor], layer: str) -> tuple[Tensor, Any]:
    """(a copy of the output of the layer `layer` for a batch, the model's output).

    A layer that is called more than once shows its first call, one that gives several tensors its first. The hook is
    always removed. Raises `ZooError` for a layer that the model does not have (with the nearest names) or
    does not call.

        >>> found, logits = viz.activations(zoo.create("mlp.digits_v1"), [torch.zeros(2, 1, 8, 8)], "head")
        >>> found.equal(logits)
        True
    """
    layers = {name: module for name, module in model.named_modules() if name}
    if layer not in layers:
        raise unknown("layer", layer, layers)
    seen: list[Tensor] = []

    def note(module: nn.Module, inputs: Any, output: Any) -> None:
        # Copied, because the next layer may work in place.
        seen.append((output[0] if isinstance(output, (tuple, list)) else output).detach().clone())

    hook = layers[layer].register_forward_hook(note)
    try:
        with torch.inference_mode():
            outputs = model(*inputs)
    finally:
        hook.remove()
    if not seen:
        raise ZooError(f"the layer {layer!r} is not called by the model itself; choose one inside it, or after it.")
    return seen[0], outputs


def features(name: Weight, raw: Any, layer: str | None = None) -> Figure:
    """The output of a vision model's layer for an image: a map for each channel, or a square for each unit.

    Args:
        name: a weight, a model (its default weight), a bundle or run folder, or a predictor.
        raw: the image, as `zoo.predictor` takes it.
        layer: its name in the model, such as `stages.0.1.conv2`; by default the first convolution, or the first
            linear layer if there is none.

    At most 64 channels are shown, on one scale. Raises `ZooError` as `zoo.predictor` and `activations` do.

        >>> viz.save(viz.features("cnn_cifar", "cat.png"), "features.png")
    """
    read = predictor_of(name, "features")
    layer = layer or _first(read.model)
    inputs = read.prepare([raw])
    maps, outputs = activations(read.model, inputs, layer)
    answer = read.task.answer(outputs, [raw], read.config)[0]
    title = f"{read.record.weight}, layer {layer}"
    if hasattr(answer, "label"):
        title += f"; the answer is {answer.label} ({percent(answer.probability)})"
    values = maps[0]
    unit = "channels" if values.ndim == 3 else "units"
    figure = new(8, 5.6, title)
    left, right = figure.subplots(1, 2, width_ratios=(1, 3.5))
    bare(left).imshow(**picture(seen(inputs[0], read.input)[0], read.input["maximum"]))
    left.set_title("the input", fontsize=9)
    count, values = len(values), values[:MOST] if values.ndim == 3 else values
    shown = f"the first {MOST} of {count} {unit}" if len(values) < count else f"{count} {unit}"
    board = tiled(values, math.ceil(math.sqrt(len(values)))) if values.ndim == 3 else _square(values)
    drawn = bare(right).imshow(board.numpy(), interpolation="nearest", **scale(values))
    right.set_title(shown, fontsize=9)
    figure.colorbar(drawn, ax=right, shrink=0.8, label="activation")
    return figure


def filters(name: Weight) -> Figure:
    """The filters of a vision model's first layer: the pattern to which each channel or unit responds most.

    Filters for grey images are blue below 0 and red above; filters for colour images are shown in colour, with 0 as
    grey, and the scale is given below them. At most 64 are shown. Raises `ZooError` if the first layer is neither a
    convolution of grey or colour images nor a linear layer over one.

        >>> viz.save(viz.filters("cnn_cifar"), "filters.png")
    """
    read = predictor_of(name, "filters")
    layer, channels = _first(read.model), read.input["channels"]
    weight = read.model.get_parameter(f"{layer}.weight").detach()
    if weight.ndim == 2 and weight.shape[1] == channels * math.prod(read.input["size"]):
        weight = weight.view(-1, channels, *read.input["size"])
    if weight.ndim != 4 or weight.shape[1] not in (1, 3):
        raise ZooError(
            f"the first layer of {name_of(name)}, {layer}, has no filters to look at; choose another --what."
        )
    shown = weight[:MOST]
    kind = "filters" if len(shown) == len(weight) else f"filters, the first {MOST} of {len(weight)}"
    title = f"{read.record.weight}, layer {layer}: {weight.shape[2]} x {weight.shape[3]} {kind}"
    figure = new(7, 6.6, title)
    axes = bare(figure.subplots())
    columns = math.ceil(math.sqrt(len(shown)))
    if shown.shape[1] == 1:
        drawn = axes.imshow(tiled(shown[:, 0], columns).numpy(), interpolation="nearest", **scale(shown))
        figure.colorbar(drawn, ax=axes, shrink=0.8, label="weight")
    else:
        most = shown.abs().max()
        colours = 0.5 + shown.permute(0, 2, 3, 1) / (2 * most)
        axes.imshow(tiled(colours, columns).nan_to_num(1.0).numpy(), interpolation="nearest")
        said = f"weight: each of red, green and blue from -{most:.2g} (dark) to {most:.2g} (full); grey is 0"
        axes.set_xlabel(said, fontsize=9)
    return figure


def _first(model: nn.Module) -> str:
    """The name of the first convolution, or of the first linear layer if there is none."""
    for kind in (nn.Conv2d, nn.Linear):
        for name, module in model.named_modules():
            if isinstance(module, kind):
                return name
    raise ZooError("the model has neither a convolution nor a linear layer; name one of its layers with --layer.")


def _square(values: Tensor) -> Tensor:
    """Numbers of any shape as one board of squares, row after row, about as wide as it is high; NaN at the end."""
    flat = values.flatten()
    columns = math.ceil(math.sqrt(len(flat)))
    rows = math.ceil(len(flat) / columns)
    board = torch.full((rows * columns,), math.nan)
    board[: len(flat)] = flat
    return board.view(rows, columns)
