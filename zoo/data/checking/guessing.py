"""Guesses from the files which kind of data an address holds, if the user does not say it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.data.own import places
from zoo.data.own.columns import is_text, texts_of
from zoo.data.own.reading import format_of, read
from zoo.errors import ZooError, some

CLASSES = 20
"""A target of whole numbers with at most this many different values is a class."""
WORDS = 3
"""A text column whose cells have at least this many words at the median holds texts, not categories."""


def kind_of(name: str, settings: Mapping[str, Any]) -> tuple[str, bool]:
    """(kind of data, whether the targets are classes) by the files and the columns that `settings` name. `ZooError` if
    that is not clear."""
    prefix, rest = places.split_name(name)
    if prefix == "imagefolder":
        return "image", True
    if prefix != "file":
        raise ZooError(f"{name}: say which model will read it, as in model=bilstm_attn, so that its kind is known.")
    root = Path(rest).expanduser()
    if not root.exists():
        raise ZooError(f"there is no file or folder {root}, and no data set of that name; check the path.")
    files = [path for paths in places.parts_of(root).values() for path in paths] if root.is_dir() else [root]
    plain = files[0].name.removesuffix(".gz")
    if plain.endswith((".conllu", ".conll-u", ".conll")):
        return "tagged", True
    if format_of(files[0]) is None:
        return "characters", True
    return _of_table(files[0], settings)


def _of_table(path: Path, settings: Mapping[str, Any]) -> tuple[str, bool]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if any(f"data.columns.{key}" in settings for key in ("id", "value")):
        return "series", False
    if "data.columns.image" in settings:
        return "image", True
    if "data.columns.text" in settings:
        return "text", True
    one = read(path)
    names = one.table.column_names
    usual = [name for name in names if name.lower() in ("target", "label", "labels", "class", "y")]
    target = settings.get("data.columns.target") or (usual[0] if len(usual) == 1 else None)
    if target is None:
        kinds = [one.table.column(name).type for name in names]
        if any(pa.types.is_date(kind) or pa.types.is_timestamp(kind) for kind in kinds):
            return "series", False
        raise ZooError(f"{path}: which column is the target? Say data.columns.target=NAME: {some(names, 20)}.")
    if target not in names:
        from zoo.errors import unknown

        raise ZooError(f"{path}: data.columns.target: {unknown('column', str(target), names)}")
    for name in names:
        column = one.table.column(name)
        if name == target or not is_text(column.type):
            continue
        words = sorted(len(text.split()) for text in texts_of(column.slice(0, 1000)))
        if words and words[len(words) // 2] >= WORDS:
            return "text", True
    column = one.table.column(target)
    numbers = pa.types.is_floating(column.type) or pa.types.is_integer(column.type)
    if numbers and pc.count_distinct(column).as_py() > CLASSES:  # type: ignore[attr-defined]
        return "table", False
    return "table", True
