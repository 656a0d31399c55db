"""The cache: what was fetched once is checked, kept whole, and found again without a network.

Layout under ZOO_HOME (default `~/.cache/zoo`):

    weights/<weight>/<first 16 digits of the tensors' SHA-256>/FILE    what was fetched; only whole, checked files
    indexes/<digest of the source's url>.json                          the last index read, for when there is no network
    tmp/                                                               files on their way in, and the locks
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from zoo.bundles.index import TENSORS, Entry, FileRecord, read_index
from zoo.errors import ZooError
from zoo.home import home, locked, offline, replacing, write_text
from zoo.integrity import check_file, sha256


class Source(Protocol):
    """What the cache asks of a source."""

    @property
    def url(self) -> str: ...

    def read_index(self) -> dict[str, Entry]: ...

    def fetch(self, entry: Entry, file: str, dest: Path) -> None:
        """Write `file` of the weight to `dest`, unchecked; an `OSError` means that `dest` could not be written."""
        ...


def fill(source: Source, entry: Entry) -> Path:
    """The folder in the cache that holds all files of a weight, each fetched unless it is there and as it should be.

    Several processes may fill at once: each file is fetched by one of them. Raises `ZooError` where a file cannot be
    had, is not what the index says, or cannot be kept; the file is then not in the cache.
    """
    folder = home() / "weights" / entry.name / entry.files[TENSORS].sha256[:16]
    for file in sorted(entry.files):
        try:
            _keep(source, entry, file, folder / file)
        except OSError as error:
            raise ZooError(
                f"{file} of {entry.name} cannot be kept in the cache {home()} ({error.strerror or error}); "
                "free some space there or set ZOO_HOME to another folder."
            ) from error
    return folder


def read_remote_index(url: str, download: Callable[[], str]) -> dict[str, Entry]:
    """The index that `download` returns as text; offline, the one last read from `url`, or an empty one."""
    kept = home() / "indexes" / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}.json"
    if offline():
        return read_index(kept) if kept.is_file() else {}
    text = download()
    try:
        index = read_index(text)
    except ZooError as error:
        raise ZooError(f"{url}: {error}") from error
    with suppress(OSError):  # a cache that cannot be written costs the next offline read, not this one
        write_text(kept, text)
    return index


def _keep(source: Source, entry: Entry, file: str, target: Path) -> None:
    """Fetch one file into its place in the cache, unless it is there."""
    record = entry.files[file]
    if _is_whole(target, record):
        return
    # Under the lock the name of the staging folder can be fixed: what a killed process left there is found and cleared.
    staging = home() / "tmp" / f"{entry.name}.{target.parent.name}.{file}"
    with locked(staging.with_name(f"{staging.name}.lock")):
        if _is_whole(target, record):
            return
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        try:
            source.fetch(entry, file, staging / file)
            _check(source, entry, file, staging / file)
            with replacing(target) as temporary:
                os.replace(staging / file, temporary)
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def _is_whole(path: Path, record: FileRecord) -> bool:
    if not path.is_file():
        return False
    try:
        check_file(path, record.sha256, record.size)
    except ZooError:
        return False  # damaged on this disk; fetched anew
    return True


def _check(source: Source, entry: Entry, file: str, path: Path) -> None:
    record, size = entry.files[file], path.stat().st_size
    if size != record.size:
        found = f"more than {record.size:,}" if size > record.size else f"{size:,} of {record.size:,}"
    elif sha256(path) != record.sha256:
        found = "the right number of bytes, but other"
    else:
        return
    raise ZooError(
        f"{source.url} gave {found} bytes for {file} of {entry.name}, so it was not kept; try again, "
        "and if it stays so tell its publisher."
    )
