"""A picture that Pillow opened -> numbers, the same with a model and with an ONNX file. Needs numpy and Pillow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo.errors import ZooError

if TYPE_CHECKING:
    from PIL import Image

DEPTHS = (255, 1023, 4095, 16383, 65535)
"""The brightest values that cameras and scanners of 8 to 16 bits write into files of 16 bits."""

PALE = 240
"""Ink at least this bright (of 255) looks like white paper."""


def decode(image: Image.Image, maximum: float, name: str) -> Any:
    """An open picture -> float32 (C, H, W) in 0..maximum, one channel if it is grey and else three.

    It is turned upright by its EXIF tag. Transparent parts become white, or black if the picture could not be seen on
    white. A picture of 16 bits a pixel counts as one of 8, 10, 12, 14 or 16 bits, as few as its brightest pixel needs.
    Raises `ZooError`, naming `name`, for values outside their range or not finite.
    """
    import numpy as np
    from PIL import ImageOps

    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16 bits a pixel; Pillow's own conversion would clip it at 255
        values = np.asarray(image).astype("int64")
        depth = next((depth for depth in DEPTHS if not (values > depth).any()), DEPTHS[-1])
        check_range(values, depth, name)
        return values[None].astype("float32") * np.float32(maximum / depth)
    if image.mode == "F":
        floats = np.asarray(image)[None] * np.float32(1 if (np.asarray(image) > 1).any() else maximum)
        check_range(floats, maximum, name)
        return floats
    grey = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        image = _on_paper(image)
    array = np.array(image.convert("L" if grey else "RGB"), "float32")
    return (array[None] if grey else array.transpose(2, 0, 1)) * np.float32(maximum / 255)


def check_range(values: Any, maximum: float, name: str) -> None:
    """Raises `ZooError` unless all of an array's or a tensor's values lie in 0..maximum."""
    if not ((values >= 0) & (values <= maximum)).all():  # written so that NaN fails as well
        raise ZooError(f"{name} has values outside 0..{maximum:g} or not finite; scale it to 0..1 or 0..{maximum:g}.")


def channels_last(shape: tuple[int, ...], tensor: bool) -> bool:
    """Whether an array has its channels last; if both ends could be channels, only a tensor has them first."""
    return len(shape) == 3 and shape[2] in (1, 3) and not (tensor and shape[0] in (1, 3))


def _on_paper(image: Image.Image) -> Image.Image:
    """A picture with transparent places, laid on a page; opaque pixels stay as they are."""
    from PIL import Image as pillow

    seen = image.convert("RGBA")
    white, black = (
        pillow.alpha_composite(pillow.new("RGBA", seen.size, ground), seen) for ground in ("white", "black")
    )
    bands: Any = white.convert("RGB").getextrema()
    return black if all(darkest >= PALE for darkest, _ in bands) else white
