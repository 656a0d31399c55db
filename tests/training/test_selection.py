"""Early stopping and the best epoch, by the log alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

import zoo
from zoo.tasks.measures import find
from zoo.training import checkpoint, saving, selection


def test_patience_counts_epochs_since_the_last_gain():
    values = [0.5, 0.6, 0.6, 0.59, 0.601]
    assert [selection.is_exhausted(values[:n], 2, 0.0) for n in range(6)] == [False, False, False, False, True, False]
    assert selection.is_exhausted(values, 3, 0.01), "a gain below min_delta is none"


def test_errors_are_turned_about():
    rows: list[dict[str, Any]] = [{"validation_rmse": "0.5"}, {"validation_rmse": 0.4}]
    assert selection.measured(rows, "rmse", find("regression", "rmse")) == [-0.5, -0.4] and selection.is_best(
        [-0.5, -0.4]
    )
    assert not selection.is_best([0.5, 0.5]), "the first of equals is the best"


RECIPE: dict[str, Any] = {
    "model": "mlp",
    "model_args": {"widths": [16]},
    "init": "default",
    "data": {"name": "digits", "batch_size": 64, "validation": 0.2},
    "optimizer": {"name": "adamw", "lr": 0.03},
    "train": {"epochs": 40, "keep_best": True, "early_stopping": {"patience": 3}},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> zoo.training.Run:  # type: ignore[name-defined]
    return zoo.train(RECIPE, out=tmp_path_factory.mktemp("stopped") / "run", device="cpu")


def test_a_run_stops_when_its_patience_is_at_an_end_and_keeps_its_best_epoch(run):
    values = [float(row["validation_accuracy"]) for row in run.log]
    best = values.index(max(values))
    assert 4 <= len(values) < 40 and len(values) == best + 4, "three epochs after the best one"
    parts, _ = checkpoint.newest(run.folder / "checkpoints" / "best")  # type: ignore[misc]
    kept, published = parts["model"], load_file(run.folder / "model.safetensors")
    assert all((kept[name] == published[name]).all() for name in published)


def test_a_run_that_chose_its_epoch_is_measured_on_the_test_split_and_can_be_published(run, tmp_path):
    said = json.loads((run.folder / "metrics.json").read_text())
    assert said["split"] == "test" and any("The epoch was chosen on the validation split" in n for n in said["notes"])
    assert zoo.evaluate(run) == run.metrics
    name = zoo.publish(run, tmp_path, name="mlp.chosen_v1")
    assert zoo.verify(tmp_path / name).ok
    report = zoo.reproduce(tmp_path / name, device="cpu")
    assert report.verdict == "reproduced" and report.identical


def test_a_resumed_run_stops_at_the_same_epoch(run, tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(saving, "SAVE_EVERY", -1.0)

    def interrupted(epoch: int, figures: dict[str, Any]) -> None:
        if epoch == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        zoo.train(RECIPE, out=tmp_path / "run", device="cpu", callbacks=[interrupted])
    again = zoo.train(RECIPE, out=tmp_path / "run", resume=True, device="cpu")
    assert [row["train_loss"] for row in again.log] == [row["train_loss"] for row in run.log]
    assert (again.folder / "model.safetensors").read_bytes() == (run.folder / "model.safetensors").read_bytes()


def test_behind_every_best_epoch_there_is_a_checkpoint(tmp_path, monkeypatch: pytest.MonkeyPatch):
    """However seldom others are written: an epoch that was done again need not be as good once more."""
    monkeypatch.setattr(saving, "SAVE_EVERY", 1e9)
    written: dict[str, list[int]] = {"best": [], "checkpoints": []}
    save = checkpoint.save

    def noted(folder: Path, step: int, *content: Any) -> Path:
        written[folder.name].append(step)
        return save(folder, step, *content)

    monkeypatch.setattr(checkpoint, "save", noted)
    zoo.train(RECIPE, out=tmp_path / "run", device="cpu")
    assert len(written["best"]) > 2 and set(written["best"]) <= set(written["checkpoints"])


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b"cut"), lambda path: path.unlink()])
def test_a_best_epoch_that_is_damaged_is_not_replaced_by_another(run, tmp_path: Path, damage: Any):
    folder = tmp_path / "run"
    shutil.copytree(run.folder, folder)
    (folder / "model.safetensors").unlink()
    damage(checkpoint.saved(folder / "checkpoints" / "best")[-1])
    with pytest.raises(zoo.ZooError, match=r"the weights of the best epoch, after step \d+, are damaged or gone from"):
        zoo.train(RECIPE, out=folder, resume=True, device="cpu")
    assert not (folder / "model.safetensors").exists()
