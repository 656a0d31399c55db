"""Runs side by side: those in a folder, and the differences between two."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zoo.errors import ZooError
from zoo.training.run import Run, differences, flatten

FINISHED, TRAINING, STOPPED, UNREADABLE = "finished", "training", "stopped", "unreadable"


@dataclass(frozen=True)
class Summary:
    """One run as a row: `state` is finished, training or stopped; `value` that of the recipe's metric on `split`.

    The split is "train" if nothing else was measured yet; then the value is that of the last epoch's batches. For a
    folder that cannot be read the state is "unreadable", and `reason` says why.
    """

    folder: str
    recipe: str
    state: str
    epochs: int
    metric: str
    split: str
    value: float | None
    seconds: float
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Comparison:
    """Two runs: the differences, `key: (first, second)`, and the curves of their common epochs, column -> two lists."""

    runs: tuple[Summary, Summary]
    recipe: dict[str, tuple[Any, Any]]
    environment: dict[str, tuple[Any, Any]]
    curves: dict[str, tuple[list[float], list[float]]]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def list_runs(root: str | os.PathLike[str] = "runs") -> list[Summary]:
    """Every run in `root` and the folders below it, by path. Raises `ZooError` if there is no such folder."""
    if not Path(root).is_dir():
        raise ZooError(f"there is no folder {root}; give the one that holds your runs.")
    found = sorted(path.parent for path in Path(root).rglob("recipe.yaml") if (path.parent / "config.json").is_file())
    return [_row(folder) for folder in found if not (folder / "README.md").is_file()]  # with a card it is a bundle


def summary(run: Run) -> Summary:
    """The run as a row. Raises `ZooError`, naming the file, if one of its files is damaged or missing."""
    with _readable(run.folder / "recipe.yaml"):
        recipe = run.recipe
    with _readable(run.folder / "log.csv"):
        log = run.log
        metric, last = recipe.evaluate.metric, log[-1] if log else {}
        split = "validation" if f"validation_{metric}" in last else "train"
        text = last.get(f"{split}_{metric}")
        value, seconds = float(text) if text else None, float(last.get("seconds", 0))
    if run.finished:
        with _readable(run.folder / "metrics.json"):
            split, value = _metrics_file(run)["split"], float(run.metrics[metric])
    return Summary(
        str(run.folder),
        recipe.name,
        FINISHED if run.finished else TRAINING if _in_use(run.folder) else STOPPED,
        len(log),
        metric,
        split,
        value,
        seconds,
    )


def compare(first: str | os.PathLike[str], second: str | os.PathLike[str]) -> Comparison:
    """The differences between two runs. Raises `ZooError` if one of the folders holds no run, or a damaged one."""
    one, other = _run(first), _run(second)
    runs = summary(one), summary(other)
    a, b = one.recipe.model_dump(), other.recipe.model_dump()
    keys = [line.partition(":")[0] for line in differences(one.recipe, other.recipe)]
    flat, flat_other = flatten(a), flatten(b)
    here, there = _environment(one), _environment(other)
    return Comparison(
        runs,
        {key: (flat.get(key), flat_other.get(key)) for key in keys},
        {key: (here.get(key), there.get(key)) for key in {**here, **there} if here.get(key) != there.get(key)},
        {
            column: (_column(one, column), _column(other, column))
            for column in (one.log[0] if one.log else {})
            if column not in ("epoch", "step", "seconds") and other.log and column in other.log[0]
        },
    )


def draw(comparison: Comparison, path: str | os.PathLike[str]) -> None:
    """Draw the curves of both runs over the epochs, one panel for each column, into a PNG file.

    Raises `ZooError` if matplotlib is not installed, a run has no epoch yet, or the file cannot be written.
    """
    from zoo.viz._figure import new, save

    columns = {name: both for name, both in comparison.curves.items() if all(both)}
    if not columns:
        raise ZooError("the runs have no epoch in common; train them further.")
    figure = new(4.5 * len(columns), 3.6, " and ".join(run.folder for run in comparison.runs))
    for axes, (name, both) in zip(figure.subplots(1, len(columns), squeeze=False)[0], columns.items(), strict=True):
        for run, values in zip(comparison.runs, both, strict=True):
            axes.plot(range(1, len(values) + 1), values, label=run.folder)
        axes.set(title=name.replace("_", " "), xlabel="epoch")
        axes.grid(alpha=0.3)
    figure.axes[0].legend(fontsize=8)
    save(figure, path)


def _run(folder: str | os.PathLike[str]) -> Run:
    run = Run(Path(folder))
    if not (run.folder / "recipe.yaml").is_file():
        raise ZooError(f"{folder} holds no run; give the folder that `zoo train` wrote.")
    return run


def _row(folder: Path) -> Summary:
    """The run in `folder` as a row, even if it cannot be read: a run of another version must not hide the others."""
    try:
        return summary(Run(folder))
    except ZooError as error:
        reason = str(error).replace(f"{folder}{os.sep}", "")
        return Summary(str(folder), "", UNREADABLE, 0, "", "", None, 0.0, reason)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Say in one sentence that `path`, a file of a run, is damaged or missing, whatever its reader makes of that."""
    try:
        yield
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, csv.Error) as error:
        missing = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        why = error.strerror if isinstance(error, OSError) else missing
        raise ZooError(f"{path} cannot be read ({why}); bring the file back, or train the run again.") from error


def _in_use(folder: Path) -> bool:
    from filelock import FileLock, Timeout

    if not (folder / ".lock").is_file():
        return False
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return True
    except OSError:  # in a read-only folder no run can be in progress
        return False
    lock.release()
    return False


def _metrics_file(run: Run) -> dict[str, Any]:
    return json.loads((run.folder / "metrics.json").read_text(encoding="utf-8"))


def _environment(run: Run) -> dict[str, Any]:
    path = run.folder / "metrics.json"
    with _readable(path):
        return dict(_metrics_file(run)["environment"]) if path.is_file() else {}


def _column(run: Run, name: str) -> list[float]:
    with _readable(run.folder / "log.csv"):
        return [float(row[name]) for row in run.log if row.get(name)]
