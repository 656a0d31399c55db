"""What a bundle says of itself: each way of saying what is not so is named with its file and key."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.bundles.format import Bundle, open_bundle
from zoo.check import check_parameters, check_schema
from zoo.errors import ZooError


def copied(
    bundle: Path, to: Path, file: str = "metrics", change: Callable[[dict[str, Any]], Any] = lambda _: None
) -> Bundle:
    """A copy of the bundle with what `change` does to one of its JSON files."""
    shutil.copytree(bundle, to)
    content = json.loads((to / f"{file}.json").read_text())
    change(content)
    (to / f"{file}.json").write_text(json.dumps(content))
    return open_bundle(to)


def put(*keys: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return change


def test_a_right_bundle_passes(image_bundle: Path, text_bundle: Path, table_bundle: Path, tmp_path: Path) -> None:
    for bundle in (image_bundle, text_bundle, table_bundle):
        copy = copied(bundle, tmp_path / bundle.name)
        check_schema(copy)
        check_parameters(copy)


def empty(content: dict[str, Any]) -> None:
    content["metrics"]["accuracy"].update(values=[], seeds=[], n=0)


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("config", put("schema", value=True), "has schema True"),
        ("config", put("task", value="text-classification"), "task is 'text-classification'"),
        ("config", put("labels", value=[1] * 10), "labels is .* a list of text"),
        ("config", put("labels", value=["one"] * 9), "labels is .* one for each of 10 outputs"),
        ("config", lambda config: config.pop("num_parameters"), "num_parameters is None"),
        ("config", put("input", "kind", value=["image"]), r"input\.kind"),
        ("config", put("input", "size", value=[8]), r"input\.size is \[8\] where \[height, width\]"),
        ("config", put("input", "size", value=["8", "8"]), r"input\.size"),
        ("config", put("input", "mean", value="0"), r"input\.mean"),
        ("config", put("input", "mean", value=[0.0] * 7), r"input\.mean is .* one value a channel"),
        ("config", put("input", "std", value=[0.0]), r"input\.std"),
        ("config", put("input", "maximum", value=None), r"input\.maximum"),
        ("metrics", put("schema", value=True), "has schema True"),
        ("metrics", put("metrics", value=[]), r"metrics is \[\] where an object"),
        ("metrics", put("metrics", value={}), "at least one metric"),
        ("metrics", put("metrics", "accuracy", value=0.9), "accuracy is 0.9 where an object"),
        ("metrics", put("metrics", "accuracy", "value", value="high"), r"accuracy\.value is .high."),
        ("metrics", put("metrics", "accuracy", "seeds", value=[0]), r"accuracy\.seeds is \[0\] where 2 seeds"),
        ("metrics", empty, r"accuracy\.values is \[\]"),
        ("metrics", put("metrics", "accuracy", "n", value=3), "accuracy.n is 3 where 2, as many as values"),
        ("metrics", put("metrics", "accuracy", "mean", value=0.91), "the mean of accuracy is not that of"),
        ("metrics", put("metrics", "accuracy", "std", value=5.0), "the std of accuracy is not that of"),
        ("metrics", put("metrics", "accuracy", "value", value=0.99), "the value of accuracy is not that of"),
        ("metrics", put("seconds", value="long"), "seconds is 'long' where a number"),
        ("metrics", put("notes", value=5), "notes is 5 where a list of text"),
        ("metrics", put("baselines", value={"a line": 0.9}), "baselines is {'a line': 0.9} where "),
        ("metrics", put("environment", value=None), "environment is None"),
        ("metrics", put("data", value={}), r"data\.fingerprint"),
    ],
)
def test_what_is_not_so_is_named(
    image_bundle: Path, tmp_path: Path, file: str, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    bundle = copied(image_bundle, tmp_path / "copy", file, change)
    with pytest.raises(ZooError, match=rf"{file}\.json:? .*{message}.*; (publish|upgrade) .*\.$"):
        check_schema(bundle)


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("numbers",), ["age"]),
        (("numbers", "age"), 10.0),
        (("numbers", "age", "log"), 1),
        (("numbers", "age", "mean"), None),
        (("numbers", "age", "std"), 0.0),
        (("categories",), None),
        (("categories", "sea"), "far"),
        (("categories", "sea"), [0, 1]),
        (("unit",), None),
    ],
)
def test_what_is_not_so_of_a_table_is_named(
    table_bundle: Path, tmp_path: Path, keys: tuple[str, ...], value: Any
) -> None:
    bundle = copied(table_bundle, tmp_path / "copy", "config", put("input", *keys, value=value))
    with pytest.raises(ZooError, match=rf"config\.json: input\.{keys[0]} is .* where .* expected"):
        check_schema(bundle)


SERIES = {"kind": "series", "context": 8, "horizon": 4, "channels": ["a", "b"], "mean": [0.0, 1.0], "std": [1.0, 2.0]}


CHARACTERS = {"kind": "characters", "symbols": "ab", "length": 8}


@pytest.mark.parametrize(
    ("right", "key", "value", "message"),
    [
        (SERIES, "context", 0, "a count of 1,000,000 at most"),
        (SERIES, "horizon", "4", "a count of 1,000,000 at most"),
        (SERIES, "channels", [], "a list of text"),
        (SERIES, "channels", [1, 2], "a list of text"),
        (SERIES, "mean", [0.0], "one value a channel"),
        (SERIES, "std", [1.0, 0.0], "a list of numbers above 0"),
        (CHARACTERS, "symbols", "", "text"),
        (CHARACTERS, "symbols", ["a"], "text"),
        (CHARACTERS, "length", 0, "a count of 1,000,000 at most"),
    ],
)
def test_what_an_input_of_another_kind_lacks_is_named(
    image_bundle: Path, tmp_path: Path, right: dict[str, Any], key: str, value: Any, message: str
) -> None:
    check_schema(copied(image_bundle, tmp_path / "right", "config", put("input", value=right)))
    bundle = copied(image_bundle, tmp_path / "copy", "config", put("input", value={**right, key: value}))
    with pytest.raises(ZooError, match=rf"config\.json: input\.{key} is .* where {message} is expected"):
        check_schema(bundle)


def test_another_recipe_or_number_of_parameters_is_named(image_bundle: Path, tmp_path: Path) -> None:
    bundle = copied(image_bundle, tmp_path / "count", "config", put("num_parameters", value=7))
    with pytest.raises(ZooError, match=r"the model has 650 parameters, but config\.json says 7"):
        check_parameters(bundle)
    bundle = copied(image_bundle, tmp_path / "recipe", "metrics", put("recipe_sha256", value="0" * 64))
    with pytest.raises(ZooError, match=r"recipe\.yaml is not the recipe"):
        check_schema(bundle)
