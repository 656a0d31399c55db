"""`zoo.pull`: a weight's files, whole and checked, in a folder."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from zoo.bundles.format import open_bundle
from zoo.bundles.index import entry_of
from zoo.sources import cache
from zoo.sources.finding import Found, everything, fetched, is_package, locate, mirrors_of
from zoo.sources.folder import copy_bundle


def pull(name: str | os.PathLike[str], to: str | os.PathLike[str] | None = None) -> Path:
    """Fetch all files of a weight, check them, and return the folder that holds them.

    `name` is what `find` takes. Without `to` the folder lies in the cache (the package's own weights, and a path that
    no index names, stay where they are); with `to` a bundle folder TO/<weight> is made. Raises `ZooError` if
    TO/<weight> holds something else.

        >>> zoo.pull("mlp.digits_v1", to="weights").name
        'mlp.digits_v1'
    """
    return _pull(locate(name), to)


def _pull(found: Path | Found, to: str | os.PathLike[str] | None) -> Path:
    if isinstance(found, Path):
        from zoo.check import check_config  # imports torch

        bundle = open_bundle(found)
        check_config(bundle)
        folder = bundle.tensors.parent  # metrics.json vouches for the tensors, nothing for the other files
        entry = entry_of(folder, folder.resolve().name, False)
    elif is_package(found.place):
        bundle, entry = fetched(found), found.entry
        for file in entry.files:
            bundle.path(file)  # checks it
        folder = bundle.folder
    else:
        folder, entry = cache.fill(found.place, found.entry, lambda: mirrors_of(found)), found.entry
    if to is None:
        return folder
    return copy_bundle({file: folder / file for file in entry.files}, entry, Path(os.path.expanduser(to)))


def pull_all(wanted: Iterable[str] = (), to: str | os.PathLike[str] | None = None) -> Iterator[Path]:
    """Yields the folder of each weight once it is fetched; without names, of all weights in the sources, or in ZOO_LOCK
    if set."""
    wanted = list(wanted)
    for found in map(locate, wanted) if wanted else everything():
        yield _pull(found, to)
