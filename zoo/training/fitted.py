"""A model's recipe fitted to the user's own data: `zoo train MODEL --data PATH`."""

from __future__ import annotations

import csv
import io
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from zoo import kinds, registry, tasks
from zoo.bundles.format import Bundle
from zoo.data.own import loading, places
from zoo.data.own.parting import SEED
from zoo.errors import ZooError, unknown
from zoo.names import model_of
from zoo.recipes import Recipe, load_recipe, override, parse
from zoo.training import general, rules
from zoo.training import own as owned

STEPS = 2000
"""The steps assumed for a recipe from which no weight was grown."""
FINE = 0.3
"""The factor of the learning rate and of the steps if a run begins from a weight."""


def fitted(name: str, changes: dict[str, Any], place: Any) -> tuple[Recipe, loading.Own, list[str]]:
    """(recipe, data, sentences) of a model or one of the zoo's recipes for the data at `place`.

    The recipe is that of the nearest published weight. The run begins from that weight unless `changes` set
    `init_from` or it does not fit (other columns, other symbols). `zoo.training.rules` decides all settings that
    `changes` do not set. A model of pictures without a recipe, such as timm's, follows `zoo.training.general`. Raises
    `ZooError` for any other model without a recipe, and as reading the data does.
    """
    from zoo.recipes import list_recipes

    recipes = [name] if name in list_recipes() else [r for r in list_recipes() if model_of(r) == name]
    if not recipes and not registry.is_known(name):
        raise unknown("model", name, registry.names())
    model = registry.get(model_of(recipes[0]) if recipes else name)
    task = tasks.get(model.task)
    address = owned.address_of(place, task.kind)
    followed = None if recipes else general.recipe(name, address)
    asked = _asked(changes)
    in_memory = place if address.startswith("memory:") else None
    data = loading.load(
        address, task.kind, task.classes, columns=asked["columns"], split=asked["split"], place=in_memory
    )
    candidates = _weights(recipes) if recipes else {}
    begin = changes.get("init_from", "auto")
    if (named := str(begin).rpartition("_v")[0]) in recipes:  # the recipe whose model fits that weight
        recipes = [named]
    if followed is None:
        recipe, weight, why = _nearest(recipes, candidates, data, task.kind)
        start = None if weight is None else weight.name
    else:
        recipe, weight = followed, None
        start, why = general.start(name) if begin == "auto" else (None, "")
    content = recipe.content()
    content["data"] = {
        key: value for key, value in content["data"].items() if key not in ("name", "validation", "files")
    }
    content["data"] = {**data.section, **content["data"]}
    told = list(data.told)
    content["init_from"] = None
    if begin == "auto" and start is not None:
        content["init_from"] = start
        told.append(f"begins from {start}{why}; --from-scratch (init_from=null) begins without it.")
    elif begin == "auto":
        told.append(f"begins from scratch: {why or 'no published weight fits these data.'}")
    else:
        told.append("begins from scratch, as asked." if begin in (None, "null") else f"begins from {begin}, as asked.")
    for key in ("class_weight", "alpha"):  # these belong to the zoo's own classes
        if isinstance(content["loss"].get(key), (list, dict)):
            content["loss"][key] = None
    begun = content["init_from"] is not None
    if begun:
        content["optimizer"]["lr"] *= FINE
        told.append(
            f"optimizer.lr: {content['optimizer']['lr']:g} ({FINE:g} of the recipe's, beginning from a weight)."
        )
    if task.kind == "image":
        _picture(content, model, weight, data, told)
    steps = _steps(weight or next(iter(candidates.values()), None))
    steps = round(steps * FINE) if begun else steps
    for key, value, reason in rules.changes(content, data.data, kinds.get(task.kind), steps, begun):
        if not any(key == given or key.startswith(f"{given}.") for given in changes):
            override(content, key, value)
            told.append(f"{key}: {_shown(value)} ({reason}).")
    for key, value in changes.items():
        if not key.startswith(("data.columns", "data.split")) and key != "data.name":
            override(content, key, value)
    made = parse(content, name=f"{model_of(recipe.name)}.{tag_of(address)}", where=name)
    return made, data, told


def tag_of(address: str) -> str:
    """The part of the recipe's name after the model's: the name of the data."""
    rest = places.public(address).partition(":")[2].partition("@")[0]
    stem = Path(rest).name.split(".")[0]
    return re.sub(r"[^a-z0-9]+", "_", stem.lower()).strip("_") or "own"


