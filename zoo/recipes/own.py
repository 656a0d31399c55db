"""What a recipe says of data of one's own: the files, their columns, how they are parted."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from zoo.recipes.base import Count, Strict


class File(Strict):
    """A file as it was when the recipe was first run: SHA-256 and size in bytes (of pictures how many there are)."""

    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    size: Count


class Columns(Strict):
    """What stands in which column of a file.

    `target` is what is predicted, `text` the text (several are joined), `image` the paths of pictures, `weight` how
    much a row counts, `ignore` what is left out. Of a table all other columns are read; `numbers`, `categories` and
    `dates` overrule the types that are found. Of series `time` is the time of a row, `numbers` the series; in long form
    `id` names the series of a row, and `value` its value.
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
    """How one file is parted: the share `test` is tested on, by chance (`random`, or `stratify` for the same share of
    each class), in whole groups, the last in time, or as a column says (train, test, validation)."""

    test: Annotated[float, Field(gt=0, lt=1)] | None = None
    by: Literal["random", "stratify", "group", "time", "column"] | None = None
    column: str | None = None
