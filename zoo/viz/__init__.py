"""Pictures of what a model sees, how it was trained and where it is wrong.

Each function gives a figure of matplotlib's, which the extra `viz` installs; `save` writes one as a PNG. `show` is what
`zoo show` draws.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from zoo.errors import ZooError, unknown
from zoo.viz import _curves
from zoo.viz._attention import attention
from zoo.viz._confusion import confusion
from zoo.viz._curves import curves
from zoo.viz._figure import save
from zoo.viz._forecast import forecast
from zoo.viz._layers import activations, features, filters
from zoo.viz._mistakes import mistakes
from zoo.viz._neighbours import neighbours
from zoo.viz._which import check, name_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from zoo.bundles.format import Bundle
    from zoo.viz._which import Weight

__all__ = [
    "activations",
    "attention",
    "confusion",
    "curves",
    "features",
    "filters",
    "forecast",
    "mistakes",
    "neighbours",
    "save",
    "show",
]


# The function that draws each, and whether it takes an input.
_DRAWN: dict[str, tuple[Callable[..., Figure], Literal["needed", "optional", "none"]]] = {
    "forecast": (forecast, "optional"),
    "neighbours": (neighbours, "optional"),
    "features": (features, "needed"),
    "attention": (attention, "needed"),
    "curves": (curves, "none"),
    "filters": (filters, "none"),
    "confusion": (confusion, "none"),
    "mistakes": (mistakes, "none"),
}


def show(name: Weight, raw: Any = None, *, what: str | None = None, layer: str | None = None) -> Figure:
    """The picture called `what` of a weight.

    Args:
        name: a weight, a model (its default weight), a bundle or run folder, or a predictor.
        raw: the input, for pictures of one: as `zoo.predictor` takes it.
        what: features, filters, attention, curves, confusion, mistakes, forecast or neighbours. By default it is the
            task's picture of an input: a forecast, neighbours, features or attention. Without an input it is the
            forecast or the neighbours if the task has one of these, else the training curves.
        layer: for features, the name of the layer.

    Raises `ZooError` for an unknown picture, for one that the task does not have, and if an input is missing or not
    used.

        >>> viz.save(viz.show("cnn_cifar", "cat.png"), "features.png")
    """
    from zoo import tasks
    from zoo._predictor import Predictor, of_bundle

    bundle, called = _bundle(name), name_of(name)
    task = tasks.get(_curves.task_of(Path(called)) if bundle is None else bundle.config["task"])
    if what is None:
        unfit = "needed" if raw is None else "none"
        what = next((one for one in task.pictures if _DRAWN[one][1] != unfit), None)
        if what is None:
            raise ZooError(f"{called} is for {task.name}, which has no picture of an input; leave {_short(raw)} out.")
    if what not in _DRAWN:
        raise unknown("picture", what, _DRAWN)
    check(called, task, what)
    draw, takes = _DRAWN[what]
    if takes == "needed" and raw is None:
        raise ZooError(f"{what} needs an input; give one: zoo show {name} INPUT --what {what} -o FILE.png.")
    if takes == "none" and raw is not None:
        raise ZooError(f"{what} takes no input; leave {_short(raw)} out.")
    if layer is not None and what != "features":
        raise ZooError(f"--layer is for features, not for {what}; leave it out.")
    if what == "curves" and bundle is not None:
        return _curves.of_bundle(bundle)
    weight = name if bundle is None or isinstance(name, Predictor) else of_bundle(bundle)
    inputs = () if raw is None else (raw,)
    return draw(weight, *inputs, **({} if layer is None else {"layer": layer}))


def _short(raw: Any) -> str:
    text = str(raw)
    return repr(text if len(text) <= 40 else f"{text[:39]}…")


def _bundle(weight: Weight) -> Bundle | None:
    """The bundle that is drawn; None for a run that is not finished."""
    from zoo import sources
    from zoo._predictor import Predictor

    if isinstance(weight, Predictor):
        return weight.bundle
    folder = Path(weight)
    if _curves.is_unfinished(folder) and os.path.isfile(folder / "config.json"):
        return None
    return sources.find(weight)
