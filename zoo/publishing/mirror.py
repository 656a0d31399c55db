"""Weights of the sources, copied to a place: a bucket or any server of static files then is a complete mirror."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace

from zoo.bundles.index import Entry
from zoo.errors import ZooError
from zoo.errors import some as some_of
from zoo.names import model_of
from zoo.publishing import add_signed
from zoo.sources import cache, finding, lockfile
from zoo.sources.folder import Folder
from zoo.sources.index import LIMIT, Flat, Index
from zoo.sources.place import INDEX, Content, Place, Shelf, Unavailable, shelf
from zoo.sources.progress import progress
from zoo.sources.trust import signature_path

# Weights between two writes of the index; a later interruption does not undo these.
_AT_ONCE = 500  # weights
_BYTES = 256 << 20


def mirror(
    names: Iterable[str], to: str | os.PathLike[str], *, sign: str | os.PathLike[str] | None = None
) -> Iterator[str]:
    """Copy to the place `to` the weights that it does not have yet; yields each name once the index there lists it.

    Without names it copies every weight of the sources. Files are compared by SHA-256, not by name or date. After an
    interruption, the same call continues: downloads are resumed, and completely copied files
    stay. A weight becomes its model's default unless the place, or an earlier source, has one. Raises `ZooError` if a
    weight cannot be had, or if `to` has a different one under its name.

    A mirror of one whole signed source keeps its index and signature unchanged, so users who trust the source trust
    the mirror; the package's own weights, which are not in that index, are left out. Any other mirror of signed
    sources has its own index, which `sign`, the path of a private key, signs.
    """
    place = shelf(os.fspath(to))
    if place.holds_one:
        raise ZooError(f"{place.url} holds only one weight; mirror to a folder or a bucket.")
    names = list(names)
    if not names and sign is None and (source := _only_source()):
        with suppress(Unavailable):  # a warning follows below for each source that is left out
            raw = source.read(INDEX, LIMIT)
            index = cache.trusted(source, raw)
            if index.signed:
                yield from _whole(place, source, raw, index)
                return
    for some in _batches(map(_located, names) if names else finding.everything()):
        yield from _copy(place, some, sign)


def _only_source() -> Place | None:
    """The place that ZOO_SOURCES names, if it names exactly one and no lock is set."""
    places = [place for place in finding.sources() if place != Folder(finding.PACKAGE)]
    return places[0] if len(places) == 1 and not lockfile.active() else None


def _whole(place: Shelf, source: Place, raw: bytes, index: Index) -> Iterator[str]:
    """Copy a signed source with its index as it is; the names of its weights."""
    there, stamp = place.begin()
    others = set() if there is None else {*cache.parsed(place, there).names} - {*index.names}
    if others:
        raise ZooError(
            f"{place.url} has {some_of(sorted(others))}, which the signed index of {source.url} does not list; mirror "
            "to another place, or sign the index of both with --sign KEY."
        )
    if len(finding.sources()) > 1:
        warnings.warn(
            f"the index of {source.url} is signed and is copied as it is; the package's own weights are left out.",
            stacklevel=2,
        )
    if there != raw:
        files: dict[str, Content] = {
            **dict(index.parts()),
            signature_path(raw): source.read(signature_path(raw), LIMIT),
        }
        size = 0
        for entry in filter(None, map(index.get, index.names)):
            folder = finding.fetched(finding.Found(source, entry, index.mirrors)).folder
            files |= {place.path_of(entry.name, file): folder / file for file in entry.files}
            size += sum(record.size for record in entry.files.values())
        with progress(f"mirroring {index.count:,} weights", size, f" to {place.url}") as tell:
            if not place.replace("a mirror", files, raw, stamp, tell):
                raise ZooError(f"somebody else published to {place.url} meanwhile; mirror again.")
    yield from index.names


def _batches(wanted: Iterable[finding.Found]) -> Iterator[list[finding.Found]]:
    some: list[finding.Found] = []
    for found in wanted:
        some.append(found)
        size = sum(record.size for one in some for record in one.entry.files.values())
        if len(some) >= _AT_ONCE or size >= _BYTES:
            yield some
            some = []
    if some:
        yield some


def _located(name: str) -> finding.Found:
    found = finding.locate(name)
    if not isinstance(found, finding.Found):
        raise ZooError(f"{found} is a folder that no index lists; publish it instead.")
    return found


def _copy(place: Shelf, some: list[finding.Found], key: str | os.PathLike[str] | None) -> Iterator[str]:
    while True:
        raw, stamp = place.begin()
        index: Index = Flat() if raw is None else cache.parsed(place, raw)
        new: dict[str, finding.Found] = {}
        for found in some:
            there = index.get(found.entry.name)
            if there and there.files != found.entry.files:
                raise ZooError(
                    f"{place.url} has a different weight of the name {found.entry.name}; mirror to another place."
                )
            if not there:
                new[found.entry.name] = found
        if not new:
            break
        folders = {name: finding.fetched(found).folder for name, found in new.items()}
        files = {
            place.path_of(name, file): folders[name] / file for name, found in new.items() for file in found.entry.files
        }
        change = add_signed(place, index, _one_default([found.entry for found in new.values()], index), key)
        size = sum(record.size for found in new.values() for record in found.entry.files.values())
        what = f"{len(new)} weights" if len(new) > 1 else next(iter(new))
        with progress(f"mirroring {what}", size, f" to {place.url}") as tell:
            if place.replace(what, {**files, **change.files}, change.root, stamp, tell, change.drop):
                break
    yield from (found.entry.name for found in some)


def _one_default(entries: list[Entry], index: Index) -> list[Entry]:
    """The entries, unmarked as default if the index or an earlier entry has a default for the same model."""
    taken, found = set[str](), []
    for entry in entries:
        model = model_of(entry.name)
        default = entry.default and model not in taken and index.default(model) is None
        taken |= {model} if default else set()
        found.append(replace(entry, default=default))
    return found
