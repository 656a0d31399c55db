"""Runs side by side: what there is under a folder, and what differs between two."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zoo.errors import ZooError
from zoo.training.run import Run, differences, flatten

FINISHED, TRAINING, STOPPED = "finished", "training", "stopped"


@dataclass(frozen=True)
class Summary:
    """One run as a row: `state` is finished, training or stopped; `value` that of the recipe's metric on `split`.

    The split is "train" where nothing else was measured yet, and then the value is that of the last epoch's batches.
    """

    folder: str
    recipe: str
    state: str
    epochs: int
    metric: str
    split: str
    value: float | None
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Comparison:
    """Two runs: what differs, `key: (first, second)`, and the epochs' curves that both have, column -> two lists."""

    runs: tuple[Summary, Summary]
    recipe: dict[str, tuple[Any, Any]]
    environment: dict[str, tuple[Any, Any]]
    curves: dict[str, tuple[list[float], list[float]]]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def list_runs(root: str | os.PathLike[str] = "runs") -> list[Summary]:
    """Every run in `root` and the folders below it, by path. Raises `ZooError` where there is no such folder."""
    if not Path(root).is_dir():
        raise ZooError(f"there is no folder {root}; give the one that holds your runs.")
    found = sorted(path.parent for path in Path(root).rglob("recipe.yaml") if (path.parent / "config.json").is_file())
    return [summary(Run(folder)) for folder in found if not (folder / "README.md").is_file()]  # a bundle has a card


def summary(run: Run) -> Summary:
    """The run as a row."""
    recipe, log = run.recipe, run.log
    metric, last = recipe.evaluate.metric, log[-1] if log else {}
    split, value = "train", last.get(f"train_{metric}") or None
    if f"validation_{metric}" in last:
        split, value = "validation", last[f"validation_{metric}"]
    if run.finished:
        split, value = (
            json.loads((run.folder / "metrics.json").read_text(encoding="utf-8"))["split"],
            run.metrics[metric],
        )
    return Summary(
        str(run.folder),
        recipe.name,
        FINISHED if run.finished else TRAINING if _in_use(run.folder) else STOPPED,
        len(log),
        metric,
        split,
        None if value is None else float(value),
        float(last.get("seconds", 0)),
    )


def compare(first: str | os.PathLike[str], second: str | os.PathLike[str]) -> Comparison:
    """What differs between two runs. Raises `ZooError` where one of the folders holds none."""
    one, other = _run(first), _run(second)
    a, b = one.recipe.model_dump(), other.recipe.model_dump()
    keys = [line.partition(":")[0] for line in differences(one.recipe, other.recipe)]
    flat, flat_other = flatten(a), flatten(b)
    here, there = _environment(one), _environment(other)
    return Comparison(
        (summary(one), summary(other)),
        {key: (flat.get(key), flat_other.get(key)) for key in keys},
        {key: (here.get(key), there.get(key)) for key in {**here, **there} if here.get(key) != there.get(key)},
        {
            column: (_column(one, column), _column(other, column))
            for column in (one.log[0] if one.log else {})
            if column not in ("epoch", "step", "seconds") and other.log and column in other.log[0]
        },
    )


def draw(comparison: Comparison, path: str | os.PathLike[str]) -> None:
    """Draw the curves of both runs over the epochs, one panel a column, into a PNG file.

    Raises `ZooError` where matplotlib is not installed, a run has no epoch yet, or the file cannot be written.
    """
    from zoo.viz.figure import new, save

    columns = {name: both for name, both in comparison.curves.items() if all(both)}
    if not columns:
        raise ZooError("there is no epoch that both runs have; train them further.")
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


def _in_use(folder: Path) -> bool:
    from filelock import FileLock, Timeout

    if not (folder / ".lock").is_file():
        return False
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return True
    except OSError:  # a folder that may only be read is nobody's work in progress
        return False
    lock.release()
    return False


def _environment(run: Run) -> dict[str, Any]:
    path = run.folder / "metrics.json"
    return json.loads(path.read_text(encoding="utf-8"))["environment"] if path.is_file() else {}


def _column(run: Run, name: str) -> list[float]:
    return [float(row[name]) for row in run.log if row.get(name)]
