"""ONNX files of the zoo without torch: the weight's answers and metrics, in a process that cannot import torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import zoo
from zoo import data, tasks
from zoo._export import predictor
from zoo._export import raw as raw_arrays
from zoo._export.evaluating import evaluate, on_own
from zoo._export.making import arrays
from zoo._export.metrics import known, metrics
from zoo._export.onnx_file import open_file
from zoo._export.predictor import _series as series_arrays
from zoo._export.predictor import answers
from zoo.cli import main
from zoo.errors import ZooError
from zoo.kinds import Input, raw_image, series

HERE = Path(__file__).parents[1]
PACKAGE = Path(zoo.__file__).parent / "pretrained"
SHIPPED = sorted(json.loads((PACKAGE / "index.json").read_text())["weights"])
# One of each kind of data and task; the exporter of gru_forecast takes its time.
CHOSEN = [
    *("mlp.digits_v1", "cnn_cifar.cifar10_v1", "mnist_multitask.mnist_tasks_v1", "mnist_embed.mnist_triplet_v1"),
    *("rnn_text.trec_v1", "bilstm_tagger.ud_english_ewt_v1", "churn_mlp.telco_churn_v1"),
    *("housing_mlp.california_housing_v1", "charlstm.tinyshakespeare_v1"),
    pytest.param("gru_forecast.etth1_v1", marks=pytest.mark.slow),
]
WITHOUT = (
    "import sys\n"
    "for name in ('torch', 'torchvision', 'timm', 'onnx'): sys.modules[name] = None\n"
    "from zoo.cli import main\n"
    "sys.exit(main(sys.argv[1:]))"
)


def sample(weight: str) -> Any:
    data = json.loads((PACKAGE / weight / "config.json").read_text())["data"]
    found = json.loads((HERE / "samples" / f"{data}.json").read_text(encoding="utf-8"))["input"]
    is_file = isinstance(found, str) and (HERE / "samples" / found).is_file()
    return str(HERE / "samples" / found) if is_file else found


def same(ours: Any, theirs: Any) -> bool:
    """Equal, numbers to float32's rounding."""
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(same(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    return ours == pytest.approx(theirs, rel=1e-3, abs=1e-4) if isinstance(ours, float) else ours == theirs


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exported")


def exported(weight: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = folder / weight / "file.onnx"
    if not path.exists():
        with monkeypatch.context() as patch:
            patch.delenv("ZOO_DATA", raising=False)
            patch.setenv("ZOO_OFFLINE", "1")
            patch.setenv("ZOO_HOME", str(folder / "home"))
            assert zoo.export(weight, path).ok
    return path


@pytest.mark.parametrize("weight", CHOSEN)
def test_it_answers_as_the_weight_does(weight: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw, path = sample(weight), exported(weight, folder, monkeypatch)
    answer: Any = zoo.predictor(weight)(raw)
    expected = answer.to_dict()
    if weight.startswith("charlstm"):  # drawn by another generator; the file reads all again for every character
        ((_, found),) = answers(open_file(path), [raw])
        assert len(found["answer"]) == len(expected["answer"])
        assert set(found["answer"]) <= set(open_file(path).config["input"]["symbols"])
        monkeypatch.setattr(predictor, "LENGTH", 20)
        assert [again["answer"] for _, again in answers(open_file(path), [raw, raw])] == [found["answer"][:20]] * 2
        return
    found = [answer for _, answer in answers(open_file(path), [raw, raw])]
    expected.pop("attention", None)
    assert same(found[0], expected) and same(found[1], expected), (found[0], expected)


@pytest.mark.parametrize("weight", ["mlp.digits_v1", "rnn_text.trec_v1", "churn_mlp.telco_churn_v1"])
def test_the_command_needs_no_torch(weight: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, raw = exported(weight, folder, monkeypatch), sample(weight)
    given = json.dumps(raw) if isinstance(raw, dict) else raw
    command = [sys.executable, "-c", WITHOUT, "predict", str(path), given, "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)
    expected: Any = zoo.predictor(weight)(raw)
    assert found["label"] == expected.label and same(found["probability"], expected.probability)


def test_evaluating_needs_no_torch(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = exported("mlp.digits_v1", folder, monkeypatch)
    environment = {**os.environ, "ZOO_HOME": str(tmp_path)}
    command = [sys.executable, "-c", WITHOUT, "evaluate", str(path), "--json"]
    before = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert before.returncode == 2 and "zoo data get digits" in before.stderr, before.stderr
    monkeypatch.setenv("ZOO_HOME", str(tmp_path))
    data.load("digits")
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metrics"] == pytest.approx(zoo.evaluate("mlp.digits_v1"), abs=1e-6)


def command(*words: str, capfd: pytest.CaptureFixture[str]) -> Any:
    assert main([*words, "--json"]) == 0, capfd.readouterr().err
    return json.loads(capfd.readouterr().out)


@pytest.mark.parametrize(
    "weight", ["rnn_text.trec_v1", "churn_mlp.telco_churn_v1", "housing_mlp.california_housing_v1"]
)
def test_labelled_data_give_the_weights_figures(
    weight: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    path, raw = exported(weight, folder, monkeypatch), sample(weight)
    config = json.loads((PACKAGE / weight / "config.json").read_text())
    labels, number = config["labels"] or ["1.5", "2.5", "0.5"], next(iter(config["input"].get("numbers", [""])))
    rows = [{**raw, number: 9 * n + 1} if isinstance(raw, dict) else {"text": f"{raw} {n}"} for n in range(6)]
    lines = [json.dumps({**row, "truth": labels[place % len(labels)]}) for place, row in enumerate(rows)]
    (tmp_path / "mine.jsonl").write_text("\n".join(lines))
    more = ["--data", str(tmp_path / "mine.jsonl"), "--target", "truth"]
    ours, theirs = (command("evaluate", name, *more, capfd=capfd) for name in (str(path), weight))
    assert ours["split"] == "all" and ours["metrics"].keys() == theirs["metrics"].keys()
    assert ours["metrics"] == pytest.approx(theirs["metrics"], rel=1e-4)
    assert ours.get("classes") == theirs.get("classes")
    assert zoo.evaluate(path, data=tmp_path / "mine.jsonl", columns={"target": "truth"}) == ours["metrics"]


def test_labelled_data_are_not_read_without_torch(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = exported("rnn_text.trec_v1", folder, monkeypatch)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ZooError, match="needs torch; install it"):
        on_own(path, tmp_path / "mine.csv")


def test_the_test_split_is_read_if_it_is_not_decoded_yet(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = exported("mlp.digits_v1", folder, monkeypatch)
    monkeypatch.setenv("ZOO_HOME", str(tmp_path))
    assert evaluate(path) == pytest.approx(zoo.evaluate("mlp.digits_v1"), abs=1e-6)
    assert zoo.evaluate(path) == evaluate(path)


def test_an_input_that_the_weight_cannot_read_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digits, trec = (open_file(exported(w, folder, monkeypatch)) for w in ("mlp.digits_v1", "rnn_text.trec_v1"))
    for file, raw, words in (
        (digits, "none.png", "there is no file"),
        (digits, np.zeros((2, 8, 8)), "is not an image"),
        (digits, np.full((8, 8), 17), "outside 0..16"),
        (trec, "", "holds no words"),
        (trec, 3, "not a text"),
    ):
        with pytest.raises(ZooError, match=words):
            answers(file, [raw])


def test_a_row_of_totals_is_refused(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = open_file(exported("churn_mlp.telco_churn_v1", folder, monkeypatch))
    row = sample("churn_mlp.telco_churn_v1")
    (tmp_path / "sheet.csv").write_text("id," + ",".join(row) + "\nTotal" + "," * len(row) + "\n")
    blank = {name: "" for name in row}
    for raw in (blank, tmp_path / "sheet.csv"):
        with pytest.raises(ZooError, match="is blank in every column"):
            answers(file, [raw])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("fit", ["stretch", "crop"])
def test_pictures_are_read_as_the_weight_reads_them(channels: int, fit: str, tmp_path: Path) -> None:
    from PIL import Image

    settings = {"channels": channels, "size": [8, 6], "maximum": 255.0, "fit": fit}
    rng = np.random.default_rng(0)
    ink = rng.integers(0, 256, (12, 16, 4), "uint8")
    Image.fromarray(ink[..., 0].astype("uint16") << 4).save(tmp_path / "12bits.png")
    Image.fromarray(ink, "RGBA").save(tmp_path / "clear.png")
    white = Image.fromarray(np.dstack([np.full((12, 16, 3), 255, "uint8"), ink[..., 0]]), "RGBA")
    few = ink[:1, :, :3]
    for raw in (tmp_path / "12bits.png", tmp_path / "clear.png", white, few, ink[:3, :, :3], torch.tensor(few)):
        ours = raw_image.pixels(raw, settings)
        assert torch.from_numpy(raw_arrays.pixels(raw, settings)).sub(ours).abs().max() <= 1  # whole grey levels


def test_series_are_read_as_the_weight_reads_them(tmp_path: Path) -> None:
    import pandas as pd

    settings: dict[str, Any] = {"channels": ["a", "b"], "context": 3, "mean": [0.0, 0.0], "std": [1.0, 1.0]}
    days = pd.date_range("2026-01-01", periods=5)
    frame = pd.DataFrame({"date": days, "b": range(5), "a": range(10, 15)})[::-1]
    frame.to_csv(tmp_path / "newest first.csv", index=False)
    for raw in (frame, tmp_path / "newest first.csv"):
        found = series_arrays([raw], settings, None)["values"]
        assert found.tolist() == [[[12.0, 2.0], [13.0, 3.0], [14.0, 4.0]]]
        assert torch.equal(torch.from_numpy(found), series.prepare([raw], Input(settings))[0])
    gap = frame.drop(index=2)
    with pytest.raises(ZooError, match="the usual step is 1 day"):
        series_arrays([gap], settings, None)


def test_a_tokenizer_that_is_not_the_files_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = exported("rnn_text.trec_v1", folder, monkeypatch)
    path = tmp_path / "file.onnx"
    path.write_bytes(whole.read_bytes())
    with pytest.raises(ZooError, match="put it there"):
        answers(open_file(path), ["Who?"])
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ZooError, match="is not the tokenizer"):
        answers(open_file(path), ["Who?"])


def test_a_resized_picture_gets_the_weights_answer(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 255, (6, 5, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((80, 100), Image.Resampling.BICUBIC).save(tmp_path / "a.png")
    file = open_file(exported("cnn_cifar.cifar10_v1", folder, monkeypatch))
    ((_, found),) = answers(file, [tmp_path / "a.png"])
    expected: Any = zoo.predictor("cnn_cifar.cifar10_v1")(tmp_path / "a.png")
    (tmp_path / "more").mkdir()
    for name in ("b.png", "c.png"):
        Image.fromarray(pixels).save(tmp_path / "more" / name)
    assert [Path(raw).name for raw, _ in answers(file, [tmp_path / "more"])] == ["b.png", "c.png"]
    # The file takes whole grey levels, so a resized picture is rounded to them.
    assert found["label"] == expected.label and found["probability"] == pytest.approx(expected.probability, abs=0.02)


@pytest.mark.data
@pytest.mark.parametrize("weight", ["churn_mlp.telco_churn_v1", "housing_mlp.california_housing_v1"])
def test_metrics_of_tables_are_those_of_the_tasks(weight: str) -> None:
    check(weight)


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("weight", [name for name in SHIPPED if not name.startswith("resnet18")])  # as cnn_cifar's
def test_metrics_are_those_of_the_tasks(weight: str) -> None:
    check(weight)


def check(weight: str) -> None:
    """Our metrics of the model's own outputs, beside `zoo.evaluate`."""
    import torch

    from zoo._export.feeds import batches
    from zoo._export.graph import Graph
    from zoo._export.making import read
    from zoo.sources import find

    bundle = find(weight)
    graph = Graph(zoo.create(weight), bundle.config).eval()
    tokenizer = None if bundle.tokenizer is None else bundle.tokenizer.read_bytes()
    outputs, truth = [], []
    for given, expected in batches(*arrays(data.load(bundle.config["data"]).test), bundle.config, read(tokenizer), 500):
        with torch.inference_mode():
            outputs.append(graph(*map(torch.from_numpy, given.values()))[0].numpy())
        truth.append(expected)
    assert metrics(graph.output_names[0], outputs, truth, bundle.config) == pytest.approx(
        zoo.evaluate(weight), abs=1e-4
    )


def test_every_task_has_its_metrics() -> None:
    for task in map(tasks.get, tasks.names()):
        if task.exports and not task.several:
            assert known(task.exports[0], task.kind).keys() == task.metrics.keys()
