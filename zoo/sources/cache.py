"""The cache: fetched files are checked, kept whole, and found again without a network.

Layout under ZOO_HOME (default `~/.cache/zoo`):

    weights/<weight>/<first 16 digits of a hash over its files' hashes>/FILE    only whole, checked files
    indexes/<digest of the place's url>.json     the index last read, for when the place does not answer
    parts/<SHA-256>.json                         parts of large indexes
    aside/                                       damaged files, each until the next one of its name
    tmp/                                         files on their way in, named after what they will be, and the locks
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path

from zoo.bundles.index import Entry, FileRecord
from zoo.errors import ZooError
from zoo.home import home, make_folder, offline, replacing, share
from zoo.integrity import check_file, sha256
from zoo.sources import index as indexes
from zoo.sources import trust
from zoo.sources.folder import PACKAGE, Folder
from zoo.sources.place import INDEX, Place, Unavailable
from zoo.sources.progress import progress

_SMALL = 1 << 20  # bytes: smaller files are fetched in parallel, without a progress line
_SPEAKS_AFTER = 5.0  # seconds of waiting for another process before a message
_STALLED = 30.0  # if another process's download does not grow for this many seconds, we fetch for ourselves

Places = Callable[[], Iterable[Place]]


def read_index(place: Place) -> indexes.Index:
    """The index of a place; if the place does not answer, the index last read from it, with one warning.

    Raises `Unavailable` if there is neither, and if the answer is not an index.
    """
    if isinstance(place, Folder):
        return trusted(place, place.read(INDEX, indexes.LIMIT))
    kept = home() / "indexes" / f"{hashlib.sha256(place.url.encode()).hexdigest()[:16]}.json"
    try:
        raw = place.read(INDEX, indexes.LIMIT)
    except Unavailable as error:
        try:
            raw = kept.read_bytes()
        except OSError:
            if offline():
                raise Unavailable(
                    f"{place.url} was never read on this machine and ZOO_OFFLINE forbids the network; unset it once."
                ) from error
            raise error from None
        if not offline():
            day = time.strftime("%Y-%m-%d %H:%M", time.localtime(kept.stat().st_mtime))
            warnings.warn(f"{error} Its index of {day} is used.", stacklevel=2)
        return trusted(place, raw)
    found = trusted(place, raw)
    with suppress(OSError), replacing(kept) as temporary:  # without a writable cache only later offline reads fail
        temporary.write_bytes(raw)
    return found


def fill(place: Place, entry: Entry, others: Places = tuple) -> Path:
    """The folder in the cache with all files of a weight; missing or damaged files are fetched.

    If `place` does not give a file with the right bytes, the places of `others` are tried in turn, with one warning
    each. Several processes may fill the cache at once: each file is fetched by one of them. Raises `ZooError` if a
    file cannot be fetched, is not what the index says, or cannot be written; then it is not in the cache.
    """
    folder = folder_of(entry)
    asked = _Asked(place, others)
    try:
        lacking = [file for file in sorted(entry.files) if not _is_whole(folder / file, entry.files[file])]
        _check_room(entry, lacking)
        small = [file for file in lacking if entry.files[file].size <= _SMALL]
        with ThreadPoolExecutor(4) as pool:
            kept = [pool.submit(_keep, asked, entry, file, folder / file) for file in small]
            try:
                for file in lacking:
                    if file not in small:
                        _keep(asked, entry, file, folder / file)
                for one in kept:
                    one.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    except OSError as error:
        raise ZooError(f"{entry.name} cannot be kept in the cache {home()} ({_advice(error)}") from error
    with suppress(OSError):
        os.utime(folder)  # the time of the last use, for `zoo cache prune`
    return folder


def folder_of(entry: Entry) -> Path:
    """The folder for a weight in the cache, whether it exists or not."""
    files = "\n".join(f"{file} {record.sha256}" for file, record in sorted(entry.files.items()))
    return home() / "weights" / entry.name / hashlib.sha256(files.encode()).hexdigest()[:16]


def is_filled(entry: Entry) -> bool:
    """Whether the cache holds the whole weight."""
    return all(_is_whole(folder_of(entry) / file, record) for file, record in entry.files.items())


class _Asked:
    """The places that may have a weight, in the order in which they are tried; one that failed is not tried again."""

    def __init__(self, first: Place, others: Places) -> None:
        self._untried = chain([first], _lazily(others))
        self._good: list[Place] = []
        self._first: Exception | None = None
        self._mine = threading.RLock()

    def current(self) -> Place:
        """The place to try now; if none is left, raises the first one's error."""
        with self._mine:
            if not self._good:
                place = next(self._untried, None)
                if place is None:
                    assert self._first is not None
                    raise self._first
                self._good.append(place)
            return self._good[0]

    def failed(self, place: Place, error: ZooError) -> None:
        """Try another place from now on."""
        with self._mine:
            self._first = self._first or error
            if self._good and self._good[0] is place:
                self._good.pop()
                with suppress(ZooError):
                    warnings.warn(f"{error} Trying {self.current().url} instead.", stacklevel=2)


