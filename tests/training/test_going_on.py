"""What a run keeps if it is cut short, how it goes on, and what it does with a metric that is not a number."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from forked import python

import zoo
from zoo import ZooError
from zoo.cli.output import document
from zoo.integrity import sha256
from zoo.tasks import measures
from zoo.training import Run, after, checkpoint, epoch, saving
from zoo.training.measure import computed
from zoo.training.selection import is_best, measured

RECIPE: dict[str, Any] = {
    "model": "mlp",
    "model_args": {"widths": [16], "dropout": 0.2},
    "init": "kaiming_normal",
    "data": {"name": "digits", "batch_size": 32},
    "optimizer": {"name": "adamw", "lr": 0.003},
    "train": {"epochs": 2},
}


def result(run: Run) -> tuple[str, list[dict[str, str]], dict[str, float]]:
    log = [{k: v for k, v in row.items() if k not in ("samples_per_second", "seconds")} for row in run.log]
    return sha256(run.folder / "model.safetensors"), log, run.metrics


def with_(**changes: Any) -> dict[str, Any]:
    return {**RECIPE, **changes}


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint within an epoch as soon as the loss is looked at."""
    monkeypatch.setattr(saving, "SAVE_WITHIN", 0.0)


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """killed(N): the run dies in its N-th step from now on, as it would of SIGKILL: nothing is written any more."""
    real, left = epoch.set_rate, [0]

    def set_rate(*arguments: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise MemoryError("killed")
        real(*arguments)

    monkeypatch.setattr(epoch, "set_rate", set_rate)
    return lambda steps: left.__setitem__(0, steps)


@pytest.mark.parametrize("steps", [17, 40, 60])
def test_a_kill_within_an_epoch_costs_the_steps_since_the_last_look_at_the_clock(
    often: None, killed: Callable[[int], None], steps: int, tmp_path: Path
):
    whole = zoo.train(RECIPE, out=tmp_path / "whole", device="cpu")
    killed(steps)
    with pytest.raises(MemoryError):
        zoo.train(RECIPE, out=tmp_path / "run", device="cpu")
    kept = checkpoint.saved(tmp_path / "run" / "checkpoints")
    # Of 44 steps an epoch; steps are looked at by sixteens, and the end of an epoch is kept too.
    assert int(kept[-1].stem) == max(step for step in (16, 32, 44, 48, 64) if step < steps)
    assert result(zoo.train(RECIPE, out=tmp_path / "run", device="cpu", resume=True)) == result(whole)


def test_no_checkpoint_within_an_epoch_comes_before_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    steps: list[int] = []
    real = checkpoint.save
    monkeypatch.setattr(checkpoint, "save", lambda folder, step, *more: steps.append(step) or real(folder, step, *more))
    zoo.train(RECIPE, out=tmp_path / "run", device="cpu")
    assert all(step % 44 == 0 for step in steps)


SIGNALS = [name for name in ("SIGTERM", "SIGUSR1", "SIGHUP", "SIGINT") if hasattr(signal, name)]
LONG = with_(model_args={"widths": [512, 512]}, data={"name": "digits", "batch_size": 8}, train={"epochs": 500})


def started(path: Path, *launcher: str) -> subprocess.Popen[str]:
    (path / "long.yaml").write_text(yaml.safe_dump(LONG))
    command = [*launcher, *python(), "-m", "zoo", "train", str(path / "long.yaml"), "--out", str(path / "run")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (path / "run" / "log.csv").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    return process


@pytest.mark.slow
@pytest.mark.parametrize("name", SIGNALS)
def test_every_signal_that_ends_a_process_leaves_a_checkpoint(name: str, tmp_path: Path):
    process = started(tmp_path)
    process.send_signal(getattr(signal, name))
    _, said = process.communicate(timeout=60)
    assert process.returncode == (130 if name == "SIGINT" else 128 + getattr(signal, name)), said
    assert checkpoint.newest(tmp_path / "run" / "checkpoints") is not None and "Traceback" not in said


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no such signal")
def test_under_nohup_a_terminal_may_go(tmp_path: Path):
    process = started(tmp_path, "nohup")
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(2)
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="Windows has no such signal")
def test_a_handler_of_the_callers_own_stays_theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    received: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, frame: received.append(number))
    real = epoch.set_rate
    once = iter([True])
    monkeypatch.setattr(
        epoch, "set_rate", lambda *a: (next(once, None) and os.kill(os.getpid(), signal.SIGUSR1), real(*a))[1]
    )
    try:
        assert zoo.train(with_(train={"epochs": 1}), out=tmp_path / "run", device="cpu").finished
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert received == [signal.SIGUSR1]


