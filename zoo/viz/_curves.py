"""The training curve of a run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.bundles.index import has_tensors, parse_json, read_text
from zoo.bundles.log import read_log
from zoo.check import check_figures
from zoo.errors import ZooError
from zoo.tasks.measures import find
from zoo.viz._figure import new

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from zoo.bundles.format import Bundle
    from zoo.viz._which import Weight


def curves(name: Weight) -> Figure:
    """The training curve of a weight or a run, epoch by epoch: its loss, and its metric beside the published spread.

    `name` is a weight, a model (its default weight), a bundle folder, a predictor, or the folder of a run, which need
    not be finished. In training the metric is that of every sixteenth batch, under augmentation; the band is the mean ±
    the standard deviation over the published seeds. Raises `ZooError` if there is no curve yet.

        >>> viz.save(viz.curves("mlp.digits_v1"), "curves.png")
    """
    from zoo import sources
    from zoo._predictor import Predictor

    if isinstance(name, Predictor):
        return of_bundle(name.bundle)
    folder = Path(name)
    return of_unfinished(folder) if is_unfinished(folder) else of_bundle(sources.find(name))


def is_unfinished(folder: Path) -> bool:
    """Whether this is the folder of a run that has no weight yet."""
    return os.path.isfile(folder / "recipe.yaml") and not has_tensors(folder)


def of_unfinished(folder: Path) -> Figure:
    log = folder / "log.csv"
    rows = read_log(read_text(log), str(log)) if log.is_file() else []
    return draw(f"{folder.name}, not finished", rows, {}, task_of(folder))


def task_of(folder: Path) -> str:
    """The task of the run in this folder; "" if it is not written yet."""
    about = folder / "config.json"
    return str(parse_json(read_text(about), str(about)).get("task")) if about.is_file() else ""


def of_bundle(bundle: Bundle) -> Figure:
    check_figures(bundle)
    return draw(bundle.name or bundle.folder.name, bundle.log, bundle.metrics, bundle.config["task"])


def draw(title: str, rows: list[dict[str, str]], published: dict[str, Any], task: str) -> Figure:
    """The picture of a log.csv's rows, with the figures of the metrics.json beside it, if there is one; `task` is its
    model's."""
    columns = [key for key in (rows[0] if rows else ()) if key.startswith("train_") and key != "train_loss"]
    if not columns:
        raise ZooError(f"{title} has no training curve yet; wait for the first epoch of its run.")
    metric = columns[0].removeprefix("train_")
    figure = new(8, 3.6, title)
    left, right = figure.subplots(1, 2)
    _draw(left, rows, {"train_loss": "training batches"})
    left.set_ylabel("loss")
    share = find(task, metric).unit == "%"
    factor, unit = (100, " in %") if share else (1, "")
    drawn = _draw(
        right, rows, {f"train_{metric}": "training batches", f"validation_{metric}": "validation split"}, factor
    )
    right.set_ylabel(f"{metric}{unit}")
    figures = published.get("metrics", {}).get(metric)
    if figures is not None:
        drawn += _band(right, figures, published["split"], factor)
    # The first epochs are so far off that differences between the last ones could not be seen.
    right.set_ylim(*_margin(drawn))
    for axes in (left, right):
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    return figure


def _draw(axes: Axes, rows: list[dict[str, str]], named: dict[str, str], factor: float = 1) -> list[float]:
    """A line for each column that was measured; the values of the last four fifths of the epochs."""
    late: list[float] = []
    for column, label in named.items():
        points = [(int(row["epoch"]), factor * float(row[column])) for row in rows if row.get(column)]
        if points:
            axes.plot(
                *zip(*points, strict=True),
                marker="o" if len(points) < 30 else "",
                markersize=3,
                linewidth=1.2,
                label=label,
            )
            late += [value for epoch, value in points if epoch > len(rows) / 5]
    return late


def _band(axes: Axes, figures: dict[str, Any], split: str, factor: float) -> list[float]:
    """The published mean as a line and its spread as a band; the ends of the band."""
    mean, std, n = factor * figures["mean"], factor * figures["std"], figures["n"]
    digits, unit = (2, " %") if factor == 100 else (4, "")
    spread = f" ± {std:.{digits}f}{unit} ({n} seeds)" if n > 1 else f"{unit} (1 seed)"
    axes.axhline(mean, color="black", linewidth=1, linestyle="--", label=f"{split} split: {mean:.{digits}f}{spread}")
    axes.axhspan(mean - std, mean + std, color="black", alpha=0.15)
    return [mean - std, mean + std]


def _margin(values: list[float]) -> tuple[float, float]:
    """A range that holds the values, with a twentieth more on either side."""
    low, high = min(values), max(values)
    air = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return low - air, high + air
