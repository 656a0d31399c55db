"""Tests of what a bundle's config.json may hold, for the kinds' `holds`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

Test = Callable[[dict[str, Any]], bool]
Row = tuple[str, Test, str]


MOST = 1_000_000
LARGEST = sys.float_info.max
"""The largest float; a whole number in JSON may be larger."""


def is_number(value: Any) -> bool:
    """Whether `value` is a finite int or float; a bool is not."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -LARGEST <= value <= LARGEST


def is_count(value: Any) -> bool:
    return type(value) is int and value > 0


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def is_numbers(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(is_number, value))


def is_names(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(name, str) for name in value)


def key(name: str, right: Callable[[Any], bool], expected: str) -> Row:
    """The row for a key whose value is checked by itself."""
    return name, lambda settings: right(settings.get(name)), expected


def count(name: str) -> Row:
    """The row for a count that decides how much memory is used."""
    return key(name, lambda value: is_count(value) and value <= MOST, f"a count of {MOST:,} at most")


def text(name: str) -> Row:
    return key(name, is_text, "text")


def standardised(counts: Callable[[Mapping[str, Any]], tuple[int, ...]]) -> tuple[Row, ...]:
    """The rows for `mean` and `std`: numbers (for `std` above 0), of each as many as `counts` allows."""
    return (
        key("mean", is_numbers, "a list of numbers"),
        key("std", lambda value: is_numbers(value) and min(value) > 0, "a list of numbers above 0"),
        ("mean", lambda settings: len(settings["mean"]) in counts(settings), "one value a channel"),
        ("std", lambda settings: len(settings["std"]) in counts(settings), "one value a channel"),
    )


TOKENIZER = key("tokenizer", lambda value: value == "tokenizer.json", "'tokenizer.json'")
