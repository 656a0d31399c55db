"""Every block of every page of docs/ runs, a page's blocks one after another, as a reader would paste them.

Python and `$ zoo …` commands run; a block without a language (a cluster, several processes) is only shown.
"""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest

from zoo import plugins
from zoo.cli import main

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(
    page for page in DOCS.rglob("*.md") if not re.search(r"_v\d+$", page.stem)
)  # a card has a test of its own, and so has with.md (test_docs_with.py)
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
GENERATED = {"catalogue.md", "recipe.md", "api.md"}


def blocks(page: Path) -> list[tuple[str, str]]:
    return [(found[1], found[2]) for found in BLOCK.finditer(page.read_text(encoding="utf-8"))]


def trains(page: Path) -> bool:
    return bool(
        re.search(r"zoo\.train\(|^\$ zoo (train|reproduce|verify|export) ", page.read_text(encoding="utf-8"), re.M)
    )


def marked(page: Path) -> object:
    name = str(page.relative_to(DOCS))
    return pytest.param(page, id=name, marks=pytest.mark.slow if trains(page) else ())


@pytest.mark.parametrize("page", [marked(page) for page in PAGES if blocks(page) and page.name != "with.md"])
def test_the_blocks_of_a_page_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    monkeypatch.chdir(tmp_path)
    with plugins.temporary():
        run(page)
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
    for picture in re.findall(r"savefig\(\"(.+?)\"", page.read_text(encoding="utf-8")):
        assert (tmp_path / picture).stat().st_size > 1000
        assert (page.parent / "figures" / picture).is_file(), "python tools/figures.py draws it"


def run(page: Path) -> None:
    names: dict[str, object] = {"__name__": "page"}
    for number, (language, code) in enumerate(blocks(page), 1):
        if language == "python":
            exec(compile(code, f"{page.name}, block {number}", "exec"), names)
            continue
        commands = [line.removeprefix("$ ") for line in code.splitlines() if line.startswith("$ ")]
        assert commands, f"{page.name}, block {number} shows no command"
        for command in commands:
            program, *arguments = shlex.split(command)
            assert program == "zoo" and main(arguments) == 0, command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        assert "://" in target or target in GENERATED or (page.parent / target).exists(), target
