"""Fine-tuning: a run that begins from existing tensors (`init_from` in a recipe)."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import Tensor, nn

from zoo.bundles.format import Bundle
from zoo.check import check_config
from zoo.errors import ZooError, some
from zoo.home import expanded
from zoo.integrity import sha256
from zoo.kinds import Input, input_of
from zoo.names import GUESTS
from zoo.tensors import read_tensors


def begin(model: nn.Module, name: str, labels: list[str]) -> None:
    """Fill `model` from a weight, `timm/NAME` or a safetensors file.

    The head, which is the model's last layer, stays fresh unless the weight has the same labels. Values that a layer
    computes from the training data (`zoo.nn.start`) stay fresh if their shape differs. Raises `ZooError` if there is
    no such weight, and if any other tensor is missing, has another shape, or has no place in the
    model.
    """
    found = _find(name)
    try:
        if isinstance(found, Bundle):
            tensors, theirs = found.read_tensors(lambda path, file: read_tensors(path)), found.config["labels"]
        else:
            tensors, theirs = read_tensors(found), None
    except (SafetensorError, OSError) as error:
        place = found.folder / found.whole if isinstance(found, Bundle) else found
        raise ZooError(f"init_from: {place} is not a whole safetensors file ({error}); name another.") from error
    state = model.state_dict()
    tensors = {key if key in state else _plain(key): value for key, value in tensors.items()}
    head = f"{next(reversed(state)).rpartition('.')[0]}."
    if theirs != labels:
        tensors = {key: value for key, value in tensors.items() if not key.startswith(head)}
    fresh = (head, *(f"{name}." for name, layer in model.named_modules() if name and hasattr(layer, "start_from")))
    tensors = {k: v for k, v in tensors.items() if not k.startswith(fresh) or _fits(v, state.get(k))}
    missing = [key for key, value in state.items() if not _fits(value, tensors.get(key)) and not key.startswith(fresh)]
    if missing:
        raise ZooError(
            f"init_from: {name} lacks {len(missing)} of the model's tensors, or has them of another shape "
            f"({some(missing)}); name a weight of the same model."
        )
    if unexpected := [key for key in tensors if key not in state and not key.startswith(head)]:
        raise ZooError(
            f"init_from: {name} holds {len(unexpected)} tensors that the model has no place for ({some(unexpected)}); "
            "name a weight of the same model, or change model_args."
        )
    fitting = {key: tensors[key].to(value.dtype) for key, value in state.items() if _fits(value, tensors.get(key))}
    model.load_state_dict({**state, **fitting})


def origin(name: str) -> dict[str, Any]:
    """The origin of a run, for its metrics.json: the name and the SHA-256 of the file."""
    found = _find(name)
    return {"name": name, "sha256": sha256(found.tensors if isinstance(found, Bundle) else found)}


def check_unchanged(name: str, folder: Path) -> None:
    """Raise `ZooError` if the run in `folder` began from other bytes than `name` has now."""
    before = None
    with suppress(FileNotFoundError, ValueError):  # a new run, or a damaged file that will be written again
        before = json.loads((folder / "metrics.json").read_text(encoding="utf-8")).get("init_from")
    if before is not None and before["sha256"] != origin(name)["sha256"]:
        raise ZooError(
            f"init_from: {name} is not the file that {folder} began from (sha256 {before['sha256'][:12]}…); bring "
            "that file back, or start a new run with --out."
        )


def reader(name: str, kind: str) -> Input:
    """The input that the weight to begin from reads; its tokenizer, alphabet or symbols say what its embeddings' rows
    mean.

    Raises `ZooError` if `name` gives only tensors, and if the weight reads another kind of data than `kind`.
    """
    found = _find(name)
    if not isinstance(found, Bundle):
        raise ZooError(
            f"init_from: {name} does not say to which words the rows of its embedding belong; give the folder of its "
            "bundle or run."
        )
    check_config(found)
    if found.config["input"]["kind"] != kind:
        raise ZooError(
            f"init_from: {name} reads {found.config['input']['kind']} data, not {kind} data; "
            "name a weight of the same model."
        )
    return input_of(found)


def _find(name: str) -> Path | Bundle:
    """A file with only tensors, or a bundle."""
    if name.startswith(GUESTS):
        from zoo.sources import timm

        return timm.file(name)
    path = expanded(name)
    if path.suffix == ".safetensors":
        if not path.is_file():
            raise ZooError(f"init_from: there is no file {name}; check the path.")
        return path
    from zoo import sources

    try:
        return sources.find(name)
    except ZooError as error:
        if path.is_file():
            raise ZooError(
                f"init_from: {name} is not a .safetensors file, the only format that is read; convert it."
            ) from error
        raise


def _plain(key: str) -> str:
    """A tensor's name without the parts that `torch.compile` and `DataParallel` add when a wrapped model is saved."""
    while key.startswith("module."):
        key = key.removeprefix("module.")
    key = key.replace("_orig_mod.", "")
    return key.removeprefix("module.")


def _fits(ours: Tensor, theirs: Tensor | None) -> bool:
    return theirs is not None and ours.shape == theirs.shape
