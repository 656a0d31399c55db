"""Lists of models and weights, and all that is known about one of them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from torch import Tensor

from zoo import display, registry
from zoo._create import is_model_name
from zoo.bundles.format import Bundle
from zoo.bundles.record import values
from zoo.construct import skeleton
from zoo.errors import ZooError, unknown
from zoo.names import GUESTS, model_of, natural, stem_of, text_of


@dataclass(frozen=True)
class ModelInfo:
    """A model, or with `weight` one of its weights.

    `input_shape` is one sample's, without the batch, () if it is unknown: (C, H, W) of an image, (T,) of a text (the
    longest that the model reads), (T, C) of a series. Like `num_parameters`, it is the weight's, or that of the
    constructor's defaults; `default` is the weight that `pretrained=True` loads. The fields from `weight` on are
    empty for a model without a weight: `example` is Python for the arguments of the model's `forward`, two samples of
    the right shapes and types;
    `metrics` maps each metric to its value for these very tensors, and `figures` to value, mean, std, n, seeds and
    values over the seeds that were run; `files` are sizes in bytes.

        >>> zoo.info("mnist_mlp").num_parameters, zoo.info("mnist_mlp").default
        (567434, 'mnist_mlp.mnist_v1')
    """

    name: str
    task: str
    description: str
    source: str
    init: str
    input_shape: tuple[int, ...]
    num_parameters: int
    weights: list[str]
    default: str | None
    recipes: list[str]
    weight: str | None = None
    data: str | None = None
    labels: list[str] = field(default_factory=list)
    input: dict[str, Any] = field(default_factory=dict)
    example: str = ""
    model_args: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)
    baselines: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    folder: str | None = None

    def __hash__(self) -> int:
        return hash((self.name, self.weight))

    def __repr__(self) -> str:
        return display.screen(self._title(), self._rows())

    def _repr_html_(self) -> str:
        return display.markup(self._title(), self._rows())

    def _title(self) -> str:
        return f"Weight {self.weight}" if self.weight else f"Model {self.name}"

    def _rows(self) -> dict[str, str]:
        told = {key: self._line(value) for key, value in self.to_dict().items() if key not in ("name", "weight")}
        return told | {"figures": display.figures(self.metrics, self.figures), "metrics": ""}

    @staticmethod
    def _line(value: Any) -> str:
        if isinstance(value, dict):
            return display.settings(value)
        return display.some(value, 120) if isinstance(value, list) else "" if value is None else display.written(value)

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON-ready data; what `zoo info --json` prints."""
        return {**asdict(self), "input_shape": list(self.input_shape)}


def list_models(
    pattern: str | Iterable[str] | None = None,
    *,
    task: str | None = None,
    dataset: str | None = None,
    pretrained: bool | None = None,
) -> list[str]:
    """Names of the registered models that fit all of the filters, in natural order (resnet18 before resnet101).

    Args:
        pattern: a glob over names (`*`, `?`, `[...]`, case-sensitive), or several; a name must fit one of them.
            By default all of the zoo's models. `timm/…` lists timm's models instead.
        task: such as "image-classification".
        dataset: such as "mnist": models with a weight or a recipe for it. They are found by the tag, which begins
            with the data set's name (`mnist_mlp.mnist_plain_v1`).
        pretrained: True for models with a weight in the sources, False for those without.

    Raises `ZooError` with the nearest names for an unknown task or data set; a pattern may fit nothing.

        >>> zoo.list_models(["lstm*", "gru*"], task="text-classification")
        ['gru_text', 'lstm_text']
    """
    found = _fitting(_patterns(pattern))
    if task is not None:
        if task not in registry.TASK_TABLE.names():
            raise unknown("task", task, registry.TASK_TABLE.names())
        found = [name for name in found if registry.get(name).task == task]
    if dataset is not None:
        trained = {model_of(name) for name in (*_weights(), *_recipes()) if _is_for(name, dataset)}
        if not trained:
            _check_data(dataset)
        found = [name for name in found if stem_of(name) in trained]
    if pretrained is not None:
        published = {model_of(name) for name in _weights()}
        found = [name for name in found if (stem_of(name) in published) == pretrained]
    return found


def list_weights(pattern: str | Iterable[str] | None = None) -> list[str]:
    """Names of the weights in the sources that fit the glob, or one of several, in natural order; all by default.

    >>> zoo.list_weights("mnist_mlp*")
    ['mnist_mlp.mnist_plain_v1', 'mnist_mlp.mnist_v1']
    """
    return sorted(_filtered(_weights(), _patterns(pattern)), key=natural)


