"""Plain methods beside a model that was just trained: learned from the same rows, measured on the same test rows.

There is one file for each kind of data, of which only `METHODS` is used here. The cost of a method is bounded: it
learns from at most `Method.most` rows, whose choice depends only on the data.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from zoo import caller
from zoo.data.split import Split, shuffled
from zoo.draws import Drawn
from zoo.kinds import Input
from zoo.tasks import Metric, Task, measures


@dataclass(frozen=True)
class Given:
    """The data from which a method learns and on which it is measured. `train` holds at most the method's number of
    rows."""

    train: Split
    held: Split
    input: Input
    labels: list[str]
    task: Task


@dataclass(frozen=True)
class Method:
    """A plain method: `answers` gives (outputs, targets) as the task's metrics take them, a part at a time."""

    answers: Callable[[Given], Iterator[tuple[Tensor, Tensor]]]
    most: int | None = None


@dataclass(frozen=True)
class Beside:
    """The figures of the plain methods beside the model's.

    metric: the name of the recipe's metric. known: the metric itself. ours: the model's figure. values: method -> its
    figure. learned: method -> the number of rows it learned from. rows, tested: the numbers of training and test
    rows. seconds: the time of all methods.
    """

    metric: str
    known: Metric
    ours: float
    values: dict[str, float]
    learned: dict[str, int]
    rows: int
    tested: int
    seconds: float

    @property
    def best(self) -> str:
        """The method with the best figure."""
        return max(self.values, key=lambda name: self._sign * self.values[name])

    @property
    def ahead(self) -> bool:
        """Whether a plain method is better than the model."""
        return self._sign * self.values[self.best] > self._sign * self.ours

    @property
    def _sign(self) -> int:
        return 1 if self.known.more_is_better else -1

    def said(self) -> str:
        """One line that says which is better."""
        best, metric, of = self.best, self.metric.replace("_", " "), self.known.show
        ours, theirs = of(self.ours), of(self.values[best])
        others = [f"{name} {of(value)}" for name, value in self.values.items() if name != best]
        more = f" ({', '.join(others)})" if others else ""
        if self.ahead:
            who = f"the plain baseline is better here: {best} has {metric} {theirs}, the model {ours}{more}"
        else:
            verb = "as good as" if self.values[best] == self.ours else "better than"
            who = f"the model is {verb} the plain baselines: {metric} {ours}, {best} {theirs}{more}"
        few = min(self.learned.values())
        drawn = f", learned from at least {few:,} of {self.rows:,} training rows" if few < self.rows else ""
        return f"baseline: {who}, on the same {self.tested:,} rows{drawn} ({self.seconds:.1f} s)."

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """`baselines` of a metrics.json."""
        return {
            name: {"value": value, "metric": self.metric, "rows": self.learned[name]}
            for name, value in self.values.items()
        }


def beside(
    train: Split, held: Split, input: Input, labels: list[str], task: Task, metric: str, ours: float
) -> Beside | None:
    """The plain methods for the task, each measured by `metric` on `held` as the model was, which got `ours`; None if
    there are none for the task."""
    from threadpoolctl import threadpool_limits

    methods: Mapping[str, Method] = import_module(f"{__name__}.{input.kind}").methods(task)
    if not methods:
        return None
    measured = measures.of(task, input.settings)[metric]
    started = time.monotonic()
    values, learned = {}, {}
    for name, method in methods.items():
        part = drawn(train, method.most)
        given = Given(part, held, input, labels, task)
        # One thread: on few rows more threads cost more than they save, and the figures do not depend on their number.
        with threadpool_limits(1), caller.silent(), Drawn(torch.Generator().manual_seed(0)), torch.no_grad():
            values[name] = _figure(method.answers(given), measured)
        learned[name] = len(part)
    return Beside(metric, measured, ours, values, learned, len(train), len(held), round(time.monotonic() - started, 1))


def drawn(split: Split, most: int | None) -> Split:
    """At most `most` rows of a split, in their order; the choice depends only on their number."""
    if most is None or len(split) <= most:
        return split
    step = len(split) // most
    some = range(len(split)) if step < 10 else range(0, len(split), step // 5)  # hashing a million places takes seconds
    return split.take(sorted(shuffled(some, 0)[:most]))


def _figure(parts: Iterator[tuple[Tensor, Tensor]], metric: Metric) -> float:
    if not metric.is_mean:
        outputs, targets = zip(*parts, strict=True)
        return metric(torch.cat(outputs).float(), torch.cat(targets))
    total, count = 0.0, 0
    for outputs, targets in parts:
        total += metric(outputs.float(), targets) * targets.numel()
        count += targets.numel()
    return total / count
