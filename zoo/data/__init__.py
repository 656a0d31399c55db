"""Data sets by name: `load("mnist")` gives its splits as tensors in memory.

Raw files are looked for in ZOO_DATA (in the layout their authors publish), then in the cache, then fetched from the
data set's mirrors. Decoded data are kept in ZOO_HOME/data as tensors and memory-mapped the next time.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from zoo import caller
from zoo.data import fetch, files, fingerprint, imagefolder, store
from zoo.data.entry import Entry
from zoo.data.own import places
from zoo.data.split import DataSet, Split, hold_out
from zoo.errors import ZooError
from zoo.plugins import Table, module_of

__all__ = ["DataSet", "Split", "at_hand", "hold_out", "load", "names", "register_data"]

R = TypeVar("R", bound=Callable[[], Sequence[Split]])


def _own() -> None:
    """The zoo's own data sets, one file each, imported when one of them is first asked for by name."""
    from zoo.data.california_housing import CALIFORNIA_HOUSING
    from zoo.data.cifar10 import CIFAR10
    from zoo.data.digits import DIGITS
    from zoo.data.etth1 import ETTH1
    from zoo.data.idx import FASHION_MNIST, MNIST
    from zoo.data.imdb import IMDB
    from zoo.data.mnist_tasks import MNIST_TASKS
    from zoo.data.sst2 import SST2
    from zoo.data.telco_churn import TELCO_CHURN
    from zoo.data.tinyshakespeare import TINYSHAKESPEARE
    from zoo.data.trec import TREC
    from zoo.data.ud_english_ewt import UD_ENGLISH_EWT

    for entry in (
        *(CALIFORNIA_HOUSING, CIFAR10, DIGITS, ETTH1, FASHION_MNIST, IMDB, MNIST, MNIST_TASKS, SST2, TELCO_CHURN),
        *(TINYSHAKESPEARE, TREC, UD_ENGLISH_EWT),
    ):
        ENTRIES[entry.name] = entry


ENTRIES: Table[Entry] = Table("data set", "zoo.data", load=_own)


def register_data(
    *,
    kind: str,
    labels: Sequence[str] = (),
    maximum: float = 1.0,
    fingerprint: str = "",
    name: str | None = None,
    **more: Any,
) -> Callable[[R], R]:
    """Decorator that registers a data set, under the function's own name or `name`. The function takes no arguments
    and gives (train, test), or (train, test, validation), each a `zoo.data.Split`.

    `kind` is a kind of data, `labels` are the classes' names by index, and `maximum` is the value of white in images.
    With a `fingerprint` (`zoo.data.fingerprint.of(train, test)`) the data are checked against it and kept decoded;
    without one every process reads them again, and a weight records the fingerprint of the data it saw. `more` are
    further fields of
    `zoo.data.entry.Entry`, such as `table=` or `channels=`. Raises `ZooError` if the name is taken.

        >>> @zoo.register_data(kind="image", labels=["dark", "light"], maximum=255.0)
        ... def shades():
        ...     targets = torch.arange(32) % 2
        ...     images = (targets.view(-1, 1, 1, 1) * 200).expand(32, 1, 4, 4).to(torch.uint8)
        ...     return zoo.data.Split(images[:24], targets[:24]), zoo.data.Split(images[24:], targets[24:])
        >>> len(zoo.data.load("shades").train)
        24
    """

    def register(read: R) -> R:
        key = read.__name__ if name is None else name

        def splits(folder: Path) -> tuple[Split, ...]:
            found = read()
            if not isinstance(found, (tuple, list)) or len(found) not in (2, 3) or not _are_splits(found):
                raise ZooError(f"the data set {key!r} of {module_of(read)} gives no (train, test) of zoo.data.Split.")
            return tuple(found)

        entry = Entry(key, kind, list(labels), maximum, None, splits, fingerprint, **more)
        ENTRIES.register(key, entry, read)
        return read

    return register


def _are_splits(found: Sequence[Any]) -> bool:
    return all(isinstance(one, Split) for one in found)


def names(asked: str = "") -> list[str]:
    """The names of the data sets, sorted; and `asked` itself if it is the address of the user's own data.

    >>> "mnist" in zoo.data.names()
    True
    """
    return [*ENTRIES.names(), *([asked] if places.is_one(asked) else [])]


def targets(name: object) -> dict[str, dict[str, Any]]:
    """The targets of one of the zoo's data sets, if a sample has several; {} for any other name."""
    entry = ENTRIES.get(name) if isinstance(name, str) else None
    return {} if entry is None else entry.tasks


@caller.own()
def load(name: str) -> DataSet:
    """The data set `name`, whole and checked.

    Raises ZooError for an unknown name, for data that cannot be found or fetched, and for data that are not the
    published ones (a raw file's SHA-256, or the fingerprint of all tensors, differs).

        >>> zoo.data.load("digits").name
        'digits'
    """
    if imagefolder.is_one(name):
        return imagefolder.load(name)
    return load_entry(ENTRIES.find(name))


def load_entry(entry: Entry) -> DataSet:
    """As `load`, for an entry that need not be in the list."""
    folder = files.in_zoo_data(entry.raw) if entry.raw else None
    stamp = files.stamp(entry.raw, folder) if entry.raw and folder else None
    kept = files.home() / f"{entry.name}.safetensors"
    splits = store.load(kept, entry.fingerprint, stamp) if entry.fingerprint else None
    if splits is None:
        splits = _decode(entry, folder)
        try:
            if entry.fingerprint:
                store.save(kept, splits, entry.fingerprint, stamp or "")
        except ZooError as error:  # then the next load decodes again; this one loses nothing
            warnings.warn(str(error), stacklevel=3)
    train, test, *validation = splits
    pinned = entry.fingerprint or fingerprint.of(*splits)
    return DataSet(**entry.about(), train=train, test=test, fingerprint=pinned, validation=next(iter(validation), None))


def _decode(entry: Entry, folder: Path | None) -> tuple[Split, ...]:
    """The splits from the raw files, which are fetched if they are not in `folder`."""
    if entry.raw and not folder:
        folder = fetch.folder_of(entry)
    splits = entry.read(folder or Path())
    found = fingerprint.of(*splits) if entry.fingerprint else ""
    if found != entry.fingerprint:
        raise ZooError(
            f"the data set {entry.name!r} read from {folder or 'scikit-learn'} is not the published one (fingerprint "
            f"{found[:12]}…, expected {entry.fingerprint[:12]}…); replace it by the published data or delete it"
        )
    return splits


def at_hand(name: str) -> bool:
    """Whether `load(name)` needs no network: nothing to download, or it is in ZOO_DATA or in the cache.

    >>> zoo.data.at_hand("digits")
    True
    """
    if imagefolder.is_one(name):
        return imagefolder.at_hand(name)
    entry = ENTRIES[name]
    return (
        entry.raw is None
        or files.in_zoo_data(entry.raw) is not None
        or not files.missing(entry.raw, files.home() / entry.raw.folder)
        or store.load(files.home() / f"{name}.safetensors", entry.fingerprint, None) is not None
    )
