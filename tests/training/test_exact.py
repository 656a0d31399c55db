"""The same bits: for the same seed, and after any interruption of the run."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from forked import python
from PIL import Image
from safetensors.torch import load_file

import zoo
from zoo import caller, data, registry
from zoo.integrity import sha256
from zoo.training import Run, checkpoint, saving


def result(run: Run) -> tuple[str, list[dict[str, str]], dict[str, float]]:
    """What must not change: the hash of the weights, the log but for its timing, the metrics."""
    log = [{k: v for k, v in row.items() if k not in ("samples_per_second", "seconds")} for row in run.log]
    return sha256(run.folder / "model.safetensors"), log, run.metrics


def test_there_is_a_recipe_of_every_task():
    recipes = yaml.safe_load(Path(__file__).with_name("recipes.yaml").read_text("utf-8")).values()
    models = [recipe["model"] for recipe in recipes if recipe["model"] != "tiny_conv"]
    assert {registry.get(model).task for model in models} == set(registry.TASKS)


WHOLE: dict[str, Run] = {}


@pytest.fixture
def uninterrupted(
    recipe: dict[str, Any], request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    """The run of the recipe from its first step to its last, trained once for all tests that compare with it."""
    name = request.node.callspec.id
    if name not in WHOLE:
        WHOLE[name] = zoo.train(recipe, out=tmp_path_factory.mktemp(name) / "run", device="cpu")
    return WHOLE[name]


def test_a_seed_fixes_the_first_step_and_another_seed_gives_another(recipe: dict[str, Any], interrupt, tmp_path: Path):
    def first_step(name: str, seed: int) -> dict[str, torch.Tensor]:
        interrupt(1)
        with pytest.raises(KeyboardInterrupt):
            zoo.train({**recipe, "train": {**recipe["train"], "seed": seed}}, out=tmp_path / name, device="cpu")
        (kept,) = checkpoint.saved(tmp_path / name / "checkpoints")
        return {name: tensor for name, tensor in load_file(kept).items() if name.startswith("model/")}

    first, second, other = first_step("first", 0), first_step("second", 0), first_step("other", 1)
    assert first and all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_two_runs_on_a_gpu_give_the_same_bits_if_the_recipe_asks_for_it(recipe: dict[str, Any], tmp_path: Path):
    recipe = {**recipe, "train": {**recipe["train"], "deterministic": True}}
    first, second = (zoo.train(recipe, out=tmp_path / name, device="cuda") for name in ("first", "second"))
    assert result(first) == result(second)


def test_interrupted_at_any_step_and_resumed_equals_uninterrupted(
    recipe, uninterrupted: Run, interrupt, tmp_path: Path
):
    torch.manual_seed(1234)  # what happened before in the process does not matter
    steps = int(uninterrupted.log[-1]["step"])
    # After the first step, at a look at the losses and beside it, and anywhere.
    pieces = [1, 15, 16, *random.Random(0).sample(range(2, 12), 2)]
    assert sum(pieces) < steps, "the run would end before it is interrupted for the last time"
    done = 0
    for piece in pieces:
        interrupt(piece)
        with pytest.raises(KeyboardInterrupt):
            zoo.train(recipe, out=tmp_path / "run", device="cpu", resume=True)
        done += piece
        assert int(checkpoint.saved(tmp_path / "run" / "checkpoints")[-1].stem) == done
    # And in the last step.
    interrupt(steps - done)
    with pytest.raises(KeyboardInterrupt):
        zoo.train(recipe, out=tmp_path / "run", device="cpu", resume=True)
    assert int(checkpoint.saved(tmp_path / "run" / "checkpoints")[-1].stem) == steps
    assert result(zoo.train(recipe, out=tmp_path / "run", device="cpu", resume=True)) == result(uninterrupted)


OPTIMIZERS: list[dict[str, Any]] = [
    {"name": "lamb", "lr": 0.01, "weight_decay": 0.01, "args": {"betas": [0.9, 0.99]}},
    {"name": "muon", "lr": 0.01, "weight_decay": 0.01, "layer_decay": 0.7},
    {"name": "clion", "lr": 0.001},
    {"name": "sgd", "lr": 0.1, "groups": [{"match": "head.*", "lr_scale": 0.0}]},
    {"name": "adamw", "lr": 0.01, "groups": [{"match": "body.*", "frozen_epochs": 2}]},
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda optimizer: optimizer["name"])
def test_every_kind_of_optimizer_goes_on_alike(mlp, interrupt, optimizer: dict[str, Any], tmp_path: Path):
    from timm.optim import list_optimizers  # pyright: ignore[reportPrivateImportUsage]

    if optimizer["name"] not in list_optimizers():
        pytest.skip("an older timm lacks it")
    recipe = {**mlp, "optimizer": optimizer, "train": {"epochs": 3}}
    whole = zoo.train(recipe, out=tmp_path / "whole", device="cpu")
    assert float(whole.log[-1]["train_loss"]) < float(whole.log[0]["train_loss"])
    for steps in (5, 20, 14):  # in the first epoch, in the second, in the third
        interrupt(steps)
        with pytest.raises(KeyboardInterrupt):
            zoo.train(recipe, out=tmp_path / "run", device="cpu", resume=True)
    assert result(zoo.train(recipe, out=tmp_path / "run", device="cpu", resume=True)) == result(whole)


@pytest.mark.parametrize("validation", [0.0, 0.2])
def test_a_schedule_that_looks_back_goes_on_alike(mlp, interrupt, validation: float, tmp_path: Path):
    recipe = {
        **mlp,
        "data": {"name": "digits", "batch_size": 128, "validation": validation},
        # Nothing is progress enough, so that every second epoch halves the rate.
        "schedule": {"name": "plateau", "factor": 0.5, "patience": 1, "threshold": 10.0, "warmup": 0.1},
        "train": {"epochs": 6},
    }
    whole = zoo.train(recipe, out=tmp_path / "whole", device="cpu")
    rate = recipe["optimizer"]["lr"]
    assert [float(row["lr"]) / rate for row in whole.log] == [1, 1, 1, 0.5, 0.5, 0.25]
    for epochs in (1.5, 2.0, 1.2):
        interrupt(round(epochs * int(whole.log[0]["step"])))
        with pytest.raises(KeyboardInterrupt):
            zoo.train(recipe, out=tmp_path / "run", device="cpu", resume=True)
    assert result(zoo.train(recipe, out=tmp_path / "run", device="cpu", resume=True)) == result(whole)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_folder_of_pictures_goes_on_alike_if_the_model_drops_out(interrupt, workers: int, tmp_path: Path):
    for shade, label in enumerate(("dark", "bright")):
        (tmp_path / "pictures" / label).mkdir(parents=True)
        for i in range(40):
            Image.new("L", (8, 8), 60 + 120 * shade + i).save(tmp_path / "pictures" / label / f"{i}.png")
    recipe = {
        "model": "mlp",
        "model_args": {"widths": [16], "dropout": 0.5},
        "init": "kaiming_normal",
        "data": {
            "name": f"imagefolder:{tmp_path / 'pictures'}",
            "batch_size": 8,
            "size": [8, 8],
            "channels": 1,
            "workers": workers,
        },
        "optimizer": {"name": "adamw", "lr": 0.01},
        "train": {"epochs": 2},
    }
    whole = zoo.train(recipe, out=tmp_path / "whole", device="cpu")
    interrupt(5)
    with pytest.raises(KeyboardInterrupt):
        zoo.train(recipe, out=tmp_path / "run", device="cpu")
    assert result(zoo.train(recipe, out=tmp_path / "run", device="cpu", resume=True)) == result(whole)


def test_resuming_a_finished_run_changes_nothing(recipe: dict[str, Any], uninterrupted: Run):
    def files() -> dict[Path, tuple[bytes, int]]:
        # filelock 4.0 touches the lock.
        found = (path for path in uninterrupted.folder.iterdir() if path.is_file() and path.name != ".lock")
        return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in found}

    before, metrics = files(), uninterrupted.metrics
    assert zoo.train(recipe, out=uninterrupted.folder, device="cpu", resume=True).metrics == metrics
    assert before == files()


# What follows runs the command in processes of its own, checkpointing after every epoch.

DRIVER = """
import os, signal, sys, torch
from zoo.training import checkpoint, saving
from zoo.cli import main

