"""The sections `train` and `evaluate` of a recipe: how long and how a run trains, and what figure is published."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from zoo.recipes.base import Count, NotNegative, Positive, Strict


class Average(Strict):
    """Exponential moving average of the weights, over at most the last tenth of the steps so far while these are few;
    the averaged weights are published."""

    decay: Annotated[float, Field(gt=0, lt=1)] = 0.999


class Adversarial(Strict):
    """A second loss in every step, with the parameters that `match` names moved by epsilon along their gradient."""

    match: Annotated[list[str], Field(min_length=1)]
    epsilon: Positive = 1.0


class EarlyStopping(Strict):
    """Stop after `patience` epochs without a validation metric that is better by more than `min_delta`."""

    patience: Count = 5
    min_delta: NotNegative = 0.0


class Train(Strict):
    """Length, seed and numerics. Exactly one of epochs and steps is given.

    `accumulate`: the number of pieces in which a batch is computed, to save memory. `keep_best`: publish the epoch that
    is best on the validation split, not the last. `sync_batch_norm`: has no effect any more, because batch norm's
    statistics always are those of the whole batch.
    `fast_dropout`: on CPUs `nn.Dropout` draws eight random bits for each number, and its rate is rounded to a 256th.
    """

    epochs: Count | None = None
    steps: Count | None = None
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    save_precision: Literal["fp32", "fp16"] = "fp32"
    deterministic: bool = False
    clip: Positive | None = None
    accumulate: Count = 1
    early_stopping: EarlyStopping | None = None
    keep_best: bool = False
    average: Average | None = None
    adversarial: Adversarial | None = None
    sync_batch_norm: bool = False
    channels_last: bool = False
    compile: bool = False
    matmul_conv: bool = False
    fast_dropout: bool = False

    @model_validator(mode="after")
    def _one_length(self) -> Train:
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("should hold exactly one of epochs and steps")
        if self.compile and self.fast_dropout:
            raise ValueError("should hold compile or fast_dropout alone")
        return self


class Evaluate(Strict):
    """The published figure: its metric, over how many seeds, and the smallest difference that matters, in its unit.

    By default the metric is the first of the model's task, and the margin is the usual one: half a point of a share,
    1 % of another figure. `zoo.compare` says how large it may be.
    """

    metric: str = ""
    seeds: Count = 1
    batch_size: Count = 500
    margin: Positive | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_tolerance(cls, content: Any) -> Any:
        # Older bundles have it; the rule to which it belonged no longer exists.
        if isinstance(content, dict) and "tolerance" in content:
            return {key: value for key, value in content.items() if key != "tolerance"}
        return content