def _patterns(given: str | Iterable[str] | None) -> list[str]:
    if given is None or isinstance(given, str):
        return [given or "*"]
    found: list[Any] = list(given) if isinstance(given, Iterable) else [given]
    if not all(isinstance(pattern, str) for pattern in found):
        raise ZooError(f"{given!r} is not a pattern; give a glob over names such as 'resnet*', or a list of them.")
    return found


def _fitting(patterns: list[str]) -> list[str]:
    """The zoo's models that fit a pattern, then timm's, each in natural order."""
    timms = [pattern for pattern in patterns if pattern.startswith(GUESTS)]
    found = _filtered(registry.names(), [pattern for pattern in patterns if pattern not in timms])
    if timms:
        from zoo.models import timm

        patterns = [pattern.removeprefix(GUESTS) for pattern in timms]
        found += dict.fromkeys(name for pattern in patterns for name in timm.names(pattern))
    return found


def _filtered(names: Iterable[str], patterns: list[str]) -> list[str]:
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


def _check_data(dataset: str) -> None:
    """Raise `ZooError` if no data set has this name; a data set on which nothing was trained is accepted."""
    from zoo import data

    if dataset not in data.names():
        raise unknown("data set", dataset, data.names())


def info(name: str | os.PathLike[str]) -> ModelInfo:
    """All that is known about a model or a weight; `name` may also be the folder of a bundle or a source URL.

    Raises `ZooError` with the nearest names for an unknown name, and if one of the files that it reads is damaged. It
    does not read the tensors.

        >>> zoo.info("mlp.digits_v1").data
        'digits'
    """
    from zoo import sources

    name = text_of(name)
    if not is_model_name(name):
        return _weight(sources.find(name))
    if not registry.is_known(name):
        raise unknown("model", name, [*registry.names(), *_weights()])  # it may be a weight's tag, without its model
    return _model(name)


def _model(name: str, **weight: Any) -> ModelInfo:
    from zoo import sources

    model = registry.get(name)
    if "num_parameters" not in weight:
        built = skeleton(name, {})
        weight["num_parameters"] = sum(parameter.numel() for parameter in built.parameters())
    weight.setdefault("input_shape", model.input_shape)
    stem = stem_of(name)
    mine = [weight for weight in _weights() if model_of(weight) == stem]
    return ModelInfo(
        name=name,
        task=model.task,
        description=model.description,
        source=model.source,
        init=model.init,
        weights=sorted(mine, key=natural),
        default=sources.default_of(stem),
        recipes=[recipe for recipe in _recipes() if model_of(recipe) == stem],
        **weight,
    )


def _weight(bundle: Bundle) -> ModelInfo:
    from zoo import kinds
    from zoo.bundles.plugged import ANSWERS, require

    require(bundle, ANSWERS)
    config, metrics, kind = bundle.config, bundle.metrics, kinds.get(bundle.config["input"].get("kind", ""))
    figures, shape = metrics.get("metrics", {}), kind.shape(config["input"])
    return _model(
        config["model"],
        num_parameters=config.get("num_parameters", 0),
        weight=bundle.name or bundle.folder.name,
        data=config.get("data"),
        labels=config["labels"],
        input=config["input"],
        model_args=config["model_args"],
        example=", ".join(map(_written, kind.blank(config["input"]))),
        metrics=values(figures),
        figures=figures,
        baselines=metrics.get("baselines", {}),
        environment=metrics.get("environment", {}),
        files={path.name: path.stat().st_size for path in sorted(bundle.folder.iterdir()) if path.is_file()},
        folder=str(bundle.folder),
        **({"input_shape": shape} if shape else {}),
    )


def _written(tensor: Tensor) -> str:
    """Python for a tensor of this shape and type; of a blank sample's values only the lengths matter."""
    if tensor.ndim == 1:
        return f"torch.tensor({tensor.tolist()})"
    if tensor.is_floating_point():
        return f"torch.zeros{tuple(tensor.shape)}"
    sides, filled = ", ".join(map(str, tensor.shape)), "ones" if tensor.any() else "zeros"
    return f"torch.{filled}({sides}, dtype=torch.int64)"


def _weights() -> list[str]:
    """Every weight of every source, once."""
    from zoo import sources

    return sources.names()


def _is_for(name: str, dataset: str) -> bool:
    """Whether the tag is the data set's name, or begins with it."""
    tag = name.partition(".")[2]
    return tag == dataset or tag.startswith(f"{dataset}_")


def _recipes() -> list[str]:
    from zoo.recipes import list_recipes

    return list_recipes()
