"""Raw input as a person has it -> the arrays that an ONNX file takes. Needs only numpy, and Pillow for pictures.

It accepts the same inputs, and gives the same errors, as the weight itself (`zoo.predictor`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from zoo import foreign
from zoo._export.feeds import LUMA
from zoo.decoding import channels_last, check_range, decode
from zoo.errors import ZooError


def pixels(raw: Any, input: dict[str, Any]) -> Any:
    """Any raw image -> uint8 (C, H, W) in 0..maximum, in the weight's channels and size.

    A raw image is a path (JPEG, PNG, PPM, BMP, TIFF, WebP, GIF, AVIF, or `.npy`), a Pillow image, or an array HxW,
    HxWxC or CxHxW: integers in 0..maximum, floats in 0..1, or in 0..maximum if any is above 1.
    """
    maximum = input["maximum"]
    if isinstance(raw, (str, os.PathLike)):
        image = _read(Path(raw), maximum)
    elif hasattr(raw, "getbands"):  # a Pillow image
        image = decode(raw, maximum, "the Pillow image")
    elif hasattr(raw, "shape"):
        image = _from_array(raw, maximum, f"the array of shape {tuple(raw.shape)}")
    else:
        raise ZooError(f"{type(raw).__name__} is not an image; give a path, a Pillow image or an array.")
    if 0 in image.shape:
        raise ZooError("the image holds no pixels; give one of at least 1 x 1.")
    if len(image) != input["channels"]:
        grey = (image * np.array(LUMA, np.float32).reshape(3, 1, 1)).sum(0, keepdims=True) if len(image) == 3 else image
        image = grey.repeat(input["channels"], 0)
    size = height, width = tuple(input["size"])
    if input.get("fit") == "crop":  # the same as `zoo.kinds.augment_views.centred`
        zoom = max(height / image.shape[1], width / image.shape[2])
        size = max(height, round(image.shape[1] * zoom)), max(width, round(image.shape[2] * zoom))
    if image.shape[1:] != size:
        from PIL import Image

        bands = [Image.fromarray(band).resize(size[::-1], Image.Resampling.BILINEAR) for band in image]
        image = np.stack([np.asarray(band) for band in bands])
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    return image[:, top : top + height, left : left + width].clip(0, maximum).round().astype(np.uint8)


def _read(path: Path, maximum: float) -> Any:
    if not path.is_file():
        raise ZooError(f"there is no file {path}; give the path of an image.")
    if path.suffix == ".npy":
        return _from_array(foreign.array(path), maximum, str(path))
    try:
        with foreign.picture(path) as image:
            return decode(image, maximum, str(path))
    except ZooError:
        raise
    except Exception as error:  # Pillow's decoders may raise anything for a broken file
        why = " ".join(str(error).split()).rstrip(".")
        raise ZooError(f"{path} cannot be read as an image ({why}); give a PNG or JPEG file.") from error


def _from_array(array: Any, maximum: float, name: str) -> Any:
    """HxW, HxWxC or CxHxW in its own range -> (C, H, W) float32 in 0..maximum."""
    image = np.asarray(array)
    if image.dtype.kind not in "biuf":
        raise ZooError(f"{name} holds no numbers; give an array of them.")
    if image.ndim == 2:
        image = image[None]
    elif channels_last(image.shape, not isinstance(array, np.ndarray)):
        image = image.transpose(2, 0, 1)
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        raise ZooError(f"{name} is not an image; give HxW, HxWxC or CxHxW with 1 or 3 channels.")
    scale = maximum if image.dtype.kind in "fb" and not (image > 1).any() else 1.0
    image = image.astype(np.float32) * np.float32(scale)
    check_range(image, maximum, name)
    return image
