"""The parts of a recipe besides model and data that other packages may bring: losses, optimizers, schedules,
augmentations, metrics.

Each is a function (or a class) whose keyword arguments are its settings: they become the part's section of a recipe
and are checked by their types. The zoo's own parts are in `zoo.recipes` and `zoo.training.update`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar, get_type_hints

from zoo.plugins import Table

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Part:
    """A plug-in's part: its function, and the settings that it takes from a recipe.

    `section` is the pydantic model of its settings, if the plug-in gives one instead of typed arguments; `passed` are
    arguments that the zoo gives; `tasks` are the tasks that it is for, all if empty.
    """

    name: str
    make: Callable[..., Any]
    section: type[Any] | None = None
    passed: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()

    def is_for(self, task: str) -> bool:
        return not self.tasks or task in self.tasks


@dataclass(frozen=True)
class Measure:
    """A plug-in's metric; the fields are those of `register_metric`."""

    function: Callable[[Any, Any], float]
    more_is_better: bool
    unit: str
    tasks: tuple[str, ...]

    def is_for(self, task: str) -> bool:
        return not self.tasks or task in self.tasks


LOSSES: Table[Part] = Table(
    "loss",
    "zoo.losses",
    own=("cross_entropy", "focal", "mse", "mae", "huber", "contrastive", "triplet", "multi_task"),
)
OPTIMIZERS: Table[Part] = Table("optimizer", "zoo.optimizers", own=("sgd", "adam", "adamw"))
SCHEDULES: Table[Part] = Table(
    "schedule",
    "zoo.schedules",
    own=("constant", "linear", "cosine", "one_cycle", "step", "multi_step", "plateau"),
)
AUGMENTS: Table[Part] = Table(
    "augmentation",
    "zoo.augments",
    own=(
        *("crop", "flip", "affine", "elastic", "cutout", "erase", "mixup", "resized_crop", "jitter", "cutmix"),
        *("trivial_augment", "rand_augment", "progressive"),
    ),
)
METRICS: Table[Measure] = Table(
    "metric",
    "zoo.metrics",
    own=(
        *("accuracy", "balanced_accuracy", "precision", "recall", "f1", "top5_accuracy", "log_loss", "roc_auc"),
        *("average_precision", "recall_at_1", "nats", "mse", "mae", "rmse", "r2", "sum_of_losses"),
    ),
)


@cache
def arguments(part: Part) -> dict[str, tuple[Any, Any]]:
    """Setting -> (type, default) of a part: for a class all arguments of its constructor, for a function only keyword
    ones."""
    if part.section is not None:
        return {key: (field.annotation, field.default) for key, field in part.section.model_fields.items()}
    is_class = isinstance(part.make, type)
    hints = get_type_hints(part.make.__init__ if is_class else part.make, include_extras=True)
    found = {}
    for key, parameter in inspect.signature(part.make).parameters.items():
        asked = parameter.kind is parameter.KEYWORD_ONLY or (
            is_class and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        )
        if asked and key not in part.passed:
            default = ... if parameter.default is parameter.empty else parameter.default
            found[key] = (hints.get(key, Any if default in (..., None) else type(default)), default)
    return found


def settings(part: Part, section: Any) -> dict[str, Any]:
    """The arguments of a part: its own settings, from its section of a recipe."""
    return {key: getattr(section, key) for key in arguments(part)}


def register_loss(
    *, task: str | Sequence[str] = (), section: type[Any] | None = None, name: str | None = None
) -> Callable[[F], F]:
    """Decorator that registers a loss under its own name or `name`, for one task or several; for all if none is given.

    It is a function of (outputs, targets) and keyword-only settings that gives a scalar, the mean over the samples; or
    an `nn.Module` class whose constructor takes the settings, and whose parameters are trained too. `section`, a
    pydantic model, says what the settings may be if types do not say enough. Raises `ZooError` if the name is taken.

    Example:
        >>> @zoo.register_loss(task="image-classification")
        ... def poly(outputs, targets, *, epsilon: float = 1.0):
        ...     right = outputs.softmax(1).gather(1, targets[:, None])[:, 0]
        ...     return (-right.log() + epsilon * (1 - right)).mean()
    """
    return _registrar(LOSSES, section, name, task=task)


