"""A bundle's recipe, and whether it is the zoo's own recipe of that name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from zoo.bundles.format import Bundle
from zoo.bundles.plugged import require
from zoo.errors import ZooError
from zoo.names import GUESTS, MODEL_NAME, is_weight_name, stem_of

if TYPE_CHECKING:
    from zoo.recipes import Recipe


_TRUSTED: ContextVar[bool] = ContextVar("trusted", default=False)


@contextmanager
def trusting(trust: bool) -> Iterator[None]:
    """Within the body, whether recipes of bundles may read the files and addresses that they name."""
    token = _TRUSTED.set(trust)
    try:
        yield
    finally:
        _TRUSTED.reset(token)


def recipe_of(bundle: Bundle) -> Recipe:
    """The bundle's recipe.

    Raises `ZooError` if it is not a recipe, if it is for another model than config.json, and if it names a place on a
    machine for its data that the user neither gave nor trusts; for a published weight also if it begins from such a
    place.
    """
    from zoo.data.own import places
    from zoo.recipes import from_text

    require(bundle)
    if "imported" in bundle.metrics:
        raise ZooError(
            f"{bundle.name or bundle.folder.name} was imported, so it has no recipe: it can be used, but not measured "
            "or grown again."
        )
    config, where = bundle.config, str(bundle.folder / "recipe.yaml")
    recipe, model = from_text(bundle.recipe, name=str(config.get("recipe", "")), where=where), config["model"]
    name = recipe.data.name
    # Recipes that training writes hold the hashes of the files and no path; a bare name would mean a file in the
    # current folder.
    bare = name.startswith(("file:", "imagefolder:")) and not recipe.data.files
    elsewhere = bare or (places.is_one(name) and places.public(name) != name)
    if elsewhere and places.given() is None and not _TRUSTED.get():
        raise ZooError(
            f"the recipe of {bundle.folder.name} names a place on a machine for its data ({name}), which a published "
            "recipe must not do; say where the data lie with --data PATH, or give --trust (trust=True) if you know "
            "its author."
        )
    if bundle.entry is not None:
        check_begins(recipe, bundle.folder.name)
    if recipe.model != model:
        raise ZooError(f"config.json is for {model}, but recipe.yaml for {recipe.model}; publish the weight again.")
    return recipe


def check_begins(recipe: Recipe, what: str) -> None:
    """Raise `ZooError` if the recipe begins from a path or an address that the user does not trust."""
    if is_place(recipe.init_from) and not _TRUSTED.get():
        raise ZooError(
            f"the recipe of {what} begins from a place that it names itself (init_from: {recipe.init_from}); give "
            "--trust (trust=True) if the run is your own, or if you know its author."
        )


def is_place(begins: str | None) -> bool:
    """Whether `init_from` is a path or an address, and not the name of a weight, of a model, or of one on the Hub."""
    if begins is None or begins.startswith((GUESTS, "hf://")):
        return False
    return not is_weight_name(begins) and re.fullmatch(MODEL_NAME, begins) is None


def check_own(bundle: Bundle, name: str) -> None:
    """Raise `ZooError` if `name` is one of the zoo's recipes and the bundle's differs in more than train.seed.

    Readers would take its figures for those of the zoo's recipe.
    """
    from zoo.recipes import list_recipes, load_recipe

    if name not in list_recipes():
        return
    differing = [
        f"{key} {theirs!r} instead of {ours!r}"
        for key, ours, theirs in differences(load_recipe(name).model_dump(), recipe_of(bundle).model_dump())
        if key != "train.seed"
    ]
    if differing:
        model = stem_of(bundle.config["model"])
        raise ZooError(
            f"{bundle.folder} is not the zoo's recipe {name}: it has {', '.join(differing[:3])}"
            f"{', …' if len(differing) > 3 else ''}; give it a name of its own with --name {model}.<tag>_v<N> "
            "(name= in Python)."
        )


def differences(left: Any, right: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """The dotted keys under which two nested dicts differ, each with both values."""
    if isinstance(left, dict) and isinstance(right, dict):
        for name in {**left, **right}:
            yield from differences(left.get(name), right.get(name), f"{key}.{name}" if key else str(name))
    elif left != right:
        yield key, left, right
