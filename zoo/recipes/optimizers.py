"""The section `optimizer` of a recipe."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, SerializeAsAny, Tag, field_validator, model_validator

from zoo.errors import ZooError, unknown
from zoo.parts import OPTIMIZERS
from zoo.recipes.base import Fraction, NotNegative, Positive, Strict
from zoo.recipes.plugged import plugged

TORCH = ("sgd", "adam", "adamw")
"""torch's own optimizers; their arguments are keys of the recipe."""


class Group(Strict):
    """Parameters whose name matches the glob `match`: `lr_scale` times the learning rate, their own weight decay.

    With `lr_scale` 0 they are frozen; with `frozen_epochs` they are frozen for that many epochs. The statistics of a
    frozen batch norm do not change either.
    """

    match: str
    lr_scale: NotNegative = 1.0
    weight_decay: NotNegative | None = None
    frozen_epochs: Annotated[int, Field(ge=0)] = 0


class _Optimizer(Strict):
    lr: Positive
    weight_decay: NotNegative = 0.0
    decay_vectors: bool = False
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    groups: list[Group] = []


class _Torch(_Optimizer):
    """`fused` takes a step in one kernel; it is on by default because the published weights were trained with it."""

    fused: bool = True


class SGD(_Torch):
    """Stochastic gradient descent; vectors (biases, norms) take no weight decay unless decay_vectors."""

    name: Literal["sgd"]
    momentum: Fraction = 0.9
    nesterov: bool = True


class Adam(_Torch):
    """Adam (Kingma & Ba 2015), AdamW (Loshchilov & Hutter 2019); vectors take no weight decay unless decay_vectors."""

    name: Literal["adam", "adamw"]
    betas: Annotated[list[Fraction], Field(min_length=2, max_length=2)] = [0.9, 0.999]
    eps: Positive = 1e-8


class Timm(_Optimizer):
    """Any other optimizer of timm's factory, such as lamb, lion or muon, with its arguments `args`.

    Raises `ZooError` for a name or an argument that timm does not know, for an optimizer from another package than
    timm, and for one that needs more than one gradient in a step.
    """

    name: Annotated[str, Field(json_schema_extra={"not": {"enum": list(TORCH)}})]
    args: dict[str, Any] = {}

    # pydantic does not collect a ZooError, so a wrong name is reported before keys that do not fit it.

    @field_validator("name")
    @classmethod
    def _known_name(cls, name: str) -> str:
        if name in ("lbfgs", "adahessian"):
            raise ZooError(
                f"optimizer.name: {name} needs more than one gradient a step; take one that does not, such as adamw."
            )
        timm = timm_optimizers()
        if name not in timm.list_optimizers():
            known = dict.fromkeys([*OPTIMIZERS.names(), *timm.list_optimizers()])
            raise ZooError(f"optimizer.name: {unknown('optimizer', name, known)}")
        kind = timm.get_optimizer_info(name).opt_class
        if isinstance(kind, str):  # the class's address in a package that timm does not depend on
            package = kind.split(".")[0]
            raise ZooError(f"optimizer.name: {name} belongs to {package}, which the zoo does not use; take another.")
        return name

    @model_validator(mode="after")
    def _known_arguments(self) -> Timm:
        kind = timm_optimizers().get_optimizer_class(self.name, bind_defaults=False)
        known = [key for key in inspect.signature(kind).parameters if key not in ("params", "lr", "weight_decay")]
        for key in self.args:
            if key not in known:
                raise ZooError(f"optimizer.args: {unknown(f'argument of {self.name}', key, known)}")
        return self


def timm_optimizers() -> Any:
    """The module `timm.optim`, imported only if a recipe names one of its optimizers: it takes over a second."""
    return import_module("timm.optim")


def _kind(section: Any) -> str | None:
    """The class that a section is of; None if it has no name."""
    name = section.get("name") if isinstance(section, dict) else getattr(section, "name", "")
    if name is None:
        return None
    return "SGD" if name == "sgd" else "Adam" if name in TORCH else "Timm"


# The tags are the classes' names, by which `zoo.recipes.explain` finds their keys in the JSON Schema.
Optimizer = Annotated[
    SerializeAsAny[
        Annotated[
            Annotated[SGD, Tag("SGD")] | Annotated[Adam, Tag("Adam")] | Annotated[Timm, Tag("Timm")],
            Discriminator(_kind),
        ]
    ],
    plugged(OPTIMIZERS, "optimizer", _Optimizer),
]
