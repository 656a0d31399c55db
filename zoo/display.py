"""Values for people: numbers as people write them, and an object's fields on one screen."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Any

WIDTH = 80
"""The columns of a screen by default."""
LINES = 3
"""The most lines of a screen for one thing."""


def written(value: Any) -> str:
    """A value as a person writes it: four digits of a float, commas in a large whole number, else its text."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if value == 0 or 1e-4 <= abs(value) < 1000:
        return f"{value:.4g}"
    return f"{value:,.0f}" if abs(value) < 1e15 and abs(value) >= 1000 else f"{value:.4g}"


_COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufffe\uffff]")
"""Characters that a terminal would obey, that turn the direction of text, or that end a line in YAML; not tab and
newline."""


def harmless(text: str) -> str:
    """The text with each character that a terminal would obey written out, as \\u001b is."""
    return _COMMANDS.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def one_line(text: object) -> str:
    """Any text on one line, without characters that a terminal would obey."""
    return harmless(" ".join(str(text).split()))


def duration(seconds: float) -> str:
    """Seconds in the unit that reads best."""
    minutes = seconds / 60
    return f"{seconds:.0f} s" if minutes < 2 else f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def figure(of: Mapping[str, Any]) -> str:
    """A metric's figures on one line: the value, and mean and spread over the seeds if there were several."""
    value, n = of.get("value"), of.get("n", 1)
    if n < 2 or of.get("std") is None:
        return written(value)
    return f"{written(value)}, {written(of.get('mean'))} ± {of['std']:.2g} over {n} seeds"


def figures(metrics: Mapping[str, float], of: Mapping[str, Mapping[str, Any]]) -> str:
    """Every metric with its figures, or with only its value if there are no figures."""
    return "; ".join(f"{name} {figure(of.get(name, {'value': value}))}" for name, value in metrics.items())


def settings(of: Mapping[str, Any]) -> str:
    """Settings on one line: a list by its first values, nested settings by their names."""
    return "; ".join(
        f"{name} {some(value, 30) if isinstance(value, (list, tuple, dict)) else written(value)}"
        for name, value in of.items()
    )


def some(values: Any, room: int = WIDTH) -> str:
    """As many of the values as fit on one line, and their number if those are not all."""
    texts = [text if text.strip() else repr(text) for text in map(written, values)]
    if len(", ".join(texts)) <= room:
        return ", ".join(texts)
    told = f", … ({len(texts)} in all)"
    shown: list[str] = []
    for text in texts:
        if len(", ".join([*shown, text])) + len(told) > room:
            break
        shown.append(text)
    return ", ".join(shown) + told if shown else f"{len(texts)} in all"


def screen(title: str, rows: Mapping[str, str]) -> str:
    """A title and rows of `name  text` under it, those without text left out, none wider than 80 columns or longer than
    three lines."""
    given = {name: one_line(text) for name, text in rows.items() if text}
    left = max(map(len, given), default=0)
    lines = [one_line(title)]
    for name, text in given.items():
        wrapped = wrap(text, WIDTH - left - 4, max_lines=LINES, placeholder=" …")
        lines += [f"  {head:{left}}  {line}" for head, line in zip([name, *[""] * LINES], wrapped, strict=False)]
    return "\n".join(lines)


def answer(title: str, content: Mapping[str, Any]) -> str:
    """An answer or a report for a notebook: its values by their names, nested ones on one line, empty ones left out."""
    told = {
        name.replace("_", " "): settings(value)
        if isinstance(value, Mapping)
        else some(value, 10_000)
        if isinstance(value, (list, tuple))
        else written(value)
        for name, value in content.items()
        if value is not None and value != {} and value != []
    }
    return markup(title, told)


def bars(shares: Mapping[str, float]) -> str:
    """Shares of one for a notebook, each with a bar."""
    rows = "".join(
        f"<tr><td style='text-align:left'>{html.escape(name)}</td><td style='text-align:left'>"
        f"<div style='background:#d84315;height:0.7em;width:{10 * share:.2f}em'></div></td>"
        f"<td>{100 * share:.1f} %</td></tr>"
        for name, share in shares.items()
    )
    return f"<table>{rows}</table>"


def marked(words: Sequence[tuple[str, float]]) -> str:
    """Words for a notebook; the larger a word's share, the redder its background."""
    most = max((share for _, share in words), default=0.0) or 1.0
    spans = (
        f"<span style='background:rgba(216,67,21,{0.8 * share / most:.2f})'>{html.escape(word)}</span>"
        for word, share in words
    )
    return f"<p>{' '.join(spans)}</p>"


def markup(title: str, rows: Mapping[str, str]) -> str:
    """The same for a notebook, as an HTML table, nothing cut."""
    cells = "".join(
        f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
        f"<td style='text-align:left'>{html.escape(text)}</td></tr>"
        for name, text in rows.items()
        if text
    )
    return f"<b>{html.escape(title)}</b><table>{cells}</table>"
