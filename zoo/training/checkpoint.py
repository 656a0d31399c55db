"""Checkpoints: one safetensors file each, tensors and a JSON header, so that nothing is ever unpickled.

A checkpoint is written to a temporary file and renamed; the newest two are kept, so that one that was damaged later
still leaves the one before it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

KEEP = 2


def save(folder: Path, step: int, parts: dict[str, dict[str, Tensor]], state: dict[str, Any]) -> Path:
    """Write `parts` (part -> name -> tensor) and JSON-ready `state` as the checkpoint of `step`; keep the last two."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("*.tmp"):  # of a process that was killed while it wrote
        stale.unlink()
    tensors = {
        f"{part}/{name}": t.detach().cpu().clone(memory_format=torch.contiguous_format)
        for part, content in parts.items()
        for name, t in content.items()
    }
    path = folder / f"{step:09d}.safetensors"
    temporary = path.with_suffix(".tmp")
    try:
        save_file(tensors, temporary, metadata={"state": json.dumps(state)})
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    for old in saved(folder)[:-KEEP]:
        old.unlink()
    return path


def saved(folder: Path) -> list[Path]:
    """The checkpoints in `folder`, oldest first."""
    return sorted(folder.glob("*.safetensors"))


def newest(folder: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]] | None:
    """Parts and state of the newest whole checkpoint, None where there is none; tells of damaged ones passed over."""
    for path in reversed(saved(folder)):
        try:
            with safe_open(path, framework="pt") as file:
                parts: dict[str, dict[str, Tensor]] = {}
                for key in file.keys():  # noqa: SIM118 - safe_open is no mapping
                    part, name = key.split("/", 1)
                    parts.setdefault(part, {})[name] = file.get_tensor(key).clone()
                return parts, json.loads(file.metadata()["state"])
        except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            print(f"checkpoint {path.name} is damaged ({error}); going back to the one before it.", file=sys.stderr)
    return None


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's state as flat tensors, `<parameter>.<name>`."""
    state = optimizer.state_dict()["state"]
    return {
        f"{index}.{name}": torch.as_tensor(value)
        for index, slots in state.items()
        for name, value in slots.items()
        if value is not None
    }


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put flat tensors from `optimizer_tensors` back into a freshly built optimizer of the same recipe."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    slots: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        index, name = key.split(".", 1)
        like = parameters[int(index)]
        # Fused optimizers walk through memory, so a state tensor must lie as its parameter does (channels_last).
        tensor = torch.empty_like(like, dtype=tensor.dtype).copy_(tensor) if tensor.shape == like.shape else tensor
        slots.setdefault(int(index), {})[name] = tensor
    optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})
