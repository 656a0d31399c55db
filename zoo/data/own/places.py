"""Where the user's own data lie. A recipe holds the names and hashes of the files, never the path, because data move.

`--data` gives the path. Without it, the zoo uses the place where it last saw files with these hashes (noted in
ZOO_HOME), or looks under ZOO_DATA for files of the same name or size.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from zoo.data import files
from zoo.data.own.parting import PARTS
from zoo.errors import ZooError
from zoo.home import data_folder, expanded, write_text
from zoo.integrity import sha256

PREFIXES = ("file:", "imagefolder:", "hf:", "memory:")
Files = Mapping[str, Mapping[str, Any]]
"""Name within the address -> {"sha256", "size"}."""


_GIVEN: ContextVar[Any] = ContextVar("given", default=None)


@contextmanager
def at(place: Any) -> Iterator[None]:
    """Within the body, the user's own data lie at `place` (a path, or an object in memory); None changes nothing."""
    token = _GIVEN.set(place) if place is not None else None
    try:
        yield
    finally:
        if token is not None:
            _GIVEN.reset(token)


def given() -> Any:
    """The place that `at` gave; None outside of it."""
    return _GIVEN.get()


def is_one(name: str) -> bool:
    """Whether a data set's name is the address of the user's own data."""
    return name.startswith(PREFIXES)


def split_name(name: str) -> tuple[str, str]:
    """`file:a/b.csv` -> ("file", "a/b.csv")."""
    prefix, _, rest = name.partition(":")
    return prefix, rest


def public(name: str) -> str:
    """The address as a recipe keeps it: only the last part of a path."""
    prefix, rest = split_name(name)
    if prefix not in ("file", "imagefolder"):
        return name
    return f"{prefix}:{expanded(rest).resolve().name if rest not in ('', '/') else 'data'}"


ABOUT = re.compile(r"(?i)((readme|licen[sc]e)(\.(txt|rst))?|dataset_infos?\.json|.*\.(md|py))$")
"""Files that describe a data set, as on the Hub, and are not part of its data."""


def parts_of(root: Path) -> dict[str, list[Path]]:
    """train, test, validation -> their files: `root` itself is one file ("all"), or a folder with train and test files.

    The part's name is the beginning or the end of a file's name (`train.csv`, `en_ewt-ud-train.conllu`,
    `train-00000-of-00002.parquet`), or its folder's name. Raises `ZooError` if there is no such file or folder, a
    folder holds no file, or its files' names have no part.
    """
    if root.is_file():
        return {"all": [root]}
    if not root.is_dir():
        raise ZooError(f"data.name: there is no file or folder {root}; check the path.")
    found: dict[str, list[Path]] = {}
    inside = sorted(path for path in root.rglob("*") if path.is_file())
    shown = [
        path
        for path in inside
        if not any(part.startswith(".") for part in path.relative_to(root).parts) and not ABOUT.match(path.name)
    ]
    for path in shown:
        if part := _part(path, root):
            found.setdefault(part, []).append(path)
    if "train" in found and "test" not in found and "validation" in found:
        found["test"] = found.pop("validation")
    if "train" in found and "test" in found:
        return found
    if len(shown) == 1:
        return {"all": shown}
    names = ", ".join(path.name for path in shown[:3]) or "nothing"
    raise ZooError(f"{root} holds no train and test files (found: {names}); call them train.csv and test.csv, say.")


def _part(path: Path, root: Path) -> str | None:
    words = re.split(r"[-_.]", path.name.lower())
    stem = words[:-2] if words[-1] == "gz" else words[:-1]
    if not stem:
        return None
    folder = path.parent.name.lower() if path.parent != root else ""
    if len(stem) > 1 and stem[0] in PARTS and not re.fullmatch(r"\d+", stem[1]) and stem[-1] not in PARTS:
        return None
    for word in (stem[0], stem[-1], folder):
        if word in PARTS:
            return PARTS[word]
    return None


def pinned(root: Path, parts: Mapping[str, list[Path]]) -> dict[str, dict[str, Any]]:
    """The files of an address as a recipe keeps them: name within it -> SHA-256 and size in bytes."""
    base = root if root.is_dir() else root.parent
    chosen = sorted(path for paths in parts.values() for path in paths)
    return {path.relative_to(base).as_posix(): {"sha256": sha256(path), "size": path.stat().st_size} for path in chosen}


def remember(name: str, known: Files, root: Path) -> None:
    """Note in ZOO_HOME where the data lie, so that they are found again; a failure is ignored."""
    with suppress(OSError):
        write_text(_kept(name, known), json.dumps(str(root.resolve())))


def found(name: str, known: Files) -> Path | None:
    """Where a recipe's data lie on this machine; None if the zoo does not find them."""
    prefix, rest = split_name(name)
    candidates = []
    with suppress(OSError, ValueError, TypeError):
        candidates.append(Path(json.loads(_kept(name, known).read_text(encoding="utf-8"))))
    if base := data_folder():
        candidates.append(base / rest)
        if prefix == "file" and len(known) == 1:
            ((_, only),) = known.items()
            candidates += _same_size(base, only["size"])
        candidates += sorted(path for path in base.glob(f"*/{rest}"))
    return next((place for place in candidates if holds(place, known, prefix)), None)


def holds(root: Path, known: Files, prefix: str = "file") -> bool:
    """Whether the files at `root` are the pinned ones."""
    if prefix == "imagefolder":
        return root.is_dir()  # its fingerprint is compared when the folder is read
    with suppress(OSError, ZooError):
        if root.is_file():
            only = list(known.values())
            return len(only) == 1 and root.stat().st_size == only[0]["size"] and sha256(root) == only[0]["sha256"]
        return bool(known) and all(
            (root / name).stat().st_size == one["size"] and sha256(root / name) == one["sha256"]
            for name, one in known.items()
        )
    return False


def _same_size(base: Path, size: int) -> list[Path]:
    """The files of that size under a folder, two levels deep."""
    found = []
    with suppress(OSError):
        for pattern in ("*", "*/*", "*/*/*"):
            found += [path for path in base.glob(pattern) if path.is_file() and path.stat().st_size == size]
    return found


def _kept(name: str, known: Files) -> Path:
    facts = json.dumps([name, {key: dict(value) for key, value in known.items()}], sort_keys=True)
    return files.home() / "places" / f"{hashlib.sha256(facts.encode()).hexdigest()}.json"


def is_there(name: str) -> bool:
    """Whether an address names data on this machine; an address on the Hub always counts."""
    prefix, rest = split_name(name)
    return prefix not in ("file", "imagefolder") or expanded(rest).exists()