def _lazily(places: Places) -> Iterator[Place]:
    yield from places()


def parsed(place: Place, raw: bytes) -> indexes.Index:
    """The index of a place whose root is `raw`; `Unavailable` if that is not one."""

    def part(digest: str, limit: int) -> bytes:
        return _index_part(place, digest, limit)

    try:
        return indexes.read(raw, part)
    except ZooError as error:
        where = place.root / INDEX if isinstance(place, Folder) else f"{place.url}: the index"
        raise Unavailable(f"{where}{str(error).removeprefix('the index')}") from error


def trusted(place: Place, raw: bytes) -> indexes.Index:
    """Like `parsed`; `Unavailable` also if ZOO_TRUST asks for a signature that the root does not have."""
    found = parsed(place, raw)
    if place != Folder(PACKAGE):
        trust.check(place, raw, found.serial)
    return found


def _index_part(place: Place, digest: str, limit: int) -> bytes:
    """A part of a large index, from the cache or the place, with the right hash."""
    kept = home() / "parts" / f"{digest}.json"
    with suppress(OSError):
        raw = kept.read_bytes()
        if hashlib.sha256(raw).hexdigest() == digest:
            return raw
    raw = place.read(indexes.part_path(digest), limit)
    if hashlib.sha256(raw).hexdigest() != digest:
        raise Unavailable(f"{place.url} gave other bytes for a part of its index than the index says; try again.")
    if not isinstance(place, Folder):
        with suppress(OSError), replacing(kept) as temporary:
            temporary.write_bytes(raw)
    return raw


def _keep(asked: _Asked, entry: Entry, file: str, target: Path) -> None:
    """Fetch one file into its place in the cache, unless it is there already."""
    record = entry.files[file]
    with _turn(record, f"{file} of {entry.name}", lambda: _is_whole(target, record)) as part:
        if part is None:
            return
        _set_aside(target, record, f"{file} of {entry.name}")
        while True:
            place = asked.current()
            try:
                _fetch(place, entry, file, record, part)
                break
            except ZooError as error:
                asked.failed(place, error)
        share(part)
        make_folder(target.parent)
        os.replace(part, target)


def _fetch(place: Place, entry: Entry, file: str, record: FileRecord, part: Path) -> None:
    """Fetch a file to `part` and check it; a wrong file is not kept."""
    note = part.with_name(f"{part.name}.from")
    try:
        if part.exists() and not os.access(part, os.W_OK):  # it belongs to another user who shares this cache
            part.unlink()
        part.touch()  # marks it as ours for other processes
        what = f"{file} of {entry.name}"
        with progress(f"fetching {what}", record.size if record.size > _SMALL else 0, f" from {place.url}") as tell:
            place.fetch(place.path_of(entry.name, file), record.size, part, tell)
    except BaseException as error:
        resumable = not isinstance(error, OSError) and note.is_file() and not note.read_text().endswith("\n")
        if not resumable:
            _remove(part, note)
        raise
    note.unlink(missing_ok=True)
    if found := _wrong(part, record):
        part.unlink()
        raise Unavailable(
            f"{place.url} gave {found} for {file} of {entry.name}, so it was not kept; try again, "
            "and if that does not help, inform its publisher."
        )


