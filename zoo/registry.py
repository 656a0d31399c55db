"""Name -> model: registration and look-up."""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from zoo import plugins
from zoo.errors import ZooError, unknown
from zoo.names import GUESTS, SHELVED
from zoo.plugins import Table

C = TypeVar("C", bound=Callable[..., Any])

_SHARED = ("classification", "measures")
"""Files in zoo/tasks that tasks share; each other file is a task."""
TASKS = tuple(
    file.name.replace("_", "-")
    for file in pkgutil.iter_modules([str(Path(__file__).with_name("tasks"))])
    if file.name not in _SHARED
)
"""The zoo's own tasks, by the names of their files: importing these would import more than a model needs."""


@dataclass(frozen=True)
class Model:
    """A registered model: how to build it, and facts about it.

    `input_shape` is the shape of one sample for the constructor's defaults, without the batch: (C, H, W) for images,
    (T,) token ids for text, () if it is not known.
    """

    name: str
    constructor: Callable[..., Any]
    task: str
    init: str
    description: str
    source: str
    input_shape: tuple[int, ...]


def _own() -> None:
    import zoo.models  # noqa: F401


TASK_TABLE: Table[Callable[[], Any]] = Table("task", "zoo.tasks", own=TASKS)
"""Name -> the function that gives the `zoo.tasks.Task`; it is here because models name their task."""
MODELS: Table[Model] = Table("model", "zoo.models", load=_own)


def register_model(
    *, task: str, init: str, description: str, source: str, input_shape: tuple[int, ...] = (), name: str | None = None
) -> Callable[[C], C]:
    """Decorator that registers a constructor (a function or an `nn.Module` class) under its own name or `name`.

    `task` is one of `TASKS` or of a plug-in's, `init` names an init scheme, `description` is one line, `source` is the
    paper or code that the model follows, and `input_shape` is one sample's shape, () if it is not known. Raises
    `ZooError` if the task is unknown, or if the name is taken or cannot begin a weight's name (letters, digits, `_`
    and `-`). The init scheme is looked up when a model is created: that needs torch.

        >>> @zoo.register_model(
        ...     task="regression", init="default", description="One linear layer", source="this page", input_shape=(3,)
        ... )
        ... class one_layer(torch.nn.Linear):
        ...     def __init__(self, in_features: int = 3) -> None:
        ...         super().__init__(in_features, 1)
        >>> zoo.create("one_layer")(torch.zeros(2, 3)).shape
        torch.Size([2, 1])
    """
    if task not in TASKS and task not in TASK_TABLE:
        raise unknown("task", task, TASK_TABLE.names())

    def register(constructor: C) -> C:
        key = constructor.__name__ if name is None else name
        if key.startswith(SHELVED):
            raise ZooError(f"{key!r} is how weights of timm's models are called; choose another name.")
        model = Model(key, constructor, task, init, description, source, tuple(input_shape))
        MODELS.register(key, model, constructor)
        if in_timm := sys.modules.get("zoo.models.in_timm"):  # timm knows our models, so it gets this one too
            in_timm.offer(model)
        return constructor

    return register


def get(name: str) -> Model:
    """The registered model of that name; `ZooError` with the nearest three if it does not exist."""
    if name.startswith(GUESTS):
        from zoo.models import timm

        return timm.model(name)
    return MODELS.find(name)


@contextmanager
def temporary(*models: Model) -> Iterator[None]:
    """While the body runs, models may be registered; afterwards all that were registered meanwhile are removed.

    For tests of a plug-in: `with registry.temporary(): register_model(...)(MyNet)`.
    """
    with plugins.temporary():
        MODELS.update({model.name: model for model in models})
        yield


def origin(name: str) -> plugins.Origin | None:
    """The origin of a model of another package, timm included; None for one of the zoo's own, or an unknown one."""
    if not name.startswith(GUESTS):
        return MODELS.origin(name)
    from zoo.models import timm

    return plugins.origin("model", name, timm.maker(name))


def is_known(name: str) -> bool:
    """Whether `get` knows a model of that name, or asks timm for it."""
    return name.startswith(GUESTS) or name in MODELS


def names() -> list[str]:
    """All registered names in natural order."""
    return MODELS.names()
