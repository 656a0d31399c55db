"""The first line of a slow command, printed within a second, before anything heavy is imported."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from zoo import streams
from zoo.display import duration

PRETRAINED = Path(__file__).parents[1] / "pretrained"


def announce(what: str, name: str) -> None:
    """Print on a terminal what begins, and how long a seed took when the weight's card was written.

    `name` is a weight, a model, a recipe or a folder, as given on the command line; nothing is fetched to find it. If
    standard error is not a terminal, nothing is printed; of several processes only the main one prints.
    """
    if not streams.is_terminal() or os.environ.get("RANK", "0") != "0":
        return
    found = _metrics(name)
    seconds, cores = found.get("seconds"), (found.get("environment") or {}).get("cores")
    told = "reading recipe and data"
    if isinstance(seconds, (int, float)) and seconds > 0:
        told += f"; its card says {duration(seconds)} a seed" + (f" on {cores} cores" if cores else "")
    print(f"{what} {name}: {told}", file=sys.stderr, flush=True)


def _metrics(name: str) -> dict[str, Any]:
    """metrics.json of the folder, of the shipped weight, or of the newest weight of the recipe or model."""
    try:
        index = json.loads((PRETRAINED / "index.json").read_text(encoding="utf-8"))["weights"]
        default = [weight for weight, entry in index.items() if weight.startswith(f"{name}.") and entry.get("default")]
        grown = sorted(
            (weight for weight in index if weight.rpartition("_v")[0] == name), key=lambda one: (len(one), one)
        )
        weight = name if name in index else next(iter([*grown[-1:], *default]), None)
        folder = Path(name) if Path(name).is_dir() else PRETRAINED / weight if weight else None
        return {} if folder is None else json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
    ):  # the command itself reports the fault
        return {}
