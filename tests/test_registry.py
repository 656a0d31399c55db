"""Names, and the models that other packages bring."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from forked import python
from torch import nn

from zoo import init, plugins, registry
from zoo.errors import ZooError, unknown

TASKS = {
    *("image-classification", "text-classification", "token-classification", "language-modelling", "forecasting"),
    *("regression", "tabular-classification", "metric-learning", "multi-task"),
}


@pytest.fixture
def own_registry() -> Iterator[None]:
    """What a test registers is gone after it."""
    with registry.temporary():
        yield


def register(name: str | None = None) -> Callable[..., Any]:
    return registry.register_model(
        task="regression", init="default", description="A line", source="Gauss 1809", input_shape=(1,), name=name
    )


@pytest.mark.usefixtures("own_registry")
def test_functions_and_classes_register_under_their_name_or_another() -> None:
    @register()
    def a_line() -> nn.Module:
        return nn.Linear(1, 1)

    @register("another_line")
    class Line(nn.Linear):
        pass

    assert registry.get("a_line") == registry.Model(
        "a_line", a_line, "regression", "default", "A line", "Gauss 1809", (1,)
    )
    assert registry.get("another_line").constructor is Line
    assert {"a_line", "another_line"} < set(registry.names())
    assert isinstance(a_line(), nn.Linear), "the decorator gives back what it was given"


@pytest.mark.usefixtures("own_registry")
def test_a_name_is_taken_once() -> None:
    first = registry.get("mnist_mlp")
    with pytest.raises(ZooError, match=r"model 'mnist_mlp' is already registered by zoo\.models\.mlp; choose another"):
        register("mnist_mlp")(nn.Linear)
    assert registry.get("mnist_mlp") is first


@pytest.mark.usefixtures("own_registry")
@pytest.mark.parametrize("name", ["my.net", "a/b", "timm/x", "", " ", "<lambda>", "-x", "../x"])
def test_a_name_that_no_weight_could_have_is_refused(name: str) -> None:
    with pytest.raises(ZooError, match=r"cannot name a model; use letters, digits, _ and -"):
        register(name)(nn.Linear)


@pytest.mark.usefixtures("own_registry")
def test_names_are_in_natural_order() -> None:
    for name in ("net101", "net18", "net9_b", "net9_a", "net", "net18_x"):
        register(name)(nn.Linear)
    ours = [name for name in registry.names() if re.match("net", name)]
    assert ours == ["net", "net9_a", "net9_b", "net18", "net18_x", "net101"]


def test_an_unknown_name_gets_the_nearest_three() -> None:
    with pytest.raises(ZooError, match=r"^unknown model 'mnist_mpl'; did you mean mnist_mlp, .*\?$"):
        registry.get("mnist_mpl")
    with pytest.raises(ZooError, match=r"did you mean resnet18, resnet18_cifar\?"):
        registry.get("ResNet")
    many = ["alpha_1", "alpha_2", "alpha_3", "alpha_4", "beta"]
    assert str(unknown("weight", "alpha", many)) == "unknown weight 'alpha'; did you mean alpha_1, alpha_2, alpha_3?"
    assert str(unknown("model", "MLP", ["churn_mlp", "mlp"])) == "unknown model 'MLP'; did you mean mlp, churn_mlp?"
    assert str(unknown("weight", "beat", many)) == "unknown weight 'beat'; did you mean beta?"
    assert str(unknown("weight", "zzz", ["a", "b"])) == "unknown weight 'zzz'; there are: a, b."
    long = [f"model{i}" for i in range(20)]
    assert str(unknown("weight", "zzz", long)).count("model") == 3, "of a long list the nearest, however far"
    assert str(unknown("weight", "", [])) == "unknown weight ''; there are: none."


OWN = [name for name in registry.names() if registry.get(name).constructor.__module__.startswith("zoo.models.")]


@pytest.mark.parametrize("name", OWN)
def test_every_model_says_what_it_is(name: str) -> None:
    model = registry.get(name)
    assert model.name == name
    assert model.task in TASKS
    assert model.init in init.names()
    assert model.description and "\n" not in model.description and not model.description.endswith(".")
    assert re.search(r"\b(19|20)\d\d\b|://", model.source), "the source is a paper with its year or an address"
    assert model.input_shape and all(side > 0 for side in model.input_shape)


@pytest.mark.usefixtures("own_registry")
def test_the_shape_of_a_sample_may_be_unknown() -> None:
    @registry.register_model(task="regression", init="default", description="A line", source="Gauss 1809")
    def shapeless() -> nn.Module:
        return nn.Linear(1, 1)

    assert registry.get("shapeless").input_shape == ()


def test_tasks_are_those_of_the_contract() -> None:
    assert set(registry.TASKS) == TASKS
    with pytest.raises(ZooError, match=r"^unknown task 'regresion'; did you mean regression"):
        registry.register_model(task="regresion", init="default", description="A line", source="Gauss 1809")


# ---- plug-ins: a package of somebody else's, laid out as pip would


PLUG_IN = """
import torch
import zoo.registry