def _asked(changes: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """`data.columns` and `data.split` among the changes, checked as a recipe's are."""
    from pydantic import ValidationError

    from zoo.recipes.explain import explain
    from zoo.recipes.own import Columns, Parting

    content: dict[str, Any] = {}
    for key, value in changes.items():
        if key == "data":
            raise ZooError("data: give single keys, such as data.batch_size, beside the place of the data.")
        if key.startswith(("data.columns", "data.split")):
            override(content, key.removeprefix("data."), value)
    found = {}
    for key, section in (("columns", Columns), ("split", Parting)):
        try:
            found[key] = section.model_validate(content.get(key) or {}).model_dump(exclude_none=True)
        except ValidationError as error:
            raise ZooError(explain(error, f"data.{key}", section)) from error
    return found


def _weights(recipes: list[str]) -> dict[str, Bundle]:
    """Recipe -> its published weight, if it is on this machine; a model's default weight comes first."""
    from zoo import catalog, sources

    found: dict[str, Bundle] = {}
    for weight in catalog.list_weights(f"{model_of(recipes[0])}.*"):
        recipe = weight.rpartition("_v")[0]
        if recipe in recipes:
            with suppress(ZooError):
                found[recipe] = sources.find(weight)
    return found


def _nearest(
    recipes: list[str], weights: dict[str, Bundle], data: loading.Own, kind: str
) -> tuple[Recipe, Bundle | None, str]:
    """(recipe to follow, weight to begin from, why it is the nearest)."""
    first = load_recipe(next((recipe for recipe in recipes if recipe in weights), recipes[0]))
    if len(recipes) == 1:
        weights = {recipe: bundle for recipe, bundle in weights.items() if recipe in recipes}
    if not weights:
        return first, None, ""
    if kind in ("text", "tagged"):
        from zoo.data.split import shuffled
        from zoo.data.text import read_tokenizer, share_unknown

        count = len(data.data.train)
        order = shuffled(range(count), SEED)[:500] if count < 50_000 else list(range(0, count, count // 500))
        texts = [str(data.data.train.inputs[i]) for i in order]
        unknown_to = {
            recipe: share_unknown(read_tokenizer(bundle.tokenizer), texts) for recipe, bundle in weights.items()
        }
        best = min(unknown_to, key=lambda recipe: unknown_to[recipe])
        why = f", which knows {1 - unknown_to[best]:.0%} of the words"
        return load_recipe(best), weights[best] if unknown_to[best] < 0.5 else None, why
    bundle = weights[first.name]
    if kind == "characters":
        return first, bundle if bundle.config["input"]["symbols"] == "".join(data.data.labels) else None, ""
    if kind == "series":
        context, horizon = (bundle.config["input"][key] for key in ("context", "horizon"))
        rows, held = len(data.data.train), len(data.data.test)
        fits = rows >= 3 * context and rows >= 10 * horizon and held >= 2 * horizon
        return first, bundle if fits else None, ""
    if kind == "image":
        stored = data.data.train.inputs
        size = bundle.config["input"]["size"]
        fits = isinstance(stored, list) or list(stored.shape[2:]) == list(size)
        return first, bundle if fits else None, ""
    return first, None, ""


def _picture(content: dict[str, Any], model: Any, weight: Bundle | None, data: loading.Own, told: list[str]) -> None:
    """Size and channels: those of the weight, or of the model's own input."""
    shape = list(weight.config["input"]["size"]) if weight else list(model.input_shape[-2:])
    channels = weight.config["input"]["channels"] if weight else model.input_shape[0]
    if isinstance(data.data.train.inputs, list):
        content["data"]["size"] = shape
        content["data"]["channels"] = channels
        told.append(f"data.size: {shape}, data.channels: {channels} (what the model was made for).")
    else:
        content["data"]["size"] = None
        stored = data.data.train.inputs.shape[1]
        content["data"]["channels"] = channels if weight and channels != stored else None


def _steps(weight: Bundle | None) -> int:
    if weight is None:
        return STEPS
    rows = list(csv.DictReader(io.StringIO(weight.path("log.csv").read_text(encoding="utf-8"))))
    return int(rows[-1]["step"]) if rows else STEPS


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else f"{value}"
