"""A batch for which there is no memory, in processes that are given little of it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import zoo
from zoo import ZooError, process
from zoo.training import Run
from zoo.training.machine import memory

SPARE = 500_000_000
"""Bytes that a process may take once it has imported what training imports."""

RECIPE: dict[str, Any] = {
    "model": "mlp",
    "model_args": {"widths": [100_000]},  # 575 MB for what the layer gives to a batch, 26 MB for its weights
    "init": "kaiming_normal",
    "data": {"name": "digits", "batch_size": 1437},
    "optimizer": {"name": "sgd", "lr": 0.001},
    "train": {"epochs": 2},
    "evaluate": {"batch_size": 50},
}

LIMITED = """
import resource, sys
import accelerate, sklearn.datasets, timm, torchvision
import zoo.training
from zoo.cli import main

pages = int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, 2 * [pages * resource.getpagesize() + int(sys.argv.pop(1))])
sys.exit(main())
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "wide.yaml"
    path.write_text(yaml.safe_dump(RECIPE), encoding="utf-8")
    return path


def limited(recipe: Path, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """`zoo train` with `SPARE` bytes of memory."""
    command = [sys.executable, "-c", LIMITED, str(SPARE), "train", str(recipe), "--out", str(out), "--device", "cpu"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run([*command, *more], capture_output=True, text=True, env=environment, timeout=300)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a process as Linux does")
def test_a_batch_that_does_not_fit_says_its_size_and_the_advice_helps(recipe: Path, tmp_path: Path):
    run = tmp_path / "run"
    refused = limited(recipe, run)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == (
        "error: out of memory on cpu with data.batch_size 1437, in step 1 of 2; there is no checkpoint yet in "
        f"{run}: lower data.batch_size, or set train.accumulate=2.\n"
    )
    assert not run.exists(), "a run that never took a step leaves nothing"
    assert limited(recipe, run, "train.accumulate=16", "train.epochs=1").returncode == 0
    assert Run(run).finished


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a process as Linux does")
def test_a_resumed_run_that_does_not_fit_keeps_its_checkpoint_and_goes_on_once_there_is_room(
    recipe: Path, interrupt, tmp_path: Path
):
    run = tmp_path / "run"
    interrupt(1)
    with pytest.raises(KeyboardInterrupt):
        zoo.train(recipe, out=run, device="cpu")

    def kept() -> dict[Path, bytes]:
        # metrics.json may say that the run was resumed with other threads, which `limited` has.
        return {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != "metrics.json"}

    before = kept()
    refused = limited(recipe, run, "--resume")
    assert refused.returncode == 2 and refused.stderr == (
        "error: out of memory on cpu with data.batch_size 1437, in step 2 of 2; the last good checkpoint, of step 1, "
        f"is kept in {run}: lower data.batch_size, or set train.accumulate=2.\n"
    )
    assert kept() == before
    assert [row["step"] for row in zoo.train(recipe, out=run, device="cpu", resume=True).log] == ["1", "2"]


def test_measuring_says_its_own_batch(mlp: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run = zoo.train({**mlp, "train": {"epochs": 1}}, out=tmp_path / "run", device="cpu")
    monkeypatch.setattr("zoo.models.mlp.MLP.forward", lambda self, x: torch.empty(2**48))
    with pytest.raises(ZooError, match=r"^out of memory on cpu with evaluate\.batch_size 500; lower it\.$"):
        zoo.evaluate(run.folder, device="cpu")


FAULTS = """
import contextlib, resource, sys, torch
from zoo import process
from zoo.training.machine import memory

process.ours = True

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(8):
        torch.ones(64, 2**18)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def held():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()

usual = faults()
with memory.kept():
    with memory.kept():
        faults()
    kept = faults()
    inside = held()
print(usual, kept, inside - held(), faults())
"""


@pytest.mark.skipif(memory._glibc() is None, reason="memory is not kept on this machine")
def test_blocks_are_kept_for_the_next_and_given_back_in_the_end():
    """Eight blocks of 64 MiB are 131,072 pages; the system may hand out larger ones."""
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    usual, kept, returned, after = map(int, done.stdout.split())
    assert kept < usual / 10
    # Where something small lies above them on the heap, two of the eight blocks stay there to be used again.
    assert returned > 60 * 2**20 and after > usual / 5


GROWING = """
import resource, torch
from zoo import process
from zoo.training.machine import memory

process.ours = True

def held():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() // 2**20

with memory.kept() as trim:
    trim()
    torch.ones(64, 2**18)
    trim()
    some = held()
    for _ in range(3):
        torch.ones(1024, 2**18)
        grown = held()
        trim()
        trim()
    print(some, grown, held())
"""


@pytest.mark.skipif(memory._glibc() is None, reason="memory is not kept on this machine")
def test_what_is_kept_is_given_back_if_it_grows_too_much():
    """64 MiB are kept; 1 GiB, which no batch asked for before, is not."""
    done = subprocess.run([sys.executable, "-c", GROWING], capture_output=True, text=True, check=True)
    some, grown, left = map(int, done.stdout.split())
    assert grown > some + 700 and left < some + 200


@pytest.mark.parametrize("variable", ["GLIBC_TUNABLES=glibc.malloc.mmap_max=0", "MALLOC_TRIM_THRESHOLD_=1000000000"])
def test_what_the_environment_says_of_the_allocator_stays(variable: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(*variable.split("=", 1))
    monkeypatch.setattr(process, "ours", True)
    with memory.kept():
        assert memory._inside == 0


def test_other_threads_leave_the_allocator_as_it_is(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(process, "ours", True)
    inside = []

    def look() -> None:
        with memory.kept():
            inside.append(memory._inside)

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert inside == [0]


@pytest.mark.skipif(memory._glibc() is None, reason="memory is not kept on this machine")
def test_training_and_measuring_keep_their_blocks(mlp: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    inside = []
    forward = zoo.models.mlp.MLP.forward

    def noted(self: Any, x: torch.Tensor) -> torch.Tensor:
        inside.append((self.training, memory._inside))
        return forward(self, x)

    monkeypatch.setattr("zoo.models.mlp.MLP.forward", noted)
    zoo.train({**mlp, "train": {"epochs": 1}}, out=tmp_path / "theirs", device="cpu")
    assert {depth for _, depth in inside} == {0}, "somebody else's process keeps its allocator"
    inside.clear()
    monkeypatch.setattr(process, "ours", True)
    zoo.train({**mlp, "train": {"epochs": 1}}, out=tmp_path / "run", device="cpu")
    assert {depth for training, depth in inside if training} == {1}
    assert inside[-1] == (False, 1), "the measuring at the end"
    assert memory._inside == 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_too_small():
    with pytest.raises(ZooError, match=r"^too large\.$"), memory.enough(lambda: "too large."):
        torch.empty(2**48, device="cuda")


def test_other_errors_go_through():
    with pytest.raises(RuntimeError, match="size of tensor"), memory.enough(lambda: "too large."):
        torch.add(torch.ones(2), torch.ones(3))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a process as Linux does")
def test_a_model_that_does_not_fit_twice_is_reported_before_the_first_step(recipe: Path, tmp_path: Path):
    changes = ("model_args.widths=[1300000]", "data.batch_size=8", "train.average.decay=0.9")
    ended = limited(recipe, tmp_path / "run", *changes)
    assert ended.returncode == 2 and len(ended.stderr.strip().splitlines()) == 1, ended.stderr
    assert "out of memory on cpu before the first step" in ended.stderr
    assert not (tmp_path / "run").exists()
