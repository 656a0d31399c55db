"""The index: which weights there are, and the SHA-256 and size of each of their files.

    {"schema": 1, "weights": {NAME: {"default": bool, "files": {FILE: {"sha256": ..., "size": ...}}, "list": {...}}}}

"list", which may be absent, is what `zoo list` shows of the weight (`zoo.bundles.facts`). `zoo.sources.index` says
how large indexes are stored and read part by part.

An index may come from anywhere, so everything in it is checked before it is used: its names become paths.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.errors import ZooError
from zoo.home import write_text
from zoo.integrity import sha256
from zoo.names import check_cases, check_file_name, is_weight_name, model_of

SCHEMA = 1
TENSORS = "model.safetensors"
SHARDED = f"{TENSORS}.index.json"  # instead, if the tensors lie in several files (`zoo.bundles.shards`)
REQUIRED = (TENSORS, "config.json", "recipe.yaml", "metrics.json")
FILES = (*REQUIRED, "log.csv", "tokenizer.json", "golden.json", "curves.png", "confusion.png", "README.md")
MOST_FILES = 256  # of one weight; a large model's tensors may lie in many
_SHARD = re.compile(r"model-[0-9]{5,6}-of-[0-9]{5,6}\.safetensors")  # as the Hub's tools name them
_MOST_BYTES = 64 << 20  # of any file but the tensors
FACTS: dict[str, Any] = {
    **dict.fromkeys(("task", "data", "metric"), str),
    **dict.fromkeys(("mean", "std", "latency_ms"), (float, int)),
    **dict.fromkeys(("n", "parameters", "bytes"), int),
}


@dataclass(frozen=True)
class FileRecord:
    """What the bytes of a file must be; `size` in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True)
class Entry:
    """One weight of an index. `default` marks the one that `pretrained=True` means for its model.

    `facts` is what `zoo list` shows of it, as far as the index says.
    """

    name: str
    default: bool
    files: dict[str, FileRecord]
    facts: Mapping[str, Any] = field(default_factory=dict, compare=False)


def read_index(source: Path | str) -> dict[str, Entry]:
    """The weights of an index by name; `source` is its path, or its text.

    Raises `ZooError` for what is not an index of this schema, for names that could leave their folder, and if a
    model has two defaults.
    """
    where = str(source) if isinstance(source, Path) else "the index"
    return flat_entries(parse_json(read_text(source) if isinstance(source, Path) else source, where), where)


def flat_entries(content: Mapping[str, Any], where: str) -> dict[str, Entry]:
    """The weights of a parsed index of schema 1 by name; `ZooError` that names `where` if it is not one."""
    if type(content.get("schema")) is not int or content["schema"] != SCHEMA:  # for Python, True is 1
        raise ZooError(f"{where} has schema {content.get('schema')!r} where this zoo reads {SCHEMA}; upgrade the zoo.")
    weights = _object(content.get("weights"), "weights", where)
    entries = {name: entry_from(name, value, where) for name, value in weights.items()}
    check_cases(entries, where)
    defaults: dict[str, str] = {}
    for name in (name for name, entry in entries.items() if entry.default):
        first = defaults.setdefault(model_of(name), name)
        if first != name:
            raise ZooError(f"{where} has two defaults for one model, {first} and {name}; ask its publisher to mend it.")
    return entries


def write_index(path: Path, entries: Mapping[str, Entry]) -> None:
    """Write an index of schema 1, sorted by name, whole or not at all."""
    weights = {name: entry_to(entry) for name, entry in sorted(entries.items())}
    write_text(path, json.dumps({"schema": SCHEMA, "weights": weights}, indent=1) + "\n")


def entry_to(entry: Entry) -> dict[str, Any]:
    """A weight as an index has it."""
    content: dict[str, Any] = {
        "default": entry.default,
        "files": {file: {"sha256": r.sha256, "size": r.size} for file, r in sorted(entry.files.items())},
    }
    return {**content, "list": dict(entry.facts)} if entry.facts else content


def entry_of(folder: Path, name: str, default: bool) -> Entry:
    """The entry of the bundle that lies in `folder`, its files hashed as they are now."""
    present = [folder / file for file in files_in(folder)]
    return Entry(name, default, {path.name: FileRecord(sha256(path), path.stat().st_size) for path in present})


