"""Tensors from a safetensors file: mapped if the file system can, else read."""

from __future__ import annotations

import errno
import json
import struct
from math import prod
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import Tensor

HEAD = 100_000_000
"""The most bytes of a file's head, the same limit as in safetensors itself."""
CANNOT_MAP = (errno.ENODEV, errno.EINVAL, errno.EOPNOTSUPP, errno.EACCES, errno.EPERM, errno.ENOSYS)
"""The errors of a file system without mmap, such as some in networks and containers."""


def read_tensors(path: Path, device: str = "cpu") -> dict[str, Tensor]:
    """Name -> tensor. On the CPU the tensors are the file's own pages if the file system can map them.

    Raises `OSError` if the file cannot be read, `SafetensorError` if it is not a whole safetensors file.
    """
    from safetensors.torch import load, load_file

    try:
        return load_file(path, device=device)
    except OSError as error:
        if error.errno not in (None, *CANNOT_MAP):
            raise
        content = path.read_bytes()  # raises the same error again if the file cannot be opened
    return {name: tensor.to(device) for name, tensor in load(content).items()}


def read_shapes(path: Path) -> dict[str, list[int]]:
    """Name -> the tensor's shape, from only the file's head. Raises as `read_tensors` does."""
    head, most = _head(path), 8 * path.stat().st_size
    try:
        shapes = {name: one["shape"] for name, one in head.items() if name != "__metadata__"}
        for shape in shapes.values():
            if not all(type(size) is int and 0 <= size <= most for size in shape) or prod(shape) > most:
                raise ValueError("a tensor is larger than the file")
    except (ValueError, KeyError, TypeError) as error:
        raise SafetensorError(f"its head is damaged ({error})") from error
    return shapes


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata in the file's head. Raises as `read_tensors` does."""
    said = _head(path).get("__metadata__")
    if not isinstance(said, dict) or not all(isinstance(value, str) for value in said.values()):
        raise SafetensorError("its head is damaged (its __metadata__ is not an object of text)")
    return said


def _head(path: Path) -> dict[str, Any]:
    with open(path, "rb") as file:
        try:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > HEAD:
                raise ValueError(f"it has {length:,} bytes")
            head = json.loads(file.read(length))
        except (struct.error, ValueError, RecursionError) as error:
            raise SafetensorError(f"its head is damaged ({error})") from error
    if not isinstance(head, dict):
        raise SafetensorError("its head is damaged (it is not an object)")
    return head
