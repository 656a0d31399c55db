"""`zoo.export`: files that answer as their weights do, and what is refused."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

import zoo
from zoo import registry, tasks
from zoo._export import exporters, making
from zoo._export.graph import INPUTS, Graph
from zoo._export.onnx_file import open_file, session_of, signed
from zoo._export.proof import BATCHES, LENGTHS, TRACED, example, prove
from zoo.cli import main
from zoo.cli.options import BAD_INPUT, DONE, FAILED
from zoo.errors import ZooError

PACKAGE = Path(zoo.__file__).parent / "pretrained"
SHIPPED = sorted(json.loads((PACKAGE / "index.json").read_text())["weights"])
DYNAMO = ("gru_forecast",)  # by the exporter that takes its time
QUICK = [weight for weight in SHIPPED if not weight.startswith(DYNAMO)]


@pytest.fixture
def without_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ZOO_DATA", raising=False)
    monkeypatch.setenv("ZOO_OFFLINE", "1")


def exported(weight: str, folder: Path, **options: Any) -> tuple[zoo.Export, Path]:
    path = folder / f"{weight}.onnx"
    return zoo.export(weight, path, **options), path


@pytest.mark.parametrize(
    "weight", [*QUICK, *(pytest.param(w, marks=pytest.mark.slow) for w in SHIPPED if w not in QUICK)]
)
@pytest.mark.usefixtures("without_data")
def test_every_weight_is_exported_and_answers_as_its_model(weight: str, tmp_path: Path) -> None:
    report, path = exported(weight, tmp_path)
    assert report.ok, report.message
    bundle = PACKAGE / weight
    config = json.loads((bundle / "config.json").read_text())
    kind, task = config["input"]["kind"], config["task"]
    attention = ["attention"] if "attn" in weight else []
    assert list(report.inputs) == list(INPUTS[kind]) and list(report.outputs) == [*tasks.get(task).exports, *attention]
    for name, letters in INPUTS[kind].items():
        assert report.inputs[name]["shape"][: len(letters)] == list(letters), "a dimension is frozen"
    # By hand, apart from the proof: other sizes than any of the grid's, and the metadata as other programs read them.
    session = onnxruntime.InferenceSession(path)
    graph = Graph(zoo.create(weight), config).eval()
    rows = {key: config["model_args"].get(key, 2) for key in ("vocab_size", "characters")}
    inputs = example(config, rows, 4, 13, seed=99)
    with torch.no_grad():
        expected = graph(*inputs)
    given = session.run(None, {name: x.numpy() for name, x in zip(INPUTS[kind], inputs, strict=True)})
    for ours, theirs in zip(expected, given, strict=True):
        np.testing.assert_allclose(np.asarray(theirs), ours.numpy(), rtol=1e-3, atol=1e-4 * float(ours.abs().max()))
    about = session.get_modelmeta().custom_metadata_map
    tensors = json.loads((PACKAGE / "index.json").read_text())["weights"][weight]["files"]["model.safetensors"]
    assert about["zoo.weight"] == weight and about["zoo.sha256"] == tensors["sha256"]
    assert json.loads(about["zoo.config"]) == config
    tokenizer = tmp_path / "tokenizer.json"
    assert tokenizer.exists() == ("tokenizer" in config["input"]) == (len(report.files) == 2)
    if tokenizer.exists():
        assert tokenizer.read_bytes() == (bundle / "tokenizer.json").read_bytes()
    assert sorted(p.name for p in tmp_path.glob("*.*")) == sorted(report.files), "nothing else is left behind"


def test_the_grid_holds_one_of_each_and_nothing_that_was_traced() -> None:
    assert 1 in BATCHES and 1 in LENGTHS
    assert TRACED[0] not in BATCHES and TRACED[1] not in LENGTHS


def test_the_metric_is_measured_again_by_onnxruntime(tmp_path: Path) -> None:
    report, path = exported("mlp.digits_v1", tmp_path)
    assert report.ok and report.metric == "accuracy"
    assert report.measured == pytest.approx(report.published, abs=1e-9)
    assert open_file(path).report["measured"] == report.measured


class Frozen(nn.Module):
    """A model that ignores how long its input is, as an exporter that freezes a length makes it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        return self.model(tokens[:, : TRACED[1]], lengths.clamp(max=TRACED[1]))


