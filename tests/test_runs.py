"""The table of runs, and two runs side by side."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

import zoo
from zoo import ZooError, runs
from zoo.cli import main

RECIPE: dict[str, Any] = {
    "model": "mlp",
    "model_args": {"widths": [16]},
    "init": "default",
    "data": {"name": "digits", "batch_size": 64},
    "optimizer": {"name": "adamw", "lr": 0.003},
    "train": {"epochs": 2},
}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two finished runs, one of them with a validation part, and one that was stopped."""
    folder = tmp_path_factory.mktemp("runs")
    zoo.train(RECIPE, out=folder / "a", device="cpu", track="tensorboard")
    zoo.train(RECIPE, out=folder / "b", device="cpu", **{"optimizer.lr": 0.01, "data.validation": 0.2})  # type: ignore
    zoo.train(RECIPE, out=folder / "deep" / "c", device="cpu")
    for file in ("model.safetensors", "metrics.json"):
        (folder / "deep" / "c" / file).unlink()
    return folder


def test_every_run_is_a_row(shelf: Path):
    a, b, c = runs.list_runs(shelf)
    assert (a.folder, a.state, a.epochs, a.split) == (str(shelf / "a"), "finished", 2, "test")
    assert a.value == zoo.training.Run(shelf / "a").metrics["accuracy"]  # type: ignore[attr-defined]
    assert (b.state, b.split) == ("finished", "validation")
    assert (c.state, c.split, c.metric) == ("stopped", "train", "accuracy") and 0 < (c.value or 0) < 1


def test_a_run_in_use_is_training(shelf: Path):
    with FileLock(shelf / "deep" / "c" / ".lock"):
        assert [run.state for run in runs.list_runs(shelf)] == ["finished", "finished", "training"]


def test_only_the_differences_are_reported(shelf: Path):
    found = runs.compare(shelf / "a", shelf / "b")
    assert found.recipe == {"data.validation": (0.0, 0.2), "optimizer.lr": (0.003, 0.01)}
    assert found.environment == {}
    assert set(found.curves) == {"lr", "train_loss", "train_accuracy", "samples_per_second"}
    assert [len(values) for values in found.curves["train_loss"]] == [2, 2]


def test_a_picture_of_both_curves(shelf: Path, tmp_path: Path):
    runs.draw(runs.compare(shelf / "a", shelf / "b"), tmp_path / "both.png")
    assert (tmp_path / "both.png").read_bytes().startswith(b"\x89PNG")
    assert list(tmp_path.iterdir()) == [tmp_path / "both.png"]
    with pytest.raises(ZooError, match=r"cannot be written \(No such file or directory\); choose another file\.$"):
        runs.draw(runs.compare(shelf / "a", shelf / "b"), tmp_path / "nowhere" / "both.png")


def test_the_commands(shelf: Path, capfd: pytest.CaptureFixture[str]):
    assert main(["runs", "--in", str(shelf), "--json"]) == 0
    assert [row["state"] for row in json.loads(capfd.readouterr().out)] == ["finished", "finished", "stopped"]
    assert main(["runs", "--in", str(shelf)]) == 0
    assert "stopped" in capfd.readouterr().out
    assert main(["runs", "compare", str(shelf / "a"), str(shelf / "b"), "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["recipe"]["optimizer.lr"] == [0.003, 0.01]
    assert main(["runs", "compare", str(shelf / "a"), str(shelf / "b")]) == 0
    assert "optimizer.lr" in capfd.readouterr().out
    assert main(["runs", "compare", str(shelf / "a"), str(shelf)]) == 2
    assert "holds no run; give the folder that `zoo train` wrote." in capfd.readouterr().err
    assert main(["runs", "--in", str(shelf / "none")]) == 2


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("recipe.yaml", "model: mlp\nsparkle: 3\n", "recipe.yaml: .*sparkle"),
        ("recipe.yaml", "- mlp\n", "recipe.yaml holds no recipe"),
        ("metrics.json", "{", r"metrics.json cannot be read \(Expecting"),
        ("metrics.json", "[]", r"metrics.json cannot be read \("),
        ("metrics.json", '{"split": "test", "metrics": {}}', r"metrics.json cannot be read \('accuracy' is missing\)"),
        ("metrics.json", None, r"metrics.json cannot be read \(No such file or directory\); bring the file back"),
        ("log.csv", "epoch,train_accuracy,seconds\n1,high,2\n", r"log.csv cannot be read \(.*'high'\)"),
    ],
)
def test_a_damaged_run_is_a_row_and_hides_no_other(
    shelf: Path, file: str, content: str | None, said: str, tmp_path: Path, monkeypatch, capfd
):
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        shutil.copytree(shelf / name, name)
    bad = Path("a", file)
    bad.unlink()
    if content is not None:
        bad.write_text(content, encoding="utf-8")
    damaged, whole = runs.list_runs(".")
    assert (damaged.folder, damaged.state, whole.state) == ("a", "unreadable", "finished")
    assert re.match(said, damaged.reason) and "\n" not in damaged.reason
    assert main(["runs", "--in", "."]) == 0
    _, row, other = capfd.readouterr().out.splitlines()
    assert re.search(rf"^a +unreadable +{re.escape(damaged.reason[:20])}", row) and "finished" in other
    for pair in (["a", "b"], ["b", "a"]):
        assert main(["runs", "compare", *pair]) == 2
        assert re.fullmatch(rf"error: a/{said}.*\n", capfd.readouterr().err)


def test_tensorboard_has_the_rows_of_the_log(shelf: Path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(shelf / "a" / "tensorboard"))
    events.Reload()
    log = zoo.training.Run(shelf / "a").log  # type: ignore[attr-defined]
    seen = [(event.step, event.value) for event in events.Scalars("train_loss")]
    assert seen == [(int(row["step"]), pytest.approx(float(row["train_loss"]))) for row in log]


def test_an_unknown_tracker_is_refused_before_anything_is_written(tmp_path: Path):
    with pytest.raises(ZooError, match="unknown tracker 'abacus'; choose one of: tensorboard"):
        zoo.train(RECIPE, out=tmp_path / "run", track="abacus")
    assert not (tmp_path / "run").exists()


def test_a_run_says_what_it_is_made_of_before_it_is_done(tmp_path: Path):
    def interrupted(epoch: int, figures: dict[str, Any]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        zoo.train(RECIPE, out=tmp_path / "run", device="cpu", callbacks=[interrupted])
    said = json.loads((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))
    assert said["metrics"] == {} and len(said["data"]["fingerprint"]) == 64
    assert {"torch", "threads", "cpu", "cores"} <= set(said["environment"])
