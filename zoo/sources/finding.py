"""From what a user calls a weight to its bundle."""

from __future__ import annotations

import os
from pathlib import Path

from zoo.bundles.format import Bundle, open_bundle
from zoo.bundles.index import TENSORS, Entry, entry_of
from zoo.errors import ZooError, unknown
from zoo.home import expanded, offline
from zoo.names import is_weight_name, model_of, text_of
from zoo.sources import cache
from zoo.sources.cache import Source
from zoo.sources.folder import PACKAGE, Folder, copy_bundle


def sources() -> list[Source]:
    """Where names are looked up, in order: what ZOO_SOURCES lists (comma-separated), then the package itself."""
    named = [text.strip() for text in os.environ.get("ZOO_SOURCES", "").split(",")]
    package = [Folder(PACKAGE)] if (PACKAGE / "index.json").is_file() else []
    return [*(source(text) for text in named if text), *package]


def source(text: str) -> Source:
    """The source that an address means: `https://…`, `hf://OWNER/REPO[@REVISION]`, or a folder."""
    if text.startswith("hf://"):
        from zoo.sources.hub import Hub

        return Hub.parse(text)
    if text.startswith(("https://", "http://")):
        from zoo.sources.https import Https

        return Https(text.rstrip("/"))
    if "://" in text:
        raise ZooError(f"{text} is not a source that can be read; use https://, hf://OWNER/REPO or a folder.")
    return Folder(expanded(text))


def find(name: str | os.PathLike[str]) -> Bundle:
    """The bundle that `name` means, on this machine, with every file that came over a network checked.

    `name` is a weight ("mnist_mlp.mnist_v1"), a model (its default weight), the path of a bundle folder or of a
    finished run, the URL of a weight (https://host/zoo/WEIGHT), or a source that holds one weight alone. Names are
    looked up in `sources()`, the first that knows one wins. Raises `ZooError` where there is no such weight, where it
    cannot be had, and where a file is not what the index says.
    """
    return fetched(locate(name))


def fetched(found: Path | tuple[Source, Entry]) -> Bundle:
    """The bundle that `locate` found, on this machine; `ZooError` where a file of it cannot be had or is damaged."""
    if isinstance(found, Path):
        return open_bundle(found)
    place, entry = found
    folder = place.folder_of(entry) if isinstance(place, Folder) else cache.fill(place, entry)
    return open_bundle(folder, name=entry.name, entry=entry)


def pull(name: str | os.PathLike[str], to: str | os.PathLike[str] | None = None) -> Path:
    """Fetch all files of a weight, check them, and return the folder that holds them.

    `name` is what `find` takes. Without `to` the folder lies in the cache (the package's own weights, and a path that
    no index names, stay where they are); with it, a bundle folder TO/<weight> is made. Raises `ZooError` where
    TO/<weight> holds something else.
    """
    found = locate(name)
    if isinstance(found, Path):
        from zoo.check import check_config

        bundle = open_bundle(found)
        check_config(bundle)
        folder = bundle.tensors.parent  # nothing vouches for the rest, but for the tensors the metrics do
        entry = entry_of(folder, folder.resolve().name, False)
    elif found[0] == Folder(PACKAGE):
        bundle, entry = fetched(found), found[1]
        for file in entry.files:
            bundle.path(file)  # checks it
        folder = bundle.folder
    else:
        folder, entry = cache.fill(*found), found[1]
    return folder if to is None else copy_bundle({file: folder / file for file in entry.files}, entry, expanded(to))


def locate(name: str | os.PathLike[str]) -> Path | tuple[Source, Entry]:
    """The source and entry that a name means, or the bundle folder that no index names; `ZooError` if it means none."""
    name = text_of(name)
    if not name:
        raise ZooError("the name of a weight is empty; give a weight, a model or the path of a bundle.")
    if "://" in name:
        return _at_url(name)
    path = expanded(name)
    if path.is_absolute() or len(path.parts) != 1 or name.startswith((".", "~")) or name.endswith(("/", os.sep)):
        return _at_path(path)
    known: dict[str, Entry] = {}
    for place in sources():
        index = place.read_index()
        entry = index.get(name) or next((e for e in index.values() if e.default and model_of(e.name) == name), None)
        if entry:
            return place, entry
        known |= index
    if os.path.isdir(path):
        return _at_path(path)
    raise _absent(name, known)


def _absent(name: str, known: dict[str, Entry]) -> ZooError:
    from zoo import registry

    weights = [weight for weight in known if model_of(weight) == name]
    if weights:
        return ZooError(f"model {name!r} has no default weight; name one of {', '.join(weights)}.")
    if name in registry.names():
        return ZooError(f"model {name!r} has no published weight; train it by a recipe, or give a bundle folder.")
    return unknown("weight", name, sorted(known))


def _at_url(url: str) -> tuple[Source, Entry]:
    """The weight at ROOT/WEIGHT, or the only one of the source at `url`."""
    root, _, last = url.rstrip("/").rpartition("/")
    if not url.startswith("hf://") and is_weight_name(last):
        place = source(root)
        return place, _named(place, last)
    place = source(url)
    return place, _only(place)


def _named(place: Source, weight: str) -> Entry:
    index = place.read_index()
    if weight not in index:
        raise _never_read(place) if not index and offline() else unknown("weight", weight, sorted(index))
    return index[weight]


def _only(place: Source) -> Entry:
    entries = list(place.read_index().values())
    if len(entries) == 1:
        return entries[0]
    if not entries and offline():
        raise _never_read(place)
    names = ", ".join(entry.name for entry in entries) or "none"
    raise ZooError(f"{place.url} must hold one weight to be used without its name, and holds {names}; name one.")


def _never_read(place: Source) -> ZooError:
    return ZooError(f"{place.url} was never read on this machine and ZOO_OFFLINE forbids the network; unset it once.")


def _at_path(path: Path) -> Path | tuple[Source, Entry]:
    """The folder itself, or its entry in the index beside it or in it, or the only weight of the source that it is.

    An index is looked for both where the folder is named and where it lies, as it may be reached by a link or be one.
    """
    whole = path.resolve()
    for named in (whole, path.absolute()):
        beside = Folder(named.parent)
        if beside.has_index() and (entry := beside.read_index().get(named.name)):
            return beside, entry
    if (path / TENSORS).is_file():
        within = Folder(whole)
        entries = list(within.read_index().values()) if within.has_index() else []
        return (within, entries[0]) if len(entries) == 1 and within.folder_of(entries[0]) == whole else path
    if (path / "index.json").is_file():
        place = Folder(path)
        return place, _only(place)
    if not path.is_dir():
        raise ZooError(f"there is no folder {path}; give the path of a bundle or the name of a weight.")
    if (path / "recipe.yaml").is_file():
        raise ZooError(f"the run in {path} is not finished; finish it with `zoo train … --resume` first.")
    raise ZooError(f"{path} is not a bundle: it holds no {TENSORS}; give the path of a bundle or the name of a weight.")
