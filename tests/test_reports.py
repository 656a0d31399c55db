"""Reports of several machines: added up, drawn, and shown by the card."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import zoo
from zoo import ZooError
from zoo.reports import WIDTH, picture, read_reports, short

CHANGES: dict[str, Any] = {"train.epochs": 6}


@pytest.fixture(scope="module")
def weight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published weight of two seeds."""
    folder = tmp_path_factory.mktemp("weight")
    runs = [
        zoo.train("mlp.digits", out=folder / f"seed{seed}", device="cpu", **{**CHANGES, "train.seed": seed})
        for seed in (0, 1)
    ]
    return folder / "shelf" / zoo.publish(runs, folder / "shelf", name="mlp.short_v1")


@pytest.fixture(scope="module")
def reported(weight: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("reported") / "here"
    zoo.reproduce(weight, device="cpu", out=out)
    return out


@pytest.fixture
def elsewhere(reported: Path, tmp_path: Path) -> Callable[..., Path]:
    """elsewhere(change): the report as another machine might have it, changed by change(content)."""

    def elsewhere(change: Callable[[dict[str, Any]], Any]) -> Path:
        (tmp_path / "there").mkdir()
        content = json.loads((reported / "reproduce.json").read_text())
        change(content)
        (tmp_path / "there" / "reproduce.json").write_text(json.dumps(content))
        return tmp_path / "there"

    return elsewhere


def test_reports_of_two_machines_stand_on_the_card(weight: Path, reported: Path, elsewhere, tmp_path: Path):
    there = elsewhere(lambda report: report["environment"].update(device="An Accelerator 9000", torch="9.9"))
    rows = [short(report) for report in read_reports([reported, there / "reproduce.json"])]
    assert [row["hardware"] for row in rows][1] == "An Accelerator 9000" and "torch 9.9" in rows[1]["versions"]
    name = zoo.publish(weight, tmp_path / "shelf", name="mlp.short_v2", reports=[reported, there])
    card = (tmp_path / "shelf" / name / "README.md").read_text()
    assert "| An Accelerator 9000 | torch 9.9" in card and card.count("reproduced, bit for bit |") == 2
    metrics = json.loads((tmp_path / "shelf" / name / "metrics.json").read_text())
    assert metrics["reports"] == rows
    assert zoo.verify(tmp_path / "shelf" / name).ok


@pytest.mark.parametrize(
    ("key", "value"), [("weight", "mlp.other_v1"), ("recipe_sha256", "0" * 64), ("sha256", "1" * 64), ("metric", "f1")]
)
def test_reports_of_something_else_are_not_added_up(reported: Path, elsewhere, key: str, value: str):
    there = elsewhere(lambda report: report.update({key: value}))
    with pytest.raises(
        ZooError, match=rf"has the {key} '{value}', and that in .* add up only reports of the same bytes"
    ):
        read_reports([reported, there])


def test_a_report_of_another_weight_is_not_published(weight: Path, elsewhere, tmp_path: Path):
    there = elsewhere(lambda report: report.update(recipe_sha256="0" * 64))
    with pytest.raises(ZooError, match=r"but of other bytes or another recipe than the published ones"):
        zoo.publish(weight, tmp_path / "shelf", name="mlp.short_v2", reports=[there])
    assert not (tmp_path / "shelf").exists()


@pytest.mark.parametrize("key", ["verdict", "measured", "environment", "identical", "sha256"])
def test_a_report_that_is_not_whole(elsewhere, key: str):
    there = elsewhere(lambda report: report.pop(key))
    with pytest.raises(ZooError, match=r"is not a whole report of `zoo reproduce`; run it again\.$"):
        read_reports([there])


def test_reports_that_are_not_there(tmp_path: Path):
    with pytest.raises(ZooError, match="No such file"):
        read_reports([tmp_path])
    with pytest.raises(ZooError, match="there is no report"):
        read_reports([])
    (tmp_path / "reproduce.json").write_text("{")
    with pytest.raises(ZooError, match="it is not JSON"):
        read_reports([tmp_path])


def test_pictures_show_the_interval_against_the_margin(weight: Path):
    within = picture({"interval": [-0.002, 0.001], "margin": 0.005})
    line, legend = within.splitlines()
    assert line.index("|") < line.index("[") < line.index("o") < line.index("0") < line.index("]") < line.rindex("|")
    assert legend.split() == ["-0.005", "+0.005"] and all(len(row) <= 80 for row in (line, legend))
    worse = picture({"interval": [-0.02, -0.01], "margin": 0.005})
    assert worse.index("]") < worse.index("|")
    far = picture({"interval": [-9.0, -8.0], "margin": 0.005}).splitlines()[0]
    assert far.startswith(("<", "o")) and len(far.split("  ")[0]) == WIDTH
    assert picture({"interval": None, "margin": 0.005}) == ""
    assert within.isascii()
