"""What stands on the pages, without a browser: charts, and text of a hostile bundle."""

from __future__ import annotations

import json
import math
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import zoo
from zoo.bundles.format import open_bundle
from zoo.site import build, charts
from zoo.site.collect import weight
from zoo.sources.folder import PACKAGE

HOSTILE = '<script>alert("x")</script>'


@pytest.mark.parametrize(
    "drawn",
    [
        charts.curve("loss", [1, 2, 3], [0.5, math.nan, 0.1], "{:.3g}".format, "epoch"),
        charts.spark([3.0, 2.0, 2.0], HOSTILE),
        charts.seeds([0.9, 0.91, 0.89], 0.01, "{:.2f}".format),
        charts.seeds([0.9], None, "{:.2f}".format),
    ],
)
def test_a_chart_is_whole_svg_with_words_for_who_cannot_see_it(drawn: str) -> None:
    root = ET.fromstring(drawn)
    assert root.tag == "svg" and root.attrib["role"] == "img" and root.attrib["aria-label"]
    assert "nan" not in drawn and "<script" not in drawn


def test_a_chart_of_nothing_is_nothing() -> None:
    assert charts.curve("loss", [1], [0.5], str) == charts.spark([], "x") == charts.seeds([], None, str) == ""


def test_the_shipped_seed_is_the_filled_one() -> None:
    drawn = charts.seeds([0.9, 0.8, 1.0], 0.1, str)
    assert drawn.count('class="dot"') == 1 and drawn.count('class="ring"') == 2


def test_text_of_a_bundle_is_never_markup(tmp_path: Path) -> None:
    from zoo.site.pages import HERE

    folder = tmp_path / "mlp.digits_v1"
    shutil.copytree(PACKAGE / "mlp.digits_v1", folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "data": HOSTILE}))
    (folder / "recipe.yaml").write_text((folder / "recipe.yaml").read_text() + f"# {HOSTILE}\n")
    shown = weight(open_bundle(folder))

    from jinja2 import Environment, FileSystemLoader

    page = Environment(loader=FileSystemLoader(HERE / "templates"), autoescape=True).get_template("weight.html")
    text = page.render(w=shown, title="t", root="../", heading="h", count=1, version="0", description="d")
    assert HOSTILE not in text and "&lt;script&gt;" in text


def test_a_folder_that_holds_something_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(zoo.ZooError, match="holds something already"):
        build(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_without_a_network_and_a_cache_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    with pytest.raises(zoo.ZooError, match="ZOO_OFFLINE"):
        build(tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_samples_are_those_of_the_tests() -> None:
    import numpy as np

    samples = Path(__file__).parents[1] / "samples"
    for path in (Path(charts.__file__).parent / "samples").glob("*.json"):
        ours = json.loads(path.read_text(encoding="utf-8"))
        theirs = json.loads((samples / path.name).read_text(encoding="utf-8"))["input"]
        if isinstance(theirs, str) and (samples / theirs).is_file():
            array = np.load(samples / theirs)
            if array.dtype == np.uint8:
                array = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
            assert np.allclose(np.array(ours), array, atol=1e-3), path
        else:
            assert ours == theirs
