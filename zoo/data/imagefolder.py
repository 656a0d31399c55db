"""Folders of pictures as data sets, larger than memory if need be: `imagefolder:PATH`; `hf:OWNER/NAME` from the Hub.

A folder holds `train/` and `test/` (or `val/`, `valid/`, `validation/`) with a folder of pictures for each class, or
those class folders alone; then a stratified fifth is the test split, as the digits have it. If there are `test/` and
`val/`, `val/` is the validation split. Pictures in Parquet files
(`zoo.data.parquet`) are unpacked into such folders first. Pictures stay files until a batch needs them.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from zoo import caller
from zoo.data import files, parquet
from zoo.data.split import DataSet, Split, hold_out
from zoo.data.walk import EXTENSIONS, leads_inside, walk
from zoo.decoding import decode
from zoo.errors import ZooError, some
from zoo.foreign import FILE, picture
from zoo.home import expanded, write_text
from zoo.integrity import sha256 as hashed

PREFIXES = ("imagefolder:", "hf:")
TEST = ("test", "val", "valid", "validation")
PARTS = (*TEST, "train", "training", "testing")
"""Names of splits, not of classes (in upper or lower case): a class folder with such a name is a split alone or
misspelt."""
MAXIMUM = 255.0
LOOKED_AT = 2
"""Increase this number if pictures are checked in another way: results of the old checks then no longer count."""


def is_one(name: str) -> bool:
    """Whether a data set's name means a folder of pictures."""
    return name.startswith(PREFIXES)


def at_hand(name: str) -> bool:
    """Whether `load` needs no network."""
    return not name.startswith("hf:") and _place(name).is_dir()


def load(name: str) -> DataSet:
    """The pictures that `name` stands for. Each is read once, when the folder is first used, to find broken ones.

    `Split.inputs` are paths. The fingerprint is the SHA-256 of every file's relative path and content. Raises
    `ZooError` if there is no such folder, if there are fewer than two classes, if one of them has no picture
    or has the name of a split, and, naming them, for pictures that cannot be read whole or are too large
    (`zoo.foreign`); for Parquet files as `parquet.unpacked` does. Other files are left out with one warning, hidden
    ones without.
    """
    root = from_hub(name.removeprefix("hf:")) if name.startswith("hf:") else _place(name)
    return load_at(root, name)


def load_at(
    root: Path, name: str, split: Mapping[str, Any] | None = None, labels: Sequence[str] | None = None
) -> DataSet:
    """Like `load`, for the folder `root`. `split` is `data.split` of a recipe. If `labels` (a weight's) are given,
    all pictures are the test split, or those of the test folder if there is one."""
    if not root.is_dir():
        raise ZooError(f"data.name: there is no folder {root}; give the one that holds your pictures.")
    split, asked = split or {}, labels
    names: list[str] = []
    if (packed := parquet.found(root)) and not _is_of_pictures(root):
        root, names = parquet.unpacked(root, packed)
    there = [root / part for part in TEST if (root / part).is_dir()]
    test, validation = there[0] if there else None, there[1] if len(there) > 1 else None
    if asked is not None:
        return _measured(test or root, root, name, list(asked), names)
    if (root / "train").is_dir() and test is not None:
        if split:
            raise ZooError(
                "data.split is for one folder of classes, but there are train and test folders; leave it out."
            )
        if len(there) > 2:
            raise ZooError(f"{root}: {some([each.name for each in there])} are more than test and val; leave two.")
        labels, train = _pictures(root / "train", root, names)
        found, held = _pictures(test, root, names)
        parts = {"train": train, test.name: held}
        if found != labels:
            raise ZooError(f"{root / 'train'} and {test} have other classes ({labels} and {found}); make them equal.")
        if validation is not None:
            found, parts[validation.name] = _pictures(validation, root, names)
            if found != labels:
                raise ZooError(f"{test} and {validation} have other classes ({labels} and {found}); make them equal.")
    else:
        alone = [label for label in _classes(root, root) if label.lower() in PARTS]
        if alone:
            raise ZooError(
                f"{root}: {some(alone)} would be a class; name the parts train and test, both with the class folders "
                "in them, or give the folder that holds the classes."
            )
        labels, everything = _pictures(root, root, names)
        if split.get("by") not in (None, "stratify"):
            raise ZooError(
                f"data.split.by is {split['by']}, but a folder of classes is split by stratify; leave it out."
            )
        train, held = hold_out(everything, 0.2 if split.get("test") is None else split["test"], seed=0)
        parts = {"train": train, "test": held}
    fingerprint = checked(root, {part: list(map(str, one.inputs)) for part, one in parts.items()})
    if names:  # the paths do not show them
        fingerprint = hashlib.sha256(f"{fingerprint} {names}".encode()).hexdigest()
    between = None if validation is None else parts.get(validation.name)
    return DataSet(name, "image", labels, MAXIMUM, train, held, fingerprint, validation=between)


