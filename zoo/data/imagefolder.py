"""Folders of pictures as data sets, larger than memory if need be: `imagefolder:PATH`; `hf:OWNER/NAME` from the Hub.

A folder holds `train/` and `test/` (or `val/`, `valid/`, `validation/`) with a folder of pictures for each class, or
those class folders alone; then a stratified fifth is the test split, as the digits have it. Pictures in Parquet files
(`zoo.data.parquet`) are unpacked into such folders first. Pictures stay files until a batch needs them.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from zoo.data import files, parquet
from zoo.data.split import DataSet, Split, hold_out
from zoo.errors import ZooError, some
from zoo.home import expanded, write_text

PREFIXES = ("imagefolder:", "hf:")
TEST = ("test", "val", "valid", "validation")
PARTS = (*TEST, "train", "training", "testing")
"""What nobody calls a class: a folder of such a name, in any case, is a part that stands alone or is misspelt."""
MOST = 89_478_485
"""Pixels of a picture at the most, Pillow's own measure of a decompression bomb: a quarter of a gigabyte, decoded."""


def is_one(name: str) -> bool:
    """Whether a data set's name means a folder of pictures."""
    return name.startswith(PREFIXES)


def at_hand(name: str) -> bool:
    """Whether `load` needs no network."""
    return not name.startswith("hf:") and _place(name).is_dir()


def load(name: str) -> DataSet:
    """The pictures that `name` stands for, each read once when they are first met, to tell the broken ones.

    `Split.inputs` are paths. The fingerprint is the SHA-256 of every file's relative path and content. Raises
    `ZooError` where there is no such folder, where there are fewer than two classes, where one of them has no picture
    or is called like a part, and, naming them, for pictures that cannot be read whole or have more than `MOST` pixels;
    for Parquet files as `parquet.unpacked` does. Files of other kinds are left out with one warning, and what is hidden
    without.
    """
    root = from_hub(name.removeprefix("hf:")) if name.startswith("hf:") else _place(name)
    return load_at(root, name)


def load_at(
    root: Path, name: str, split: Mapping[str, Any] | None = None, labels: Sequence[str] | None = None
) -> DataSet:
    """As `load`, of the folder `root`. `split` is `data.split` of a recipe; with `labels`, those of a weight, all
    pictures (of a folder with parts those of the test part) are the test split."""
    if not root.is_dir():
        raise ZooError(f"data.name: there is no folder {root}; give the one that holds your pictures.")
    split, asked = split or {}, labels
    names: list[str] = []
    if (packed := parquet.found(root)) and not _is_of_pictures(root):
        root, names = parquet.unpacked(root, packed)
    test = next((root / part for part in TEST if (root / part).is_dir()), None)
    if asked is not None:
        return _measured(test or root, root, name, list(asked), names)
    if (root / "train").is_dir() and test is not None:
        if split:
            raise ZooError(
                "data.split is for one folder of classes, and there are train and test folders; leave it out."
            )
        labels, train = _pictures(root / "train", names)
        found, held = _pictures(test, names)
        if found != labels:
            raise ZooError(f"{root / 'train'} and {test} have other classes ({labels} and {found}); make them equal.")
    else:
        parts = [label for label in _classes(root) if label.lower() in PARTS]
        if parts:
            raise ZooError(
                f"{root}: {some(parts)} would be a class; name the parts train and test, both with the class folders "
                "in them, or give the folder that holds the classes."
            )
        labels, everything = _pictures(root, names)
        if split.get("by") not in (None, "stratify"):
            raise ZooError(
                f"data.split.by is {split['by']}, and a folder of classes is parted by stratify; leave it out."
            )
        train, held = hold_out(everything, 0.2 if split.get("test") is None else split["test"], seed=0)
    fingerprint = checked(root, [*train.inputs, *held.inputs])  # type: ignore
    if names:  # which the paths do not tell
        fingerprint = hashlib.sha256(f"{fingerprint} {names}".encode()).hexdigest()
    return DataSet(name, "image", labels, train, held, 255.0, fingerprint)


def _measured(folder: Path, root: Path, name: str, labels: list[str], names: list[str]) -> DataSet:
    """The pictures of a folder as the test split of a weight with these labels."""
    found, every = _pictures(folder, names)
    if lost := [label for label in found if label not in labels]:
        raise ZooError(f"{folder}: the weight does not know the class {some(lost)}; it has {some(labels, 20)}.")
    places = torch.tensor([labels.index(label) for label in found])
    held = Split(every.inputs, places[every.targets])
    return DataSet(name, "image", labels, held.take([]), held, 255.0, checked(root, list(map(str, every.inputs))))


def _place(name: str) -> Path:
    return expanded(name.removeprefix("imagefolder:"))