torch.set_num_threads(1)
saving.SAVE_EVERY, dies = float(sys.argv.pop(1)), int(sys.argv.pop(1))
real, writes = checkpoint.save_file, []

def save_file(tensors, path, metadata):
    real(tensors, path, metadata)
    writes.append(path)
    if len(writes) == dies:
        os.truncate(path, os.path.getsize(path) // 2)
        os.kill(os.getpid(), signal.SIGKILL)

checkpoint.save_file = save_file
sys.exit(main())
"""


@pytest.fixture(scope="module")
def whole(mlp: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run]:
    """A recipe's file, and its uninterrupted run in this process."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "long.yaml").write_text(yaml.safe_dump({**mlp, "train": {**mlp["train"], "epochs": 40}}))
    return folder / "long.yaml", zoo.train(folder / "long.yaml", out=folder / "run", device="cpu")


def start(recipe: Path, out: Path, *, save_every: float = -1.0, dies: int = 0) -> subprocess.Popen[str]:
    """The command in a process that checkpoints every `save_every` seconds, and dies in its `dies`-th checkpoint."""
    command = [*python(), "-c", DRIVER, str(save_every), str(dies)]
    return subprocess.Popen(
        [*command, "train", str(recipe), "--out", str(out), "--resume", "--device", "cpu"],
        env={**os.environ},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )


def wait_for(process: subprocess.Popen[str], run: Run, epochs: int) -> None:
    """Wait until the log has that many rows."""
    while len(run.log) < epochs:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.002)


