"""The names that a shell offers when Tab is pressed. Its user waits, so nothing here imports torch or uses a
network."""

from __future__ import annotations

import ast
import os
import warnings
from collections.abc import Iterable
from pathlib import Path


def weights(incomplete: str) -> list[str]:
    """Weights in the sources whose names begin with this; for a source on a network, the names in its last answer."""
    from zoo import sources
    from zoo.errors import ZooError

    os.environ["ZOO_OFFLINE"] = "1"  # this process only completes
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = sources.names()
        except ZooError:  # a lock file that is gone; the command itself will report it
            found = []
    return _beginning(incomplete, found)


def models(incomplete: str) -> list[str]:
    """The zoo's own models whose names begin with this, read from the source: registering them would import torch."""
    families = (Path(__file__).parents[1] / "models").glob("*.py")
    return _beginning(incomplete, (name for family in families for name in _registered(family)))


def recipes(incomplete: str) -> list[str]:
    """The zoo's own recipes whose names begin with this, and the models that `zoo train MODEL --data PATH` takes."""
    from zoo.recipes import list_recipes

    return _beginning(incomplete, [*list_recipes(), *models(incomplete)])


def names(incomplete: str) -> list[str]:
    """Weights and models."""
    return _beginning(incomplete, [*weights(incomplete), *models(incomplete)])


def _beginning(incomplete: str, found: Iterable[str]) -> list[str]:
    from zoo.names import natural

    return sorted({name for name in found if name.startswith(incomplete)}, key=natural)


def _registered(family: Path) -> list[str]:
    """The names of the functions and classes that a file decorates with `register_model`."""
    tree = ast.parse(family.read_text(encoding="utf-8"))
    return [
        part.name
        for part in tree.body
        if isinstance(part, (ast.FunctionDef, ast.ClassDef))
        and any(isinstance(of, ast.Call) and ast.unparse(of.func) == "register_model" for of in part.decorator_list)
    ]