@zoo.registry.register_model(
    task="regression", init="default", description="{name}", source="Gauss 1809", input_shape=(1,)
)
def {name}():
    return torch.nn.Linear(1, 1)
"""

LOOK = """
import json, warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import zoo.registry
    names = zoo.registry.names()
    again = zoo.registry.names()
assert names == again
print(json.dumps({
    "names": names,
    "warnings": [str(w.message) for w in caught if "plug-in" in str(w.message)],
    "output": zoo.registry.get("guest_line").constructor().out_features,
    "module": zoo.registry.get("guest_line").constructor.__module__,
}))
"""


def lay_out(site: Path, distribution: str, modules: dict[str, str], entries: str) -> None:
    """What `pip install --target` leaves of a package: its modules and its metadata."""
    package = site / distribution
    package.mkdir(parents=True)
    for file, text in {"__init__.py": "", **modules}.items():
        (package / file).write_text(text)
    info = site / f"{distribution}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[zoo.models]\n{entries}\n")


def look(site: Path, program: str = LOOK) -> Any:
    """What `program` prints in a process of its own that has `site` on its path."""
    path = os.pathsep.join([str(site), str(Path(registry.__file__).parents[1])])
    done = subprocess.run(
        [*python(), "-c", program],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_package_brings_a_model(tmp_path: Path) -> None:
    lay_out(tmp_path, "guests", {"lines.py": PLUG_IN.format(name="guest_line")}, "lines = guests.lines")
    seen = look(tmp_path)
    assert set(seen["names"]) == {*registry.names(), "guest_line"}
    assert seen["module"] == "guests.lines"
    assert seen["output"] == 1
    assert seen["warnings"] == []


def test_broken_plug_ins_are_named_and_harm_no_others(tmp_path: Path) -> None:
    lay_out(
        tmp_path,
        "broken",
        {
            # Registers a model, brings in a good plug-in's module, and then falls over.
            "half.py": PLUG_IN.format(name="half_made") + "import guests.lines\n1 / 0\n",
            "thief.py": PLUG_IN.format(name="mnist_mlp"),
            "leaver.py": "import sys\nsys.exit(3)\n",
        },
        "half = broken.half\nthief = broken.thief\ngone = broken.nowhere\nleaver = broken.leaver",
    )
    lay_out(tmp_path, "guests", {"lines.py": PLUG_IN.format(name="guest_line")}, "lines = guests.lines")
    seen = look(tmp_path)
    assert set(seen["names"]) == {*registry.names(), "guest_line"}
    assert len(seen["warnings"]) == 4
    half, thief, gone, leaver = (
        next(w for w in seen["warnings"] if repr(name) in w) for name in ("half", "thief", "gone", "leaver")
    )
    assert "broken.half" in half and "division by zero" in half
    assert "'mnist_mlp' is already registered" in thief
    assert "broken.nowhere" in gone
    assert "broken.leaver" in leaver and "SystemExit: 3" in leaver


@pytest.mark.parametrize("order", [("half", "lines"), ("lines", "half")], ids="-then-".join)
def test_what_a_broken_plug_in_imported_stays_in_either_order(
    order: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = f"snapped_{order[0]}"
    lay_out(
        tmp_path,
        package,
        {
            "half.py": PLUG_IN.format(name="half_made") + f"import {package}.lines\n1 / 0\n",
            "lines.py": PLUG_IN.format(name="snapped_line"),
        },
        "\n".join(f"{name} = {package}.{name}" for name in order),
    )
    monkeypatch.syspath_prepend(tmp_path)
    with plugins.temporary(), pytest.warns(UserWarning, match=f"{package}.half. was left out: ZeroDivisionError"):
        names = registry.names()
    assert "snapped_line" in names and "half_made" not in names


def test_a_name_that_is_taken_is_refused_to_a_script_at_once(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(PLUG_IN.format(name="mnist_mlp"))
    message = look(
        tmp_path,
        "import json, zoo.errors, zoo.registry\n"
        "try:\n    import script\n"
        "except zoo.errors.ZooError as error:\n    print(json.dumps(str(error)))\n"
        "assert zoo.registry.get('mnist_mlp').constructor.__module__ == 'zoo.models.mlp'",
    )
    assert message == "model 'mnist_mlp' is already registered by zoo.models.mlp; choose another name."
