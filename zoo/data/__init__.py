"""Data sets by name: `load("mnist")` gives its splits as tensors in memory.

Raw files are looked for in ZOO_DATA (in the layout their authors publish), then in the cache, then fetched from the
data set's mirrors. What was decoded once is kept in ZOO_HOME/data as tensors and memory-mapped the next time.
"""

from __future__ import annotations

import warnings
from pathlib import Path

from zoo import caller
from zoo.data import fetch, files, fingerprint, imagefolder, store
from zoo.data.california_housing import CALIFORNIA_HOUSING
from zoo.data.cifar10 import CIFAR10
from zoo.data.digits import DIGITS
from zoo.data.entry import Entry
from zoo.data.etth1 import ETTH1
from zoo.data.idx import FASHION_MNIST, MNIST
from zoo.data.imdb import IMDB
from zoo.data.mnist_tasks import MNIST_TASKS
from zoo.data.own import places
from zoo.data.split import DataSet, Split, hold_out
from zoo.data.sst2 import SST2
from zoo.data.telco_churn import TELCO_CHURN
from zoo.data.tinyshakespeare import TINYSHAKESPEARE
from zoo.data.trec import TREC
from zoo.data.ud_english_ewt import UD_ENGLISH_EWT
from zoo.errors import ZooError, unknown

__all__ = ["DataSet", "Split", "at_hand", "hold_out", "load", "names"]

ENTRIES = {
    entry.name: entry
    for entry in (
        CALIFORNIA_HOUSING,
        CIFAR10,
        DIGITS,
        ETTH1,
        FASHION_MNIST,
        IMDB,
        MNIST,
        MNIST_TASKS,
        SST2,
        TELCO_CHURN,
        TINYSHAKESPEARE,
        TREC,
        UD_ENGLISH_EWT,
    )
}


def names(asked: str = "") -> list[str]:
    """The zoo's data sets, sorted; and the one asked for if that is an address of one's own."""
    return [*sorted(ENTRIES), *([asked] if places.is_one(asked) else [])]


@caller.own()
def load(name: str) -> DataSet:
    """The data set `name`, whole and checked.

    Raises ZooError for an unknown name, for data that are nowhere to be had, and for data that are not the published
    ones (a raw file's SHA-256, or the fingerprint of all tensors, differs).
    """
    if imagefolder.is_one(name):
        return imagefolder.load(name)
    if name not in ENTRIES:
        raise unknown("data set", name, names())
    return load_entry(ENTRIES[name])


def load_entry(entry: Entry) -> DataSet:
    """As `load`, for an entry that need not be in the list."""
    folder = files.in_zoo_data(entry.raw) if entry.raw else None
    stamp = files.stamp(entry.raw, folder) if entry.raw and folder else None
    kept = files.home() / f"{entry.name}.safetensors"
    splits = store.load(kept, entry.fingerprint, stamp)
    if splits is None:
        splits = _decode(entry, folder)
        try:
            store.save(kept, splits, entry.fingerprint, stamp or "")
        except ZooError as error:  # costs the next load its time, and this one nothing
            warnings.warn(str(error), stacklevel=3)
    train, test, *validation = splits
    return DataSet(
        name=entry.name,
        kind=entry.kind,
        labels=list(entry.labels),
        train=train,
        test=test,
        maximum=entry.maximum,
        fingerprint=entry.fingerprint,
        validation=next(iter(validation), None),
        channels=entry.channels,
        note=entry.note,
        table=entry.table,
        tasks=entry.tasks,
    )


def _decode(entry: Entry, folder: Path | None) -> tuple[Split, ...]:
    """The splits from the raw files, which are fetched if they are not in `folder`."""
    if entry.raw and not folder:
        folder = fetch.folder_of(entry)
    splits = entry.read(folder or Path())
    found = fingerprint.of(*splits)
    if found != entry.fingerprint:
        raise ZooError(
            f"the data set {entry.name!r} read from {folder or 'scikit-learn'} is not the published one (fingerprint "
            f"{found[:12]}…, expected {entry.fingerprint[:12]}…); replace it by the published data or delete it"
        )
    return splits


def at_hand(name: str) -> bool:
    """Whether `load(name)` needs no network: nothing to download, or it is in ZOO_DATA or in the cache."""
    if imagefolder.is_one(name):
        return imagefolder.at_hand(name)
    entry = ENTRIES[name]
    return (
        entry.raw is None
        or files.in_zoo_data(entry.raw) is not None
        or not files.missing(entry.raw, files.home() / entry.raw.folder)
        or store.load(files.home() / f"{name}.safetensors", entry.fingerprint, None) is not None
    )
