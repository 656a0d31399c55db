"""The zoo's files on this machine, which `zoo cache` shows, checks and clears."""

from __future__ import annotations

import hashlib
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import ZooError
from zoo.home import home
from zoo.integrity import sha256

# Cleared by name, because ZOO_HOME may be a folder that also holds other things.
PARTS = {
    "weights": "fetched weights",
    "indexes": "indexes last read",
    "parts": "parts of large indexes",
    "verified": "hashes of files checked before",
    "costs": "what running a weight costs, as measured here",
    "data": "data sets, fetched and decoded",
    "aside": "files that were found damaged",
    "tmp": "files on their way in",
}
_STALE = 86_400.0  # seconds after which files in tmp/ count as abandoned


@dataclass(frozen=True)
class Kept:
    """A weight in the cache; `used` is when it was last asked for, in seconds since 1970."""

    name: str
    folder: Path
    size: int
    used: float


def usage() -> dict[str, int]:
    """Bytes in each part of the cache."""
    return {part: sum(file.lstat().st_size for file in _files(home() / part)) for part in PARTS}


def weights() -> list[Kept]:
    """The weights in the cache, the longest unused first."""
    found = []
    for folder in (home() / "weights").glob("*/*"):
        if folder.is_dir():
            size = sum(file.lstat().st_size for file in _files(folder))
            found.append(Kept(folder.parent.name, folder, size, folder.stat().st_mtime))
    return sorted(found, key=lambda kept: kept.used)


def damaged() -> list[Kept]:
    """The weights in the cache that are not whole: every byte is read, and remembered hashes are not used."""
    return [kept for kept in weights() if _digest(kept.folder) != kept.folder.name]


def prune(*, older_than: float | None = None, most: int | None = None) -> list[Kept]:
    """Delete weights that were not used within `older_than` seconds, then the longest unused until the rest has at
    most `most` bytes; also damaged files, and files that a killed process left. Returns the deleted weights."""
    kept, gone, now = weights(), [], time.time()
    total = sum(weight.size for weight in kept)
    for weight in kept:
        old = older_than is not None and now - weight.used > older_than
        if old or (most is not None and total > most):
            _delete(weight.folder)
            with suppress(OSError):
                weight.folder.parent.rmdir()  # if it was the last of its name
            total -= weight.size
            gone.append(weight)
    _delete(home() / "aside")
    for path in (*(home() / "tmp").glob("*"), *(home() / "data").glob(".fetch-*")):
        with suppress(OSError):
            if now - path.lstat().st_mtime > _STALE and path.suffix != ".lock":
                _delete(path)
    return gone


def clear() -> None:
    """Delete the cache; other files in ZOO_HOME stay. Raises `ZooError` if that is not permitted."""
    for part in PARTS:
        _delete(home() / part)


def _delete(path: Path) -> None:
    try:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise ZooError(f"{path} cannot be deleted ({error.strerror}); delete it by hand.") from error


def _digest(folder: Path) -> str:
    """The right name of a whole weight's folder (`zoo.sources.cache.folder_of`), computed from the bytes in it."""
    lines = [f"{path.name} {sha256(path)}" for path in sorted(folder.iterdir(), key=lambda p: p.name) if path.is_file()]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_symlink() or path.is_file()]
