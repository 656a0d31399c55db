"""What a bundle was grown from: its recipe, and whether that is the zoo's own recipe of its name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from zoo.bundles.format import Bundle
from zoo.bundles.plugged import require
from zoo.errors import ZooError
from zoo.names import stem_of

if TYPE_CHECKING:
    from zoo.recipes import Recipe


def recipe_of(bundle: Bundle) -> Recipe:
    """The bundle's recipe. Raises `ZooError` where it is none, and where it is for another model than config.json."""
    from zoo.data.own.places import is_one, public
    from zoo.recipes import load_recipe

    require(bundle)
    recipe, model = load_recipe(bundle.path("recipe.yaml")), bundle.config["model"]
    name = recipe.data.name
    if is_one(name) and public(name) != name:
        raise ZooError(
            f"the recipe of {bundle.folder.name} names a place on a machine for its data ({name}), as no published "
            "recipe does; say where the data lie with --data PATH, and do not trust it."
        )
    if recipe.model != model:
        raise ZooError(f"config.json is for {model}, but recipe.yaml for {recipe.model}; publish the weight anew.")
    return recipe


def check_own(bundle: Bundle, name: str) -> None:
    """Raise `ZooError` where `name` is one of the zoo's recipes and the bundle's differs in more than train.seed.

    A number under that name would be taken for what the recipe reaches.
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
