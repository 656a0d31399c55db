"""Images as people have them -> what an image model reads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo import foreign
from zoo.decoding import channels_last, check_range, decode
from zoo.errors import ZooError
from zoo.kinds import Input
from zoo.kinds.arrays import line, to_tensor
from zoo.kinds.transforms import normalize

# ITU-R BT.601 luma, which Pillow uses too, so that an array and the file it was read from give the same grey.
LUMA = (0.299, 0.587, 0.114)


def prepare(raw: list[Any], input: Input) -> tuple[Tensor]:
    """Raw images -> one batch (N, C, H, W), float32, as the model was trained to see it.

    A raw image is a path (JPEG, PNG, PPM, BMP, TIFF, WebP, GIF, AVIF, or `.npy`), a Pillow image, or a numpy array or
    tensor of shape HxW, HxWxC or CxHxW; if both ends could be the channels, they are last in an array and first in a
    tensor, as is usual. `zoo.decoding` says how files and Pillow images are turned upright, and how transparency and
    16 bits a pixel are read. The integers of an array lie in 0..maximum, as the settings say; its floats in 0..1, or
    in 0..maximum if any is above 1. The image becomes grey or RGB as the model wants, is resized with an antialiased
    bilinear filter, and normalised.

    Raises `ZooError` for a file that is not an image, for a shape that no image has, and for values outside the range
    or not finite.
    """
    settings = input.settings
    return (normalize(torch.stack([pixels(image, settings) for image in raw]), settings),)


def pixels(raw: Any, input: dict[str, Any]) -> Tensor:
    """Any raw image -> (C, H, W) float32 in 0..maximum, in the model's channels and size."""
    if isinstance(raw, (str, os.PathLike)):
        image, name = _read(Path(raw), input["maximum"]), str(raw)
    elif hasattr(raw, "getbands"):  # a Pillow image, recognised without importing Pillow
        image, name = torch.from_numpy(decode(raw, input["maximum"], "the Pillow image")), "the Pillow image"
    elif hasattr(raw, "shape"):
        image, name = _from_array(raw, input["maximum"], f"the array of shape {tuple(raw.shape)}"), "the array"
    else:
        raise ZooError(f"{type(raw).__name__} is not an image; give a path, a Pillow image, a numpy array or a tensor.")
    if 0 in image.shape:
        raise ZooError(f"{name} holds no pixels; give an image of at least 1 x 1.")
    image = channels_of(image, input["channels"])
    size = tuple(input["size"])
    if input.get("fit") == "crop":
        from zoo.kinds.augment_views import centred

        return centred(image, size)
    if image.shape[1:] != size:
        image = F.interpolate(image[None], size=size, mode="bilinear", antialias=True)[0]
    return image


def _read(path: Path, maximum: float) -> Tensor:
    if os.path.isdir(path):
        raise ZooError(f"{path} is a folder; give the path of an image.")
    if not os.path.isfile(path):  # Path.is_file raises if a name is too long for a file
        raise ZooError(f"there is no file {path}; give the path of an image.")
    if path.suffix == ".npy":
        array = foreign.array(path)
        return _from_array(array, maximum, f"{path} of shape {array.shape}")
    try:
        with foreign.picture(path) as image:
            return torch.from_numpy(decode(image, maximum, str(path)))
    except ZooError:
        raise
    except Exception as error:  # Pillow's decoders may raise anything for a broken file
        raise ZooError(f"{path} cannot be read as an image ({line(error)[:-1]}); give a PNG or JPEG file.") from error


def _from_array(array: Any, maximum: float, name: str) -> Tensor:
    """HxW, HxWxC or CxHxW in its own range -> (C, H, W) float32 in 0..maximum."""
    image = to_tensor(array, name)
    if image.ndim == 2:
        image = image[None]
    elif channels_last(tuple(image.shape), isinstance(array, Tensor)):
        image = image.permute(2, 0, 1)
    if image.ndim != 3 or image.shape[0] not in (1, 3) or image.is_complex():
        raise ZooError(
            f"{name} is not an image; give HxW, HxWxC or CxHxW with 1 or 3 channels, a batch with N before them."
        )
    scale = 1.0
    if image.is_floating_point() or image.dtype == torch.bool:
        image = image.float()
        scale = maximum if not (image > 1).any() else 1.0
    image = image.float() * scale
    check_range(image, maximum, name)
    return image


def channels_of(image: Tensor, channels: int) -> Tensor:
    """Grey to RGB and RGB to grey, (C, H, W)."""
    if image.shape[0] == channels:
        return image
    if channels == 3:
        return image.expand(3, -1, -1)
    return (image * image.new_tensor(LUMA).view(3, 1, 1)).sum(0, keepdim=True)