def frozen(graph: Graph, inputs: tuple[torch.Tensor, ...], free: dict[str, tuple[str, ...]]) -> bytes:
    config = {"task": "text-classification", "input": {"kind": "text"}}
    return exporters.torchscript(Graph(Frozen(graph.model), config), inputs, free)


@pytest.mark.usefixtures("without_data")
def test_a_file_that_is_right_at_the_traced_shape_alone_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "EXPORTERS", {"frozen": frozen})
    report, path = exported("rnn_text.trec_v1", tmp_path)
    assert not report.ok and not report.files and "of its scale at N = " in report.message
    assert not list(tmp_path.glob("*.*"))
    assert main(["export", "rnn_text.trec_v1", "-o", str(path)]) == FAILED


@pytest.mark.usefixtures("without_data")
def test_the_next_exporter_is_tried_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> bytes:
        raise RuntimeError("no")

    order = {"broken": broken, "frozen": frozen, "right": exporters.torchscript}
    monkeypatch.setattr(making, "EXPORTERS", order)
    report, _ = exported("rnn_text.trec_v1", tmp_path)
    assert report.ok and report.exporter == "right"


def test_the_proof_sees_nan_and_another_shape() -> None:
    bundle = PACKAGE / "mlp.digits_v1"
    config = json.loads((bundle / "config.json").read_text())
    graph = Graph(zoo.create("mlp.digits_v1"), config).eval()

    def run(change: Any) -> Any:
        def answer(arrays: dict[str, Any]) -> list[Any]:
            with torch.no_grad():
                outputs = graph(*map(torch.from_numpy, arrays.values()))
            return [change(one.numpy()) for one in outputs]

        return prove(graph, answer, config, False)

    assert run(lambda x: x).ok
    assert "differs by nan" in run(lambda x: x * np.nan).failed
    assert "has the shape" in run(lambda x: x[:, 1:]).failed
    assert "differs by" in run(lambda x: x + 1e-3 * abs(x).max()).failed


@pytest.mark.usefixtures("without_data")
def test_blanks_of_a_table_reach_the_model(tmp_path: Path) -> None:
    _, path = exported("churn_mlp.telco_churn_v1", tmp_path)
    file, predictor = open_file(path), zoo.predictor("churn_mlp.telco_churn_v1")
    # A row that is blank in every column is refused, so one number is given.
    blank = {**dict.fromkeys([*predictor.input["numbers"], *predictor.input["categories"]]), "tenure": 12.0}
    numbers = np.array([[12.0 if name == "tenure" else np.nan for name in predictor.input["numbers"]]], np.float32)
    categories = np.zeros((1, len(predictor.input["categories"])), np.int64)
    _, probabilities = file.run({"numbers": numbers, "categories": categories})
    assert max(probabilities[0]) == pytest.approx(predictor(blank).probability, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "file", "options", "words"),
    [
        ("mlp.digits_v1", "a.onnx", {"format": "tflite"}, "unknown format 'tflite'"),
        ("mlp.digits_v1", "a.onnx", {"quantize": "int4"}, "unknown quantisation 'int4'"),
        ("mlp.digits_v1", "a.txt", {}, "ends in .onnx"),
        ("mlp.digits_v1", "file/a.onnx", {}, "cannot be written"),
        ("mlp.digits_v9", "a.onnx", {}, "mlp.digits_v1"),
        ("rnn_text.trec_v1", "a.onnx", {"quantize": "int8"}, "trec, which is not at hand"),
    ],
)
@pytest.mark.usefixtures("without_data")
def test_what_cannot_be_exported(name: str, file: str, options: Any, words: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ZooError, match=words):
        zoo.export(name, tmp_path / file, **options)
    assert [p.name for p in tmp_path.iterdir() if p.name != "home"] == ["file"]


