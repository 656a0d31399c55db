"""A trained model -> a bundle, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save
from torch import Tensor

from zoo.bundles.format import Bundle, open_bundle
from zoo.bundles.index import TENSORS
from zoo.errors import ZooError
from zoo.home import json_text, replacing
from zoo.integrity import sha256


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
        card: makes the card's text from the contents of config.json and of metrics.json, which then are whole.
        tokenizer: the text of tokenizer.json, for models that read text.
        metadata: repeated in the head of the tensors' file, such as name, data SHA-256, seed and versions.

    The files appear together, once all are written. Raises `ZooError` where `folder` exists and is not empty (the bytes
    of a weight never change) and where it cannot be written, for lack of space for instance.
    """
    if folder.is_file() or (folder.exists() and any(folder.iterdir())):
        raise ZooError(f"{folder} exists already and a bundle never changes; give another folder, or a new version.")
    recipe_sha256 = hashlib.sha256(recipe_text.encode()).hexdigest()
    try:
        with replacing(folder) as temporary:
            temporary.mkdir()
            tensors = temporary / TENSORS
            write_tensors(tensors, state_dict, {**metadata, "recipe_sha256": recipe_sha256})
            metrics = {**metrics, "sha256": sha256(tensors), "recipe_sha256": recipe_sha256}
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
                folder.rmdir()  # it is empty, and a folder cannot be renamed onto another everywhere
    except OSError as error:
        raise ZooError(
            f"{folder} cannot be written ({error.strerror}); free some space or choose another place."
        ) from error
    return open_bundle(folder)


def write_tensors(path: Path, state_dict: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> None:
    """Write a safetensors file. The same tensors and metadata give the same bytes, and so the same hash.

    `format: pt` in its head says that the tensors are torch's: accelerate and huggingface_hub read no file without it.
    """
    try:
        content = save(_untied(state_dict), {"format": "pt", **{key: _text(value) for key, value in metadata.items()}})
    except (SafetensorError, ValueError) as error:
        raise ZooError(
            f"{path} cannot be written: {error}; give dense tensors as nn.Module.state_dict does."
        ) from error
    head, body = _sorted_header(content)
    with open(path, "wb") as file:
        file.write(head)
        file.write(body)


def _untied(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors on the CPU, contiguous, each with memory of its own, and tied ones once."""
    seen, tensors = set(), {}
    for name, tensor in state_dict.items():
        place = (tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)
        if tensor.numel() and place in seen:
            continue
        seen.add(place)
        tensor = tensor.detach().cpu().contiguous()
        whole = tensor.untyped_storage().nbytes() == tensor.nbytes
        tensors[name] = tensor if whole else tensor.clone()  # a view would drag the memory it views along
    return tensors


def _sorted_header(content: bytes) -> tuple[bytes, memoryview]:
    """A safetensors file as header and body, with its metadata sorted: the library writes them in a random order."""
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    ordered = {"__metadata__": dict(sorted(header.pop("__metadata__", {}).items())), **header}
    text = json.dumps(ordered, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # the tensors start at a multiple of 8
    return struct.pack("<Q", len(text)) + text, memoryview(content)[8 + length :]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _json(value: Mapping[str, Any]) -> str:
    return json_text(value, "the bundle", indent=1)
