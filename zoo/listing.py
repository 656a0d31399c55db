"""The table of weights, as `zoo list` and the README show it: their names, figures and costs.

All of it comes from the index, so that listing a source on another machine reads no bundle.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from zoo.errors import ZooError, unknown
from zoo.names import natural
from zoo.tasks.measures import find, spread

HEAD = ("weight", "figure", "parameters", "size", "latency", "task", "data")
"""The columns, the most important first: a narrow terminal drops them from the right."""
SORTS = ("name", "figure", "n", "parameters", "size", "latency", "task", "data")
_KEYS = {"n": "n", "parameters": "parameters", "size": "bytes", "latency": "latency_ms", "task": "task", "data": "data"}


def listed(
    pattern: str = "*",
    *,
    sort: str = "name",
    task: str | None = None,
    data: str | None = None,
    max_mb: float | None = None,
) -> list[tuple[str, Mapping[str, Any]]]:
    """The weights of the sources with the facts in their indexes, filtered and sorted.

    Args:
        pattern: a glob over names of weights or of models; all weights of a model that fits are listed.
        sort: one of `SORTS`. Names are in natural order; figures have the best first within a metric; for numbers the
            smallest comes first. Weights without a known value come last.
        task, data: only those of the task, or of the data set.
        max_mb: only weights whose files take at most this many megabytes (1e6 bytes).

    Raises `ZooError` for an unknown `sort`, and for a task or data set that no weight has.
    """
    from zoo import sources

    if sort not in SORTS:
        raise unknown("order", sort, SORTS)
    if max_mb is not None and not max_mb > 0:
        raise ZooError(f"max_mb is {max_mb!r}; give a number above 0.")
    every = list(sources.rows())
    for key, asked in (("task", task), ("data", data)):
        known = sorted({str(row[key]) for _, row in every if row.get(key)})
        if asked is not None and asked not in known:
            raise unknown("task" if key == "task" else "data set", asked, known)
    found = [
        (name, row)
        for name, row in every
        if (fnmatchcase(name, pattern) or fnmatchcase(name.partition(".")[0], pattern))
        and (task is None or row.get("task") == task)
        and (data is None or row.get("data") == data)
        and (max_mb is None or row.get("bytes", float("inf")) <= 1e6 * max_mb)
    ]
    found.sort(key=lambda pair: natural(pair[0]))
    if sort == "figure":
        found.sort(key=lambda pair: (str(pair[1].get("metric", "~")), _worse(pair[1])))
    elif sort != "name":
        key = _KEYS[sort]
        found.sort(key=lambda pair: (key not in pair[1], pair[1].get(key, 0)))
    return found


def cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    """The row's text for the columns of `HEAD` except the name; empty if unknown."""
    return (
        figure(row),
        f"{row['parameters']:,}" if "parameters" in row else "",
        size(row["bytes"]) if "bytes" in row else "",
        f"{row['latency_ms']:.3g} ms" if "latency_ms" in row else "",
        str(row.get("task", "")),
        str(row.get("data", "")),
    )


def figure(row: Mapping[str, Any]) -> str:
    """Metric, mean ± std over the seeds, and how many these are: `accuracy 98.66 % ± 0.23 % (5)`."""
    if "metric" not in row or "mean" not in row:
        return ""
    metric = str(row["metric"])
    known = find(str(row.get("task")), metric)
    return f"{metric.replace('_', ' ')} {spread(known, row)} ({row.get('n', 1)})"


def size(count: int) -> str:
    """Bytes in megabytes or kilobytes (1e6 and 1e3 bytes)."""
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.0f} kB"


def markdown(rows: Iterable[tuple[str, ...]], head: tuple[str, ...]) -> str:
    """A table as Markdown."""
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _worse(row: Mapping[str, Any]) -> float:
    mean = row.get("mean")
    if mean is None:
        return float("inf")
    return -mean if find(str(row.get("task")), str(row.get("metric"))).more_is_better else mean
