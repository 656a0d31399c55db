"""Images and maps as arguments of matplotlib's `imshow`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo.data import Split


def pixels(split: Split, places: Tensor, input: dict[str, Any]) -> Tensor:
    """The images (N, C, H, W) at these places of a split, which may hold files; `input` is a bundle's."""
    if isinstance(split.inputs, Tensor):
        return split.inputs[places]
    from zoo.kinds.pictures import read_batches

    return next(read_batches(split.inputs, [places], input))


def seen(images: Tensor, input: dict[str, Any]) -> Tensor:
    """Normalised images (N, C, H, W), turned back into the range 0..`input["maximum"]`."""
    mean, std = (torch.tensor(input[key]).view(-1, 1, 1) for key in ("mean", "std"))
    return (images * std + mean) * input["maximum"]


def tiled(images: Tensor, columns: int) -> Tensor:
    """Images (K, H, W, …) side by side in rows of `columns`, with a pixel of NaN between them."""
    count, height, width, *rest = images.shape
    rows = math.ceil(count / columns)
    board = torch.full((rows * (height + 1) - 1, columns * (width + 1) - 1, *rest), math.nan)
    for place, image in enumerate(images):
        top, left = place // columns * (height + 1), place % columns * (width + 1)
        board[top : top + height, left : left + width] = image
    return board


def scale(values: Tensor) -> dict[str, Any]:
    """How numbers become colours, as arguments of `imshow`: white is 0, blue is below it and red above.

    The fullest colour is chosen so that a thousandth of the numbers lies beyond it: otherwise one extreme number would
    leave the others pale.
    """
    most = float(np.quantile(values.abs().numpy(), 0.999, method="higher")) or float(values.abs().max()) or 1.0
    if (values < 0).any():
        return {"cmap": "RdBu_r", "vmin": -most, "vmax": most}
    return {"cmap": "Reds", "vmin": 0.0, "vmax": most}


def picture(image: Tensor, maximum: float) -> dict[str, Any]:
    """Pixels (C, H, W) in 0..maximum, of 1 or 3 channels, as arguments of `imshow`."""
    pixels = (image.float() / maximum).clamp(0, 1)
    if len(pixels) == 1:
        return {"X": pixels[0].numpy(), "cmap": "gray", "vmin": 0, "vmax": 1}
    return {"X": pixels.permute(1, 2, 0).numpy()}