@contextmanager
def _turn(record: FileRecord, what: str, done: Callable[[], bool]) -> Iterator[Path | None]:
    """The path to which this process should fetch a file; None if it is there by now. One process at a time has its
    turn.

    If the process that holds the lock makes no progress, perhaps because it was stopped, we do not wait for it.
    """
    from filelock import FileLock, Timeout

    name = f"{record.sha256}.part"
    folder = home() / "tmp"
    make_folder(folder)
    lock = FileLock(folder / f"{record.sha256}.lock", mode=0o664)
    began = grew = time.monotonic()
    size, said, alone = -1, False, False
    while not done():
        try:
            lock.acquire(timeout=0.5, poll_interval=0.02)
            break
        except Timeout:
            now = time.monotonic()
            with suppress(OSError):
                if size != (size := (folder / name).stat().st_size):
                    grew = now
            if not said and now - began > _SPEAKS_AFTER:
                warnings.warn(f"waiting for another process that fetches {what} into this cache.", stacklevel=2)
                said = True
            if now - grew > _STALLED:
                name, alone = f"{uuid.uuid4().hex}.part", True
                break
    else:
        yield None
        return
    part = folder / name
    try:
        yield None if not alone and done() else part
    finally:
        if alone:
            _remove(part, part.with_name(f"{part.name}.from"))
        else:
            lock.release()


def _is_whole(path: Path, record: FileRecord) -> bool:
    if not path.is_file():
        return False
    try:
        check_file(path, record.sha256, record.size)
    except ZooError:
        return False  # damaged on this disk; it will be fetched again
    return True


def _set_aside(path: Path, record: FileRecord, what: str) -> None:
    """Move a wrong file from its place in the cache to `aside/`, where users can inspect it."""
    if not os.path.lexists(path):
        return
    found = "a folder" if path.is_dir() else _wrong(path, record) if path.is_file() else "not a file"
    aside = home() / "aside" / f"{path.parent.parent.name}.{path.name}"
    if os.path.lexists(aside):
        shutil.rmtree(aside) if aside.is_dir() and not aside.is_symlink() else aside.unlink()
    make_folder(aside.parent)
    os.replace(path, aside)
    warnings.warn(
        f"the cache held {found} for {what}; it was put into {aside.parent} and is fetched again.", stacklevel=2
    )


def _wrong(path: Path, record: FileRecord) -> str:
    """What a file is, in words, if it differs from the record; "" if it does not."""
    size = path.stat().st_size
    if size == record.size and sha256(path) == record.sha256:
        return ""
    with path.open("rb") as file:
        start = file.read(256).lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return f"an HTML page of {size / 1000:,.1f} kB" if size <= record.size else "an HTML page"
    if size != record.size:
        return f"more than {record.size:,} bytes" if size > record.size else f"{size:,} of {record.size:,} bytes"
    return "the right number of bytes, but other bytes"


def _check_room(entry: Entry, lacking: list[str]) -> None:
    """Raise `ZooError` for files that do not fit on the disk, before they fill it."""
    needed = sum(entry.files[file].size for file in lacking)
    folder = home()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ZooError(
            f"{entry.name} needs {needed / 1e6:,.1f} MB and the cache {home()} has {free / 1e6:,.1f} MB left "
            "(No space left on device); free some space there or set ZOO_HOME to another folder."
        )


def _advice(error: OSError) -> str:
    said = error.strerror or str(error)
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            f"{said}); make it yours, or your group's with chmod -R g+rwX (and g+s of its folders), or set ZOO_HOME to "
            "another folder."
        )
    if error.errno == errno.EROFS:
        return f"{said}); set ZOO_HOME to a folder that can be written, or pull the weight before."
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{said}); free some space there or set ZOO_HOME to another folder."
    return f"{said}); set ZOO_HOME to another folder."


def _remove(*paths: Path) -> None:
    for path in paths:
        with suppress(OSError):
            path.unlink()
