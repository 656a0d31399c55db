"""Name -> model: registration, look-up, plug-ins."""

from __future__ import annotations

import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from zoo.errors import ZooError, unknown
from zoo.names import GUESTS, MODEL_NAME, natural

C = TypeVar("C", bound=Callable[..., Any])

TASKS = (
    "image-classification",
    "text-classification",
    "token-classification",
    "language-modelling",
    "forecasting",
    "regression",
    "tabular-classification",
    "metric-learning",
    "multi-task",
)


@dataclass(frozen=True)
class Model:
    """A registered name: how to build it and what to say of it.

    `input_shape` is the shape of one sample for the constructor's defaults, without the batch: (C, H, W) for images,
    (T,) token ids for text, () where it is not known.
    """

    name: str
    constructor: Callable[..., Any]
    task: str
    init: str
    description: str
    source: str
    input_shape: tuple[int, ...]


_models: dict[str, Model] = {}
_loaded = False
_loading = threading.RLock()  # re-entrant: a plug-in may look up a model while it is being imported


def register_model(
    *, task: str, init: str, description: str, source: str, input_shape: tuple[int, ...] = (), name: str | None = None
) -> Callable[[C], C]:
    """Decorator that registers a constructor (a function or an `nn.Module` class) under its own name or `name`.

    `task` is one of `TASKS`, `init` names an init scheme, `description` is one line, `source` is the paper or code that
    the model follows, and `input_shape` is one sample's shape, () where it is not known. Raises `ZooError` where the
    task is unknown or the name is taken, or is none that a weight's can begin with: letters, digits, `_` and `-`. The
    init scheme is looked up when a model is created: that needs torch.
    """
    if task not in TASKS:
        raise unknown("task", task, TASKS)

    def register(constructor: C) -> C:
        key = constructor.__name__ if name is None else name
        if not re.fullmatch(MODEL_NAME, key):
            raise ZooError(f"{key!r} cannot name a model; use letters, digits, _ and -, such as name='my_net'.")
        if not constructor.__module__.startswith("zoo.models."):
            import zoo.models  # noqa: F401  first come the zoo's own, so that whoever takes one of their names is told
        if key in _models:
            raise ZooError(
                f"model {key!r} is already registered by {_models[key].constructor.__module__}; choose another name."
            )
        _models[key] = Model(key, constructor, task, init, description, source, tuple(input_shape))
        return constructor

    return register


def get(name: str) -> Model:
    """The registered model of that name; `ZooError` with the nearest three where there is none."""
    if name.startswith(GUESTS):
        from zoo.models import timm

        return timm.model(name)
    _load()
    if name not in _models:
        raise unknown("model", name, names())
    return _models[name]


@contextmanager
def temporary(*models: Model) -> Iterator[None]:
    """Register these models while the body runs; afterwards they are gone, and whatever else was registered meanwhile.

    For tests of a plug-in: `with registry.temporary(): register_model(...)(MyNet)`.
    """
    _load()
    before = dict(_models)
    _models.update({model.name: model for model in models})
    try:
        yield
    finally:
        _models.clear()
        _models.update(before)


def is_known(name: str) -> bool:
    """Whether `get` has a model of that name, or asks timm for it."""
    return name.startswith(GUESTS) or name in names()


def names() -> list[str]:
    """All registered names in natural order."""
    _load()
    return sorted(_models, key=natural)


def _load() -> None:
    """Import the zoo's own models, then the plug-ins of other packages, once."""
    global _loaded
    with _loading:
        if _loaded:
            return
        _loaded = True
        import zoo.models  # noqa: F401

        for point in entry_points(group="zoo.models"):
            _load_plug_in(point)


def _load_plug_in(point: EntryPoint) -> None:
    before = set(_models)
    try:
        point.load()
    except (Exception, SystemExit) as error:  # a plug-in may raise anything, even leave, and must harm nobody else
        # What a module registered before it failed goes. What the modules that it imported did stays: Python imports
        # each but once, so they would not register again when their own turn comes.
        for name in _models.keys() - before:
            if _models[name].constructor.__module__ not in sys.modules:
                del _models[name]
        why = f"{type(error).__name__}: {error}"
        warnings.warn(f"the zoo.models plug-in {point.name!r} ({point.value}) was left out: {why}", stacklevel=4)
