"""What a model is for: losses, metrics, and how its output becomes an answer.

Each task has one file of its own name; the rest of the zoo uses only the file's `TASK`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from importlib import import_module
from typing import Any, TypeVar

from torch import Tensor, nn

from zoo.registry import TASK_TABLE, TASKS

F = TypeVar("F", bound=Callable[[], Any])


@dataclass(frozen=True)
class Metric:
    """A figure that says how good a model's outputs are.

    Attributes:
        function: (outputs, targets) of a whole split -> float; calling the metric calls it.
        more_is_better: its direction.
        unit: "%" for a share of one, which is shown in per cent; "" for a number that is shown as it is.
        is_mean: whether it is a mean over the targets, so that it can be computed part by part.
        right_answers: whether it is the share of right answers among the samples; then the number of samples bounds
            how far seeds differ (`zoo.compare`).
    """

    function: Callable[[Tensor, Tensor], float]
    more_is_better: bool = False
    unit: str = ""
    is_mean: bool = False
    right_answers: bool = False

    def __call__(self, outputs: Tensor, targets: Tensor) -> float:
        return self.function(outputs, targets)

    def show(self, value: float) -> str:
        """The value as people read it: `98.66 %`, `0.4312`."""
        return f"{100 * value:.2f} %" if self.unit == "%" else f"{value:.4g}"


def share(function: Callable[[Tensor, Tensor], float], *, right_answers: bool = False) -> Metric:
    """A share of one for which higher is better, such as an accuracy."""
    return Metric(function, more_is_better=True, unit="%", right_answers=right_answers)


@dataclass(frozen=True)
class Task:
    """A task as a handful of functions. The rest of the zoo asks for these fields and never for the task's name.

    Attributes:
        name: as it is registered, `image-classification` and so on.
        kind: the kind of data that its models read, one of `zoo.kinds`.
        losses: those that a recipe may name; it gets the first if it names none.
        metrics: name -> `Metric`. The first is the recipe's metric if it names none.
        further: metrics that are measured only if asked for.
        classes: whether the outputs are logits that tell classes apart.
        labelled: whether the outputs stand for the labels of the data, if these have any.
        several: whether a sample has several targets, which the data describe (`DataSet.tasks`).
        of_targets: those descriptions -> the metrics of a task with several targets.
        of_each: the measures that `of_targets` uses for single targets; their names end in these, as in
            `digit_accuracy`.
        hub: what the Hub calls it; its own name if that is empty.
        pipeline: whether the Hub's programs for `hub` understand such a model's answers.
        pictures: those that `zoo show` can draw, the preferred one first.
        exports: names of an exported graph's outputs; empty if it cannot be exported.
        printed: what an example prints of `answer`.
        tells: the card's words for its labels, with {} for their number.
        run: (model, result of the kind's `prepare`, raw inputs) -> what `answer` needs: the outputs of `forward`,
            unless an answer takes many calls.
        answer: (result of `run`, raw inputs, config.json) -> one answer for each raw input, with `to_dict()`.
        rows: (outputs, targets) of a batch -> the rows that metrics are taken over, so that batches can be joined:
            unchanged for most tasks; one row for each word or step if samples differ in length.
        embed: (features that the head reads, result of `prepare`, raw inputs) -> one row for each raw input, (N, D).
    """

    name: str
    kind: str
    losses: tuple[str, ...]
    metrics: Mapping[str, Metric]
    answer: Callable[[Any, list[Any], dict[str, Any]], list[Any]]
    further: Mapping[str, Metric] = field(default_factory=dict)
    classes: bool = False
    labelled: bool = True
    several: bool = False
    of_targets: Callable[[Mapping[str, Mapping[str, Any]]], Mapping[str, Metric]] = lambda targets: {}
    of_each: Mapping[str, Metric] = field(default_factory=dict)
    hub: str = ""
    pipeline: bool = True
    pictures: tuple[str, ...] = ("curves",)
    exports: tuple[str, ...] = ()
    printed: str = "answer.to_dict()"
    tells: str = "tells {} classes apart"
    rows: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] = lambda outputs, targets: (outputs, targets)
    run: Callable[[nn.Module, Sequence[Tensor], list[Any]], Any] = lambda model, inputs, raw: model(*inputs)
    embed: Callable[[Tensor, Sequence[Tensor], list[Any]], Tensor] = lambda features, inputs, raw: features.flatten(1)

    def __reduce__(self) -> tuple[Callable[[str], Task], tuple[str]]:
        """Pickle it by name: its functions may be lambdas, and the process that unpickles it has the same tasks."""
        return get, (self.name,)


def register_task(name: str | None = None) -> Callable[[F], F]:
    """Decorator that registers a function which gives a `Task`, under the function's own name or `name`.

    The function is called when the task is first asked for, so a plug-in's heavier imports may stand inside it. Raises
    `ZooError` if the name is taken.

        >>> import dataclasses
        >>> @zoo.register_task("digit-classification")
        ... def digits():
        ...     return dataclasses.replace(zoo.tasks.get("image-classification"), name="digit-classification")
        >>> "digit-classification" in zoo.tasks.names()
        True
    """

    def register(give: F) -> F:
        key = give.__name__.replace("_", "-") if name is None else name
        TASK_TABLE.register(key, cache(give), give)
        return give

    return register


def names() -> list[str]:
    """All tasks, including those of plug-ins."""
    return TASK_TABLE.names()


def get(name: str) -> Task:
    """The task of that name; `ZooError` with the nearest names if it does not exist."""
    return TASK_TABLE.find(name)()


def _read(name: str) -> Task:
    return import_module(f"{__name__}.{name.replace('-', '_')}").TASK


def _own() -> None:
    TASK_TABLE.update({name: partial(_read, name) for name in TASKS})


TASK_TABLE.begin(_own)