def register_optimizer(*, section: type[Any] | None = None, name: str | None = None) -> Callable[[F], F]:
    """Decorator that registers an optimizer under its own name or `name`.

    It is a subclass of `torch.optim.Optimizer`, or a function that gives one, of (groups, lr=…) and keyword settings.
    Groups carry their own weight decay. Beside its settings its section of a recipe has what all optimizers have: lr,
    weight_decay, decay_vectors, layer_decay, groups. Raises `ZooError` if the name is taken.

        >>> @zoo.register_optimizer()
        ... class slow_sgd(torch.optim.SGD):
        ...     def __init__(self, params, lr, slowness: float = 0.5):
        ...         super().__init__(params, lr=lr * slowness)
        >>> zoo.load_recipe("mlp.digits", {"optimizer": {"name": "slow_sgd", "lr": 0.1}}).optimizer.slowness
        0.5
    """
    return _registrar(OPTIMIZERS, section, name, passed=("params", "lr", "weight_decay"))


def register_schedule(*, section: type[Any] | None = None, name: str | None = None) -> Callable[[F], F]:
    """Decorator that registers a learning-rate schedule under its own name or `name`.

    It is a function of (step, total, epoch), counted from 0, and keyword-only settings; it gives what the recipe's
    learning rate is multiplied by in that step. It must depend on nothing else, so that a resumed run continues
    unchanged. Raises `ZooError` if the name is taken.

        >>> @zoo.register_schedule()
        ... def stairs(step, total, epoch, *, down: float = 0.5):
        ...     return down**epoch
        >>> zoo.load_recipe("mlp.digits", {"schedule": {"name": "stairs"}}).schedule.down
        0.5
    """
    return _registrar(SCHEDULES, section, name)


def register_augment(*, section: type[Any] | None = None, name: str | None = None) -> Callable[[F], F]:
    """Decorator that registers an augmentation of pictures under its own name or `name`, a key of `data.augment`.

    It is a function of (images, generator) and keyword-only settings: normalised float32 images (N, C, H, W) in, the
    same out, every draw from the generator. It comes after the zoo's own and before classes are mixed. Raises
    `ZooError` if the name is taken.

        >>> @zoo.register_augment()
        ... def noise(images, generator, *, size: float = 0.1):
        ...     return images + size * torch.randn(images.shape, generator=generator)
        >>> zoo.load_recipe("mlp.digits", {"data.augment": {"noise": {"size": 0.2}}}).data.augment.noise.size
        0.2
    """
    return _registrar(AUGMENTS, section, name)


def register_metric(
    *, task: str | Sequence[str] = (), more_is_better: bool = True, unit: str = "", name: str | None = None
) -> Callable[[F], F]:
    """Decorator that registers a metric under its own name or `name`, for one task or several; for all if none is
    given.

    It is a function of the outputs and targets of a whole split that gives a number. `unit` "%" is for a share of one,
    which is shown in per cent. Raises `ZooError` if the name is taken.

        >>> @zoo.register_metric(task="image-classification", unit="%")
        ... def zeros_found(outputs, targets):
        ...     return (outputs.argmax(1)[targets == 0] == 0).float().mean().item()
        >>> zoo.load_recipe("mlp.digits", {"evaluate.metric": "zeros_found"}).evaluate.metric
        'zeros_found'
    """

    def register(function: F) -> F:
        key = function.__name__ if name is None else name
        tasks = (task,) if isinstance(task, str) else tuple(task)
        METRICS.register(key, Measure(function, more_is_better, unit, tasks), function)
        return function

    return register


def _registrar(
    table: Table[Part],
    section: type[Any] | None,
    name: str | None,
    *,
    passed: tuple[str, ...] = (),
    task: str | Sequence[str] = (),
) -> Callable[[F], F]:
    def register(make: F) -> F:
        key = make.__name__ if name is None else name
        tasks = (task,) if isinstance(task, str) else tuple(task)
        table.register(key, Part(key, make, section, passed, tasks), make)
        return make

    return register
