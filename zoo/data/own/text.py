"""Texts and their classes from columns of a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo.data.own import rows
from zoo.data.own.columns import is_text, texts_of
from zoo.data.own.reading import Read, check_known, give_back, read
from zoo.data.own.targets import target_of
from zoo.errors import ZooError, some
from zoo.wording import clean

JOINT = "\n"
"""Between the texts of several columns: white space for every tokenizer."""


def load(files: rows.Files, asked: rows.Asked) -> rows.Loaded:
    """The texts of `data.columns.text` (several are joined) and the classes of `.target`.

    By default the column of texts is the only text column besides the target. A blank text is not an error here: the
    model reads a row without words. Raises `ZooError` for columns that do not exist, and for a text column that holds
    numbers.
    """
    given = list(asked.columns.get("text") or [])
    target = asked.columns.get("target")
    needed = [*given, target, *rows.extras(asked)] if given and target else None

    def reader(paths: list[Path]) -> Read:
        return read(paths, wanted=needed, text=[target] if target and asked.classes else [])

    reads = rows.reads_of(files, asked, reader)
    first = next(iter(reads.values()))
    target = target_of(first, target)
    texts = given or _texts(first, {target, *rows.extras(asked), *(asked.columns.get("ignore") or [])})

    def inputs(one: Read) -> list[str]:
        check_known(texts, one.table.column_names, one.name, "data.columns.text")
        for name in texts:
            kind = one.table.column(name).type
            if not is_text(kind) and one.table.column(name).null_count < len(one.table):
                raise ZooError(
                    f"{one.where(0)}: {name} holds {_said(kind)}, not text ({one.table.column(name)[0].as_py()!r}); "
                    f"name the column of texts with --text (data.columns.text): {some(one.table.column_names, 20)}."
                )
        columns = [list(map(clean, texts_of(one.table.column(name)))) for name in texts]
        return columns[0] if len(columns) == 1 else [JOINT.join(cells) for cells in zip(*columns, strict=True)]

    found = {part: inputs(one) for part, one in reads.items()}
    told = [*dict.fromkeys(line for one in reads.values() for line in one.told)]
    # Free what was read of these rows: it takes as much memory as the texts.
    done = [name for name in texts if name not in {target, *rows.extras(asked)}]
    reads = {part: replace(one, table=one.table.drop_columns(done)) for part, one in reads.items()}
    del first
    give_back()
    by_read = {id(one): found.pop(part) for part, one in reads.items()}
    train, test, validation, labels, split, said = rows.splits(
        reads, asked, target, lambda one: by_read[id(one)], same=_same
    )
    if not given:
        told.append(f"text: {', '.join(texts)}; target: {target}.")
    told += said
    columns = {**asked.columns, "text": texts, "target": target}
    return rows.Loaded(rows.data_set(asked, "text", train, test, validation, labels), columns, split, told)


def _texts(one: Read, but: set[str]) -> list[str]:
    names = [name for name in one.table.column_names if name not in but]
    texts = [name for name in names if is_text(one.table.column(name).type)]
    usual = [name for name in texts if name.lower() in ("text", "sentence", "review", "content", "question", "message")]
    if len(texts) == 1 or len(usual) == 1:
        return usual if len(usual) == 1 else texts
    raise ZooError(
        f"{one.name}: which column holds the texts? Say it with --text (data.columns.text): {some(names, 20)}."
    )


def _same(one: Read, texts: Tensor | list[str]) -> Tensor:
    first: dict[Any, int] = {}
    return torch.tensor([first.setdefault(text, place) for place, text in enumerate(texts)], dtype=torch.int64)


def _said(kind: Any) -> str:
    import pyarrow as pa

    return "numbers" if pa.types.is_integer(kind) or pa.types.is_floating(kind) else str(kind)
