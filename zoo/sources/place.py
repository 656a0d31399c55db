"""What a place is: where bundles are read from, and where they can be put.

A place is one file in this folder, named after its scheme: `hf://…` is `hf.py`, a folder `folder.py`. It offers
`at(url)`, which gives a `Place`, or a `Shelf` if it can be written to. A scheme without a file is one of fsspec's
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

Tell = Callable[[int], None]  # told the number of bytes that just came
Stamp = Any  # whatever tells one version of an index from another; None if there is no index
Content = Path | bytes


class Unavailable(ZooError):
    """This place does not give what was asked for; another one may."""


class Place(Protocol):
    """Where bundles are read from. Nothing that it gives has been checked."""

    @property
    def url(self) -> str:
        """The address as it may be shown: without a password."""
        ...

    def path_of(self, weight: str, file: str) -> str:
        """Where the place keeps a weight's file."""
        ...

    def read(self, path: str, limit: int) -> bytes:
        """A small file, whole. Raises `Unavailable` if it cannot be had or has more than `limit` bytes."""
        ...

    def fetch(self, path: str, size: int, part: Path, tell: Tell) -> None:
        """Write a file to `part`, or what is lacking after the bytes that an earlier call left there.

        Of a longer file no more than `size` + 1 bytes are written. Raises `Unavailable` if it cannot be had, and
        `OSError` if `part` cannot be written.
        """
        ...


@runtime_checkable
class Shelf(Place, Protocol):
    """A place that can be written to. Its index changes last, so whoever is stopped leaves it as it was or complete."""

    @property
    def holds_one(self) -> bool:
        """Whether there is room for one weight alone."""
        ...

    def claim(self, weight: str, files: Mapping[str, FileRecord]) -> bool:
        """Whether a name that no index lists is free for these very files: nobody began to put others under it."""
        ...

    def begin(self) -> tuple[bytes | None, Stamp]:
        """The index as it is now, None if there is none yet, and its stamp for `replace`."""
        ...

    def replace(
        self, what: str, files: Mapping[str, Content], index: bytes, stamp: Stamp, tell: Tell, drop: Iterable[str] = ()
    ) -> bool:
        """Publish `what`: add `files` and then make `index` the index, unless it is not the one of the stamp any more.

        Returns whether that was done; False means that somebody else was faster, and `begin` shows what they did. Files
        that are there with the same bytes are left. `drop` are files that only the former index named.
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
    """An address without what nobody should read: a password, a token in its query, bytes that move a terminal."""
    url = "".join(character if character.isprintable() else "?" for character in url)
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        return re.sub(r"//.*@", "//", url).partition("?")[0]
    netloc = parts.netloc.rpartition("@")[2]
    return urllib.parse.urlunsplit((parts.scheme, netloc, parts.path, "…" if parts.query else "", ""))
