"""Tensors out of a safetensors file: mapped where the file system can, else read."""

from __future__ import annotations

import errno
import json
import struct
from pathlib import Path

from safetensors import SafetensorError
from torch import Tensor

HEAD = 100_000_000
"""Bytes of a file's head; safetensors itself reads no longer one."""
CANNOT_MAP = (errno.ENODEV, errno.EINVAL, errno.EOPNOTSUPP, errno.EACCES, errno.EPERM, errno.ENOSYS)
"""What a file system says that has no mmap, such as some of networks and of containers."""


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
        content = path.read_bytes()  # raises again what kept the file from being opened
    return {name: tensor.to(device) for name, tensor in load(content).items()}


def read_shapes(path: Path) -> list[list[int]]:
    """The shapes of the tensors, from the file's head alone. Raises as `read_tensors` does."""
    with open(path, "rb") as file:
        try:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > HEAD:
                raise ValueError(f"it has {length:,} bytes")
            head = json.loads(file.read(length))
            return [[int(size) for size in one["shape"]] for name, one in head.items() if name != "__metadata__"]
        except (struct.error, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise SafetensorError(f"its head is damaged ({error})") from error


def read_metadata(path: Path) -> dict[str, str]:
    """What the file's head says of it. Raises as `read_tensors` does."""
    with open(path, "rb") as file:
        try:
            (length,) = struct.unpack("<Q", file.read(8))
            return dict(json.loads(file.read(length))["__metadata__"])
        except (struct.error, ValueError, KeyError, TypeError, MemoryError, OverflowError) as error:
            raise SafetensorError(f"its head is damaged ({error})") from error
