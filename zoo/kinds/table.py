"""Tables: rows of numbers and categories, all normalised once and kept on the device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Generator, Tensor

from zoo.cells import Columns, refuse_blank, row_of, unpack
from zoo.data import DataSet, Split
from zoo.data import table as tables
from zoo.errors import ZooError, unknown
from zoo.kinds import Change, Described, Input, Kind, holds
from zoo.kinds.feed import Batches, Feed, Inputs, refuse_augment, shuffled_batches

if TYPE_CHECKING:
    from zoo.recipes import Recipe


SKEWED = 2.0
"""Numbers with a skewness above this are read as logarithms by default."""
PASSES = 10
"""With more epochs a small table is learnt by heart (on scikit-learn's diabetes, 354 rows, an RMSE of 60.7 after 40
epochs, 55.8 after 15, 52.6 after 8)."""


@dataclass(frozen=True)
class Table:
    """Rows of a table; the numbers in the columns `log` are read as logarithms, which is best for counts and
    amounts."""

    log: list[str] = field(default_factory=list)


def describe(recipe: Recipe, data: DataSet, train: Split[Tensor], begun: Callable[[], Input] | None) -> Described:
    columns = data.table
    assert columns is not None and isinstance(train.inputs, Tensor)
    return Described(
        {"kind": "table", **tables.describe(train.inputs, columns, recipe.data.table.log)},
        {"numbers": len(columns.numbers), "categories": [len(known) for known in columns.categories.values()]},
    )


def blank(settings: dict[str, Any]) -> Inputs:
    return tables.normalize(torch.full((2, *shape(settings)), torch.nan), settings)


def shape(settings: dict[str, Any]) -> tuple[int, ...]:
    return (len(settings["numbers"]) + len(settings["categories"]),)


def training(recipe: Recipe, split: Split[Tensor], input: Input, device: torch.device) -> Feed:
    targets = split.targets.to(device)
    numbers, codes = tables.normalize(split.inputs.to(device), input.settings)

    def load(indices: Tensor, generator: Generator, progress: float) -> tuple[Inputs, Tensor]:
        return (numbers[indices], codes[indices]), targets[indices]

    return shuffled_batches(recipe, len(targets), device, load)


def evaluation(split: Split[Tensor], input: Input, size: int, device: torch.device) -> Batches:
    def begin() -> Iterator[tuple[Inputs, Tensor]]:
        for rows, targets in zip(split.inputs.split(size), split.targets.split(size), strict=True):
            yield tables.normalize(rows.to(device), input.settings), targets.to(device)

    return Batches(size, begin)


def fitting(content: dict[str, Any], data: DataSet, begun: bool) -> Iterator[Change]:
    """Skewed columns without negative numbers are read as logarithms, and the model's scale is that of the numbers to
    predict."""
    assert data.table is not None
    skewed = []
    for name, values in zip(data.table.numbers, data.train.inputs.double().unbind(1), strict=False):
        known = values[~values.isnan()]
        amounts = len(known) > 2 and name not in data.table.dates and known.min() >= 0 and known.std() > 0
        if amounts and ((known - known.mean()) / known.std()).pow(3).mean() > SKEWED:
            skewed.append(name)
    if skewed != content["data"]["table"]["log"]:
        yield "data.table.log", skewed, f"numbers with a skewness above {SKEWED:g}, read as logarithms"
    sigma = content["model_args"].get("sigma")
    if isinstance(sigma, list):
        yield "model_args.sigma", min(sigma), "one for all numbers"
    if data.train.targets.is_floating_point():
        truth = data.train.targets.double()
        scale = truth.std().item() if len(truth) > 1 else 1.0
        yield "model_args.shift", _short(truth.mean().item()), "the mean of the numbers to predict"
        yield "model_args.scale", _short(scale or 1.0), "their standard deviation"


def _short(number: float) -> float:
    return float(f"{number:.6g}")


def check(recipe: Recipe, data: DataSet) -> None:
    refuse_augment(recipe, data)
    assert data.table is not None
    for name in recipe.data.table.log:
        if name not in data.table.numbers:
            raise ZooError(f"data.table.log: {unknown('number', name, data.table.numbers)}")


def prepare(raw: list[Any], input: Input) -> tuple[Tensor, Tensor]:
    """Rows -> numbers (N, F) float32 and codes (N, C) int64, as `zoo.data.table.normalize` gives them.

    A row is a mapping column -> value, or the text of a JSON object that is one. It needs every column of the
    settings, in any order; a value that is not known is None, NaN or empty text. Columns that the model does not read,
    such as the target, may be there too. Raises `ZooError` for an object that is not a row, a missing column, a cell
    that should be a number and is not, a category that the training data do not have, and a row in which the model
    has nothing to read, such as a row of totals.
    """
    settings = input.settings
    # A weight trained on the user's own data says which columns are dates, and that an unseen category counts as a
    # blank.
    more = {"dates": tuple(settings.get("dates", ())), "unseen_is_blank": bool(settings.get("unseen_is_blank"))}
    columns = Columns(tuple(settings["numbers"]), settings["categories"], **more)
    rows = [row_of(one) for one in raw]
    table = tables.encode(rows, columns)
    refuse_blank(rows, table.isnan().all(1).tolist())
    return tables.normalize(table, settings)


def _is_scales(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(scale, dict)
        and isinstance(scale.get("log"), bool)
        and holds.is_number(scale.get("mean"))
        and holds.is_number(scale.get("std"))
        and scale["std"] > 0
        for scale in value.values()
    )


def _is_categories(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(known, list) and all(isinstance(category, str) for category in known) for known in value.values()
    )


def golden(settings: dict[str, Any]) -> Any:
    """A row of means and first categories."""
    scales = settings["numbers"].items()
    numbers = {name: 1.0 if scale["log"] else round(scale["mean"], 4) for name, scale in scales}
    return {**numbers, **{name: known[0] for name, known in settings["categories"].items() if known}}


def words(settings: dict[str, Any]) -> str:
    numbers, categories = settings["numbers"], settings["categories"]
    logs = [name for name, scale in numbers.items() if scale.get("log")]
    return (
        f"A row with {len(numbers)} numbers and {len(categories)} categories. Numbers are standardised"
        + (f" ({', '.join(logs)} as logarithms)" if logs else "")
        + "; a blank is the mean, and a category that is not known counts as a blank."
    )


KIND = Kind(
    words=words,
    example='answer, *more = {}("rows.csv")  # an answer for each row',
    golden=golden,
    section=Table,
    describe=describe,
    blank=blank,
    training=training,
    evaluation=evaluation,
    shape=shape,
    samples=lambda settings: " and ".join(f"{len(settings[key])} {key}" for key in ("numbers", "categories")),
    check=check,
    fitting=fitting,
    passes=PASSES,
    holds=(
        holds.key("numbers", _is_scales, "log, mean and std above 0 of each column"),
        holds.key("categories", _is_categories, "a list of text for each column"),
        holds.text("unit"),
    ),
    prepare=prepare,
    unpack=unpack,
)
