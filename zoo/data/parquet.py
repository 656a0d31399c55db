"""Pictures in Parquet files, as most data sets of the Hub hold them: unpacked once into folders of pictures.

The files must be as `datasets` writes them: a column of the feature `Image`, which holds whole files, and one of
`ClassLabel`, which names the classes; JSON in the files (`huggingface` in the schema's metadata) declares both. The
split is in a file's name (`data/train-00000-of-00003.parquet`) or its folder's (`train/0000.parquet`).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from zoo.data import files
from zoo.errors import ZooError
from zoo.home import replacing

SPLITS = {"train": "train", "test": "test", "validation": "val", "valid": "val", "val": "val"}
"""What a split may be called -> the folder that it gets."""
ROWS = 8
"""Pictures held in memory at a time; only one if a group of rows has more than `LARGE` bytes."""
LARGE = 128 << 20
RATIO, SPARE = 20, 64 << 20
"""Pictures are compressed already, so a file may unpack to at most `RATIO` times its size, plus `SPARE` bytes."""
LABELS = "labels.json"
HIDDEN = -1
"""The class of a picture whose class is hidden, as in the test splits of competitions; it is left out."""


def found(folder: Path) -> list[Path]:
    """The Parquet files in a folder, sorted, without hidden ones."""
    inside = (path.relative_to(folder) for path in folder.rglob("*.parquet") if path.is_file())
    return sorted(folder / path for path in inside if not any(part.startswith(".") for part in path.parts))


def unpacked(folder: Path, packed: Sequence[Path]) -> tuple[Path, list[str]]:
    """A folder `<split>/<number of the class>/` of pictures in ZOO_HOME, and the names of the classes.

    For a single split it is that split's folder. If the same files were unpacked before, those pictures are used.
    Raises `ZooError` if pyarrow is not installed, if a file's name does not say which split it is, and if a file is
    damaged or holds no pictures with classes.
    """
    facts = [(path.relative_to(folder).as_posix(), path.stat().st_size, path.stat().st_mtime_ns) for path in packed]
    root = files.home() / "unpacked" / hashlib.sha256(repr((str(folder), facts)).encode()).hexdigest()
    if not (root / LABELS).is_file():
        try:
            with replacing(root) as scratch:
                scratch.mkdir()
                names = _unpack(folder, packed, scratch)
                (scratch / LABELS).write_text(json.dumps(names), encoding="utf-8")
        except OSError:
            if not (root / LABELS).is_file():  # unless another process was faster
                raise
    splits = [path for path in root.iterdir() if path.is_dir()]
    return splits[0] if len(splits) == 1 else root, json.loads((root / LABELS).read_text(encoding="utf-8"))


def _unpack(folder: Path, packed: Sequence[Path], to: Path) -> list[str]:
    known = [(path, part) for path in packed if (part := _split(path.relative_to(folder)))]
    if not known:
        raise ZooError(
            f"{packed[0]} does not say which split it is; call it train-….parquet, test-….parquet or "
            "validation-….parquet."
        )
    several = {path.parent.parent if path.parent.name in SPLITS else path.parent for path, _ in known}
    if len(several) > 1:
        told = ", ".join(sorted(os.path.relpath(path, folder) for path in several))
        raise ZooError(f"{folder} holds several data sets ({told}); give the folder of one as imagefolder:PATH.")
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise ZooError(
            f"{folder} holds its pictures in Parquet files; pip install 'reprozoo[parquet]' to read them."
        ) from error
    names: list[str] | None = None
    for number, (path, part) in enumerate(known):
        try:
            with ParquetFile(path) as file:
                image, label, classes = _columns(path, file.schema_arrow)
                if names not in (None, classes):
                    raise ZooError(f"{path} has other classes than the files before it; make them equal.")
                names = classes
                left = RATIO * path.stat().st_size + SPARE
                for place, row in enumerate(_rows(path, file, image, label)):
                    if row[label] != HIDDEN:
                        target = to / part / f"{_class(path, place, row[label], classes):06d}"
                        target.mkdir(parents=True, exist_ok=True)
                        content = _bytes(path, place, row[image])
                        if (left := left - len(content)) < 0:
                            raise _bomb(path)
                        (target / f"{number:05d}-{place:09d}.png").write_bytes(content)
        except (ArrowException, OSError) as error:
            why = " ".join(str(error).split()).rstrip(".")
            raise ZooError(f"{path} cannot be unpacked ({why}); fetch it again, or make room.") from error
    return names or []


def _rows(path: Path, file: Any, image: str, label: str) -> Iterator[dict[str, Any]]:
    """The rows of a file, few of them in memory at a time: 21 kB may hold 64 pictures of 50 MB that are all zeros."""
    for number in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(number)
        chunks = [group.column(place) for place in range(group.num_columns)]
        packed = sum(chunk.total_compressed_size for chunk in chunks)
        size = sum(chunk.total_uncompressed_size for chunk in chunks)
        if size > RATIO * packed + SPARE:
            raise _bomb(path)
        for batch in file.iter_batches(1 if size > LARGE else ROWS, row_groups=[number], columns=[image, label]):
            yield from batch.to_pylist()


def _bomb(path: Path) -> ZooError:
    return ZooError(f"{path} unpacks to more than {RATIO} times its size, too much for pictures; do not use it.")


def _split(path: Path) -> str | None:
    """The folder for a file's pictures; None if its name names no split, or one that no model is measured on."""
    named = (re.split(r"[-.]", path.name)[0], path.parent.name)
    return next((SPLITS[part] for part in named if part in SPLITS), None)


def _columns(path: Path, schema: Any) -> tuple[str, str, list[str]]:
    """The columns of pictures and classes, and the classes' names."""
    try:
        features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
        image = next(name for name, feature in features.items() if feature.get("_type") == "Image")
        label = next(name for name, feature in features.items() if feature.get("_type") == "ClassLabel")
        return image, label, [str(name) for name in features[label]["names"]]
    except (KeyError, TypeError, ValueError, AttributeError, StopIteration, RecursionError) as error:
        raise ZooError(
            f"{path} does not declare a column of pictures (Image) and a column of their classes (ClassLabel); give "
            "a data set "
            "for image classification, as the library `datasets` writes it."
        ) from error


def _class(path: Path, place: int, label: Any, names: list[str]) -> int:
    if not isinstance(label, int) or not 0 <= label < len(names):
        raise ZooError(
            f"{path}, row {place}: the class is {label!r}, but there are only {len(names)} classes; leave the row out."
        )
    return label


def _bytes(path: Path, place: int, image: Any) -> bytes:
    content = image.get("bytes") if isinstance(image, dict) else image
    if not isinstance(content, bytes):
        raise ZooError(f"{path}, row {place} holds no picture; leave the row out.")
    return content
