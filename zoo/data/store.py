"""The tensors of a data set, decoded once and kept as one safetensors file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file

from zoo.data.fingerprint import SPLITS, pack, unpack
from zoo.data.split import Split
from zoo.errors import ZooError
from zoo.home import replacing, write_text
from zoo.integrity import check_file, sha256
from zoo.tensors import read_metadata, read_tensors

# Covers the layout, and what the file holds beyond the fingerprint (the groups); data of another schema are decoded
# again.
SCHEMA = "1"


def save(path: Path, splits: Sequence[Split], fingerprint: str, stamp: str) -> None:
    """Write the splits (train, test, and validation if there is one), atomically.

    `stamp` says which raw files they came from. Raises ZooError if the file cannot be written; then nothing is left
    behind.
    """
    tensors = {}
    for name, split in zip(SPLITS, splits, strict=False):
        if isinstance(split.inputs, list):
            tensors[f"{name}.lengths"], tensors[f"{name}.text"] = pack(split.inputs)
        else:
            tensors[f"{name}.inputs"] = split.inputs.contiguous()
        tensors[f"{name}.targets"] = split.targets
        if split.groups is not None:
            tensors[f"{name}.groups"] = split.groups
    try:
        with replacing(path) as temporary:
            save_file(tensors, temporary, {"schema": SCHEMA, "fingerprint": fingerprint, "stamp": stamp})
            write_text(_hash_file(path), sha256(temporary))
    except (OSError, SafetensorError) as error:
        raise ZooError(
            f"the decoded data cannot be kept in {path} ({error}); make room there or set ZOO_HOME to another folder"
        ) from error


def load(path: Path, fingerprint: str, stamp: str | None) -> tuple[Split, ...] | None:
    """The splits, memory-mapped; None if the file does not exist, is damaged, or holds something else.

    `stamp` is that of the raw files at hand, or None if there are none to compare with.
    """
    try:
        check_file(path, _hash_file(path).read_text(encoding="utf-8"))
        kept = read_metadata(path)
        if kept.get("schema") != SCHEMA or kept.get("fingerprint") != fingerprint:
            return None
        if stamp is not None and kept.get("stamp") != stamp:
            return None
        tensors = read_tensors(path)
    except (OSError, UnicodeDecodeError, SafetensorError, ZooError):
        return None
    return tuple(_split(name, tensors) for name in SPLITS if f"{name}.targets" in tensors)


def _hash_file(path: Path) -> Path:
    """The file with the SHA-256 of the kept file; it is written first, so no kept file is used without a hash."""
    return path.with_suffix(".sha256")


def _split(name: str, tensors: dict) -> Split:
    if f"{name}.inputs" in tensors:
        inputs = tensors[f"{name}.inputs"]
    else:
        inputs = unpack(tensors[f"{name}.lengths"], tensors[f"{name}.text"])
    return Split(inputs, tensors[f"{name}.targets"], tensors.get(f"{name}.groups"))
