"""The recipe: everything a training run depends on, typed and checked.

A recipe is YAML; `load_recipe` reads it, applies overrides, checks it and writes every default out. The same schema as
JSON Schema lies in `recipes/schema.json`, so that editors complete the files; if the schema changes, write it again
with `python -m zoo.recipes > recipes/schema.json`.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import reprlib
from pathlib import Path
from typing import Any

import yaml
from pydantic import PrivateAttr, ValidationError, field_validator

from zoo.errors import ZooError, unknown
from zoo.parts import LOSSES
from zoo.recipes import of_kinds

# This module has the names of all sections, whichever file defines them.
from zoo.recipes.base import Strict
from zoo.recipes.data import (  # noqa: F401
    PICTURES,
    Affine,
    Augment,
    Crop,
    Cutout,
    Data,
    Elastic,
    Flip,
    Mixup,
    Progressive,
)
from zoo.recipes.explain import explain
from zoo.recipes.losses import CrossEntropy, Deviation, Focal, Loss, MultiTask, Pairs  # noqa: F401
from zoo.recipes.optimizers import SGD, Adam, Group, Optimizer, Timm  # noqa: F401
from zoo.recipes.reading import read_yaml, write_yaml
from zoo.recipes.schedules import Curve, MultiStep, Plateau, Schedule, Step  # noqa: F401
from zoo.recipes.train import Adversarial, Average, EarlyStopping, Evaluate, Train  # noqa: F401


class Recipe(Strict):
    """A checked recipe. `name` is the file's stem, `mnist_mlp.mnist`; a weight grown from it is `<name>_v<N>`.

    `init_from` begins from a weight, `timm/NAME` or a safetensors file instead of from `init` alone; a text model then
    reads with the tokenizer of that weight, so that its embeddings keep their words.

        >>> recipe = zoo.load_recipe("mlp.digits")
        >>> recipe.model, recipe.optimizer.name, recipe.train.epochs
        ('mlp', 'adamw', 60)
    """

    model: str
    model_args: dict[str, Any] = {}
    init: str
    init_from: str | None = None
    data: Data
    loss: Loss = CrossEntropy(name="cross_entropy")
    optimizer: Optimizer
    schedule: Schedule = Curve(name="constant")
    train: Train
    evaluate: Evaluate = Evaluate()

    _name: str = PrivateAttr(default="")

    @field_validator("model_args")
    @classmethod
    def _as_files_keep_them(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        # A tuple, for example, would make the recipe differ from itself after it is read back.
        try:
            return json.loads(json.dumps(arguments, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise ValueError("should hold finite numbers, text, lists and mappings alone") from error

    @property
    def name(self) -> str:
        return self._name or self.model

    def to_yaml(self) -> str:
        """The resolved recipe: every default that matters for the run written out, keys in the schema's order."""
        return write_yaml(self.content())

    def content(self) -> dict[str, Any]:
        """The resolved recipe as plain values; `data` holds only the settings for the model's kind of data."""
        content = self.model_dump()
        data, kind = content["data"], _kind(self.model)
        for key in of_kinds.names():
            if kind is not None and key != kind:
                data.pop(key, None)
        for key in PICTURES if kind not in (None, "image") else ():
            del data[key]
        for key in ("files", "columns", "split"):
            if data[key] is None:
                del data[key]
            elif key != "files":
                data[key] = {name: value for name, value in data[key].items() if value is not None}
        return content

    def short(self) -> str:
        """The recipe as a person writes it, without defaults. It resolves to this recipe."""
        content = self.model_dump(exclude_defaults=True)
        content["data"] = {
            key: value for key, value in content["data"].items() if value or key in Data.model_fields
        }  # a kind's section without any setting
        options: dict[str, Any] = {"sort_keys": False, "allow_unicode": True, "width": 120}
        return "".join(
            # Innermost mappings on one line, as in the zoo's own files.
            yaml.safe_dump({key: value}, default_flow_style=None if isinstance(value, dict) else False, **options)
            for key, value in content.items()
        )

    def sha256(self) -> str:
        """SHA-256 of the resolved recipe's text."""
        return hashlib.sha256(self.to_yaml().encode()).hexdigest()