def _measured(folder: Path, root: Path, name: str, labels: list[str], names: list[str]) -> DataSet:
    """The pictures of a folder as the test split of a weight with these labels."""
    found, every = _pictures(folder, root, names)
    if lost := [label for label in found if label not in labels]:
        raise ZooError(f"{folder}: the weight does not know the class {some(lost)}; it has {some(labels, 20)}.")
    places = torch.tensor([labels.index(label) for label in found])
    held = Split(every.inputs, places[every.targets])
    return DataSet(
        name, "image", labels, MAXIMUM, held.take([]), held, checked(root, {"test": [*map(str, every.inputs)]})
    )


def _place(name: str) -> Path:
    return expanded(name.removeprefix("imagefolder:"))


def _classes(folder: Path, root: Path) -> list[str]:
    """The class folders; a link to another place of the tree is not one."""
    return sorted(
        path.name
        for path in folder.iterdir()
        if path.is_dir() and not path.name.startswith(".") and not leads_inside(path, root)
    )


def _is_of_pictures(folder: Path) -> bool:
    """Whether at least two of its folders hold pictures, as classes do; a single picture may be for a README."""
    places = {os.path.dirname(path) for path in walk(folder, folder).pictures}
    return len(places - {str(folder)}) > 1


def _pictures(folder: Path, root: Path, names: list[str]) -> tuple[list[str], Split]:
    """The classes in a folder, sorted, and the paths of their pictures; the folders may be numbers of `names`."""
    labels = _classes(folder, root)
    if len(labels) < 2:
        raise ZooError(
            f"{folder} holds {len(labels)} class folders ({some(labels) or 'none'}); "
            "give each of two classes or more a folder with its pictures."
        )
    for label in labels:
        if not _is_text(label):
            raise ZooError(f"{folder}: the name of the class folder {label!r} is not text in UTF-8; rename it.")
    found = {label: walk(folder / label, root) for label in labels}
    if empty := [label for label, inside in found.items() if not inside.pictures]:
        raise ZooError(
            f"{folder}: Found no valid file for the classes {', '.join(empty)}. Supported extensions are: "
            f"{', '.join(sorted(EXTENSIONS))}; give each class a folder with its pictures."
        )
    beside = [path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
    others = sorted([*beside, *(os.path.basename(path) for each in found.values() for path in each.others)])
    if others:
        warnings.warn(f"{folder}: left out {len(others)} files that are not pictures: {some(others)}.", stacklevel=6)
    links = [path.name for path in folder.iterdir() if path.is_dir() and leads_inside(path, root)]
    links += [os.path.relpath(path, folder) for each in found.values() for path in each.links]
    if links:
        warnings.warn(
            f"{folder}: left out {len(links)} links to folders whose pictures are read where they lie: "
            f"{some(sorted(links))}.",
            stacklevel=6,
        )
    numbers = [int(label) for label in labels] if names else range(len(labels))
    paths = [(path, number) for label, number in zip(labels, numbers, strict=True) for path in found[label].pictures]
    return names or labels, Split([path for path, _ in paths], torch.tensor([number for _, number in paths]))


def _is_text(name: str) -> bool:
    """Whether a file's name is UTF-8, as what goes into a bundle has to be."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def checked(root: Path, parts: Mapping[str, Sequence[str]], extra: str = "") -> str:
    """The fingerprint of the pictures; each is decoded once, and not again as long as the files stay as they are.

    `parts` are the paths of each split, by its name; `extra` is the rest of the data, such as the classes that a file
    gives the pictures. Raises `ZooError`, naming them, for pictures that training's own code cannot read, and for
    pictures with the same bytes in two splits; warns about equal pictures in one split.
    """
    ordered = sorted({path for paths in parts.values() for path in paths})
    facts = f"{LOOKED_AT} {[_facts(path) for path in ordered]!r}{extra}"
    kept = files.home() / "folders" / hashlib.sha256(facts.encode()).hexdigest()
    if kept.is_file():
        hashes = kept.read_text(encoding="ascii").split()
    else:
        hashes = _look_at_all(root, ordered)
        with suppress(OSError):  # then the next load reads all again; this one loses nothing
            write_text(kept, "\n".join(hashes))
    _check_copies(root, parts, dict(zip(ordered, hashes, strict=True)))
    digest = hashlib.sha256()
    for path, sha256 in zip(ordered, hashes, strict=True):
        digest.update(os.fsencode(f"{Path(path).relative_to(root).as_posix()} {sha256}\n"))
    digest.update(extra.encode())
    return digest.hexdigest()


def _look_at_all(root: Path, paths: list[str]) -> list[str]:
    """Each picture's SHA-256."""
    from PIL import Image

    with (
        caller.silent(category=Image.DecompressionBombWarning),
        ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool,
    ):
        seen = list(pool.map(_look, paths))
    broken = {path: why for path, (_, why) in zip(paths, seen, strict=True) if why}
    if broken:
        told = some([f"{os.path.relpath(path, root)} ({why})" for path, why in broken.items()])
        raise ZooError(f"{root}: {len(broken)} of {len(paths)} pictures cannot be used: {told}; mend or remove them.")
    return [sha256 for sha256, _ in seen]


def _check_copies(root: Path, parts: Mapping[str, Sequence[str]], hashes: Mapping[str, str]) -> None:
    """The same bytes in two splits are an error: the model would be measured on a training picture."""
    first: dict[str, tuple[str, str]] = {}  # SHA-256 -> (split, path)
    across, within = [], []
    for part, paths in parts.items():
        for path in paths:
            place, other = first.setdefault(hashes[path], (part, path))
            if other is not path:
                pair = f"{os.path.relpath(other, root)} and {os.path.relpath(path, root)}"
                (within if place == part else across).append(pair)
    if across:
        raise ZooError(
            f"{root}: {len(across)} pictures have the same bytes in two of {', '.join(parts)}: {some(across)}; "
            "remove one of each pair, because a figure on training pictures means nothing."
        )
    if within:
        warnings.warn(f"{root}: {len(within)} pictures occur more than once: {some(within)}.", stacklevel=6)


def _facts(path: str) -> tuple[str | int, ...]:
    """Facts that change if the file changes; for an unreachable file, such as a link to nothing, only its path."""
    with suppress(OSError):
        status = os.stat(path)
        return path, status.st_size, status.st_mtime_ns, status.st_ino
    return (path,)


def _look(path: str) -> tuple[str, str]:
    """A picture's SHA-256, and what is wrong with it."""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):  # a pipe would keep us waiting, and /dev/zero has no end
            return "", "it is not a file"
        if status.st_size > FILE:
            return "", f"{status.st_size:,} bytes are too many"
        sha256 = hashed(Path(path))
        with picture(path) as image:  # reports a picture that is too large before decoding it
            decode(image, MAXIMUM, path)
    except ZooError as error:
        return "", _without(path, str(error))
    except Exception as error:  # Pillow's decoders may raise anything for a broken file
        return "", getattr(error, "strerror", None) or " ".join(str(error).split())[:100]
    return sha256, ""


