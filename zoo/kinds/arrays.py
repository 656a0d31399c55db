"""Arrays as people have them: numpy's, torch's, and .npy files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from zoo.errors import ZooError


def read_npy(path: Path) -> Any:
    """The numpy array in a file. Raises `ZooError` for what is none, Python objects too: nothing is unpickled."""
    import numpy as np

    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError, MemoryError) as error:
        raise ZooError(f"{path} is not a readable .npy array of numbers: {line(error)}") from error


def to_tensor(array: Any, name: str) -> Tensor:
    """An array or a tensor as a tensor on the CPU. Raises `ZooError`, naming `name`, where it holds no numbers."""
    import numpy as np
    import torch

    try:
        # Copied, because torch takes neither reversed nor read-only arrays.
        return array.detach().cpu() if isinstance(array, Tensor) else torch.from_numpy(np.array(array))
    except (TypeError, ValueError) as error:
        raise ZooError(f"{name} holds no numbers that torch reads: {line(error)}") from error


def line(error: BaseException) -> str:
    """A foreign message as the end of our sentence."""
    return " ".join(str(error).split()).rstrip(".") + "."
