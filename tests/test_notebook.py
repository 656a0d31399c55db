"""In a notebook: what answers and reports show, the bar of a training, and the documentation's pages as notebooks."""

from __future__ import annotations

import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import zoo
from zoo.training import progress

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tools"))
TAGS = [zoo.Tag("<b>", "NOUN", 0.9), zoo.Tag("runs", "VERB", 0.8)]
SHOWN: dict[str, tuple[Any, str]] = {
    "classification": (zoo.Classification("a<b", 0.75, [zoo.Top("a<b", 0.75), zoo.Top("c", 0.25)]), "75.0 %"),
    "attention": (zoo.Classification("good", 1.0, [zoo.Top("good", 1.0)], [("so", 0.1), ("fine", 0.9)]), "fine"),
    "tags": (zoo.Tagging(TAGS), "VERB"),
    "value": (zoo.Value(12345.0, "dollars"), "12,345"),
    "forecast": (zoo.Forecast(["load"], torch.ones(96, 1)), "Forecast of 96 steps"),
    "continuation": (zoo.Continuation("to be\nor <not>"), "or &lt;not&gt;"),
    "embedding": (zoo.Embedding([0.5] * 64), "64 in all"),
    "several": (zoo.Several({"digit": 3, "odd": True}, {"digit": 0.9}), "3 (90.0 %)"),
    "verification": (zoo.Verification("mlp.digits_v1", False, {"hashes": False}, "it is damaged."), "FAILED"),
}


class Balanced(HTMLParser):
    """Raises for a tag that is not closed where it should be."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.feed(markup)
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("name", SHOWN)
def test_an_answer_shows_itself_and_no_markup_of_its_content(name: str) -> None:
    value, text = SHOWN[name]
    markup = value._repr_html_()
    assert text in markup and "a<b" not in markup and "<not>" not in markup and ">1. <b>" not in markup
    Balanced(markup)


def test_a_verdict_and_a_run_show_themselves(tmp_path: Path) -> None:
    run = zoo.training.Run(tmp_path)
    assert "not finished" in run._repr_html_()
    (tmp_path / "log.csv").write_text("epoch,train_loss\n1,0.5\n")
    assert "<th style='text-align:left'>epoch</th>" in run._repr_html_()


def test_a_training_in_a_kernel_moves_one_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    IPython = pytest.importorskip("IPython")
    states: list[str] = []
    shown = SimpleNamespace(update=lambda markup: states.append(markup.data))
    monkeypatch.setattr(IPython, "get_ipython", lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setattr("IPython.display.display", lambda markup, display_id: (states.append(markup.data), shown)[1])
    monkeypatch.setattr(progress, "REFRESH", 0.0)
    with progress.bar("mlp.digits, seed 0", 4, 0) as (move, tell):
        move(1, {"train_loss": 0.5})
        tell(4, {"epoch": 1, "train_loss": 0.25})
    assert [re.findall(r"value='(\d)'", state) for state in states] == [["0"], ["1"], ["4"], ["4"]]
    assert "loss 0.25" in states[-1] and "100 %" in states[-1]
    Balanced(states[-1])


def test_every_page_with_code_is_a_notebook_with_the_same_code() -> None:
    pytest.importorskip("jupytext")
    nbformat = pytest.importorskip("nbformat")
    import docs_pages

    found = docs_pages.notebooks()
    with_code = {
        str(page.relative_to(ROOT / "docs").with_suffix(".ipynb"))
        for page in (ROOT / "docs").rglob("*.md")
        if re.search(r"^```python$", page.read_text(encoding="utf-8"), re.MULTILINE)
        and not re.search(r"_v\d+$", page.stem)
    }
    assert set(found) == with_code
    for name, content in found.items():
        notebook = nbformat.reads(content, as_version=4)
        nbformat.validate(notebook)
        page = (ROOT / "docs" / name).with_suffix(".md").read_text(encoding="utf-8")
        code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
        blocks = re.findall(r"^```(?:python|console)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
        assert [one.replace("!zoo ", "$ zoo ").strip() for one in code] == [block.strip() for block in blocks], name
        assert json.loads(content)["metadata"]["kernelspec"]["language"] == "python"


@pytest.mark.slow
def test_a_notebook_runs_in_a_kernel_and_shows_its_training(tmp_path: Path) -> None:
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    import docs_pages

    notebook = nbformat.reads(docs_pages.notebooks()["guide/tensors.ipynb"], as_version=4)
    training = (
        "import zoo\nrun = zoo.train('mlp.digits', {'train.epochs': 2}, out='run', device='cpu')\n"
        "zoo.predictor(run.folder)(__import__('numpy').zeros((8, 8)))"
    )
    notebook.cells.append(nbformat.v4.new_code_cell(training))
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output.data.get("text/html", "") for output in notebook.cells[-1].outputs if "data" in output]
    assert any("<progress" in html and "100 %" in html for html in shown)
    assert any("<table>" in html and "%" in html for html in shown), "the answer shows itself"
