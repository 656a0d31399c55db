"""A run: one execution of a recipe, as a folder."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from zoo import display, home, streams
from zoo.bundles.record import values
from zoo.errors import ZooError
from zoo.recipes import Recipe, load_recipe
from zoo.training.longer import check_resumable


@dataclass(frozen=True)
class Run:
    """A run's folder. When finished it holds every file of a bundle except the card; `model.safetensors` comes last.

    >>> run = zoo.train("mlp.digits", {"train.epochs": 2}, out="runs/short", progress=False)
    >>> [row["epoch"] for row in run.log], list(run.metrics)
    (['1', '2'], ['accuracy'])
    """

    folder: Path

    @cached_property
    def recipe(self) -> Recipe:
        return load_recipe(self.folder)

    @property
    def finished(self) -> bool:
        return (self.folder / "model.safetensors").is_file()

    @property
    def metrics(self) -> dict[str, float]:
        """Metric -> value on the split that metrics.json names. Raises `ZooError` if the run is not finished."""
        if not self.finished:
            raise ZooError(f"the run in {self.folder} is not finished; finish it with `zoo train … --resume` first.")
        content = json.loads((self.folder / "metrics.json").read_text(encoding="utf-8"))
        return values(content["metrics"])

    @property
    def log(self) -> list[dict[str, str]]:
        """The rows of log.csv."""
        path = self.folder / "log.csv"
        return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))) if path.is_file() else []

    def _repr_html_(self) -> str:
        state = display.figures(self.metrics, {}) if self.finished else "not finished"
        return display.answer(f"Run {self.folder}", {"metrics": state, **(self.log[-1] if self.log else {})})


def write_text(path: Path, text: str) -> None:
    """Write a small file so that it is there whole or not at all. Raises `ZooError` if it cannot be written."""
    try:
        home.write_text(path, text)
    except OSError as error:
        raise ZooError(f"{path} cannot be written ({error.strerror}); make room and go on with --resume.") from error


def write_log(folder: Path, rows: list[dict[str, Any]]) -> None:
    """Write log.csv again from all rows; a row has the columns of the first."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(folder / "log.csv", text.getvalue())


def named(recipe: object) -> Path | None:
    """If the recipe was given as a run's folder, return that folder; resuming continues there."""
    return Path(recipe) if isinstance(recipe, (str, os.PathLike)) and os.path.isdir(recipe) else None


@contextmanager
def claimed(folder: Path, recipe: Recipe, resume: bool) -> Iterator[None]:
    """Lock a run's folder for this process: a new one, or with `resume` one of the same recipe.

    A run that begins here and fails before its first result leaves the folder as it was.
    With more epochs a run continues if its schedule allows it (`zoo.training.longer`).
    Raises `ZooError` if another process uses it, if it holds a run already, and if its recipe differs.
    """
    from filelock import FileLock, Timeout

    if resume and not (folder / "recipe.yaml").is_file():
        # Not an error: a run that was interrupted before its first step removed its files.
        streams.say(f"there is no run in {folder} to resume; it starts from the beginning.")
    lock = FileLock(folder / ".lock", timeout=0)
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    begun = False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise ZooError(f"{folder} is in use by another process; wait for it, or choose another with --out.") from error
    except OSError as error:
        raise ZooError(f"{folder} cannot be a run folder ({error.strerror}); choose another with --out.") from error
    try:
        if (folder / "recipe.yaml").is_file():
            if not resume:
                raise ZooError(
                    f"{folder} holds a run already; continue it with --resume, or choose another folder with --out."
                )
            old = load_recipe(folder)
            told = differences(old, recipe)
            if check_resumable(
                folder, old, recipe, dict(zip((text.split(":")[0] for text in told), told, strict=True))
            ):
                (folder / "model.safetensors").unlink(missing_ok=True)  # no longer the recipe's result
            if told:
                write_text(folder / "recipe.yaml", recipe.to_yaml())
        elif any(p.name not in (".lock", ".recipe.yaml.tmp") for p in folder.iterdir()):
            raise ZooError(f"{folder} is not empty and holds no run; choose another folder with --out.")
        else:
            begun = True
            write_text(folder / "recipe.yaml", recipe.to_yaml())
        yield
    except BaseException:
        if begun and not (folder / "log.csv").exists() and not any(folder.glob("checkpoints/*")):
            _give_back(folder, made)
        raise
    finally:
        lock.release()


def _give_back(folder: Path, made: list[Path]) -> None:
    """Remove what a run wrote before its first step, and the folders that it made, innermost first."""
    for name in ("recipe.yaml", "config.json", "metrics.json", "tokenizer.json", *([".lock"] if made else [])):
        with suppress(OSError):
            (folder / name).unlink()
    shutil.rmtree(folder / "tensorboard", ignore_errors=True)
    with suppress(OSError):  # not empty: somebody else put something there
        for place in (folder / "checkpoints", *made):
            if place.exists():
                place.rmdir()


def differences(old: Recipe, new: Recipe) -> list[str]:
    """The differences between two recipes, each as `key.path: old -> new`."""
    a, b = flatten(old.model_dump()), flatten(new.model_dump())
    return [
        f"{key}: {a.get(key)!r} -> {b.get(key)!r}" for key in sorted(a.keys() | b.keys()) if a.get(key) != b.get(key)
    ]


def flatten(content: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dicts as one dict of key paths."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat
