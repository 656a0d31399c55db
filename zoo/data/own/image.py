"""Pictures that a file lists: a column of paths, relative to the file, and one of classes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from zoo.data import imagefolder
from zoo.data.own import rows
from zoo.data.own.columns import texts_of
from zoo.data.own.reading import Read, format_of, read
from zoo.data.own.targets import target_of
from zoo.errors import ZooError, some


def load(files: Mapping[str, list[Path]], asked: rows.Asked) -> rows.Loaded:
    """The pictures of `data.columns.image` and the classes of `.target`.

    Raises `ZooError` with file and line if a path leads out of the file's folder or to no file, and, naming them, for
    pictures that cannot be read.
    """
    if wrong := [path for paths in files.values() for path in paths if format_of(path) is None]:
        raise ZooError(
            f"{wrong[0]} lists no pictures; give a CSV, JSONL or Parquet file with a column of paths and one of "
            "classes, or a folder with a folder of pictures for each class as imagefolder:PATH."
        )
    reads = rows.reads_of(files, asked, lambda paths: read(paths))
    first = next(iter(reads.values()))
    target = target_of(first, asked.columns.get("target"))
    image = asked.columns.get("image") or _image(first, target)

    def inputs(one: Read) -> list[str]:
        return [_path(one, row, cell) for row, cell in enumerate(texts_of(one.table.column(image)))]

    train, test, validation, labels, split, told = rows.splits(reads, asked, target, inputs)
    named = {"train": train, "test": test, "validation": validation}
    parts = {name: [str(path) for path in part.inputs] for name, part in named.items() if part is not None}
    root = Path(os.path.commonpath([os.path.dirname(path) for paths in parts.values() for path in paths]))
    fingerprint = imagefolder.checked(root, parts, extra=repr([part.targets.tolist() for part in (train, test)]))
    columns = {**asked.columns, "image": image, "target": target}
    data = rows.data_set(asked, "image", train, test, validation, labels, maximum=255.0, fingerprint=fingerprint)
    return rows.Loaded(data, columns, split, [f"pictures: {image}; target: {target}.", *told])


def _image(one: Read, target: str) -> str:
    usual = [
        n for n in one.table.column_names if n.lower() in ("image", "path", "file", "filename", "file_name", "picture")
    ]
    if len(usual) == 1 and usual[0] != target:
        return usual[0]
    raise ZooError(
        f"{one.name}: which column holds the pictures' paths? Say it with --image (data.columns.image): "
        f"{some(one.table.column_names, 20)}."
    )


def _path(one: Read, row: int, cell: str) -> str:
    base = (one.file(row) or Path()).parent
    if not cell.strip():
        raise ZooError(f"{one.where(row)}: the path of the picture is empty; fill it in, or leave the row out.")
    inside = os.path.normpath(cell.strip())
    if os.path.isabs(inside) or inside.split(os.sep)[0] == os.pardir:
        raise ZooError(f"{one.where(row)}: the path {cell!r} leads out of the folder of the file; give one below it.")
    path = base / inside
    if base.resolve() not in path.resolve().parents:
        raise ZooError(
            f"{one.where(row)}: the path {cell!r} leads out of the folder of the file, by a link; give a file below it."
        )
    if not path.is_file():
        raise ZooError(f"{one.where(row)}: there is no picture {cell!r} beside the file; correct the path.")
    return str(path)
