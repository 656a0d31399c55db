"""The section `loss` of a recipe; zoo/training/update/losses.py builds what it names."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SerializeAsAny, field_validator

from zoo.parts import LOSSES
from zoo.recipes.base import Fraction, NotNegative, Positive, Strict
from zoo.recipes.plugged import plugged


class CrossEntropy(Strict):
    """Softmax cross-entropy; `class_weight`: {LABEL: WEIGHT} (1 for others), one weight for each class in order, or
    "balanced" for the inverse of its share."""

    name: Literal["cross_entropy"]
    label_smoothing: Fraction = 0.0
    class_weight: Literal["balanced"] | Annotated[list[Positive], Field(min_length=2)] | dict[str, Positive] | None = (
        None
    )

    @field_validator("class_weight", mode="before")
    @classmethod
    def _labels_are_text(cls, value: object) -> object:
        return {str(label): weight for label, weight in value.items()} if isinstance(value, dict) else value


class Focal(Strict):
    """Focal loss (Lin et al. 2017): samples with a high p of the right class count less, by (1 - p) ** gamma; `alpha`:
    one weight for each class."""

    name: Literal["focal"]
    gamma: NotNegative = 2.0
    alpha: Annotated[list[Positive], Field(min_length=2)] | None = None


class Deviation(Strict):
    """For numbers: mean squared (mse) or absolute (mae) error, or Huber's, squared up to `delta`."""

    name: Literal["mse", "mae", "huber"]
    delta: Positive = 1.0


class Pairs(Strict):
    """For embeddings: contrastive loss over all pairs, or triplet loss with the hardest of each batch."""

    name: Literal["contrastive", "triplet"]
    margin: Positive = 0.2


class MultiTask(Strict):
    """The sum over tasks, weighted by learned uncertainty (Kendall et al. 2018) or equally."""

    name: Literal["multi_task"]
    weighting: Literal["learned", "equal"] = "learned"


Loss = Annotated[
    SerializeAsAny[Annotated[CrossEntropy | Focal | Deviation | Pairs | MultiTask, Field(discriminator="name")]],
    plugged(LOSSES, "loss"),
]
