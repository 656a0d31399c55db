"""A trained model -> a bundle, whole or not at all."""

from __future__ import annotations

import ctypes
import hashlib
import json
import struct
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from zoo.bundles.format import Bundle, open_bundle
from zoo.bundles.index import SHARDED, TENSORS
from zoo.errors import ZooError
from zoo.home import json_text, replacing
from zoo.integrity import sha256

MOST = 5_000_000_000
"""The most bytes of tensors in one file, as in the Hub's own tools."""


def write_bundle(
    folder: Path,
    *,
    state_dict: Mapping[str, Tensor],
    config: Mapping[str, Any],
    recipe_text: str,
    metrics: Mapping[str, Any],
    log_csv: str,
    card: Callable[[Mapping[str, Any], Mapping[str, Any]], str],
    tokenizer: str | None = None,
    metadata: Mapping[str, Any],
) -> Bundle:
    """Write every file of a bundle into the new folder `folder`.

    Args:
        state_dict: what `nn.Module.state_dict` gives; tied tensors are stored once, under their first name.
        config, metrics: the contents of config.json and metrics.json; `sha256` (of the tensors) and `recipe_sha256`
            are filled in.
        card: makes the card's text from the contents of config.json and of metrics.json, once they are complete.
        tokenizer: the text of tokenizer.json, for models that read text.
        metadata: repeated in the head of the tensors' file, such as name, data SHA-256, seed and versions.

    The files appear together, once all are written. Raises `ZooError` if `folder` exists and is not empty (the bytes
    of a weight never change) and if it cannot be written, for lack of space for instance.
    """
    if folder.is_file() or (folder.exists() and any(folder.iterdir())):
        raise ZooError(f"{folder} exists already and a bundle never changes; give another folder, or a new version.")
    recipe_sha256 = hashlib.sha256(recipe_text.encode()).hexdigest()
    try:
        with replacing(folder) as temporary:
            temporary.mkdir()
            whole = _write_all(temporary, state_dict, {**metadata, "recipe_sha256": recipe_sha256})
            metrics = {**metrics, "sha256": sha256(whole), "recipe_sha256": recipe_sha256}
            texts = {
                "config.json": _json(config),
                "metrics.json": _json(metrics),
                "recipe.yaml": recipe_text,
                "log.csv": log_csv,
                "tokenizer.json": tokenizer,
                "README.md": card(config, metrics),
            }
            for name, text in texts.items():
                if text is not None:
                    (temporary / name).write_text(text, encoding="utf-8", newline="\n")
            if folder.exists():
                folder.rmdir()  # it is empty; some systems cannot rename a folder onto another
    except OSError as error:
        raise ZooError(
            f"{folder} cannot be written ({error.strerror}); free some space or choose another place."
        ) from error
    return open_bundle(folder)


def _write_all(folder: Path, state_dict: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> Path:
    """Write the tensors into one file, or several if they are large; returns the file whose hash stands for all."""
    groups: list[dict[str, Tensor]] = [{}]
    room = MOST
    for name, tensor in _untied(state_dict).items():
        size = tensor.numel() * tensor.itemsize
        if groups[-1] and size > room:
            groups.append({})
            room = MOST
        groups[-1][name] = tensor
        room -= size
    if len(groups) == 1:
        write_tensors(folder / TENSORS, groups[0], metadata)
        return folder / TENSORS
    files = [f"model-{number:05d}-of-{len(groups):05d}.safetensors" for number in range(1, len(groups) + 1)]
    for file, group in zip(files, groups, strict=True):
        write_tensors(folder / file, group, metadata)
    about = {
        "total_size": sum(tensor.nbytes for group in groups for tensor in group.values()),
        "sha256": {file: sha256(folder / file) for file in files},
    }
    names = {name: file for file, group in zip(files, groups, strict=True) for name in group}
    (folder / SHARDED).write_text(_json({"metadata": about, "weight_map": names}), encoding="utf-8", newline="\n")
    return folder / SHARDED


def write_tensors(path: Path, state_dict: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> None:
    """Write a safetensors file. The same tensors and metadata give the same bytes, and so the same hash.

    The same as `safetensors.torch.save` makes, except that the metadata are sorted and that the tensors are not
    copied (the library copies them twice). `format: pt` in its head says that the tensors are torch's: without it
    accelerate and huggingface_hub refuse a file.
    """
    tensors = _untied(state_dict)
    for name, tensor in tensors.items():
        if tensor.layout != torch.strided or tensor.dtype not in _TYPES:
            raise ZooError(
                f"{path} cannot be written: {name} is {tensor.dtype} in {tensor.layout}; give dense tensors."
            )
    order = sorted(tensors, key=lambda name: (-[*_TYPES].index(tensors[name].dtype), name))
    head: dict[str, Any] = {"__metadata__": dict(sorted({"format": "pt", **_texts(metadata)}.items()))}
    at = 0
    for name in order:
        end = at + tensors[name].nbytes
        head[name] = {"dtype": _TYPES[tensors[name].dtype], "shape": [*tensors[name].shape], "data_offsets": [at, end]}
        at = end
    text = json.dumps(head, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # the tensors start at a multiple of 8
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in order:
            _write(file, tensors[name])


# In the library's order: by type, the last type first.
_TYPES = {
    torch.bool: "BOOL",
    torch.uint8: "U8",
    torch.int8: "I8",
    torch.int16: "I16",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int32: "I32",
    torch.float32: "F32",
    torch.float64: "F64",
    torch.int64: "I64",
}


def _untied(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors, tied ones once, under their first name."""
    seen, tensors = set(), {}
    for name, tensor in state_dict.items():
        dense = tensor.layout == torch.strided
        place = (tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype) if dense and tensor.numel() else name
        if place not in seen:
            seen.add(place)
            tensors[name] = tensor
    return tensors


def _write(file: BinaryIO, tensor: Tensor) -> None:
    """The tensor's numbers, little-endian, directly from its memory."""
    tensor = tensor.detach().cpu().contiguous()
    if sys.byteorder != "little":
        tensor = torch.from_numpy(tensor.numpy().byteswap())
    if tensor.numel():
        file.write(memoryview((ctypes.c_ubyte * tensor.nbytes).from_address(tensor.data_ptr())))


def _texts(metadata: Mapping[str, Any]) -> dict[str, str]:
    return {key: _text(value) for key, value in metadata.items()}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _json(value: Mapping[str, Any]) -> str:
    return json_text(value, "the bundle", indent=1)
