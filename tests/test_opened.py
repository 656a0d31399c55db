"""A weight's recipe, its data and its model are read once, however many need them; so is a name that is drawn."""

from __future__ import annotations

import inspect
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import zoo
from zoo import recipes, sources, viz
from zoo.bundles.load import load_model
from zoo.data import load as load_data

NAME = "mlp.digits_v1"


@contextmanager
def counted(*functions: Callable[..., Any]) -> Iterator[Counter[str]]:
    """How often each of these functions is entered while the body runs."""
    names = {inspect.unwrap(each).__code__: each.__name__ for each in functions}
    seen = Counter(dict.fromkeys(names.values(), 0))

    def note(frame: Any, event: str, argument: Any) -> None:
        if event == "call" and frame.f_code in names:
            seen[names[frame.f_code]] += 1

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield seen
    finally:
        sys.setprofile(before)


@pytest.mark.parametrize("call", [zoo.verify, zoo.evaluate], ids=lambda call: call.__name__)
def test_recipe_data_and_model_are_read_once(call: Callable[[str], Any]) -> None:
    with counted(recipes.parse, load_data, load_model) as seen:
        call(NAME)
    assert seen == {"parse": 1, "load": 1, "load_model": 1}


@pytest.mark.parametrize("what", ["confusion", "mistakes", "filters", "curves"])
def test_a_name_is_looked_up_once_for_a_picture(what: str) -> None:
    pytest.importorskip("matplotlib")
    with counted(sources.find, load_model) as seen:
        viz.show(NAME, what=what)
    assert seen == {"find": 1, "load_model": int(what != "curves")}


def test_pictures_of_a_predictor_look_nothing_up() -> None:
    pytest.importorskip("matplotlib")
    read = zoo.predictor(NAME)
    with counted(sources.find, load_model) as seen:
        drawn = [viz.filters(read), viz.confusion(read), viz.curves(read), viz.show(read, what="mistakes")]
    assert seen == {"find": 0, "load_model": 0}
    named = [viz.filters(NAME), viz.confusion(NAME), viz.curves(NAME), viz.mistakes(NAME)]
    for figure, other in zip(drawn, named, strict=True):
        assert figure.get_suptitle() == other.get_suptitle()
