"""What a model is for: losses, metrics, and how its output becomes an answer.

One file a task, named like it; its `TASK` is all that the rest of the zoo knows of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from typing import Any, TypeVar

from torch import Tensor, nn

from zoo.registry import TASK_TABLE, TASKS

F = TypeVar("F", bound=Callable[[], Any])


@dataclass(frozen=True)
class Task:
    """A task as a handful of functions.

    Attributes:
        name: as it is registered, `image-classification` and so on.
        kind: the kind of data that its models read, one of `zoo.kinds`.
        losses: those that a recipe may name; it gets the first if it names none.
        metrics: name -> function of (outputs, targets) -> float; a fraction in 0..1 where the metric is one. The first
            is what a recipe is measured by if it names none.
        run: (model, what the kind's `prepare` gave, raw inputs) -> what `answer` is made from: the outputs of
            `forward`, unless an answer takes many of them.
        answer: (what `run` gave, raw inputs, config.json) -> one answer for each raw input, with `to_dict()`.
        rows: (outputs, targets) of a batch -> the rows that metrics are taken over, so that batches can be put end to
            end: the same for most, one row a word or a step where samples differ in length.
        embed: (features that the head reads, what `prepare` gave, raw inputs) -> one row for each raw input, (N, D).
    """

    name: str
    kind: str
    losses: tuple[str, ...]
    metrics: Mapping[str, Callable[[Tensor, Tensor], float]]
    answer: Callable[[Any, list[Any], dict[str, Any]], list[Any]]
    rows: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] = lambda outputs, targets: (outputs, targets)
    run: Callable[[nn.Module, Sequence[Tensor], list[Any]], Any] = lambda model, inputs, raw: model(*inputs)
    embed: Callable[[Tensor, Sequence[Tensor], list[Any]], Tensor] = lambda features, inputs, raw: features.flatten(1)

    def __reduce__(self) -> tuple[Callable[[str], Task], tuple[str]]:
        """Pickled by name: its functions may be lambdas, and a process that unpickles it has the same tasks."""
        return get, (self.name,)


def register_task(name: str | None = None) -> Callable[[F], F]:
    """Decorator that registers a function which gives a `Task`, under the function's own name or `name`.

    The function is called when the task is first asked for, so a plug-in's heavier imports may stand inside it. Raises
    `ZooError` where the name is taken.
    """

    def register(give: F) -> F:
        key = give.__name__.replace("_", "-") if name is None else name
        TASK_TABLE.register(key, cache(give), give)
        return give

    return register


def names() -> list[str]:
    """The tasks that are there, those of plug-ins too."""
    return TASK_TABLE.names()


def get(name: str) -> Task:
    """The task of that name; `ZooError` with the nearest names where there is none."""
    return TASK_TABLE.find(name)()


def _read(name: str) -> Task:
    return import_module(f"{__name__}.{name.replace('-', '_')}").TASK


def _own() -> None:
    TASK_TABLE.update({name: partial(_read, name) for name in TASKS})


TASK_TABLE.begin(_own)
