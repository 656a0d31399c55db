"""Fine-tuning: a run that begins from tensors that are there already (`init_from` in a recipe)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from zoo.bundles.integrity import sha256
from zoo.errors import ZooError
from zoo.registry import GUESTS

_SHOWN = 3  # of the tensors that do not fit


def begin(model: nn.Module, name: str, labels: list[str]) -> None:
    """Fill `model` from a weight, `timm/NAME` or a safetensors file.

    The head, which is the model's last layer, stays fresh unless it is known to tell the same labels apart. Raises
    `ZooError` where there is no such weight, and where any other tensor is not there or has another shape.
    """
    path, theirs = _find(name)
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ZooError(f"init_from: {path} is not a whole safetensors file ({error}); name another.") from error
    state = model.state_dict()
    head = f"{next(reversed(state)).rpartition('.')[0]}."
    if theirs != labels:
        tensors = {key: value for key, value in tensors.items() if not key.startswith(head)}
    missing = [key for key, value in state.items() if not _fits(value, tensors.get(key)) and not key.startswith(head)]
    if missing:
        told = ", ".join(missing[:_SHOWN]) + (", …" if len(missing) > _SHOWN else "")
        raise ZooError(
            f"init_from: {name} lacks {len(missing)} of the model's tensors, or has them of another shape ({told}); "
            "name a weight of the same model."
        )
    fitting = {key: tensors[key].to(value.dtype) for key, value in state.items() if _fits(value, tensors.get(key))}
    model.load_state_dict({**state, **fitting})


def origin(name: str) -> dict[str, Any]:
    """What a run begins from, for its metrics.json: the name and the SHA-256 of the file."""
    return {"name": name, "sha256": sha256(_find(name)[0])}


def _find(name: str) -> tuple[Path, list[str] | None]:
    """The file, and the labels of its head where they are known."""
    if name.startswith(GUESTS):
        from zoo import guests

        return guests.file(name), None
    if name.endswith(".safetensors"):
        if not Path(name).is_file():
            raise ZooError(f"init_from: there is no file {name}; check the path.")
        return Path(name), None
    from zoo import sources

    bundle = sources.find(name)
    return bundle.tensors, bundle.config["labels"]


def _fits(ours: Tensor, theirs: Tensor | None) -> bool:
    return theirs is not None and ours.shape == theirs.shape
