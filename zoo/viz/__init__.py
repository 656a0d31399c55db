"""Pictures of what a model sees, of how it was trained and of where it is wrong.

Each function gives a figure of matplotlib's, which the extra `viz` installs; `save` writes one as a PNG. `show` is what
`zoo show` draws.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from zoo.errors import ZooError, unknown
from zoo.viz.figure import save
from zoo.viz.layers import activations, features, filters
from zoo.viz.log import curves
from zoo.viz.matrix import confusion
from zoo.viz.words import attention
from zoo.viz.worst import mistakes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["activations", "attention", "confusion", "curves", "features", "filters", "mistakes", "save", "show"]


@dataclass(frozen=True)
class _Picture:
    """How one is drawn, whether an input goes into it, and the tasks that have it; all where none is named."""

    draw: Callable[..., Figure]
    input: Literal["needed", "none"]
    tasks: tuple[str, ...]


_IMAGES = ("image-classification", "metric-learning", "multi-task")
_CLASSIFIERS = ("image-classification", "text-classification", "token-classification", "tabular-classification")
# In the order in which a task's own is looked for.
_PICTURES = {
    "features": _Picture(features, "needed", _IMAGES),
    "attention": _Picture(attention, "needed", ("text-classification",)),
    "curves": _Picture(curves, "none", ()),
    "filters": _Picture(filters, "none", _IMAGES),
    "confusion": _Picture(confusion, "none", _CLASSIFIERS),
    "mistakes": _Picture(mistakes, "none", _CLASSIFIERS[:3]),
}


def show(name: str | os.PathLike[str], raw: Any = None, *, what: str | None = None, layer: str | None = None) -> Figure:
    """The picture called `what` of a weight.

    Args:
        name: a weight, a model (its default weight), a bundle or run folder.
        raw: the input, for pictures of one: as `zoo.predictor` takes it.
        what: features, filters, attention, curves, confusion or mistakes; by default what the task has for an input
            (features or attention), and without one the training curves.
        layer: for features, whose.

    Raises `ZooError` for a picture that there is not, that the task does not have, that needs an input or takes none.
    """
    task = _task(name)
    having = {key: one for key, one in _PICTURES.items() if not one.tasks or task in one.tasks}
    if what is not None and what not in _PICTURES:
        raise unknown("picture", what, _PICTURES)
    if what is not None and what not in having:
        raise ZooError(f"{name} is for {task}, which has no {what}; choose {', '.join(having)}.")
    if what is None:
        what = next((key for key, one in having.items() if one.input == ("none" if raw is None else "needed")), None)
    if what is None:
        raise ZooError(f"{name} is for {task}, which has no picture of an input; choose {', '.join(having)}.")
    picture = having[what]
    if picture.input == "needed" and raw is None:
        raise ZooError(f"{what} are of an input; give one: zoo show {name} INPUT --what {what} -o FILE.png.")
    if picture.input == "none" and raw is not None:
        raise ZooError(f"{what} are not of one input; leave {str(raw)[:40]!r} out.")
    if layer is not None and what != "features":
        raise ZooError(f"--layer is for features, not for {what}; leave it out.")
    inputs = () if raw is None else (raw,)
    return picture.draw(name, *inputs, **({} if layer is None else {"layer": layer}))


def _task(name: str | os.PathLike[str]) -> str:
    """The task of a weight, a bundle, or a run, which need not be finished."""
    from zoo import sources
    from zoo.bundles.index import parse_json, read_text

    config = Path(name) / "config.json"
    if os.path.isfile(config):
        return str(parse_json(read_text(config), str(config)).get("task"))
    return sources.find(name).config["task"]
