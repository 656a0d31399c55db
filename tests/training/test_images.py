"""Images whose targets are not one class: embeddings, and several tasks at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file

import zoo
from zoo import ZooError
from zoo.bundles.format import open_bundle
from zoo.check import check_parameters, check_schema
from zoo.cli import main
from zoo.data.mnist_tasks import TASKS
from zoo.training import Run

EMBED: dict[str, Any] = {
    "model": "mnist_embed",
    "model_args": {"dimensions": 8},
    "init": "kaiming_normal",
    "data": {"name": "digits", "batch_size": 128, "validation": 0.2},
    "optimizer": {"name": "adamw", "lr": 0.01},
    "train": {"steps": 30},
}
SEVERAL: dict[str, Any] = {
    "model": "mnist_multitask",
    "init": "kaiming_normal",
    "data": {"name": "tiny_tasks", "batch_size": 32},
    "optimizer": {"name": "adamw", "lr": 0.01, "weight_decay": 0.01},
    "train": {"steps": 24},
}


pytestmark = pytest.mark.usefixtures("tiny_tasks")


@pytest.fixture
def picture(tmp_path: Path) -> str:
    image = np.zeros((8, 8))
    image[3:5] = 1
    np.save(tmp_path / "bar.npy", image)
    return str(tmp_path / "bar.npy")


@pytest.mark.parametrize("loss", [{"name": "triplet", "margin": 0.2}, {"name": "contrastive", "margin": 0.5}])
def test_embeddings_are_trained_measured_and_answered(loss: dict[str, Any], tmp_path: Path, picture: str, capfd):
    run = zoo.train({**EMBED, "loss": loss}, out=tmp_path / "run", device="cpu")
    assert run.metrics.keys() == {"recall_at_1"}
    assert run.metrics["recall_at_1"] > float(run.log[0]["validation_recall_at_1"]) + 0.05
    assert zoo.evaluate(run.folder).keys() == {"recall_at_1"}
    bundle = open_bundle(run.folder)
    assert bundle.config["labels"] == [], "an embedding's outputs are not classes"
    check_schema(bundle)
    check_parameters(bundle)
    assert main(["predict", str(run.folder), picture, "--json"]) == 0
    (answer,) = json.loads(capfd.readouterr().out)
    assert answer["input"] == picture
    assert np.linalg.norm(answer["answer"]) == pytest.approx(1, abs=1e-5) and len(answer["answer"]) == 8


@pytest.mark.parametrize("weighting", ["learned", "equal"])
def test_several_tasks_are_trained_measured_and_answered(weighting: str, tmp_path: Path, picture: str, capfd):
    recipe = {**SEVERAL, "loss": {"name": "multi_task", "weighting": weighting}}
    run = zoo.train(recipe, out=tmp_path / "run", device="cpu")
    assert list(run.metrics) == ["digit_accuracy", "odd_accuracy", "thickness_rmse", "sum_of_losses"]
    assert run.metrics["sum_of_losses"] < 2.3 + 0.7 + 0.67, "no better than the mean of the targets"
    bundle = open_bundle(run.folder)
    assert bundle.config["input"]["tasks"] == TASKS
    assert bundle.config["model_args"]["heads"] == {"digit": 10, "odd": 1, "thickness": 1}
    check_schema(bundle)
    check_parameters(bundle)
    assert main(["predict", str(run.folder), picture, "--json"]) == 0
    (answer,) = json.loads(capfd.readouterr().out)
    assert answer["answer"].keys() == TASKS.keys() and answer["probability"].keys() == {"digit", "odd"}


def test_learned_weights_move_and_a_resumed_run_goes_on_from_them(interrupt, tmp_path: Path):
    whole = zoo.train(SEVERAL, out=tmp_path / "whole", device="cpu")
    saved = sorted((tmp_path / "whole" / "checkpoints").glob("*.safetensors"))[-1]
    moved = [tensor for name, tensor in load_file(saved).items() if name.endswith("log_variances")]
    assert moved and all(tensor.abs().min() > 0.01 for tensor in moved)

    interrupt(10)
    with pytest.raises(KeyboardInterrupt):
        zoo.train(SEVERAL, out=tmp_path / "run", device="cpu")
    assert not Run(tmp_path / "run").finished
    assert zoo.train(SEVERAL, out=tmp_path / "run", device="cpu", resume=True).metrics == whole.metrics


def test_a_part_of_several_targets_is_held_out(tmp_path: Path):
    recipe = {**SEVERAL, "data": {**SEVERAL["data"], "validation": 0.25}}
    run = zoo.train(recipe, out=tmp_path / "run", device="cpu")
    assert json.loads((run.folder / "metrics.json").read_text())["split"] == "validation"


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({**SEVERAL, "data": {"name": "digits"}}, r"mnist_multitask is for multi-task, .* digits has one target for"),
        ({**EMBED, "data": {"name": "tiny_tasks"}}, r"metric-learning, but data\.name tiny_tasks has several targets"),
        (
            {**EMBED, "data": {"name": "digits", "augment": {"mixup": {}}}},
            r"data\.augment\.mixup blends classes, which loss\.name triplet cannot; remove it",
        ),
    ],
)
def test_data_that_do_not_fit_the_task_are_refused(recipe: dict[str, Any], message: str, tmp_path: Path):
    with pytest.raises(ZooError, match=message):
        zoo.train(recipe, out=tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "tasks", [None, {}, ["digit"], {"digit": 10}, {"digit": {"kind": 1, "outputs": 10}}, {"digit": {"kind": "binary"}}]
)
def test_tasks_that_a_bundle_does_not_say_are_named(tasks: Any, tmp_path: Path):
    run = zoo.train({**SEVERAL, "train": {"steps": 1}}, out=tmp_path / "run", device="cpu")
    config = json.loads((run.folder / "config.json").read_text())
    config["input"]["tasks"] = tasks
    (run.folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ZooError, match=r"config\.json: input\.tasks is .* where \{NAME"):
        check_schema(open_bundle(run.folder))
