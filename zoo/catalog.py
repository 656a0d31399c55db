"""What there is: models, weights, and all that is known of one of them."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from zoo import registry
from zoo._create import is_model_name, text_of
from zoo.bundles.format import Bundle
from zoo.bundles.index import Entry, model_of
from zoo.bundles.load import skeleton
from zoo.errors import unknown


@dataclass(frozen=True)
class ModelInfo:
    """A model, or with `weight` one of its weights.

    `input_shape` is one sample's, without the batch, () where it is unknown; `num_parameters` counts those of the
    constructor's defaults, or of the weight; `default` is the weight that `pretrained=True` loads. From `weight` on all
    is empty for a mere model: `metrics` are the published figures (value, mean, std, n, seeds of each), `files` sizes
    in bytes.
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
    model_args: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    baselines: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    folder: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON-ready data; what `zoo info --json` prints."""
        return {**asdict(self), "input_shape": list(self.input_shape)}


def list_models(
    pattern: str = "*", *, task: str | None = None, dataset: str | None = None, pretrained: bool | None = None
) -> list[str]:
    """Names of the registered models that fit all of the filters, in natural order (resnet18 before resnet101).

    Args:
        pattern: a glob over names, `*`, `?` and `[...]`, case-sensitive; `timm/…` lists timm's models instead.
        task: such as "image-classification".
        dataset: such as "mnist": models with a weight or a recipe for it, told by the tag, which begins with the data
            set's name (`mnist_mlp.mnist_plain_v1`).
        pretrained: True for models with a weight in the sources, False for those without.
    """
    if pattern.startswith(registry.GUESTS):
        from zoo import guests

        found = guests.names(pattern.removeprefix(registry.GUESTS))
    else:
        found = [name for name in registry.names() if fnmatchcase(name, pattern)]
    if task is not None:
        found = [name for name in found if registry.get(name).task == task]
    if dataset is not None:
        trained = {model_of(name) for name in (*_entries(), *_recipes()) if _is_for(name, dataset)}
        found = [name for name in found if name in trained]
    if pretrained is not None:
        published = {model_of(name) for name in _entries()}
        found = [name for name in found if (name in published) == pretrained]
    return found


def list_weights(pattern: str = "*") -> list[str]:
    """Names of the weights in the sources that fit the glob, in natural order."""
    return sorted((name for name in _entries() if fnmatchcase(name, pattern)), key=registry.natural)


def info(name: str | os.PathLike[str]) -> ModelInfo:
    """All that is known of a model or a weight; `name` may also be the folder of a bundle or a source URL.

    Raises `ZooError` with the nearest names for an unknown one, and for a bundle of which the files that it reads are
    damaged; it does not read the tensors.
    """
    from zoo import sources

    name = text_of(name)
    if not is_model_name(name):
        return _weight(sources.find(name))
    if not registry.is_known(name):
        raise unknown("model", name, [*registry.names(), *_entries()])  # it may be a weight's tag, without its model
    return _model(name)


def _model(name: str, **weight: Any) -> ModelInfo:
    model = registry.get(name)
    if "num_parameters" not in weight:
        built = skeleton(name, {})
        weight["num_parameters"] = sum(parameter.numel() for parameter in built.parameters())
    mine = {weight: entry for weight, entry in _entries().items() if model_of(weight) == name}
    return ModelInfo(
        name=name,
        task=model.task,
        description=model.description,
        source=model.source,
        init=model.init,
        input_shape=model.input_shape,
        weights=sorted(mine, key=registry.natural),
        default=next((weight for weight, entry in mine.items() if entry.default), None),
        recipes=[recipe for recipe in _recipes() if model_of(recipe) == name],
        **weight,
    )


def _weight(bundle: Bundle) -> ModelInfo:
    config, metrics = bundle.config, bundle.metrics
    return _model(
        config["model"],
        num_parameters=config.get("num_parameters", 0),
        weight=bundle.name or bundle.folder.name,
        data=config.get("data"),
        labels=config["labels"],
        input=config["input"],
        model_args=config["model_args"],
        metrics=metrics.get("metrics", {}),
        baselines=metrics.get("baselines", {}),
        environment=metrics.get("environment", {}),
        files={path.name: path.stat().st_size for path in sorted(bundle.folder.iterdir()) if path.is_file()},
        folder=str(bundle.folder),
    )


def _entries() -> dict[str, Entry]:
    """Every weight of every source; the first source that lists a name wins."""
    from zoo import sources

    found: dict[str, Entry] = {}
    for source in sources.sources():
        for name, entry in source.read_index().items():
            found.setdefault(name, entry)
    return found


def _is_for(name: str, dataset: str) -> bool:
    """Whether the tag is the data set's name, or begins with it."""
    tag = name.partition(".")[2]
    return tag == dataset or tag.startswith(f"{dataset}_")


def _recipes() -> list[str]:
    from zoo.recipes import list_recipes

    return list_recipes()
