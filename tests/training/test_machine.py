"""What a machine does to a run: too little shared memory, processes that die, odd batches."""

from __future__ import annotations

import multiprocessing
import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from small import RECIPE

import zoo
from zoo import ZooError
from zoo.kinds import pictures
from zoo.training import epoch


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """64 pictures of two classes."""
    for shade, label in enumerate(("dark", "bright")):
        (tmp_path / "pictures" / label).mkdir(parents=True)
        for n in range(32):
            noise = np.random.default_rng(100 * shade + n).integers(0, 40, (64, 64, 3))
            Image.fromarray((noise + 20 + 180 * shade).astype("uint8")).save(tmp_path / "pictures" / label / f"{n}.png")
    return tmp_path / "pictures"


def recipe(folder: Path, workers: int) -> dict[str, Any]:
    return {
        **RECIPE,
        "model_args": {"widths": [4], "in_features": 3 * 64 * 64},
        "data": {"name": f"imagefolder:{folder}", "size": [64, 64], "batch_size": 8, "workers": workers},
    }


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no such signal")
def test_a_killed_worker_is_reported_and_the_run_goes_on_with_resume(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    whole = zoo.train(recipe(folder, 0), out=tmp_path / "whole", device="cpu")
    real, left = epoch.set_rate, [9]  # in the second epoch, when a checkpoint is there

    def set_rate(*arguments: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            for child in multiprocessing.active_children():
                child.kill()
                child.join()
        real(*arguments)

    monkeypatch.setattr(epoch, "set_rate", set_rate)
    before = signal.getsignal(signal.SIGCHLD)
    with pytest.raises(ZooError, match=r"^a process that read pictures ended \(.*\); go on with --resume, and if"):
        zoo.train(recipe(folder, 1), out=tmp_path / "run", device="cpu")
    assert signal.getsignal(signal.SIGCHLD) == before, "the loader's own handler goes with it"
    run = zoo.train(recipe(folder, 2), out=tmp_path / "run", resume=True, device="cpu")
    assert run.metrics == whole.metrics and signal.getsignal(signal.SIGCHLD) == before


def test_where_shared_memory_is_short_batches_go_through_pipes(folder: Path, monkeypatch: pytest.MonkeyPatch):
    settings = {"kind": "image", "channels": 3, "size": [64, 64], "maximum": 255.0}
    paths = sorted(map(str, folder.rglob("*.png")))
    found = []
    for room in (True, False):
        monkeypatch.setattr(pictures, "_is_room", lambda size, room=room: room)
        found.append(list(pictures.read_batches(paths, torch.arange(64).split(10), settings, 2)))
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True)) and len(found[0]) == 7


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("unshare"), reason="needs Linux")
def test_with_a_small_dev_shm_a_run_ends_as_usual(folder: Path, tmp_path: Path):
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(recipe(folder, 2)))
    script = (
        "mount -t tmpfs -o size=128k tmpfs /dev/shm || exit 99\n"
        f"exec {sys.executable} -m zoo train {tmp_path / 'r.yaml'} --out {tmp_path / 'run'} --device cpu"
    )
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=180)
    if done.returncode in (1, 99):
        pytest.skip("needs the right to mount")
    assert done.returncode == 0, done.stderr


def embedding(tmp_path: Path, size: int) -> dict[str, Any]:
    return {
        "model": "mnist_embed",
        "init": "kaiming_normal",
        "data": {"name": f"imagefolder:{tmp_path / 'labels'}", "size": [28, 28], "channels": 1, "batch_size": size},
        "loss": {"name": "triplet"},
        "optimizer": {"name": "adamw", "lr": 0.001},
        "train": {"steps": 1},
    }


def test_batches_without_a_positive_are_reported_before_training(tmp_path: Path):
    for label in range(12):
        (tmp_path / "labels" / f"{label:02}").mkdir(parents=True)
        for n in range(5):
            noise = np.random.default_rng(10 * label + n).integers(0, 255, (28, 28))
            Image.fromarray(noise.astype("uint8")).save(tmp_path / "labels" / f"{label:02}" / f"{n}.png")
    with pytest.raises(ZooError, match=r"^no batch of 1 holds two samples of one label, which loss\.name triplet"):
        zoo.train(embedding(tmp_path, 1), out=tmp_path / "one", device="cpu")
    said = r"^loss\.name triplet: \d+ of the first epoch's 16 batches .* so they teach it nothing"
    with pytest.warns(UserWarning, match=said):
        zoo.train(embedding(tmp_path, 3), out=tmp_path / "three", device="cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        zoo.train(embedding(tmp_path, 48), out=tmp_path / "many", device="cpu")
