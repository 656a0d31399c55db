"""Files of pictures and arrays from anywhere, opened with a limit. Needs Pillow for pictures and numpy for arrays."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import ZooError

if TYPE_CHECKING:
    from PIL import Image

FORMATS: dict[str, tuple[str, ...]] = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "PPM": (".ppm", ".pgm", ".pbm"),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "AVIF": (".avif",),
}
"""Pillow's names of the formats that are read, and the endings of their files.

Pillow itself looks only at a file's first bytes and knows forty formats: an EPS file named cat.png would start
Ghostscript, which runs it as a program.
"""
PIXELS = 89_478_485
"""The most pixels of a picture, Pillow's own limit for a decompression bomb: a quarter of a gigabyte, decoded."""
ARRAY = 1 << 29
"""The most bytes of an array in a file."""
FILE = 1 << 30
"""The most bytes of a picture's file: the allowed number of pixels, of the largest sort, without compression."""


SUFFIXES: frozenset[str] = frozenset({suffix for several in FORMATS.values() for suffix in several} | {".npy"})
"""The endings of files of pictures and of arrays."""
ADDRESS = re.compile("[a-z][a-z0-9+.-]+:/", re.IGNORECASE)  # at least two letters: C:/ is a drive


def pictures(raw: Any) -> list[str] | None:
    """The files in a folder (and the folders in it) or of a glob, sorted; None for anything else.

    Raises `ZooError` for a folder without pictures, and for a web address: nothing is fetched for an answer.
    """
    if not isinstance(raw, (str, os.PathLike)) or os.path.isfile(raw):
        return None
    text = os.fspath(raw)
    if os.path.isdir(text):
        found = sorted(str(file) for file in Path(text).rglob("*") if file.suffix.lower() in SUFFIXES)
        found = [file for file in found if os.path.isfile(file)]
        if not found:
            raise ZooError(f"{text} holds no pictures (.png, .jpg, .npy, …); give a folder that does.")
        return found
    if ADDRESS.match(text):
        raise ZooError(f"{text[:200]} is a web address, but pictures are read from files only; download it first.")
    return sorted(file for file in glob.glob(text) if os.path.isfile(file)) or None


@contextmanager
def picture(path: str | os.PathLike[str]) -> Iterator[Image.Image]:
    """The picture in a file as a Pillow image that is not decoded yet, while the body runs.

    Raises `ZooError` for a path that is not a file, and for more than `PIXELS` pixels, before anything is decoded;
    for a file that is damaged or not in one of `FORMATS` it raises Pillow's own error.
    """
    from PIL import Image

    if not os.path.isfile(path):
        raise ZooError(f"{os.fspath(path)} is not a file; give the path of an image.")
    large = ZooError(
        f"{os.fspath(path)} has too many pixels (more than {PIXELS / 1e6:.0f} million are not read); make it smaller."
    )
    Image.init()
    try:
        opened = Image.open(path, formats=[name for name in FORMATS if name in Image.OPEN])
    except Image.DecompressionBombError as error:
        raise large from error
    with opened as image:
        if image.width * image.height > PIXELS:
            raise large
        yield image


def array(path: Path) -> Any:
    """The numpy array of numbers in a .npy file.

    Raises `ZooError` for a file without such an array: Python objects (nothing is unpickled), an archive, a damaged
    head, fewer bytes than the head says, or more than `ARRAY` bytes. The head is read and checked first.
    """
    import numpy as np

    try:
        with open(path, "rb") as file:
            version = np.lib.format.read_magic(file)
            if version > (2, 0):
                raise ValueError("it holds no plain numbers")
            read = np.lib.format.read_array_header_1_0 if version < (2, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(file)
            size, there = prod(shape) * dtype.itemsize, os.fstat(file.fileno()).st_size - file.tell()
        if dtype.kind not in "biufc" or min(shape, default=0) < 0:
            raise ValueError(f"it holds {dtype} of shape {shape}")
        if size > ARRAY:
            raise ValueError(f"it holds {size:,} bytes, but at most {ARRAY:,} are read")
        if there < size:
            raise ValueError(f"{there:,} of {size:,} bytes are there")
        return np.load(path, allow_pickle=False)
    except Exception as error:  # numpy reads the head as Python: a damaged one may raise anything
        why = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise ZooError(f"{path} is not a readable .npy array of numbers: {why[:200]}.") from error
