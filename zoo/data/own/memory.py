"""Objects of a Python program in memory as a data set: a frame, or (inputs, targets)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from zoo.data.own import parting, rows
from zoo.data.own.reading import Read
from zoo.data.own.targets import labels_of
from zoo.data.split import Split
from zoo.errors import ZooError


def name_of(data: Any) -> str:
    """The address of data in memory, as a recipe has it."""
    return "memory:arrays" if isinstance(data, tuple) else "memory:frame"


def load(kind: str, asked: rows.Asked, data: Any) -> rows.Loaded:
    """A data set from a pandas or polars frame, a dict of columns, a pyarrow table, or (inputs, targets).

    The inputs of (inputs, targets): for texts a list; for a table an array (N, columns) or a frame; for pictures an
    array or tensor (N, H, W), (N, H, W, C) or (N, C, H, W) of uint8, or floats in 0..1. Targets: labels or numbers. For
    a series an array (T, C), or a frame. Raises `ZooError` for anything else.
    """
    if isinstance(data, tuple):
        if len(data) != 2:
            raise ZooError(f"data is a tuple of {len(data)}; give (inputs, targets), a frame, or a path.")
        if kind == "image":
            return _images(asked, *data)
        return _read(kind, asked, _joined(kind, asked, *data))
    if kind == "series" and getattr(data, "ndim", None) == 2 and not hasattr(data, "columns"):
        data = {f"series {place + 1}": column for place, column in enumerate(_array(data, "the series").T)}
    return _read(kind, asked, {**_columns(data)})


def _read(kind: str, asked: rows.Asked, columns: Mapping[str, Any]) -> rows.Loaded:
    if kind not in ("text", "table", "series"):
        raise ZooError(f"{kind} data are not read from memory; write them to a file and give its path.")
    import pyarrow as pa

    try:
        table = pa.table({str(name): pa.array(_plain(values), from_pandas=True) for name, values in columns.items()})
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise ZooError(f"data is not a table of columns ({' '.join(str(error).split())}); give a frame.") from error
    if not table.num_rows:
        raise ZooError("data has no rows; give at least a few.")
    read = Read(table, ((None, table.num_rows),))
    return import_module(f"zoo.data.own.{kind}").load({"all": read}, asked)


def _plain(values: Any) -> Any:
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else values


def _columns(data: Any) -> dict[str, Any]:
    if isinstance(data, Mapping):
        return dict(data)
    if hasattr(data, "to_arrow"):  # polars
        data = data.to_arrow()
    if hasattr(data, "column_names"):  # pyarrow
        return {name: data.column(name).combine_chunks() for name in data.column_names}
    if hasattr(data, "columns") and hasattr(data, "iloc"):  # pandas
        return {str(name): data[name] for name in data.columns}
    raise ZooError(f"data is {type(data).__name__}; give a path, a frame, a dict of columns, or (inputs, targets).")


def _joined(kind: str, asked: rows.Asked, inputs: Any, targets: Any) -> dict[str, Any]:
    """(inputs, targets) as columns."""
    target = asked.columns.get("target") or "target"
    if kind == "text" and not hasattr(inputs, "columns"):
        columns: dict[str, Any] = {"text": list(inputs)}
    elif hasattr(inputs, "columns") or isinstance(inputs, Mapping) or hasattr(inputs, "column_names"):
        columns = _columns(inputs)
    else:
        array = _array(inputs, "inputs")
        if array.ndim != 2:
            raise ZooError(f"inputs have the shape {tuple(array.shape)}; give (rows, columns).")
        columns = {f"x{place}": array[:, place] for place in range(array.shape[1])}
    found = _array(targets, "targets") if not isinstance(targets, list) else targets
    if len(found) != len(next(iter(columns.values()))):
        raise ZooError(
            f"there are {len(next(iter(columns.values())))} inputs and {len(found)} targets; give one for each."
        )
    return {**columns, target: list(found) if isinstance(found, list) else found}


def _array(values: Any, what: str) -> Any:
    import numpy as np

    array = np.asarray(_plain(values))
    if array.dtype == object and what != "targets":
        raise ZooError(f"{what} are not an array of numbers; give a numpy array, a tensor or a frame.")
    return array


def _images(asked: rows.Asked, inputs: Any, targets: Any) -> rows.Loaded:
    images = torch.as_tensor(_array(inputs, "inputs").copy())
    if images.ndim == 3:
        images = images.unsqueeze(1)
    elif images.ndim == 4 and images.shape[1] not in (1, 3) and images.shape[3] in (1, 3):
        images = images.permute(0, 3, 1, 2).contiguous()
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ZooError(f"inputs have the shape {tuple(images.shape)}; give (N, H, W), (N, H, W, C) or (N, C, H, W).")
    maximum = 255.0
    if images.is_floating_point():
        if not ((images >= 0) & (images <= 1)).all():
            raise ZooError("inputs are floats outside 0..1 or not finite; scale them, or give uint8 in 0..255.")
        images = (images * 255).round().to(torch.uint8)
    elif int(images.min()) < 0 or int(images.max()) > 255:
        raise ZooError("inputs lie outside 0..255; give uint8, or floats in 0..1.")
    found = [str(value) for value in _array(targets, "targets").tolist()]
    if len(found) != len(images):
        raise ZooError(f"there are {len(images)} inputs and {len(found)} targets; give one for each.")
    labels = list(asked.model["labels"]) if asked.model else labels_of(found)
    if lost := sorted({*found} - {*labels}):
        raise ZooError(f"a target is {lost[0]!r}, which is not among the classes {labels}.")
    if len(labels) < 2:
        raise ZooError(f"the targets have {len(labels)} class; a classifier needs two or more.")
    whole = Split(images.to(torch.uint8), torch.tensor([labels.index(label) for label in found]))
    if asked.model is not None:
        return rows.Loaded(
            rows.data_set(asked, "image", whole.take([]), whole, None, labels, maximum=maximum), {}, {}, []
        )
    import pyarrow as pa

    read = Read(pa.table({"target": found}), ((None, len(found)),))
    chosen = parting.way(dict(asked.split), True)
    train, test, validation = parting.part(replace(whole, groups=None), read, chosen)
    parting.check_classes(train, test, labels, read)
    told = [f"{len(train):,} images to train on, {len(test):,} to test on; {len(labels)} classes."]
    data = rows.data_set(asked, "image", train, test, validation, labels, maximum=maximum)
    return rows.Loaded(data, {}, chosen, told)