def files_in(folder: Path) -> list[str]:
    """The names of the files in `folder` that belong to a bundle."""
    found = [file for file in FILES if (folder / file).is_file()]
    if TENSORS not in found and (folder / SHARDED).is_file():
        shards = sorted(path.name for path in folder.iterdir() if _SHARD.fullmatch(path.name) and path.is_file())
        found = [SHARDED, *shards, *found]
    return found


def has_tensors(folder: str | os.PathLike[str]) -> bool:
    """Whether a bundle's tensors, or the index of the files that hold them, lie in `folder`."""
    return any(os.path.isfile(os.path.join(folder, file)) for file in (TENSORS, SHARDED))


def required(files: Container[str]) -> list[str]:
    """The files that every bundle has: first its tensors, or the index of them if that is what `files` has."""
    in_several = SHARDED in files and TENSORS not in files
    return [SHARDED if file == TENSORS and in_several else file for file in REQUIRED]


def read_text(path: Path) -> str:
    """The text of a small file of a bundle; `ZooError` if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = "is not text" if isinstance(error, UnicodeDecodeError) else f"cannot be read ({error.strerror})"
        raise ZooError(f"{path} {reason}; fetch or publish the bundle again.") from error


def parse_json(text: str, where: str) -> dict[str, Any]:
    """The JSON object that `text` holds; `ZooError` with the line if it does not hold one."""
    try:
        return _object(json.loads(text, parse_constant=_not_finite), "the whole", where)
    except (ValueError, RecursionError) as error:
        place = str(error) if isinstance(error, ValueError) else type(error).__name__
        if isinstance(error, json.JSONDecodeError):
            place = f"line {error.lineno}: {error.msg}"
        raise ZooError(f"{where} is not JSON ({place}); fetch or publish it again.") from error


def _not_finite(constant: str) -> Any:
    raise ValueError(f"{constant} is not a JSON number")


def entry_from(name: str, value: Any, where: str) -> Entry:
    """The weight that an index, or a part of one, has under `name`; `ZooError` if that cannot be a weight."""
    if not is_weight_name(name):
        raise ZooError(
            f"{where} names the weight {name!r}, which does not have the form <model>.<tag>_v<N>; ask its publisher."
        )
    value = _object(value, name, where)
    default = value.get("default", False)
    files = {
        check_file_name(file, where): _record(file, record, f"{where}, {name}")
        for file, record in _object(value.get("files"), f"{name}.files", where).items()
    }
    check_cases(files, f"{where}, {name}")
    if not isinstance(default, bool):
        raise ZooError(f"{where}, {name}: 'default' is {default!r} where true or false is expected; ask its publisher.")
    if missing := [file for file in required(files) if file not in files]:
        raise ZooError(f"{where} lists {name} without {', '.join(missing)}; ask its publisher to mend it.")
    if len(files) > MOST_FILES:
        raise ZooError(f"{where} lists {len(files):,} files for {name}, too many for a bundle; do not use it.")
    for file, record in files.items():
        if record.size > _MOST_BYTES and not file.endswith(".safetensors"):
            raise ZooError(f"{where} lists {file} of {name} with {record.size:,} bytes; do not use it.")
    return Entry(name, default, files, _facts(value.get("list")))


def _facts(value: Any) -> dict[str, Any]:
    """The facts of the right type; a wrong fact only spoils a list, so it must not keep a weight from being loaded."""
    given = value if isinstance(value, dict) else {}
    return {key: given[key] for key in FACTS if is_fact(key, given.get(key))}


def is_fact(key: str, value: Any) -> bool:
    """Whether a list can show `value` under this key."""
    if isinstance(value, bool) or not isinstance(value, FACTS[key]):
        return False
    return isinstance(value, str) or abs(value) <= sys.float_info.max


def _record(file: str, value: Any, where: str) -> FileRecord:
    value = _object(value, file, where)
    digest, size = value.get("sha256"), value.get("size")
    if not isinstance(digest, str) or re.fullmatch(r"[0-9a-f]{64}", digest) is None:
        raise ZooError(
            f"{where}: the sha256 of {file} is {digest!r} where 64 hex digits are expected; ask its publisher."
        )
    if type(size) is not int or size < 0:
        raise ZooError(
            f"{where}: the size of {file} is {size!r} where a number of bytes is expected; ask its publisher."
        )
    return FileRecord(digest, size)


def _object(value: Any, key: str, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ZooError(
            f"{where}: {key} is {type(value).__name__} where a JSON object is expected; fetch or publish it again."
        )
    return value
