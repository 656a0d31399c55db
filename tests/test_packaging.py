"""What is said of the package agrees wherever it is said; `.ci/run` checks the built wheel itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import zoo

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    tomllib = pytest.importorskip("tomllib")  # Python 3.11
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_version_changelog_and_citation_agree(project: dict[str, Any]) -> None:
    changelog = re.findall(r"^## (\d\S*)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert zoo.__version__ == project["version"] == changelog[0] == citation["version"]
    assert citation["license"] == project["license"]
    assert [author["name"] for author in citation["authors"]] == [author["name"] for author in project["authors"]]
    assert citation["title"].partition(":")[0] == project["name"]
    assert {"cff-version", "message", "title", "authors"} <= set(citation)  # what the format requires


def test_every_extra_is_one_that_the_rest_may_name(project: dict[str, Any]) -> None:
    extras = project["optional-dependencies"]
    for name, needs in extras.items():
        for need in needs:
            if own := re.fullmatch(r"reprozoo\[(.+)\]", need):
                assert set(own[1].split(",")) <= set(extras), name
    named = set(re.findall(r"reprozoo\[(\w+)\]", (ROOT / "README.md").read_text(encoding="utf-8")))
    assert named <= set(extras)