def _kind(model: str) -> str | None:
    """The kind of data that a model reads; None if there is no such model here."""
    from zoo import registry, tasks

    return tasks.get(registry.get(model).task).kind if registry.is_known(model) else None


def recipe_folder() -> Path:
    """Where the zoo's own recipes lie: inside an installed package, beside it in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "recipe_files"
    return installed if installed.is_dir() else package.parent / "recipes"


def list_recipes() -> list[str]:
    """Names of the zoo's own recipes, in natural order.

    >>> zoo.list_recipes()[:2]
    ['bilstm_attn.imdb', 'bilstm_attn.sst2']
    """
    from zoo.names import natural

    return sorted((path.stem for path in recipe_folder().glob("*.yaml")), key=natural)


def load_recipe(name_or_path: str | Path, overrides: dict[str, Any] | None = None) -> Recipe:
    """Read, override and check a recipe.

    `name_or_path` is a recipe's name (`mnist_mlp.mnist`), a model's or weight's name if it has exactly one recipe, a
    YAML file, or a run or bundle folder. `overrides` maps key paths (`train.epochs`) to values; strings are read as
    YAML.
    Raises `ZooError` with the file, the key path, what was expected, and the nearest key.

        >>> zoo.load_recipe("mlp.digits", {"train.epochs": 3}).train.epochs
        3
    """
    path, name = _find(name_or_path)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ZooError(f"{path} is not valid YAML: {error}.") from error
    return from_text(text, name=name, where=str(path), overrides=overrides)


def from_text(text: str, *, name: str, where: str, overrides: dict[str, Any] | None = None) -> Recipe:
    """Like `load_recipe`, for a recipe's text; errors call it `where`."""
    try:
        content = read_yaml(text)
    except yaml.YAMLError as error:
        raise ZooError(f"{where} is not valid YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(content, dict):
        raise ZooError(f"{where} holds no recipe: expected keys such as model, data, train at the top level.")
    for key, value in (overrides or {}).items():
        override(content, key, value)
    return parse(content, name=name, where=where)


def parse(content: dict[str, Any], *, name: str = "", where: str = "recipe") -> Recipe:
    """Check a recipe given as a dict; `where` stands in front of every error."""
    try:
        recipe = Recipe.model_validate(_with_defaults(_plain(content)))
    except ValidationError as error:
        raise ZooError(explain(error, where, Recipe)) from error
    except ZooError as error:  # about an optimizer that timm does not have, or a plug-in's part
        raise ZooError(f"{where}: {error}") from error
    recipe._name = name
    _check_names(recipe, where)
    return recipe


def _plain(value: Any) -> Any:
    """The same with Python's numbers in place of numpy's and torch's, which a search over settings may pass."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value.item() if getattr(value, "ndim", None) == 0 and hasattr(value, "item") else value


def _find(name_or_path: str | Path) -> tuple[Path, str]:
    text = str(name_or_path)
    path = Path(text)
    if path.is_dir():
        if not (path / "recipe.yaml").is_file():
            raise ZooError(
                f"{path} holds no recipe.yaml; name a run or bundle folder, a YAML file, or one of the zoo's recipes."
            )
        return path / "recipe.yaml", _recorded_name(path)
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        if not path.is_file():
            raise ZooError(
                f"there is no recipe file {path}; check the path, or name one of: {', '.join(list_recipes())}."
            )
        return path, _recorded_name(path.parent) if path.name == "recipe.yaml" else path.stem
    names = list_recipes()
    choices = [n for n in names if text == n or n.split(".")[0] == text or text.rpartition("_v")[0] == n]
    if not choices:
        raise unknown("recipe", text, names)
    exact = text if text in choices else choices[0]
    if len(choices) > 1 and text not in choices:
        raise ZooError(f"{text!r} has {len(choices)} recipes; name one of: {', '.join(choices)}.")
    return recipe_folder() / f"{exact}.yaml", exact


def _recorded_name(folder: Path) -> str:
    """The recipe's name as the run or bundle in `folder` recorded it."""
    try:
        return str(json.loads((folder / "config.json").read_text(encoding="utf-8")).get("recipe", ""))
    except (OSError, ValueError, AttributeError):
        return ""


def override(content: dict[str, Any], key: str, value: Any) -> None:
    """Put `value` at the key path `key` of a recipe's content; a string is read as YAML."""
    if isinstance(value, str):
        try:
            value = read_yaml(value)
        except yaml.YAMLError as error:
            why = " ".join(str(getattr(error, "problem", None) or error).split())
            raise ZooError(
                f"override {key}={reprlib.repr(value)} is not valid YAML ({why}); quote the value."
            ) from error
    *parents, last = key.split(".")
    for parent in parents:
        if content.get(parent) is None:
            content[parent] = {}
        content = content[parent]
        if not isinstance(content, dict):
            raise ZooError(f"override {key}: {parent} is a single value and holds no keys; check the key path.")
    content[last] = value


def _with_defaults(content: dict[str, Any]) -> dict[str, Any]:
    """The content with a loss, a schedule and a metric, the first of the model's task if the recipe names none."""
    from zoo import registry, tasks
    from zoo.tasks import measures

    model, filled = content.get("model"), dict(content)
    if not isinstance(model, str) or not registry.is_known(model):
        return filled  # a later check reports the unknown model
    task = tasks.get(registry.get(model).task)
    for key, name, default in (
        ("loss", "name", task.losses[0]),
        ("schedule", "name", "constant"),
        ("evaluate", "metric", next(iter(measures.own(task, _described(filled.get("data")))), "")),
    ):
        given = filled.get(key) or {}
        if isinstance(given, dict):
            filled[key] = {name: default, **given}
    return filled


def _described(section: Any) -> dict[str, Any]:
    """The description of several targets in a recipe's `data`, in the form of config.json's `input`."""
    from zoo import data

    return {"tasks": data.targets(section["name"])} if isinstance(section, dict) and "name" in section else {}


def _check_names(recipe: Recipe, where: str) -> None:
    """Check names that other modules define, and arguments of the model's constructor."""
    from zoo import data, init, registry, tasks
    from zoo.tasks import measures

    for key, kind, name, names in (
        ("model", "model", recipe.model, [recipe.model] if registry.is_known(recipe.model) else registry.names()),
        ("init", "init scheme", recipe.init, init.names()),
        ("data.name", "data set", recipe.data.name, data.names(recipe.data.name)),
    ):
        if name not in names:
            raise ZooError(f"{where}: {key}: {unknown(kind, name, names)}")
    task = tasks.get(registry.get(recipe.model).task)
    plugged = [name for name, part in LOSSES.items() if part.is_for(task.name)]
    for key, name, names in (
        ("loss.name", recipe.loss.name, (*task.losses, *plugged)),
        ("evaluate.metric", recipe.evaluate.metric, tuple(measures.of(task, _described({"name": recipe.data.name})))),
    ):
        if names and name not in names:
            raise ZooError(f"{where}: {key} should be one of {', '.join(names)} for {task.name}, not {name!r}.")
    for key in of_kinds.names():
        # A recipe may hold the defaults of other kinds' sections: older versions wrote out all sections.
        if key != task.kind and getattr(recipe.data, key) != of_kinds.section_of(key)():
            raise ZooError(
                f"{where}: data.{key} is for {key} data, but {recipe.model} reads {task.kind} data; remove it."
            )
    for key in ("early_stopping", "keep_best"):
        if getattr(recipe.train, key) and not recipe.data.validation:
            raise ZooError(
                f"{where}: train.{key} selects an epoch, which must not be done on the test split; "
                "set data.validation, such as 0.1."
            )
    if recipe.train.accumulate > 1 and (isinstance(recipe.loss, Pairs) or getattr(recipe.loss, "class_weight", None)):
        raise ZooError(
            f"{where}: train.accumulate needs a loss that is a mean over samples, which {recipe.loss.name} is not "
            "here; set train.accumulate=1."
        )
    if recipe.train.accumulate > recipe.data.batch_size:
        raise ZooError(
            f"{where}: train.accumulate ({recipe.train.accumulate}) is larger than data.batch_size "
            f"({recipe.data.batch_size}); lower it."
        )
    known = inspect.signature(registry.get(recipe.model).constructor).parameters
    anything = any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values())  # as timm's models do
    for key in recipe.model_args:
        if key not in known and not anything:
            raise ZooError(f"{where}: model_args: {unknown(f'argument of {recipe.model}', key, known)}")
