"""`zoo show`: what it draws for whom, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo import ZooError, data, viz
from zoo.cli import main


@pytest.fixture(scope="module")
def digit(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("digit") / "digit.png"
    pixels = data.load("digits").test.inputs[0, 0]  # type: ignore[call-overload]
    Image.fromarray((pixels.numpy() * 15).astype(np.uint8)).save(path)
    return str(path)


def test_the_command_writes_a_png_and_says_where(tmp_path: Path, digit: str, capfd: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "features.png"
    assert main(["show", "mlp.digits_v1", digit, "-o", str(picture), "--layer", "body.3"]) == 0
    assert capfd.readouterr().out == f"{picture}\n"
    with Image.open(picture) as image:
        assert image.format == "PNG" and image.size == (800, 560)


@pytest.mark.parametrize(
    ("arguments", "title"),
    [
        (["mlp.digits_v1"], "mlp.digits_v1"),
        (["mlp"], "mlp.digits_v1"),
        (["bilstm_attn.imdb_v1", "A fine film."], "bilstm_attn.imdb_v1: "),
        (["mlp.digits_v1", None, "filters"], "mlp.digits_v1, layer body.0: 8 x 8 filters"),
        (["mlp.digits_v1", None, "confusion"], "mlp.digits_v1 on digits's test split: 35"),
        (["mlp.digits_v1", None, "mistakes"], "mlp.digits_v1 on digits's test split: 5 of 5 mistakes"),
    ],
)
def test_each_task_has_its_pictures(arguments: list[str | None], title: str) -> None:
    name, raw, what = [*arguments, None, None][:3]
    assert viz.show(name or "", raw, what=what).get_suptitle().startswith(title)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mlp.digits_v1", "DIGIT", "--layer", "body.9"], "unknown layer 'body.9'; did you mean body."),
        (
            ["mlp.digits_v1", "--what", "attention"],
            "image-classification, which has no attention; choose features",
        ),
        (["mlp.digits_v1", "--what", "atention"], "unknown picture 'atention'; did you mean attention"),
        (["mlp.digits_v1", "--what", "features"], "features needs an input; give one"),
        (["mlp.digits_v1", "DIGIT", "--what", "curves"], "curves takes no input; leave"),
        (["mlp.digits_v1", "--layer", "body.0"], "--layer is for features, not for curves"),
        (["mlp.digits_v1", "nowhere.png"], "there is no file nowhere.png"),
        (["mlp.digits_v9"], "did you mean mlp.digits_v1"),
        (["bilstm_attn.imdb_v1", " "], "holds no words to classify"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_one_sentence_and_nothing_is_written(
    arguments: list[str], message: str, digit: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    given = [digit if argument == "DIGIT" else argument for argument in arguments]
    assert main(["show", *given, "-o", str(tmp_path / "a.png")]) == 2
    error = capfd.readouterr().err
    assert message in error and error.startswith("error: ") and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_no_picture_touches_pyplots_figures_or_its_settings(digit: str) -> None:
    import matplotlib
    from matplotlib._pylab_helpers import Gcf

    before = dict(matplotlib.rcParams), list(Gcf.figs)
    viz.show("mlp.digits_v1", digit)
    assert (dict(matplotlib.rcParams), list(Gcf.figs)) == before


def test_a_task_has_the_same_pictures_in_python() -> None:
    with pytest.raises(ZooError, match="is for text-classification, which has no features"):
        viz.show("bilstm_attn.imdb_v1", "A fine film.", what="features")
