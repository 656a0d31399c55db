"""Checkpoints: one safetensors file each, tensors and a JSON header, so that nothing is ever unpickled.

A checkpoint is written to a temporary file and renamed; the newest two are kept, so that if one is damaged the one
before it is still there.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from zoo import streams
from zoo.errors import ZooError
from zoo.home import replacing
from zoo.tensors import read_metadata, read_tensors
from zoo.training.machine import processes

KEEP = 2

Checkpoint = tuple[dict[str, dict[str, Tensor]], dict[str, Any]]
"""A checkpoint's parts (part -> name -> tensor) and its state."""

NUMBERS = (torch.float64, torch.int64, torch.bool)
"""The tensor types of Python's numbers."""


def save(folder: Path, step: int, parts: dict[str, dict[str, Tensor]], state: dict[str, Any]) -> Path:
    """Write `parts` (part -> name -> tensor) and JSON-ready `state` as the checkpoint of `step`; keep the last two."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("*.tmp"):  # from a process that was killed while writing
        stale.unlink()
    tensors = {
        f"{part}/{name}": t.detach().cpu().clone(memory_format=torch.contiguous_format)
        for part, content in parts.items()
        for name, t in content.items()
    }
    path = _path(folder, step)
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata={"state": json.dumps(state, allow_nan=False)})
    everyone = saved(folder)
    kept = [each for each in everyone if each <= path][-KEEP:]  # later ones were damaged and skipped
    for other in set(everyone) - set(kept):
        other.unlink()
    return path


def saved(folder: Path) -> list[Path]:
    """The checkpoints in `folder`, oldest first. Raises `ZooError` if the folder exists but cannot be read."""
    try:
        return sorted(folder / name for name in os.listdir(folder) if name.endswith(".safetensors"))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ZooError(f"{folder} cannot be read ({error.strerror}); see that you may read it.") from error


def newest(folder: Path) -> Checkpoint | None:
    """Parts and state of the newest whole checkpoint, None if there is none; it reports damaged ones that it skips.

    Raises `ZooError` for one that cannot be read: its content is unknown, and training again would delete it.
    """
    older = [int(path.stem) for path in saved(folder)]
    while older:
        step = older.pop()
        found = read(
            folder, step, f"going back to the one of step {older[-1]}" if older else "starting from the beginning"
        )
        if found is not None:
            return found
    return None


def read(folder: Path, step: int, instead: str = "") -> Checkpoint | None:
    """Parts and state of the checkpoint of `step`; None, and with `instead` a line on stderr, if it is not whole.

    Raises `ZooError` if the file exists but cannot be read.
    """
    path = _path(folder, step)
    try:
        parts: dict[str, dict[str, Tensor]] = {}
        for key, tensor in read_tensors(path).items():
            part, name = key.split("/", 1)
            parts.setdefault(part, {})[name] = tensor.clone()
        return parts, json.loads(read_metadata(path)["state"])
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ZooError(
            f"checkpoint {path} cannot be read ({error.strerror or error}), which does not mean that it is damaged; "
            "see that you may read it, or start a new run with --out."
        ) from error
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        if instead and processes.is_main():
            streams.say(f"checkpoint {path.name} is damaged ({error}); {instead}.")
        return None


def _path(folder: Path, step: int) -> Path:
    return folder / f"{step:09d}.safetensors"


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's state as flat tensors, `<parameter>.<name>`, and the numbers of its groups, `group<n>.<name>`.

    Some optimizers count their steps in the group. A Python number becomes a tensor of float64, int64 or bool without
    dimensions, a form that no optimizer uses itself. Raises `ZooError` for a state that is neither a number nor a
    tensor.
    """
    content = optimizer.state_dict()
    groups = {
        f"group{i}": {name: value for name, value in group.items() if isinstance(value, (int, float, Tensor))}
        for i, group in enumerate(content["param_groups"])
    }
    return {
        f"{owner}.{name}": _tensor(name, value)
        for owner, slots in (content["state"] | groups).items()
        for name, value in slots.items()
        if value is not None
    }


def _tensor(name: str, value: Any) -> Tensor:
    if isinstance(value, (int, float)):  # torch's own choice, float32, would round
        return torch.tensor(value, dtype=torch.float64 if isinstance(value, float) else None)
    if not isinstance(value, Tensor):
        raise ZooError(
            f"the optimizer keeps its {name} as {type(value).__name__}, which a checkpoint does not hold; "
            "take another optimizer.name."
        )
    return value


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put flat tensors from `optimizer_tensors` back into a freshly built optimizer of the same recipe."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    groups = optimizer.state_dict()["param_groups"]
    slots: dict[int, dict[str, Any]] = {}
    for key, tensor in tensors.items():
        owner, name = key.split(".", 1)
        value = tensor.item() if tensor.ndim == 0 and tensor.dtype in NUMBERS else tensor
        if owner.startswith("group"):
            groups[int(owner.removeprefix("group"))][name] = value
            continue
        like = parameters[int(owner)]
        if tensor.ndim and tensor.shape == like.shape:
            # Fused optimizers walk through memory, so a state tensor must lie as its parameter does (channels_last).
            value = torch.empty_like(like, dtype=tensor.dtype).copy_(tensor)
        slots.setdefault(int(owner), {})[name] = value
    optimizer.load_state_dict({"state": slots, "param_groups": groups})
