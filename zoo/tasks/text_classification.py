"""Texts in, one of several labels out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

from zoo.data.text import check, clean, encode, pad, shorten, spans
from zoo.errors import ZooError
from zoo.tasks import Task
from zoo.tasks.classification import LOSSES, TOP, accuracy, answer

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def prepare(raw: list[Any], input: dict[str, Any], tokenizer: Tokenizer) -> tuple[Tensor, Tensor]:
    """Texts -> tokens (N, T) int64, zero behind each end, and lengths (N,) int64.

    `input` is the bundle's: `max_length` tokens at most, cut as `truncate` says. Raises `ZooError` for what is not a
    `str`, for one that no encoding can write, and for a text in which the tokenizer finds nothing to read.
    """
    check(raw)
    raw = list(map(clean, raw))
    rows = encode(tokenizer, raw, input["max_length"], input["truncate"])
    for text, row in zip(raw, rows, strict=True):
        if not row:
            raise ZooError(f"the text {text[:40]!r} holds no words to classify; give at least one.")
    return pad(rows)


def explain(
    raw: list[str], input: dict[str, Any], tokenizer: Tokenizer, attention: Tensor
) -> list[list[tuple[str, float]]]:
    """Attention weights (N, T) -> for each text all its words as written, in order, each with its weight.

    A word that truncation left out has the weight 0. What the tokenizer makes several tokens of, such as ½ or …, stands
    once, with their weights together.
    """
    found = []
    for text, weights in zip(map(clean, raw), attention.tolist(), strict=True):
        places = spans(tokenizer, text)
        summed = dict.fromkeys(places, 0.0)
        read = shorten(places, input["max_length"], input["truncate"])
        for place, weight in zip(read, weights[: len(read)], strict=True):
            summed[place] += weight
        found.append([(text[start:end], weight) for (start, end), weight in summed.items()])
    return found


TASK = Task(
    name="text-classification",
    kind="text",
    losses=LOSSES,
    metrics={"accuracy": accuracy},
    prepare=prepare,
    answer=lambda outputs, raw, config: answer(outputs, config["labels"], config.get("top", TOP)),
    cost=lambda raw: len(raw) if isinstance(raw, str) else 0,
    explain=explain,
)
