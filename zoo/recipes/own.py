"""A recipe's sections about the user's own data: the files, their columns, how they are split."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from zoo.recipes.base import Count, Strict


class File(Strict):
    """A file as it was when the recipe was first run: SHA-256 and size in bytes (for pictures, their number)."""

    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    size: Count


class Columns(Strict):
    """The meaning of a file's columns.

    `target` is predicted, `text` is the text (several columns are joined), `image` the paths of pictures, `weight`
    how much a row counts; `ignore` leaves columns out. In a table all other columns are read; `numbers`, `categories`
    and `dates` overrule the types that are found. For series `time` is the time of a row, `numbers` are the series;
    in long form `id` names the series of a row, and `value` its value.
    """

    text: list[str] | None = None
    image: str | None = None
    target: str | None = None
    weight: str | None = None
    numbers: list[str] | None = None
    categories: list[str] | None = None
    dates: list[str] | None = None
    ignore: list[str] | None = None
    id: str | None = None
    time: str | None = None
    value: str | None = None

    @field_validator("text", "numbers", "categories", "dates", "ignore", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value


class Parting(Strict):
    """How one file is split: the share `test` becomes the test part, chosen at random (`random`, or `stratify` for
    the same share of each class), in whole groups, as the last in time, or by a column (train, test, validation)."""

    test: Annotated[float, Field(gt=0, lt=1)] | None = None
    by: Literal["random", "stratify", "group", "time", "column"] | None = None
    column: str | None = None
