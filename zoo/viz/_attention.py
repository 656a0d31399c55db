"""The words that a text model attends to."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from zoo.data.text import clean, shorten, spans
from zoo.errors import ZooError
from zoo.viz._figure import new, percent
from zoo.viz._which import name_of, predictor_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from zoo._predictor import Predictor
    from zoo.viz._which import Weight

GAP = "…"
WIDTH = 92  # characters a line: as many typewriter letters of 9 points as eight inches hold


def attention(name: Weight, raw: str) -> Figure:
    """The text; the more attention a word gets, the redder its background.

    Words that the model did not read, because the text is too long, are left out and replaced by "…" without a
    background. `name` is a weight, a model (its default weight), a bundle or run folder, or a predictor. Raises
    `ZooError` if the model does not attend, and for a text without words.

        >>> viz.save(viz.attention("bilstm_attn.imdb_v1", "A slow start, but wonderful."), "attention.png")
    """
    read = predictor_of(name, "attention")
    answer = read(raw)
    if answer.attention is None:
        raise ZooError(f"the model of {name_of(name)} does not attend; choose another --what, such as confusion.")
    words = _gapped(answer.attention, read, raw)
    lines = _lines(words)
    title = f"{read.record.weight}: {answer.label} ({percent(answer.probability)})"
    if any(weight is None for _, weight in words):
        title += f"; {GAP} stands for words that it did not read"
    figure = new(8, 1.1 + 0.24 * len(lines), title)
    axes = figure.subplots()
    axes.set(xlim=(0, WIDTH), ylim=(len(lines) - 0.4, -0.6))
    axes.set_axis_off()
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    reds, most = colormaps["Reds"], max(weight for _, weight in answer.attention)
    for row, line in enumerate(lines):
        for column, word, weight in line:
            ink = "black"
            if weight is not None:
                ground = reds(weight / most)
                ink = "white" if sum(ground[:3]) < 1.5 else "black"
                axes.barh(row, _width(word) + 0.4, left=column - 0.2, height=0.84, color=ground)
            # Left out of the layout, which would reserve room because it takes the text for wider than the axes.
            style = {"family": "monospace", "fontsize": 9, "color": ink, "parse_math": False, "in_layout": False}
            axes.text(column, row, word, va="center", **style)
    scale = ScalarMappable(Normalize(0, 100 * most), reds)
    figure.colorbar(
        scale, ax=axes, orientation="horizontal", label="share of the attention in %", shrink=0.5, aspect=40
    )
    return figure


def _gapped(attention: list[tuple[str, float]], read: Predictor, raw: str) -> list[tuple[str, float | None]]:
    """The words with their weights, and a gap without a weight wherever truncation left words out."""
    places = spans(read.tokenizer, clean(raw))
    kept = set(shorten(places, read.input["max_length"], read.input["truncate"]))
    found: list[tuple[str, float | None]] = []
    # Each place once, because each word is listed once, even if it has several tokens.
    for place, word in zip(dict.fromkeys(places), attention, strict=True):
        if place in kept:
            found.append(word)
        elif not found or found[-1][1] is not None:
            found.append((GAP, None))
    return found


def _lines(words: list[tuple[str, float | None]]) -> list[list[tuple[int, str, float | None]]]:
    """Words and weights set in lines of at most `WIDTH` characters, each with the column it begins at."""
    lines: list[list[tuple[int, str, float | None]]] = [[]]
    column = 0
    for word, weight in words:
        word = word if _width(word) <= WIDTH else f"{word[: WIDTH // 2 - 1]}…"
        if column + _width(word) > WIDTH:
            lines.append([])
            column = 0
        lines[-1].append((column, word, weight))
        column += _width(word) + 1
    return lines


def _width(word: str) -> int:
    """The columns of a word in a typewriter font: two for an ideogram or emoji, none for a combining accent."""
    return sum(0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF") for c in word)
