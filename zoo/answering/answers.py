"""Answers to many inputs, in order, a chunk at a time; a bad one gets its error as answer and does not spoil the
others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from zoo.answering.inputs import Input
from zoo.errors import ZooError

CHUNK = 4096
"""Inputs that are answered together. They are sorted by length first, so their batches have almost no padding."""


def answered(
    predict: Callable[[list[Any]], list[Any]], given: Iterable[Input], chunk: int = CHUNK
) -> Iterator[tuple[Input, Any]]:
    """(input, its answer or the `ZooError` that it gave) for each input, in order; memory holds one chunk at a time."""
    rest = iter(given)
    while part := list(islice(rest, chunk)):
        good = [one for one in part if one.fault is None]
        found = iter(each([one.raw for one in good], predict))
        for one in part:
            yield one, one.fault if one.fault is not None else next(found)


def each(raw: list[Any], predict: Callable[[list[Any]], list[Any]]) -> list[Any]:
    """The answer to each, or the `ZooError` that it gave; a failing batch is halved until the bad inputs are found."""
    if not raw:
        return []
    try:
        return list(predict(raw))
    except ZooError as error:
        if len(raw) == 1:
            return [error]
    middle = len(raw) // 2
    return [*each(raw[:middle], predict), *each(raw[middle:], predict)]
