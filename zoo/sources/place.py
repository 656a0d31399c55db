"""Places: where bundles are read from, and where they can be published.

Each scheme is one file in this folder: `hf://…` is `hf.py`, a folder is `folder.py`. Its `at(url)` gives a `Place`,
or a `Shelf` if it can be written to. A scheme without a file is left to fsspec
(`remote.py`).
"""

from __future__ import annotations

import importlib.util
import os
import re
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from zoo.bundles.index import FileRecord
from zoo.errors import ZooError

INDEX = "index.json"

Tell = Callable[[int], None]  # called with the number of bytes that just came
Stamp = Any  # identifies a version of an index; None if there is no index
Content = Path | bytes


class Unavailable(ZooError):
    """This place does not give the requested file; another place may."""


class Place(Protocol):
    """Where bundles are read from. Nothing that it gives has been checked."""

    @property
    def url(self) -> str:
        """The address in a form that may be shown: without a password."""
        ...

    def path_of(self, weight: str, file: str) -> str:
        """Where the place keeps a weight's file."""
        ...

    def read(self, path: str, limit: int) -> bytes:
        """A small file, whole. Raises `Unavailable` if it cannot be read or has more than `limit` bytes."""
        ...

    def fetch(self, path: str, size: int, part: Path, tell: Tell) -> None:
        """Write a file to `part`; if an earlier call left bytes there, only the rest.

        If the file is longer, only `size` + 1 bytes are written. Raises `Unavailable` if it cannot be read, and
        `OSError` if `part` cannot be written.
        """
        ...


@runtime_checkable
class Shelf(Place, Protocol):
    """A place that can be written to. Its index changes last, so an interrupted publication leaves it as it was or
    complete."""

    @property
    def holds_one(self) -> bool:
        """Whether the place holds only one weight."""
        ...

    def claim(self, weight: str, files: Mapping[str, FileRecord]) -> bool:
        """Whether a name that no index lists is free for these files: nobody began to put other files under it."""
        ...

    def begin(self) -> tuple[bytes | None, Stamp]:
        """The current index (None if there is none yet) and its stamp for `replace`."""
        ...

    def replace(
        self, what: str, files: Mapping[str, Content], index: bytes, stamp: Stamp, tell: Tell, drop: Iterable[str] = ()
    ) -> bool:
        """Publish `what`: add `files` and then replace the index by `index`, unless it changed since the stamp.

        Returns whether that was done; False means that somebody else was faster, and `begin` shows their index.
        Existing files with the same bytes are left as they are. `drop` are files that only the former index named.
        """
        ...


def at(url: str) -> Place:
    """The place that an address means: `https://…`, `hf://OWNER/REPO[@REVISION]`, an fsspec URL, or a folder."""
    scheme, found, _ = url.partition("://")
    if not found:
        from zoo.sources.folder import Folder

        return Folder(Path(os.path.expanduser(url)))
    if re.fullmatch(r"[a-z][a-z0-9]*", scheme):
        name = f"zoo.sources.{'https' if scheme == 'http' else scheme}"
        if importlib.util.find_spec(name):
            module = importlib.import_module(name)
            if hasattr(module, "at"):
                return module.at(url)
    from zoo.sources import remote

    return remote.at(url)


def shelf(url: str) -> Shelf:
    """The place at `url` if it can be written to; `ZooError` if not."""
    place = at(url)
    if not isinstance(place, Shelf):
        raise ZooError(f"{place.url} cannot be published to; give a folder, hf://OWNER/REPO or a bucket (s3://…).")
    return place


def shown(url: str) -> str:
    """An address without secrets and control characters: no password, no token in its query, nothing that a terminal
    obeys."""
    url = "".join(character if character.isprintable() else "?" for character in url)
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        return re.sub(r"//.*@", "//", url).partition("?")[0]
    netloc = parts.netloc.rpartition("@")[2]
    return urllib.parse.urlunsplit((parts.scheme, netloc, parts.path, "…" if parts.query else "", ""))
