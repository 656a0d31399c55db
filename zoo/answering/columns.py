"""An answer as columns, which follow the columns of the input in a file of answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def columns(answer: Any, labels: list[str]) -> dict[str, Any]:
    """Column -> value of one answer.

    A classifier gives label, probability, and `probability_LABEL` for each class; a regression gives `value`; several
    tasks give one column each; a tagger gives words and tags with spaces between them; an embedding gives a column for
    each number.
    """
    if hasattr(answer, "top"):
        shares = {top.label: top.probability for top in answer.top}
        every = {f"probability_{label}": shares.get(label) for label in labels}
        return {"label": answer.label, "probability": answer.probability, **every}
    said = answer.to_dict().get("answer")
    if isinstance(said, Mapping):
        probabilities = getattr(answer, "probability", None) or {}
        return {**said, **{f"probability_{name}": value for name, value in probabilities.items()}}
    if isinstance(said, list) and said and isinstance(said[0], Mapping):
        return {"words": _joined(tag["word"] for tag in said), "tags": _joined(tag["tag"] for tag in said)}
    if isinstance(said, list):
        return {f"embedding_{i}": value for i, value in enumerate(said)}
    return {"value" if isinstance(said, (int, float)) else "answer": said}


def forecast(answer: Any) -> list[dict[str, float]]:
    """A forecast's rows, oldest first: channel -> value."""
    channels = answer.to_dict()["answer"]
    return [dict(zip(channels, row, strict=True)) for row in zip(*channels.values(), strict=True)]


def beside(cells: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """The input's columns, then the answer's; an answer's column whose name the input has already becomes
    `predicted_NAME`."""
    return {**cells, **{name if name not in cells else f"predicted_{name}": value for name, value in found.items()}}


def _joined(words: Iterable[str]) -> str:
    return " ".join(words)
