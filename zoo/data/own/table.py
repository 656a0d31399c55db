"""Tables from columns of a file: numbers, categories and dates to predict a class or a number from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from zoo.data.own import columns as typing_of
from zoo.data.own import rows
from zoo.data.own.columns import numbers_of, texts_of
from zoo.data.own.reading import Read, check_known, read
from zoo.data.own.targets import target_of
from zoo.data.split import Split
from zoo.data.table import Columns, category
from zoo.errors import ZooError

KINDS = ("numbers", "categories", "dates")


def load(files: rows.Files, asked: rows.Asked) -> rows.Loaded:
    """All columns except the target and those left out, with the types from `zoo.data.own.columns.found`.

    The categories of a column are those of the training part, sorted; any other category, in the test part or at
    prediction, counts as blank. Dates are numbers: days since 1970.
    """
    if asked.model is not None:
        return _measured(files, asked)
    target, given = asked.columns.get("target"), {key: asked.columns.get(key) or () for key in (*KINDS, "ignore")}
    pinned = {"resolved": ()} if asked.columns.get("dates") is not None else {}
    forced = [*given["categories"], *([target] if target and asked.classes else [])]
    used = [*given["numbers"], *given["categories"], *given["dates"], target, *rows.extras(asked)]
    reads = _reads(files, asked, used if pinned and target else None, forced)
    first = reads.get("train") or reads["all"]
    target = target_of(first, target)
    types = typing_of.found(first, given={**given, **pinned}, skip=[target, *rows.extras(asked)])
    if not (types.numbers or types.categories or types.dates):
        why = "; ".join(f"{name}: {reason}" for name, reason in types.left_out.items())
        raise ZooError(f"{first.name} has no column to predict {target} from ({why or 'there is no other'}).")
    numbers = [name for name in first.table.column_names if name in {*types.numbers, *types.dates}]
    levels = _levels(list(reads.values()), types.categories)
    train, test, validation, labels, split, told = rows.splits(
        reads, asked, target, lambda one: encoded(one, numbers, levels)
    )
    known, parts = _of_training(levels, len(numbers), train, test, *([validation] if validation else []))
    train, test, validation = parts[0], parts[1], next(iter(parts[2:]), None)
    found = Columns(tuple(numbers), known, dates=tuple(types.dates), unseen_is_blank=True)
    told = [*dict.fromkeys(line for one in reads.values() for line in one.told), *types.told(), *told]
    kept = {**asked.columns, "target": target, **{key: getattr(types, key) for key in KINDS}}
    kept["ignore"] = list(given["ignore"] if pinned else types.left_out)
    return rows.Loaded(rows.data_set(asked, "table", train, test, validation, labels, table=found), kept, split, told)


def _reads(files: Any, asked: rows.Asked, wanted: Sequence[str | None] | None, text: Sequence[str]) -> dict[str, Read]:
    names = None if wanted is None else [name for name in wanted if name]
    return rows.reads_of(files, asked, lambda paths: read(paths, wanted=names, text=text))


def encoded(one: Read, numbers: Sequence[str], levels: Mapping[str, Sequence[str]]) -> Tensor:
    """float32 (N, columns): the numbers, then the place of each category among its levels; NaN for blank or unseen."""
    import numpy as np

    check_known([*numbers, *levels], one.table.column_names, one.name, "data.columns")
    table = np.empty((len(one.table), len(numbers) + len(levels)), dtype="float32")
    for place, name in enumerate(numbers):
        column = one.table.column(name)
        table[:, place] = dated(one, name) if _is_date(column) else numbers_of(one, name)
    for place, (name, known) in enumerate(levels.items(), len(numbers)):
        codes, texts = coded(one, name)
        at = {level: float(i) for i, level in enumerate(known)}
        into = np.array([at.get(text, np.nan) if text else np.nan for text in texts] + [np.nan], dtype="float32")
        table[:, place] = into[codes]
    return torch.from_numpy(table)


def dated(one: Read, name: str) -> Any:
    return typing_of.days_of(one.table.column(name))


def _is_date(column: Any) -> bool:
    import pyarrow as pa

    return pa.types.is_date(column.type) or pa.types.is_timestamp(column.type)


def coded(one: Read, name: str) -> tuple[Any, list[str]]:
    """A column as codes, -1 for null, and the text of each code."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = one.table.column(name)
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    column = column.unify_dictionaries().combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0)
    codes = pc.fill_null(column.indices, -1).to_numpy(zero_copy_only=False)
    return codes, [category(text) for text in texts_of(column.dictionary)]


def _levels(reads: Sequence[Read], names: Sequence[str]) -> dict[str, list[str]]:
    """Every category of each column, in all parts, sorted; a blank is not one."""
    return {name: sorted({text for one in reads for text in coded(one, name)[1] if text}) for name in names}


def _of_training(
    levels: Mapping[str, list[str]], numbers: int, train: Split, *others: Split
) -> tuple[dict[str, tuple[str, ...]], list[Split]]:
    """The categories of the training part, and all parts in their codes; other categories become blank."""
    known: dict[str, tuple[str, ...]] = {}
    splits = [replace(one, inputs=one.inputs.clone()) for one in (train, *others)]
    for place, (name, texts) in enumerate(levels.items(), numbers):
        column: Tensor = train.inputs[:, place]
        seen = sorted({int(code) for code in column[~column.isnan()].unique().tolist()})
        known[name] = tuple(texts[code] for code in seen)
        if len(seen) == len(texts):
            continue
        into = torch.full((len(texts) + 1,), torch.nan)
        into[seen] = torch.arange(len(seen), dtype=torch.float32)
        for one in splits:
            codes = one.inputs[:, place].nan_to_num(len(texts)).long()
            one.inputs[:, place] = into[codes]
    return known, splits


def _measured(files: Any, asked: rows.Asked) -> rows.Loaded:
    """All rows, in the columns and codes of a weight."""
    assert asked.model is not None
    about = asked.model["input"]
    numbers, levels = list(about["numbers"]), about["categories"]
    target = asked.columns.get("target")
    used = [*numbers, *levels, target, *rows.extras(asked)] if target else None
    reads = _reads(files, asked, used, [*levels, *([target] if target and asked.classes else [])])
    (one,) = reads.values()
    target = target_of(one, target)
    if not about.get("unseen_is_blank"):
        for name, known in levels.items():
            codes, texts = coded(one, name)
            if lost := [text for text in texts if text and text not in known]:
                row = int((codes == texts.index(lost[0])).argmax())
                raise ZooError(f"{one.where(row)}: {name} is {lost[0]!r}, which is none of {', '.join(known)}.")
    train, test, _, labels, split, told = rows.splits(reads, asked, target, lambda part: encoded(part, numbers, levels))
    columns = Columns(tuple(numbers), {name: tuple(known) for name, known in levels.items()})
    data = rows.data_set(asked, "table", train, test, None, labels, table=columns)
    return rows.Loaded(data, {**asked.columns, "target": target}, split, told)
