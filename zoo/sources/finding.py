"""From the user's name for a weight to its bundle."""

from __future__ import annotations

import os
import urllib.parse
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from zoo.bundles.format import Bundle, open_bundle
from zoo.bundles.index import TENSORS, Entry, has_tensors
from zoo.errors import ZooError, unknown
from zoo.names import is_weight_name, model_of, text_of
from zoo.sources import cache, lockfile
from zoo.sources.folder import PACKAGE, Folder
from zoo.sources.index import SHARDED_FROM, Flat, Index
from zoo.sources.place import INDEX, Place, Unavailable, at


class Found(NamedTuple):
    """A weight in a place; `mirrors` are web roots that should have the same files."""

    place: Place
    entry: Entry
    mirrors: tuple[str, ...] = ()


def sources() -> list[Place]:
    """Where names are looked up, in order: what ZOO_SOURCES lists (comma-separated), then the package itself."""
    named = [text.strip() for text in os.environ.get("ZOO_SOURCES", "").split(",")]
    package = [Folder(PACKAGE)] if (PACKAGE / INDEX).is_file() else []
    return [*(at(text) for text in named if text), *package]


def is_package(place: Place) -> bool:
    """Whether these are the weights shipped with the package, which are used where they lie."""
    return place == Folder(PACKAGE)


def indexes() -> Iterator[tuple[Place, Index]]:
    """The sources that answer, each with its index; each of the others gives one warning.

    With ZOO_LOCK only the lock's weights exist.
    """
    if lock := lockfile.active():
        yield Folder(PACKAGE), Flat({name: entry for name, (entry, _) in lock.weights.items()})
        return
    for place in sources():
        try:
            index = cache.read_index(place)
        except Unavailable as error:
            warnings.warn(f"{error} It is left out.", stacklevel=2)
            continue
        yield place, index


def names() -> list[str]:
    """The names of all weights in the sources, each once."""
    return list(dict.fromkeys(name for _, index in indexes() for name in index.names))


def everything() -> Iterator[Found]:
    """All weights of the sources, each once; with ZOO_LOCK, those of the lock."""
    if lockfile.active():
        yield from (found for found in map(locate, names()) if isinstance(found, Found))
        return
    seen: set[str] = set()
    for place, index in indexes():
        for name in index.names:
            if name not in seen and (entry := index.get(name)):
                seen.add(name)
                yield Found(place, entry, index.mirrors)


def default_of(model: str) -> str | None:
    """The weight that `pretrained=True` means for the model."""
    return next((entry.name for _, index in indexes() if (entry := index.default(model))), None)