@pytest.mark.parametrize(
    "schedule", [{"name": "constant"}, {"name": "step", "step_epochs": 1, "gamma": 0.5}], ids=lambda s: s["name"]
)
def test_more_epochs_go_on_to_what_as_many_from_the_start_give(schedule: dict[str, Any], tmp_path: Path):
    whole = zoo.train(with_(schedule=schedule, train={"epochs": 4}), out=tmp_path / "whole", device="cpu")
    short = zoo.train(with_(schedule=schedule), out=tmp_path / "run", device="cpu")
    assert len(short.log) == 2
    longer = zoo.train(with_(schedule=schedule, train={"epochs": 4}), out=tmp_path / "run", resume=True, device="cpu")
    assert result(longer) == result(whole)
    assert longer.recipe.train.epochs == 4
    assert json.loads((longer.folder / "metrics.json").read_text())["recipe_sha256"] == whole.recipe.sha256()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"schedule": {"name": "cosine"}}, r"schedule\.name cosine falls over all of them"),
        ({"schedule": {"name": "constant", "warmup": 0.1}}, r"schedule\.warmup 0\.1 is a part of all of them"),
    ],
)
def test_more_epochs_are_refused_if_every_rate_would_have_been_different(
    changes: dict[str, Any], why: str, tmp_path: Path
):
    run = zoo.train(with_(**changes), out=tmp_path / "run", device="cpu")
    before = result(run)
    said = rf"was started with 2 epochs, and {why}: with 4 epochs, every step .* init_from="
    with pytest.raises(ZooError, match=said):
        zoo.train(with_(**changes, train={"epochs": 4}), out=run.folder, resume=True, device="cpu")
    assert result(Run(run.folder)) == before


@pytest.mark.parametrize("changes", [{"train": {"epochs": 1}}, {"train": {"epochs": 4, "seed": 1}}])
def test_fewer_epochs_or_another_seed_are_another_recipe(changes: dict[str, Any], tmp_path: Path):
    zoo.train(RECIPE, out=tmp_path / "run", device="cpu")
    with pytest.raises(ZooError, match="was started with another recipe"):
        zoo.train(with_(**changes), out=tmp_path / "run", resume=True, device="cpu")


def test_another_number_of_workers_is_not_another_recipe(tmp_path: Path):
    run = zoo.train(RECIPE, out=tmp_path / "run", device="cpu")
    again = with_(data={**RECIPE["data"], "workers": 3})
    assert zoo.train(again, out=run.folder, resume=True, device="cpu").metrics == run.metrics


def test_an_epoch_without_a_figure_is_never_the_best():
    rows = [{"validation_accuracy": value} for value in ("", "nan", "0.5", "", "0.4")]
    values = measured(rows, "accuracy", measures.find("image-classification", "accuracy"))
    assert values == [-math.inf, -math.inf, 0.5, -math.inf, 0.4]
    assert [is_best(values[: n + 1]) for n in range(5)] == [False, False, True, False, False]
    mae = measures.find("regression", "mae")
    assert measured([{"validation_mae": ""}], "mae", mae) == [-math.inf], "lower is better for mae"


@pytest.fixture
def odd_figures(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[float]], None]:
    """odd_figures(values): what is measured after each epoch, one after another, and at the end."""

    def use(values: list[float]) -> None:
        left = iter(values)

        def measure(*arguments: Any, **more: Any) -> dict[str, float]:
            return {"accuracy": next(left)}

        monkeypatch.setattr(after, "measure", measure)

    return use


def test_keep_best_keeps_an_epoch_that_has_a_figure(odd_figures: Callable[..., None], tmp_path: Path):
    recipe = with_(data={**RECIPE["data"], "validation": 0.2}, train={"epochs": 4, "keep_best": True})
    odd_figures([math.nan, 0.3, math.inf, 0.2])
    run = zoo.train(recipe, out=tmp_path / "run", device="cpu")
    assert [row["validation_accuracy"] for row in run.log] == ["", "0.3", "", "0.2"]
    kept = checkpoint.saved(run.folder / saving.BEST)
    assert int(kept[-1].stem) == int(run.log[1]["step"])
    assert "nan" not in (run.folder / "metrics.json").read_text().lower()


def test_keep_best_without_any_figure_is_an_error(odd_figures: Callable[..., None], tmp_path: Path):
    recipe = with_(data={**RECIPE["data"], "validation": 0.2}, train={"epochs": 2, "keep_best": True})
    odd_figures([math.nan, math.nan])
    with pytest.raises(ZooError, match=r"keep_best has no epoch to keep: .* not a number in any of 2"):
        zoo.train(recipe, out=tmp_path / "run", device="cpu")


def test_a_metric_that_cannot_be_computed_is_an_error_if_asked_for_and_else_a_note():
    with pytest.raises(ZooError, match=r"auc of the test split cannot be computed \(it is nan\)"):
        computed({"auc": math.nan, "accuracy": 0.5}, "auc", "the test split")
    values, notes = computed({"auc": math.nan, "accuracy": 0.5}, "accuracy", "the test split")
    assert values == {"accuracy": 0.5} and notes == ["auc of the test split could not be computed (it was nan)."]


def test_no_document_of_the_command_line_holds_a_bare_nan(capfd: pytest.CaptureFixture[str]):
    document({"a": [math.nan, 1.5], "b": {"c": math.inf}})
    assert json.loads(capfd.readouterr().out, parse_constant=pytest.fail) == {"a": [None, 1.5], "b": {"c": None}}


def test_no_file_of_a_bundle_holds_a_bare_nan(make_bundle: Callable[..., Path], tmp_path: Path):
    with pytest.raises(ZooError, match="cannot be written as JSON"):
        make_bundle(
            tmp_path / "mlp.tiny_v1",
            {"w": torch.zeros(1)},
            model="mlp",
            model_args={},
            task="image-classification",
            labels=[],
            input={"mean": math.nan},
            data="digits",
        )
    assert not (tmp_path / "mlp.tiny_v1").exists()