def _without(path: str, told: str) -> str:
    """Why a picture cannot be read, without its path, which the message already has."""
    return told.removeprefix(path).removeprefix(" ").split("; ")[0].rstrip(".")


def from_hub(place: str) -> Path:
    """The folder of a data set on the Hub, OWNER/NAME or OWNER/NAME@REVISION, in the Hub's own cache."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import LocalEntryNotFoundError

    from zoo.home import offline
    from zoo.sources.hf import hub_errors

    name, _, revision = place.partition("@")
    if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", name) or not re.fullmatch(r"[\w./-]*", revision):
        raise ZooError(f"data.name hf:{place} does not name a data set; write hf:OWNER/NAME or hf:OWNER/NAME@REVISION.")
    api, wanted = HfApi(endpoint=os.environ.get("HF_ENDPOINT")), {"repo_type": "dataset", "revision": revision or None}
    if offline():
        try:
            return Path(api.snapshot_download(name, local_files_only=True, **wanted))
        except LocalEntryNotFoundError as error:
            raise ZooError(
                f"data.name hf:{place}: ZOO_OFFLINE forbids the network, and the Hub's cache lacks it; unset it."
            ) from error
    with hub_errors(f"data.name hf:{place}"):
        api.dataset_info(name, revision=revision or None)  # a download without this check would ask again and again
        return Path(api.snapshot_download(name, etag_timeout=5, **wanted))
