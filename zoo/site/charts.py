"""Small charts as SVG text: crisp at every size, coloured by the page's own style, light or dark.

Nothing here touches colours or fonts: each part has a class (`line`, `dot`, `band`, `axis`) that the style sheet fills.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

WIDTH, HEIGHT = 320, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 8, 10, 22


def curve(title: str, xs: Sequence[float], ys: Sequence[float], show: Callable[[float], str], under: str = "") -> str:
    """A line chart: `ys` over `xs`, of the same length, with the least and the largest value on the axis."""
    points = [(x, y) for x, y in zip(xs, ys, strict=True) if math.isfinite(y)]
    if len(points) < 2:
        return ""
    x_of, y_of = _scales([x for x, _ in points], [y for _, y in points])
    path = "M" + "L".join(f"{x_of(x):.1f} {y_of(y):.1f}" for x, y in points)
    low, high = min(y for _, y in points), max(y for _, y in points)
    first, last = points[0][0], points[-1][0]
    marks = [
        _text(_LEFT - 6, y_of(high) + 4, show(high), "end"),
        _text(_LEFT - 6, y_of(low) + 4, show(low), "end"),
        _text(_LEFT, HEIGHT - 6, f"{first:g}", "start"),
        _text(WIDTH - _RIGHT, HEIGHT - 6, f"{last:g}", "end"),
        _text((_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 6, under, "middle"),
    ]
    frame = f'<path class="axis" d="M{_LEFT} {_TOP}V{HEIGHT - _BOTTOM}H{WIDTH - _RIGHT}"/>'
    end = f'<circle class="dot" cx="{x_of(last):.1f}" cy="{y_of(points[-1][1]):.1f}" r="3"/>'
    said = f"{title}: from {show(points[0][1])} to {show(points[-1][1])}"
    return _svg(WIDTH, HEIGHT, said, f'{frame}<path class="line" d="{path}"/>{end}{"".join(marks)}')


def spark(ys: Sequence[float], title: str) -> str:
    """A line without axes, for a row of a table."""
    ys = [y for y in ys if math.isfinite(y)]
    if len(ys) < 2:
        return ""
    width, height, edge = 72, 20, 3
    low, high = min(ys), max(ys)
    span = (high - low) or 1.0
    step = (width - 2 * edge) / (len(ys) - 1)
    places = [(edge + i * step, height - edge - (y - low) / span * (height - 2 * edge)) for i, y in enumerate(ys)]
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    x, y = places[-1]
    dot = f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="2"/>'
    return _svg(width, height, title, f'<path class="line" d="{path}"/>{dot}', "spark")


def seeds(values: Sequence[float], std: float | None, show: Callable[[float], str]) -> str:
    """The values of all seeds on one line, the shipped one filled, and a band of one deviation."""
    if not values:
        return ""
    width, height, edge = 320, 54, 16
    mean = sum(values) / len(values)
    low, high = min([*values, mean - (std or 0)]), max([*values, mean + (std or 0)])
    pad = (high - low) * 0.1 or abs(mean) * 0.01 or 1.0
    low, high = low - pad, high + pad

    def place(value: float) -> float:
        return edge + (value - low) / (high - low) * (width - 2 * edge)

    parts = [f'<path class="axis" d="M{edge} 24H{width - edge}"/>']
    if std:
        left = place(mean - std)
        parts.append(f'<rect class="band" x="{left:.1f}" y="16" width="{place(mean + std) - left:.1f}" height="16"/>')
    parts.append(f'<path class="mean" d="M{place(mean):.1f} 12V36"/>')
    for i, value in reversed(list(enumerate(values))):
        parts.append(f'<circle class="{"dot" if i == 0 else "ring"}" cx="{place(value):.1f}" cy="24" r="4.5"/>')
    parts += [_text(edge, 50, show(min(values)), "start"), _text(width - edge, 50, show(max(values)), "end")]
    said = f"{len(values)} seeds from {show(min(values))} to {show(max(values))}; the shipped weight is the filled one"
    return _svg(width, height, said, "".join(parts))


def _scales(xs: Sequence[float], ys: Sequence[float]) -> tuple[Callable[[float], float], Callable[[float], float]]:
    low, high, first, last = min(ys), max(ys), min(xs), max(xs)
    span, length = (high - low) or 1.0, (last - first) or 1.0
    return (
        lambda x: _LEFT + (x - first) / length * (WIDTH - _LEFT - _RIGHT),
        lambda y: HEIGHT - _BOTTOM - (y - low) / span * (HEIGHT - _TOP - _BOTTOM),
    )


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>' if text else ""


def _svg(width: int, height: int, said: str, inner: str, kind: str = "chart") -> str:
    head = f'<svg class="{kind}" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img"'
    return f'{head} aria-label="{escape(said)}">{inner}</svg>'
