"""Raw files on this machine: where they lie, and that they are what their authors published."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from pathlib import Path

from zoo.data.entry import Raw
from zoo.errors import ZooError
from zoo.home import data_folder
from zoo.home import home as zoo_home

LIMIT = 1 << 30  # bytes; every raw file here is far smaller, so a gzip file that grows past it is not one of them


def home() -> Path:
    """Where the zoo keeps data: ZOO_HOME/data."""
    return zoo_home() / "data"


def in_zoo_data(raw: Raw) -> Path | None:
    """The data set's folder under ZOO_DATA, if ZOO_DATA is set and the folder is whole."""
    root = data_folder()
    folder = root / raw.folder if root else None
    return folder if folder and not missing(raw, folder) else None


def missing(raw: Raw, folder: Path) -> list[str]:
    """The names of `raw.files` that are not in `folder`, neither plain nor gzipped."""
    return [name for name in raw.files if not locate(folder, name).exists()]


def locate(folder: Path, name: str) -> Path:
    """`folder/name`, or `folder/name.gz` if only that exists."""
    plain, zipped = folder / name, folder / f"{name}.gz"
    return zipped if zipped.exists() and not plain.exists() else plain


def stamp(raw: Raw, folder: Path) -> str:
    """A short text that changes if the path, size or time of a raw file changes (or the names in a raw folder)."""
    paths = [locate(folder, name).resolve() for name in raw.files]
    facts = [(str(path), (s := path.stat()).st_size, s.st_ino, s.st_mtime_ns, s.st_ctime_ns) for path in paths]
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def read(raw: Raw, folder: Path, name: str) -> bytes:
    """The (uncompressed) content of one raw file, checked against its SHA-256.

    Raises ZooError if it is not the published content.
    """
    path = locate(folder, name)
    try:
        if path.suffix == ".gz":
            with gzip.open(path) as file:
                content = file.read(LIMIT)
        else:
            content = path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise ZooError(f"{path} cannot be read ({error}); replace it by the published file or delete it") from error
    found = hashlib.sha256(content).hexdigest()
    if found != raw.files[name]:
        raise ZooError(
            f"{path} is not the published file (SHA-256 {found[:12]}…, expected {str(raw.files[name])[:12]}…); "
            "replace it by the published file or delete it"
        )
    return content