def _classes(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _is_of_pictures(folder: Path) -> bool:
    """Whether two of its folders hold pictures, as two classes do; a picture for a README is none of a data set."""
    from torchvision.datasets.folder import IMG_EXTENSIONS

    places = set()
    for path in folder.rglob("*"):
        inside = path.relative_to(folder)
        if path.suffix.lower() in IMG_EXTENSIONS and not any(part.startswith(".") for part in inside.parts):
            places.add(inside.parent)
            if len(places - {Path()}) > 1:
                return True
    return False


def _pictures(folder: Path, names: list[str]) -> tuple[list[str], Split]:
    """The classes in a folder, sorted, and the paths of their pictures; the folders may be numbers of `names`."""
    from torchvision.datasets.folder import IMG_EXTENSIONS, has_file_allowed_extension, make_dataset

    def shown(path: str | Path) -> bool:
        return not any(part.startswith(".") for part in Path(path).relative_to(folder).parts)

    labels = _classes(folder)
    if len(labels) < 2:
        raise ZooError(
            f"{folder} holds {len(labels)} class folders ({some(labels) or 'none'}); "
            "give each of two classes or more a folder with its pictures."
        )
    try:
        samples = make_dataset(
            str(folder),
            {label: number for number, label in enumerate(labels)},
            is_valid_file=lambda path: has_file_allowed_extension(path, IMG_EXTENSIONS) and shown(path),
        )
    except FileNotFoundError as error:
        why = " ".join(str(error).split()).rstrip(".")
        raise ZooError(f"{folder}: {why}; give each class a folder with its pictures.") from error
    known = {Path(path) for path, _ in samples}
    others = [path.name for path in sorted(folder.rglob("*")) if path.is_file() and shown(path) and path not in known]
    if others:
        warnings.warn(f"{folder}: left out {len(others)} files that are no pictures: {some(others)}.", stacklevel=4)
    numbers = [int(label) for label in labels] if names else range(len(labels))
    return names or labels, Split(
        [path for path, _ in samples], torch.tensor([numbers[target] for _, target in samples])
    )


def checked(root: Path, paths: Sequence[str], extra: str = "") -> str:
    """The fingerprint of the pictures; each is decoded once, and not again as long as the files stay as they are.

    `extra` is what else the data are made of, such as the classes that a file gives the pictures.
    """
    ordered = sorted({*paths})
    facts = repr([_facts(path) for path in ordered]) + extra
    kept = files.home() / "folders" / hashlib.sha256(facts.encode()).hexdigest()
    if kept.is_file():
        return kept.read_text(encoding="utf-8")
    with ThreadPoolExecutor() as pool:
        seen = list(pool.map(_look, ordered))
    broken = {path: why for path, (_, why) in zip(ordered, seen, strict=True) if why}
    if broken:
        told = some([f"{os.path.relpath(path, root)} ({why})" for path, why in broken.items()])
        raise ZooError(f"{root}: {len(broken)} of {len(paths)} pictures cannot be used: {told}; mend or remove them.")
    digest = hashlib.sha256()
    for path, (sha256, _) in zip(ordered, seen, strict=True):
        digest.update(f"{Path(path).relative_to(root).as_posix()} {sha256}\n".encode())
    digest.update(extra.encode())
    with suppress(OSError):  # costs the next load its time, and this one nothing
        write_text(kept, digest.hexdigest())
    return digest.hexdigest()


def _facts(path: str) -> tuple[str | int, ...]:
    """What changes when the file does; of one that cannot be reached, such as a link to nothing, its path alone."""
    with suppress(OSError):
        status = os.stat(path)
        return path, status.st_size, status.st_mtime_ns, status.st_ino
    return (path,)


def _look(path: str) -> tuple[str, str]:
    """A picture's SHA-256, and what is wrong with it."""
    from PIL import Image

    try:
        with open(path, "rb") as file:
            sha256 = hashlib.sha256(file.read()).hexdigest()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                if image.width * image.height > MOST:
                    return sha256, f"{image.width} x {image.height} pixels are too many"
                image.draft("L", (1, 1))  # a JPEG is then read whole, but decoded coarsely
                image.load()
    except Image.DecompressionBombError:
        return "", "too many pixels"
    except Exception as error:  # Pillow's decoders raise whatever a broken file makes them stumble over
        return "", getattr(error, "strerror", None) or " ".join(str(error).split())[:100]
    return sha256, ""


def from_hub(place: str) -> Path:
    """The folder of a data set on the Hub, OWNER/NAME or OWNER/NAME@REVISION, in the Hub's own cache."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import LocalEntryNotFoundError

    from zoo.home import offline
    from zoo.sources.hf import hub_errors

    name, _, revision = place.partition("@")
    api, wanted = HfApi(endpoint=os.environ.get("HF_ENDPOINT")), {"repo_type": "dataset", "revision": revision or None}
    if offline():
        try:
            return Path(api.snapshot_download(name, local_files_only=True, **wanted))
        except LocalEntryNotFoundError as error:
            raise ZooError(
                f"data.name hf:{place}: ZOO_OFFLINE forbids the network, and the Hub's cache lacks it; unset it."
            ) from error
    with hub_errors(f"data.name hf:{place}"):
        api.dataset_info(name, revision=revision or None)  # a download by itself would ask again and again
        return Path(api.snapshot_download(name, etag_timeout=5, **wanted))
