"""The beginning of a text in, its continuation out."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.data.split import IGNORED
from zoo.data.text import clean
from zoo.tasks import Metric, Task

LENGTH, TEMPERATURE = 300, 0.8
"""Characters of an answer (a paragraph), and the temperature at which text is still varied but seldom misspelt."""


@dataclass(frozen=True)
class Continuation:
    """How a text may go on, drawn at random but always the same; the model's `generate` gives others.

    >>> zoo.Continuation("or not to be").to_dict()
    {'answer': 'or not to be'}
    """

    answer: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self.answer)}</pre>"


def run(model: nn.Module, inputs: Sequence[Tensor], raw: list[str]) -> list[str]:
    return ["".join(model.generate(clean(text), LENGTH, temperature=TEMPERATURE)) for text in raw]  # type: ignore[operator]


def embed(features: Tensor, inputs: Sequence[Tensor], raw: list[str]) -> Tensor:
    """States (N, T, D) -> those after each prompt's last character (N, D)."""
    return torch.stack([states[len(text) - 1] for states, text in zip(features, raw, strict=True)])


def rows(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (N, T, K) and targets (N, T) -> a row for each character that counts, (M, K) and (M,)."""
    counts = targets != IGNORED
    return outputs[counts], targets[counts]


def nats(logits: Tensor, targets: Tensor) -> float:
    """The mean of -ln p over the characters: logits (M, K), targets (M,)."""
    return float(F.cross_entropy(logits, targets))


TASK = Task(
    name="language-modelling",
    kind="characters",
    losses=("cross_entropy",),
    metrics={"nats": Metric(nats, is_mean=True)},
    hub="text-generation",
    exports=("logits", "probabilities"),
    tells="knows {} symbols",
    run=run,
    answer=lambda texts, raw, config: [Continuation(text) for text in texts],
    rows=rows,
    embed=embed,
)
