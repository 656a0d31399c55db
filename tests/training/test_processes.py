"""Several real processes over gloo: the loss curve of one, nothing lost or doubled, one that dies ends all."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from safetensors.torch import load_file

import zoo
from zoo import ZooError
from zoo.training import Run
from zoo.training.machine import processes

RECIPE: dict[str, Any] = {
    "model": "mlp",
    "model_args": {"widths": [32], "dropout": 0.2},
    "init": "kaiming_normal",
    # 61 parts evenly among neither 2 nor 3 processes.
    "data": {"name": "digits", "batch_size": 61, "augment": {"affine": {"degrees": 10.0}}, "validation": 0.2},
    "optimizer": {"name": "adamw", "lr": 0.003, "weight_decay": 0.01},
    "schedule": {"name": "one_cycle", "warmup": 0.2},
    "train": {"epochs": 3, "clip": 1.0, "average": {"decay": 0.9}},
}
LAUNCH = [sys.executable, "-m", "torch.distributed.run"]
# With --cpu in place of --multi_gpu accelerate starts a single process.
ACCELERATE = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu"]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "small.yaml"
    path.write_text(yaml.safe_dump(RECIPE), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The run of one process."""
    return zoo.train(RECIPE, out=tmp_path_factory.mktemp("alone") / "run", device="cpu")


