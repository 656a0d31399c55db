"""Arrays as people have them: numpy's and torch's."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from zoo.errors import ZooError


def to_tensor(array: Any, name: str) -> Tensor:
    """An array or a tensor as a tensor on the CPU. Raises `ZooError`, naming `name`, if it holds no numbers."""
    if isinstance(array, Tensor):
        return array.detach().cpu()
    import numpy as np
    import torch

    try:
        return torch.from_numpy(np.array(array))  # copied: torch takes neither reversed nor read-only arrays
    except (TypeError, ValueError) as error:
        raise ZooError(f"{name} holds no numbers that torch reads: {line(error)}") from error


def line(error: BaseException) -> str:
    """Another library's message, as the end of our sentence."""
    return " ".join(str(error).split()).rstrip(".") + "."
