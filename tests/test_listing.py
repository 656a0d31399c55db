"""The table of weights, and the same as the README has it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import zoo
from zoo import ZooError
from zoo.cli.output import lines
from zoo.listing import HEAD, SORTS, cells, figure, listed, size

SHELF = {
    "mlp.a_v1": {"task": "image-classification", "data": "digits", "metric": "accuracy", "mean": 0.9, "std": 0.01,
                 "n": 3, "parameters": 1000, "bytes": 4_000_000, "latency_ms": 0.5},
    "mlp.a_v10": {"task": "image-classification", "data": "digits", "metric": "accuracy", "mean": 0.95, "std": 0.0,
                  "n": 1, "parameters": 500, "bytes": 2_000, "latency_ms": 1.5},
    "mlp.a_v2": {"task": "image-classification", "data": "mnist", "metric": "accuracy", "mean": 0.8, "n": 5,
                 "parameters": 2000, "bytes": 1_000_000},
    "housing_mlp.b_v1": {"task": "regression", "data": "california_housing", "metric": "rmse", "mean": 0.5,
                         "std": 0.125, "n": 2, "parameters": 10, "bytes": 99_000, "latency_ms": 0.1},
}  # fmt: skip


@pytest.fixture(autouse=True)
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source with an index and nothing else: a list reads no bundle."""
    required = ("model.safetensors", "config.json", "recipe.yaml", "metrics.json")
    files = {file: {"sha256": "0" * 64, "size": 1} for file in required}
    weights = {name: {"default": False, "files": files, "list": facts} for name, facts in SHELF.items()}
    (tmp_path / "index.json").write_text(json.dumps({"schema": 1, "weights": weights}))
    monkeypatch.setattr("zoo.sources.finding.PACKAGE", tmp_path / "nothing")
    monkeypatch.setenv("ZOO_SOURCES", str(tmp_path))


def names(**asked) -> list[str]:
    return [name for name, _ in listed(**asked)]


def test_orders_and_filters():
    assert names() == ["housing_mlp.b_v1", "mlp.a_v1", "mlp.a_v2", "mlp.a_v10"]
    assert names(sort="figure") == ["mlp.a_v10", "mlp.a_v1", "mlp.a_v2", "housing_mlp.b_v1"]
    assert names(sort="size") == ["mlp.a_v10", "housing_mlp.b_v1", "mlp.a_v2", "mlp.a_v1"]
    assert names(sort="latency")[-1] == "mlp.a_v2", "what is not known comes last"
    assert names(task="regression") == ["housing_mlp.b_v1"] and names(data="digits") == ["mlp.a_v1", "mlp.a_v10"]
    assert names(max_mb=0.1) == ["housing_mlp.b_v1", "mlp.a_v10"] and names(pattern="mlp")[0] == "mlp.a_v1"
    assert {len(names(sort=sort)) for sort in SORTS} == {4}


def test_what_is_asked_wrongly():
    with pytest.raises(ZooError, match=r"unknown order 'speed'; did you mean size"):
        names(sort="speed")
    with pytest.raises(ZooError, match=r"unknown task 'image'; did you mean image-classification"):
        names(task="image")
    with pytest.raises(ZooError, match=r"unknown data set 'MNIST'"):
        names(data="MNIST")
    with pytest.raises(ZooError, match=r"^max_mb is 0; give a number above 0\.$"):
        names(max_mb=0)


def test_cells_are_as_people_write_them():
    assert figure(SHELF["mlp.a_v1"]) == "accuracy 90.00 % ± 1.00 % (3)" and figure({}) == ""
    assert figure(SHELF["housing_mlp.b_v1"]) == "rmse 0.5 ± 0.125 (2)" and figure(SHELF["mlp.a_v10"]).endswith("(1)")
    assert (size(22_400_000), size(99_400)) == ("22.4 MB", "99 kB")
    assert cells({}) == ("",) * (len(HEAD) - 1)


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_narrow_terminal_loses_columns_from_the_right_and_no_name(width: int):
    shown = lines(HEAD, [(name, *cells(row)) for name, row in listed()], width)
    assert all(len(line) <= width for line in shown[:-1])
    for name in SHELF:
        assert any(line.startswith(name) for line in shown)
    assert ("figure" in shown[0]) == (width >= 80)


def test_models_and_weights_by_name_know_the_same():
    assert zoo.list_weights("mlp.*") == ["mlp.a_v1", "mlp.a_v2", "mlp.a_v10"]
