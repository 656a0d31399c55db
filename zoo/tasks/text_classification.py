"""Texts in, one of several labels out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

from zoo.data.text import encode, pad, spans
from zoo.errors import ZooError
from zoo.tasks import Task
from zoo.tasks.classification import LOSSES, accuracy, answer

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def prepare(raw: list[Any], input: dict[str, Any], tokenizer: Tokenizer) -> tuple[Tensor, Tensor]:
    """Texts -> tokens (N, T) int64, zero behind each end, and lengths (N,) int64.

    `input` is the bundle's: `max_length` tokens at most, cut as `truncate` says. Raises `ZooError` for what is not a
    `str`, for one that no encoding can write, and for a text in which the tokenizer finds nothing to read.
    """
    for text in raw:
        if not isinstance(text, str):
            raise ZooError(f"{type(text).__name__} is no text; give a str, or a list of them.")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ZooError(f"the text {text[:40]!r} holds half of a character; give valid Unicode.") from error
    rows = encode(tokenizer, raw, input["max_length"], input["truncate"])
    for text, row in zip(raw, rows, strict=True):
        if not row:
            raise ZooError(f"the text {text[:40]!r} holds no words to classify; give at least one.")
    return pad(rows)


def explain(
    raw: list[str], input: dict[str, Any], tokenizer: Tokenizer, attention: Tensor
) -> list[list[tuple[str, float]]]:
    """Attention weights (N, T) -> for each text its words as written, in order, each with its weight.

    Words that truncation left out are not listed; pieces of one word would stand as separate entries.
    """
    words = [
        [text[start:end] for start, end in spans(tokenizer, text, input["max_length"], input["truncate"])]
        for text in raw
    ]
    return [
        list(zip(row, weights[: len(row)], strict=True)) for row, weights in zip(words, attention.tolist(), strict=True)
    ]


TASK = Task(
    name="text-classification",
    kind="text",
    losses=LOSSES,
    metrics={"accuracy": accuracy},
    prepare=prepare,
    answer=lambda outputs, raw, config: answer(outputs, config["labels"]),
    cost=lambda raw: len(raw) if isinstance(raw, str) else 0,
    explain=explain,
)