def start(*launcher: str, recipe: Path, out: Path, more: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    command = [*launcher, "-m", "zoo", "train", str(recipe), "--out", str(out), "--device", "cpu", *more]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def finished(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What it said on standard output, and on standard error."""
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out, err


def same(run: Run, other: Run) -> None:
    """The same curve and weights to the rounding of sums, and a log without a missing or doubled line."""
    assert [row["epoch"] for row in run.log] == [row["epoch"] for row in other.log] == ["1", "2", "3"]
    for one, two in zip(run.log, other.log, strict=True):
        for key in ("step", "lr", "train_loss", "train_accuracy", "validation_accuracy"):
            assert float(one[key]) == pytest.approx(float(two[key]), rel=1e-5), key
    assert run.metrics == pytest.approx(other.metrics, abs=1e-5)
    ours, theirs = (load_file(r.folder / "model.safetensors") for r in (run, other))
    for name in ours:
        assert (ours[name] - theirs[name]).abs().max() < 1e-4, name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("launcher", "count"),
    [
        ([*LAUNCH, "--nproc-per-node", "2"], 2),
        ([*LAUNCH, "--nproc-per-node", "3"], 3),
        # With --cpu in place of --multi_gpu accelerate starts a single process.
        (
            [
                sys.executable,
                "-m",
                "accelerate.commands.launch",
                "--multi_gpu",
                "--num_processes=2",
                "--num_machines=1",
            ],
            2,
        ),
    ],
    ids=["torchrun 2", "torchrun 3", "accelerate"],
)
def test_the_curve_is_that_of_one_process(launcher: list[str], count: int, recipe: Path, alone: Run, tmp_path: Path):
    out, err = finished(start(*launcher, recipe=recipe, out=tmp_path / "run"))
    assert out.count("accuracy") == err.count("epoch 3") == 1, "one process speaks"
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["environment"]["processes"] == count
    same(Run(tmp_path / "run"), alone)
    assert not list((tmp_path / "run").rglob("*.tmp"))


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3])
def test_batch_norm_takes_its_statistics_over_all_processes(count: int, tmp_path: Path):
    arguments, path = {"widths": [32], "in_features": 64}, tmp_path / "normed.yaml"
    normed = {**RECIPE, "model": "mlp_bn", "model_args": arguments}
    # Of batches of 4, 3 processes have 2, 1 and 1 rows: by itself none of these has a variance.
    normed["data"] = {"name": "digits", "batch_size": 4, "validation": 0.9}
    path.write_text(yaml.safe_dump(normed), encoding="utf-8")
    finished(start(*LAUNCH, "--nproc-per-node", str(count), recipe=path, out=tmp_path / "run"))
    same(Run(tmp_path / "run"), zoo.train(path, out=tmp_path / "alone", device="cpu"))


@pytest.mark.slow
def test_weights_that_rest_for_an_epoch_are_not_waited_for(tmp_path: Path):
    groups = [{"match": "body.*", "frozen_epochs": 1}]
    rests, path = {**RECIPE, "optimizer": {**RECIPE["optimizer"], "groups": groups}}, tmp_path / "rests.yaml"
    path.write_text(yaml.safe_dump(rests), encoding="utf-8")
    finished(start(*LAUNCH, "--nproc-per-node", "2", recipe=path, out=tmp_path / "run"))
    same(Run(tmp_path / "run"), zoo.train(path, out=tmp_path / "alone", device="cpu"))


@pytest.mark.slow
def test_two_machines_meet_over_the_network(recipe: Path, alone: Run, tmp_path: Path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{free.getsockname()[1]}"
    machine = [*LAUNCH, "--nnodes", "2", "--nproc-per-node", "1", "--rdzv-backend", "c10d", "--rdzv-endpoint", place]
    both = [start(*machine, "--rdzv-id", "zoo", recipe=recipe, out=tmp_path / "run") for _ in range(2)]
    for process in both:
        finished(process)
    same(Run(tmp_path / "run"), alone)


@pytest.mark.slow
def test_one_that_dies_ends_all_and_another_number_of_them_goes_on(recipe: Path, alone: Run, tmp_path: Path):
    """The second of two is killed while a checkpoint is there; three go on from it, and one could as well."""
    out = tmp_path / "run"
    launch = start(*LAUNCH, "--nproc-per-node", "2", recipe=recipe, out=out)
    deadline = time.monotonic() + 200
    while not list(out.glob("checkpoints/*.safetensors")) and time.monotonic() < deadline:
        time.sleep(0.005)
    workers = subprocess.run(["pgrep", "-P", str(launch.pid)], capture_output=True, text=True).stdout.split()
    os.kill(int(workers[-1]), signal.SIGKILL)
    _, err = launch.communicate(timeout=300)
    assert launch.returncode != 0 and "SIGKILL" in err, "the launcher says who died"
    assert "another process of this launch has ended" in err and "unexpected" not in err
    assert not Run(out).finished
    finished(start(*LAUNCH, "--nproc-per-node", "3", recipe=recipe, out=out, more=("--resume",)))
    same(Run(out), alone)


@pytest.mark.slow
def test_bad_input_ends_all_with_its_sentence(recipe: Path, tmp_path: Path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("not a run")
    launch = start(*LAUNCH, "--nproc-per-node", "2", recipe=recipe, out=tmp_path / "run")
    _, err = launch.communicate(timeout=300)
    assert launch.returncode != 0
    assert "error: " in err and "is not empty and holds no run" in err


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"WORLD_SIZE": "x"}, r"\(WORLD_SIZE is 'x'\), but WORLD_SIZE is 'x'; start them with torchrun, or unset"),
        ({"WORLD_SIZE": "2"}, r"\(WORLD_SIZE is '2'\), but RANK is ''; "),
        (
            {"OMPI_COMM_WORLD_SIZE": "2"},
            r"MPI processes \(OMPI_COMM_WORLD_SIZE is '2'\); start them with torchrun, ",
        ),
        ({"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "127.0.0.1"}, "but MASTER_PORT is ''; "),
        ({"WORLD_SIZE": "2", "RANK": "0", "MASTER_PORT": "29500"}, "but MASTER_ADDR is ''; "),
        ({"WORLD_SIZE": "2", "RANK": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}, "but RANK is '2'; "),
        ({"WORLD_SIZE": "0", "RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}, "but RANK is '0'; "),
        (
            {"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "99999"},
            r"the processes did not meet at 127.0.0.1:99999 \(port must .*\); start them with torchrun\.$",
        ),
    ],
)
def test_a_half_described_launch_is_one_sentence(told: dict[str, str], said: str, tmp_path: Path, monkeypatch):
    for name in ("WORLD_SIZE", "RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ZooError, match=said):
        zoo.train(RECIPE, out=tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


def test_rows_are_shared_out_without_repeats_or_losses(monkeypatch: pytest.MonkeyPatch):
    for world in (1, 2, 3, 8):
        monkeypatch.setattr(processes, "count", lambda world=world: world)
        for rows in (0, 1, 2, 7, 64):
            shares = [processes.share(rows, process) for process in range(world)]
            assert [row for start, end in shares for row in range(start, end)] == list(range(rows))
            lengths = [end - start for start, end in shares]
            assert max(lengths) - min(lengths) <= 1 and lengths == sorted(lengths, reverse=True)
