"""The data of a recipe, the zoo's or the user's own; a recipe that names a path becomes one that names files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from zoo import data, registry, tasks
from zoo.data import DataSet, Split
from zoo.data.own import loading, memory, places
from zoo.errors import ZooError
from zoo.home import expanded
from zoo.recipes import Recipe, parse
from zoo.recipes.own import Columns


def load(recipe: Recipe, place: Any = None) -> DataSet:
    """The recipe's data set. `place` is where the user's own data lie, or an object that holds them."""
    if not places.is_one(recipe.data.name):
        return data.load(recipe.data.name)
    return read(recipe, place).data


def read(recipe: Recipe, place: Any = None, model: dict[str, Any] | None = None) -> loading.Own:
    """The recipe's data if they are the user's own, as `zoo.data.own.loading.load` reads them."""
    task = tasks.get(registry.get(recipe.model).task)
    asked, section = recipe.data, {}
    for key in ("columns", "split"):
        if (found := getattr(asked, key)) is not None:
            section[key] = found.model_dump(exclude_none=True)
    files = None if asked.files is None else {name: file.model_dump() for name, file in asked.files.items()}
    return loading.load(asked.name, task.kind, task.classes, files=files, place=place, model=model, **section)


def at_hand(recipe: Recipe) -> bool:
    """Whether the recipe's data are on this machine, so that reading them needs no network."""
    name, files = recipe.data.name, recipe.data.files or {}
    if not places.is_one(name):
        return data.at_hand(name)
    if places.given() is not None:
        return True
    if name.startswith("memory:"):
        return False
    return places.found(name, {key: file.model_dump() for key, file in files.items()}) is not None


def whole(recipe: Recipe, place: Any, config: dict[str, Any], more: Mapping[str, Any] | None = None) -> Split:
    """All labelled rows at `place` as the test split of a weight; from a folder with parts, only its test part.

    If they are the same data as the weight's recipe has, the split is the recipe's. `config` is the weight's
    config.json; `more` are `data.columns` that replace the recipe's.
    """
    task = tasks.get(config["task"])
    if places.is_one(recipe.data.name) and recipe.data.files:
        files = {key: file.model_dump() for key, file in recipe.data.files.items()}
        if isinstance(place, (str, os.PathLike)) and places.holds(expanded(place), files):
            return read(recipe, place).data.test
    address = address_of(place, task.kind)
    columns = {} if recipe.data.columns is None else recipe.data.columns.model_dump(exclude_none=True)
    columns.pop("weight", None)
    columns |= Columns.model_validate(dict(more or {})).model_dump(exclude_none=True)
    in_memory = place if address.startswith("memory:") else None
    own = loading.load(address, task.kind, task.classes, columns=columns, place=in_memory, model=config)
    return own.data.test


def address_of(place: Any, kind: str) -> str:
    """The address that stands for a path or an object given as data."""
    if not isinstance(place, (str, os.PathLike)):
        return memory.name_of(place)
    text = os.fspath(place)
    if places.is_one(text):
        return text
    path = expanded(text)
    folder = kind == "image" and path.is_dir() and not loading.lists(path)
    return f"{'imagefolder' if folder else 'file'}:{path}"


def resolved(recipe: Recipe, place: Any = None) -> tuple[Recipe, loading.Own | None]:
    """The recipe with its data's hashes, columns and split written out and without any path, and those data.

    A recipe of one of the zoo's data sets comes back as it is, with None.
    """
    if not places.is_one(recipe.data.name):
        if place is not None:
            raise ZooError(
                f"data.name is {recipe.data.name}, one of the zoo's data sets; set data.name to file:PATH, or leave "
                "data out."
            )
        return recipe, None
    own = read(recipe, place)
    content = recipe.content()
    content["data"] = {**{k: v for k, v in content["data"].items() if k not in ("columns", "split")}, **own.section}
    return parse(content, name=recipe.name, where=recipe.name), own