def rows() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each weight of the sources with its facts for a list: task, data, metric, mean, std, n, parameters, bytes.

    The facts are those in the index; missing facts are read from the bundle if it is on this machine, else they are
    absent.
    """
    from zoo.bundles.facts import facts_of

    seen: set[str] = set()
    for place, index in indexes():
        for name, facts in index.rows():
            if name in seen:
                continue
            seen.add(name)
            entry = index.get(name) if not facts and isinstance(place, Folder) else None
            if entry and isinstance(place, Folder) and place.folder_of(entry).is_dir():
                bundle = open_bundle(place.folder_of(entry), name=name, entry=entry)
                facts = facts_of(bundle.config, bundle.metrics, entry.files)
            yield name, facts


def find(name: str | os.PathLike[str]) -> Bundle:
    """The bundle that `name` means, on this machine, with every file that came over a network checked.

    `name` is a weight ("mnist_mlp.mnist_v1"), a model (its default weight), the path of a bundle folder or of a
    finished run, the URL of a weight (https://host/zoo/WEIGHT), or a source that holds only one weight. Names are
    looked up in `sources()`; the first source that knows the name wins; with ZOO_LOCK they mean what the lock says.
    Raises
    `ZooError` if there is no such weight, if it cannot be fetched, and if a file is not what the index says.
    """
    return fetched(locate(name))


def fetched(found: Path | Found) -> Bundle:
    """The bundle that `locate` found, on this machine; `ZooError` if one of its files cannot be fetched or is
    damaged."""
    if isinstance(found, Path):
        return open_bundle(found)
    place, entry = found.place, found.entry
    if not isinstance(place, Folder):
        return open_bundle(cache.fill(place, entry, lambda: mirrors_of(found)), name=entry.name, entry=entry)
    folder = place.folder_of(entry)
    if not is_package(place) and (why := _damage(folder, entry)):
        for other in mirrors_of(found):
            warnings.warn(f"{why} Trying {other.url} instead.", stacklevel=2)
            return fetched(Found(other, entry))
    return open_bundle(folder, name=entry.name, entry=entry)


def locate(name: str | os.PathLike[str]) -> Path | Found:
    """The source and entry that a name means, or a bundle folder that no index names; `ZooError` if it means
    neither."""
    name = text_of(name)
    if not name:
        raise ZooError("the name of a weight is empty; give a weight, a model or the path of a bundle.")
    lock = lockfile.active()
    if "://" in name:
        if lock:
            raise lock.refusal(name)
        return _at_url(name)
    path = Path(os.path.expanduser(name))
    if path.is_absolute() or len(path.parts) != 1 or name.startswith((".", "~")) or name.endswith(("/", os.sep)):
        return _at_path(path)
    if lock:
        entry, source = lock.find(name)
        return Found(Folder(PACKAGE) if source == lockfile.PACKAGE else at(source), entry)
    return _by_name(name, path)


def _by_name(name: str, path: Path) -> Path | Found:
    known: list[str] = []
    problems: list[ZooError] = []
    for place in sources():
        try:
            index = cache.read_index(place)
            entry = index.get(name) if is_weight_name(name) else index.default(name)
        except Unavailable as error:
            problems.append(error)
            continue
        if entry:
            for problem in problems:
                warnings.warn(f"{problem} {entry.name} is taken from {place.url}.", stacklevel=2)
            _tell_if_shadowing(place, entry)
            return Found(place, entry, index.mirrors)
        known += index.names if index.count < SHARDED_FROM else []
    if os.path.isdir(path):
        return _at_path(path)
    raise _absent(name, known, problems)


def _tell_if_shadowing(place: Place, entry: Entry) -> None:
    """Warn the user if a source lists another weight under the name of one of the package's."""
    package = Folder(PACKAGE)
    if place == package or not (PACKAGE / INDEX).is_file():
        return
    own = cache.read_index(package).get(entry.name)
    if own and own.files != entry.files:
        warnings.warn(
            f"{entry.name} is taken from {place.url}, which ZOO_SOURCES names before the package, and is not the "
            "package's weight of that name.",
            stacklevel=2,
        )


def mirrors_of(found: Found) -> Iterator[Place]:
    """Further places that have the same files of a weight: mirrors, and the other sources that list it."""
    yield from (at(mirror) for mirror in found.mirrors)
    for place in sources():
        if place == found.place:
            continue
        try:
            entry = cache.read_index(place).get(found.entry.name)
        except Unavailable:
            continue
        if entry and entry.files == found.entry.files:
            yield place


def _damage(folder: Path, entry: Entry) -> str:
    """The fault of a bundle on this machine; "" if there is none."""
    from zoo.integrity import check_file

    for file, record in entry.files.items():
        try:
            check_file(folder / file, record.sha256, record.size)
        except ZooError as error:
            return str(error)
    return ""


def _absent(name: str, known: list[str], problems: list[ZooError]) -> ZooError:
    from zoo import registry

    weights = [weight for weight in known if model_of(weight) == name]
    if weights:
        error = ZooError(f"model {name!r} has no default weight; name one of {', '.join(weights)}.")
    elif name in registry.names():
        error = ZooError(f"model {name!r} has no published weight; train it by a recipe, or give a bundle folder.")
    else:
        error = unknown("weight", name, sorted(set(known)))
    return ZooError(" ".join(map(str, [error, *problems]))) if problems else error


def _at_url(url: str) -> Found:
    """The weight at ROOT/WEIGHT, or the only one of the source at `url`."""
    head, mark, query = url.partition("?")
    root, _, last = head.rstrip("/").rpartition("/")
    if not url.startswith("hf://") and is_weight_name(urllib.parse.unquote(last)):
        place = at(f"{root}{mark}{query}")
        return _named(place, last)
    return _only(at(url))


def _named(place: Place, weight: str) -> Found:
    index = cache.read_index(place)
    entry = index.get(weight)
    if entry is None:
        raise unknown("weight", weight, sorted(index.names) if index.count < SHARDED_FROM else [])
    return Found(place, entry, index.mirrors)


def _only(place: Place) -> Found:
    index = cache.read_index(place)
    if index.count != 1:
        some = ", ".join(index.names[:20]) if index.count < SHARDED_FROM else f"{index.count:,}"
        some = some or "none"
        raise ZooError(f"{place.url} must hold one weight to be used without its name, and holds {some}; name one.")
    entry = index.get(index.names[0])
    assert entry is not None
    return Found(place, entry, index.mirrors)


def _at_path(path: Path) -> Path | Found:
    """The folder itself, or its entry in an index beside it or in it, or the only weight if the folder is a source.

    An index is looked for both at the given path and at the real one, because the path may lead through a link.
    """
    whole = path.resolve()
    for named in (whole, path.absolute()):
        beside = Folder(named.parent)
        if beside.has_index() and (entry := cache.read_index(beside).get(named.name)):
            return Found(beside, entry)
    if has_tensors(path):
        within = Folder(whole)
        if within.has_index():
            index = cache.read_index(within)
            entry = index.get(index.names[0]) if len(index.names) == 1 else None
            if entry and within.folder_of(entry) == whole:
                return Found(within, entry)
        return path
    if (path / INDEX).is_file():
        return _only(Folder(path))
    if not path.is_dir():
        raise ZooError(f"there is no folder {path}; give the path of a bundle or the name of a weight.")
    if (path / "recipe.yaml").is_file():
        raise ZooError(f"the run in {path} is not finished; finish it with `zoo train … --resume` first.")
    raise ZooError(f"{path} is not a bundle: it holds no {TENSORS}; give the path of a bundle or the name of a weight.")
