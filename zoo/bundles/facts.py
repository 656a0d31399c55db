"""What `zoo list` shows of a weight, repeated in the index."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.bundles.index import FileRecord, is_fact


def facts_of(config: Mapping[str, Any], metrics: Mapping[str, Any], files: Mapping[str, FileRecord]) -> dict[str, Any]:
    """Task, data, first metric with its mean, std and n, parameters, the latency of one input in milliseconds, and the
    bytes of all files; unknown facts are absent."""
    figures = metrics.get("metrics")
    metric = next(iter(figures), None) if isinstance(figures, Mapping) else None
    figure = figures[metric] if isinstance(figures, Mapping) and metric is not None else {}
    found = {
        "task": config.get("task"),
        "data": config.get("data"),
        "metric": metric,
        **{key: figure.get(key) for key in ("mean", "std", "n") if isinstance(figure, Mapping)},
        "parameters": config.get("num_parameters"),
        "latency_ms": cost.get("latency_ms") if isinstance(cost := metrics.get("cost"), Mapping) else None,
        "bytes": sum(record.size for record in files.values()),
    }
    return {key: value for key, value in found.items() if is_fact(key, value)}