@pytest.mark.usefixtures("without_data")
def test_nothing_is_left_of_a_file_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from zoo import home

    replacing = home.replacing

    def full(path: Path) -> Any:
        if path.suffix == ".onnx":
            raise OSError(28, "No space left on device")
        return replacing(path)

    monkeypatch.setattr(home, "replacing", full)
    with pytest.raises(ZooError, match=r"cannot be written \(No space left on device\); choose another place"):
        exported("rnn_text.trec_v1", tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.name != "home"] == []


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_a_package_that_is_not_installed_is_named_with_its_extra(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == package else find(name, *more))
    with pytest.raises(ZooError, match=rf'pip install "reprozoo\[export\]" \({package} is missing\)'):
        exported("mlp.digits_v1", tmp_path)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ZooError, match=r'need onnxruntime; install it with: pip install "reprozoo\[export\]"'):
        session_of(b"")


def test_a_file_of_another_program_is_refused_by_the_commands(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other.onnx").write_bytes(b"\x08\x07" * 100)
    for command in (["predict", str(tmp_path / "other.onnx"), "x"], ["evaluate", str(tmp_path / "other.onnx")]):
        assert main(command) == BAD_INPUT
        said = capfd.readouterr().err
        assert "is not an ONNX file of the zoo" in said and said.count("\n") == 1


@pytest.mark.usefixtures("without_data")
def test_another_models_tokenizer_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ZooError, match="folder of its own"):
        exported("rnn_text.trec_v1", tmp_path)
    assert (tmp_path / "tokenizer.json").read_text() == "{}"


def test_the_command_prints_the_dataclass(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "mlp.digits_v1", "-o", str(tmp_path / "d.onnx"), "--json"]) == DONE
    report = json.loads(capfd.readouterr().out)
    assert report["ok"] and report["weight"] == "mlp.digits_v1" and report["quantize"] is None
    assert report["files"]["d.onnx"]["size"] == (tmp_path / "d.onnx").stat().st_size
    assert report["inputs"] == {"pixels": {"dtype": "uint8", "shape": ["N", 1, 8, 8]}}
    assert main(["export", "mlp.digits_v1", "-o", str(tmp_path / "d.onnx"), "--format", "x"]) == BAD_INPUT


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    _, path = exported("mlp.digits_v1", tmp_path)
    onnx.checker.check_model(onnx.load(path))
    whole = path.read_bytes()
    path.write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
    with pytest.raises(ZooError, match="was changed"):
        open_file(path)
    path.write_bytes(whole[:-1])
    with pytest.raises(ZooError, match="not an ONNX file of the zoo, or it was cut"):
        open_file(path)
    with pytest.raises(ZooError, match="cannot be read"):
        open_file(tmp_path / "none.onnx")


def test_long_metadata_is_read_back_by_onnx(tmp_path: Path) -> None:
    _, path = exported("mlp.digits_v1", tmp_path)
    about = {"a": "x" * 100_000, "b": "é"}
    model = onnx.load_from_string(signed(path.read_bytes(), about))
    props = {prop.key: prop.value for prop in model.metadata_props}
    assert about.items() <= props.items() and {"zoo.file", "zoo.weight"} <= props.keys()


class Weird(nn.Module):
    """A plug-in's model with an operator that ONNX does not have."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.head = nn.Linear(64, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.special.bessel_j0(self.head(x.flatten(1)))


@pytest.mark.slow
def test_an_operator_without_a_form_is_named(
    own_models: Callable[..., None], tmp_path: Path, make_bundle: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = registry.Model("weird", Weird, "image-classification", "kaiming_normal", "", "", (1, 8, 8))
    own_models(entry)
    about = {"kind": "image", "channels": 1, "size": [8, 8], "maximum": 16, "mean": [0.0], "std": [1.0]}
    folder = make_bundle(
        tmp_path / "weird.digits_v1",
        Weird().state_dict(),
        None,
        model="weird",
        model_args={},
        task="image-classification",
        labels=[str(i) for i in range(10)],
        input=about,
        data="digits",
    )
    with pytest.raises(ZooError, match="bessel_j0"):
        zoo.export(folder, tmp_path / "w.onnx")