def test_killed_and_resumed_equals_uninterrupted(whole: tuple[Path, Run], tmp_path: Path):
    recipe, uninterrupted = whole
    run, draw = Run(tmp_path / "run"), random.Random()
    for epochs in (2, 9):
        process = start(recipe, run.folder)
        wait_for(process, run, epochs)
        time.sleep(draw.uniform(0, 0.05))
        process.kill()
        assert process.wait() == -signal.SIGKILL
        process.communicate()
        assert not run.finished
    # While a checkpoint is being written: half of it lies there.
    process = start(recipe, run.folder, dies=3)
    process.communicate()
    assert process.returncode == -signal.SIGKILL and list((run.folder / "checkpoints").glob("*.tmp"))
    assert result(zoo.train(recipe, out=run.folder, device="cpu", resume=True)) == result(uninterrupted)
    assert len(checkpoint.saved(run.folder / "checkpoints")) == 2 == len(list((run.folder / "checkpoints").iterdir()))


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_a_checkpoint_and_its_exit_status(whole, number, status, tmp_path: Path):
    recipe, uninterrupted = whole
    run = Run(tmp_path / "run")
    process = start(recipe, run.folder, save_every=1e9)  # only the first epoch would be kept
    wait_for(process, run, 3)
    with pytest.raises(zoo.ZooError, match="is in use by another process"):
        zoo.train(recipe, out=run.folder, device="cpu", resume=True)
    process.send_signal(number)
    said = process.communicate()[1]
    assert process.returncode == status and "Traceback" not in said
    assert int(checkpoint.saved(run.folder / "checkpoints")[-1].stem) >= int(run.log[-1]["step"]) and not run.finished
    assert result(zoo.train(recipe, out=run.folder, device="cpu", resume=True)) == result(uninterrupted)


def test_a_truncated_newest_checkpoint_is_skipped_and_reported(mlp, interrupt, capsys, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(saving, "SAVE_EVERY", -1.0)
    uninterrupted = zoo.train(mlp, out=tmp_path / "whole", device="cpu")
    interrupt(40)
    with pytest.raises(KeyboardInterrupt):
        zoo.train(mlp, out=tmp_path / "run", device="cpu")
    newest = checkpoint.saved(tmp_path / "run" / "checkpoints")[-1]
    os.truncate(newest, newest.stat().st_size - 100)
    capsys.readouterr()
    resumed = zoo.train(mlp, out=tmp_path / "run", device="cpu", resume=True)
    assert f"checkpoint {newest.name} is damaged" in capsys.readouterr().err
    assert result(resumed) == result(uninterrupted)


def test_what_a_recipe_does_not_say_is_not_taken_from_the_environment(mlp, tmp_path: Path, monkeypatch):
    plain = zoo.train(mlp, out=tmp_path / "plain", device="cpu")
    monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4")
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    monkeypatch.setenv("ACCELERATE_DYNAMO_BACKEND", "EAGER")
    assert result(zoo.train(mlp, out=tmp_path / "run", device="cpu")) == result(plain)


def test_a_run_that_goes_on_elsewhere_says_so(mlp, interrupt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(caller, "THREADS", 1)  # as on a machine with one processor
    interrupt(40)
    with pytest.raises(KeyboardInterrupt):
        zoo.train(mlp, out=tmp_path / "run", device="cpu")
    monkeypatch.setattr(caller, "THREADS", 2)
    zoo.train(tmp_path / "run", device="cpu", resume=True)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["notes"] == ["Resumed elsewhere: threads: 1 -> 2."]
    assert metrics["environment"]["threads"] == 2


@pytest.mark.data
@pytest.mark.slow
def test_real_reviews_give_the_same_bits_too(text, interrupt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    real = data.load

    def some(name: str) -> Any:
        found = real(name)
        return replace(found, train=found.train.take(range(0, 25000, 50)), test=found.test.take(range(0, 25000, 100)))

    monkeypatch.setattr(data, "load", some)
    settings = {"name": "imdb", "batch_size": 32, "text": {"vocab_size": 2000, "max_length": 60}}
    recipe = {**text, "data": settings, "train": {"steps": 24, "clip": 1.0, "average": {"decay": 0.9}}}
    first = zoo.train(recipe, out=tmp_path / "first", device="cpu")
    interrupt(9)
    with pytest.raises(KeyboardInterrupt):
        zoo.train(recipe, out=tmp_path / "second", device="cpu")
    second = zoo.train(recipe, out=tmp_path / "second", device="cpu", resume=True)
    assert result(first) == result(second)
