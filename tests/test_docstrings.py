"""The example in every public docstring runs, and gives what it says."""

from __future__ import annotations

import doctest
import importlib
import inspect
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image

import zoo
from zoo import plugins

MARKS = {
    **dict.fromkeys(("zoo.Export", "zoo.export", "zoo.Reproduction", "zoo.reproduce"), pytest.mark.slow),
    "zoo.viz.neighbours": (pytest.mark.slow, pytest.mark.data),
}
PUBLIC = {
    f"{module}.{name}": getattr(importlib.import_module(module), name)
    for module in ("zoo", "zoo.data", "zoo.nn", "zoo.viz")
    for name in importlib.import_module(module).__all__
    if (module, name) != ("zoo", "Model")  # an nn.Module with a record, for type checkers
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the examples run: with two pictures, and what they write goes with it."""
    for name, shade in (("cat.png", 60), ("dog.png", 200)):
        Image.new("RGB", (32, 32), (shade, shade, shade)).save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.filterwarnings("ignore")  # a run that was never published, metrics that were not measured again
@pytest.mark.parametrize("name", [pytest.param(name, marks=MARKS.get(name, ())) for name in sorted(PUBLIC)])
def test_the_example_of_a_public_name_runs(name: str, folder: Path) -> None:
    pytest.importorskip("matplotlib").use("Agg")
    names: dict[str, Any] = {"zoo": zoo, "torch": torch, "numpy": numpy, "nn": zoo.nn, "viz": zoo.viz}
    text = inspect.getdoc(PUBLIC[name]) or ""
    example = doctest.DocTestParser().get_doctest(text, names, name, name, 0)
    assert example.examples, f"{name} has no example in its docstring"
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE, verbose=False)
    with plugins.temporary(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        runner.run(example, out=said.append)
    assert not runner.failures, "".join(said)
