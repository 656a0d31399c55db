"""How many words a vocabulary of somebody's texts should have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from zoo.kinds import Change

SAMPLE = 20_000
"""Texts looked at to count words."""


def fitting(kind: str, content: dict[str, Any], words: Iterable[str]) -> Iterator[Change]:
    """At most the recipe's, and no more than stand there twice: a word that training meets once teaches nothing, and
    the model must meet unknown ones."""
    known = max(3, sum(count > 1 for count in Counter(words).values()) + 2)
    if known < content["data"][kind]["vocab_size"]:
        yield f"data.{kind}.vocab_size", known, "the words that stand at least twice in the training part"
