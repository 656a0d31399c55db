"""Weights of the sources, copied to a place: any server of static files, or a bucket, is then a whole mirror."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace

from zoo.bundles.index import Entry
from zoo.errors import ZooError
from zoo.names import model_of
from zoo.publishing import add_signed
from zoo.sources import cache, finding
from zoo.sources.index import Flat, Index
from zoo.sources.place import Shelf, shelf
from zoo.sources.progress import progress

# Between two writes of the index. What is copied by then stays if the next ones are stopped.
_AT_ONCE = 500  # weights
_BYTES = 256 << 20


def mirror(
    names: Iterable[str], to: str | os.PathLike[str], *, sign: str | os.PathLike[str] | None = None
) -> Iterator[str]:
    """Copy weights to the place `to`, only what is not there yet; the name of each once the index there lists it.

    Without names it is every weight of the sources. What is there is known by its SHA-256, not by its name or date.
    What an earlier call left off is finished by the same call: downloads are resumed, and files that were copied whole
    stay. A weight is its model's default unless the place, or a source before, has one. Raises `ZooError` if a weight
    cannot be had, or if `to` has another one under its name.
    """
    place = shelf(os.fspath(to))
    if place.holds_one:
        raise ZooError(f"{place.url} has room for one weight; mirror to a folder or a bucket.")
    names = list(names)
    for some in _batches(map(_located, names) if names else finding.everything()):
        yield from _copy(place, some, sign)


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
                raise ZooError(f"{place.url} has another {found.entry.name}; mirror to another place.")
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
    """The entries, of which none is the default of a model that has one in the index or among those before it."""
    taken, found = set[str](), []
    for entry in entries:
        model = model_of(entry.name)
        default = entry.default and model not in taken and index.default(model) is None
        taken |= {model} if default else set()
        found.append(replace(entry, default=default))
    return found
