"""Tensors in several files, as the Hub stores a large model.

    model.safetensors.index.json       {"metadata": {"total_size": BYTES, "sha256": {FILE: ...}},
                                        "weight_map": {TENSOR: FILE}}
    model-00001-of-00002.safetensors   some of the tensors

In a bundle this index replaces model.safetensors: `sha256` in metrics.json is the index's hash. If no source's index
lists the files, the `sha256` inside this index vouches for each of them (the Hub's tools do not write it).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from zoo.bundles.index import MOST_FILES, parse_json
from zoo.errors import ZooError, some
from zoo.names import check_cases, check_file_name

LIMIT = 16 << 20
"""The most bytes that an index may have; the largest models on the Hub need 9 million."""
NAMES = 1 << 17
"""The most tensors that an index may name; the largest models on the Hub have 92,000."""

T = TypeVar("T")


@dataclass(frozen=True)
class Shards:
    """An index of tensors. `where` is what messages call it, `size` the bytes of all tensors if it says."""

    where: str
    files: dict[str, set[str]]
    """File -> the names of its tensors."""
    size: int | None
    sha256: dict[str, str]

    def read(
        self, opened: Callable[[str], AbstractContextManager[Path]], read: Callable[[Path, str], dict[str, T]]
    ) -> dict[str, T]:
        """What `read(path, name)` returns for each tensor of all files; `opened` gives a file's path.

        Raises `ZooError` if a file holds other tensors than the index says, or if their total size differs.
        """
        found: dict[str, T] = {}
        size = 0
        for file, names in self.files.items():
            with opened(file) as path:
                part = read(path, file)
                size += _size_of(path)
            if differing := part.keys() ^ names:
                raise ZooError(
                    f"{file} holds other tensors than {self.where} says ({some(sorted(differing), 3)}); fetch all of "
                    "them again."
                )
            found |= part
        if self.size is not None and self.size != size:
            raise ZooError(
                f"{self.where} says that the tensors have {self.size:,} bytes, but they have {size:,}; fetch all of "
                "them again."
            )
        return found


def parse(raw: bytes, where: str) -> Shards:
    """The index of tensors in these bytes; `ZooError` if they are not an index, or name too much."""
    if len(raw) > LIMIT:
        raise too_long(where)
    content = parse_json(raw.decode("utf-8", errors="replace"), where)
    names, about = content.get("weight_map"), content.get("metadata", {})
    if not isinstance(names, dict) or not names or not all(isinstance(file, str) for file in names.values()):
        raise ZooError(f"{where} is not an index of safetensors files; it has no weight_map of names.")
    if len(names) > NAMES:
        raise ZooError(f"{where} names {len(names):,} tensors, but at most {NAMES:,} are read; do not use it.")
    files: dict[str, set[str]] = {}
    for name, file in names.items():
        files.setdefault(file, set()).add(name)
    if len(files) > MOST_FILES:
        raise ZooError(f"{where} names {len(files):,} files, but at most {MOST_FILES} are read; do not use it.")
    for file in files:
        if not check_file_name(file, where).endswith(".safetensors"):
            raise ZooError(f"{where} names {file}, which is not a safetensors file; do not use it.")
    check_cases(files, where)
    size = about.get("total_size") if isinstance(about, dict) else None
    if size is not None and (not isinstance(size, (int, float)) or isinstance(size, bool) or not 0 <= size < 2**63):
        raise ZooError(f"{where}: total_size is not a number of bytes; fetch it again.")
    hashes: Any = about.get("sha256", {}) if isinstance(about, dict) else {}
    if not isinstance(hashes, dict) or not all(_is_hash(value) for value in hashes.values()):
        raise ZooError(f"{where}: sha256 is not an object of 64 hex digits for each file; fetch it again.")
    return Shards(where, dict(sorted(files.items())), None if size is None else int(size), hashes)


def too_long(where: str) -> ZooError:
    """The error for an index that is too large to be read."""
    return ZooError(f"{where} has more than {LIMIT:,} bytes, too many for an index of tensors; do not use it.")


def _size_of(path: Path) -> int:
    """The bytes of a safetensors file after its head."""
    with open(path, "rb") as file:
        (head,) = struct.unpack("<Q", file.read(8))
    return path.stat().st_size - 8 - head


def _is_hash(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value) is not None
