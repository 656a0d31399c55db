"""Seeds as jobs: real processes, merged as one process would have them; what fails is named and not started again."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from forked import python

import zoo
from zoo import ZooError
from zoo.training import Run
from zoo.training.jobs import train_all

RECIPE: dict[str, Any] = {
    "model": "mlp",
    "model_args": {"widths": [16]},
    "init": "default",
    "data": {"name": "digits", "batch_size": 64},
    "optimizer": {"name": "adamw", "lr": 0.003},
    "train": {"epochs": 2},
}


@pytest.fixture(scope="module")
def weight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small weight, published."""
    folder = tmp_path_factory.mktemp("weight")
    run = zoo.train(RECIPE, out=folder / "run", device="cpu")
    return folder / "shelf" / zoo.publish(run, folder / "shelf", name="mlp.small_v1")


@pytest.mark.slow
@pytest.mark.parametrize("cluster", [None, "local"], ids=["processes", "submitit"])
def test_jobs_find_what_one_process_finds(weight: Path, cluster: str | None, tmp_path: Path, capfd):
    alone = zoo.reproduce(weight, seeds=2, device="cpu")
    report = zoo.reproduce(weight, seeds=2, device="cpu", jobs=2, cluster=cluster, out=tmp_path / "runs")
    assert report.measured["seeds"] == alone.measured["seeds"] == [0, 1]
    assert report.measured["values"] == pytest.approx(alone.measured["values"], abs=1e-6)
    # Jobs share the cores, so their bits may differ from those of one process, and with them a verdict bit for bit.
    assert report.margin == alone.margin and report.interval == pytest.approx(alone.interval, abs=1e-6)
    assert all(Run(tmp_path / "runs" / f"seed{seed}").finished for seed in (0, 1))
    said = capfd.readouterr().err
    assert re.search(r"(?m)^seed 0: ", said) and re.search(r"(?m)^seed 1: ", said), "one line a seed"


@pytest.mark.slow
@pytest.mark.parametrize("cluster", [None, "local"], ids=["processes", "submitit"])
def test_a_run_that_fails_is_named_and_the_others_are_kept(cluster: str | None, tmp_path: Path):
    recipe = tmp_path / "small.yaml"
    recipe.write_text(yaml.safe_dump(RECIPE), encoding="utf-8")
    (tmp_path / "seed1").mkdir()
    (tmp_path / "seed1" / "mine.txt").write_text("not a run")
    with pytest.raises(ZooError) as raised:
        train_all(recipe, {seed: tmp_path / f"seed{seed}" for seed in (0, 1)}, device="cpu", cluster=cluster)
    assert re.match(r"1 of 2 runs failed \(seed 1: .*is not empty and holds no run.*\); mend", str(raised.value))
    assert Run(tmp_path / "seed0").finished and not Run(tmp_path / "seed1").finished


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_every_job_with_its_checkpoint(number: signal.Signals, tmp_path: Path):
    long = {**RECIPE, "train": {"epochs": 5000}}
    recipe = tmp_path / "long.yaml"
    recipe.write_text(yaml.safe_dump(long), encoding="utf-8")
    code = (
        "from pathlib import Path; from zoo.training.jobs import train_all\n"
        f"train_all(Path({str(recipe)!r}), {{s: Path({str(tmp_path)!r}) / str(s) for s in (0, 1, 2)}}, jobs=2)"
    )
    parent = subprocess.Popen([*python(), "-c", code], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while len(list(tmp_path.glob("*/log.csv"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    parent.send_signal(number)
    _, err = parent.communicate(timeout=60)
    assert parent.returncode == 143 if number == signal.SIGTERM else "KeyboardInterrupt" in err
    assert parent.returncode != 0
    assert all(list((tmp_path / seed).glob("checkpoints/*.safetensors")) for seed in "01")
    assert not (tmp_path / "2").exists(), "what waits is not begun"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "status", "send"),
    [(signal.SIGINT, 130, os.killpg), (signal.SIGTERM, 143, os.kill)],  # a terminal's Ctrl-C is for the whole group
    ids=["Ctrl-C", "kill"],
)
def test_a_signal_cancels_the_jobs_of_a_cluster(
    number: signal.Signals, status: int, send: Callable[[int, int], None], weight: Path, tmp_path: Path
):
    slow = tmp_path / "mlp.long_v1"
    shutil.copytree(weight, slow)
    recipe = yaml.safe_load((slow / "recipe.yaml").read_text(encoding="utf-8"))
    recipe["train"]["epochs"] = 5000
    (slow / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    command = ["reproduce", str(slow), "--seeds", "3", "--cluster", "local", "--jobs", "2", "--device", "cpu"]
    parent = subprocess.Popen(
        [sys.executable, "-m", "zoo", *command, "--out", str(tmp_path / "runs")],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while len(list(tmp_path.glob("runs/*/log.csv"))) < 2 and time.monotonic() < deadline and parent.poll() is None:
        time.sleep(0.05)
    send(parent.pid, number)
    _, err = parent.communicate(timeout=120)
    assert parent.returncode == status, err
    assert re.fullmatch(r"(seed [01]: job \d+\n){2}(seed [01]: job \d+ is cancelled\n){2}", err), err
    working = subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, text=True).stdout.split()
    assert not working, "nobody works on"
    for seed in (0, 1):
        run = tmp_path / "runs" / f"seed{seed}"
        kept = max(int(path.stem) for path in run.glob("checkpoints/*.safetensors"))
        assert kept >= int(Run(run).log[-1]["step"]) > 0, "with a checkpoint of the moment"
    assert not (tmp_path / "runs" / "seed2").exists(), "what waits is not begun"


@pytest.mark.slow
@pytest.mark.parametrize("cluster", [None, "local"], ids=["processes", "submitit"])
def test_the_runs_do_not_use_this_processs_launcher(cluster: str | None, tmp_path: Path, monkeypatch):
    recipe = tmp_path / "small.yaml"
    recipe.write_text(yaml.safe_dump(RECIPE), encoding="utf-8")
    told = {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "x"}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    (run,) = train_all(recipe, {0: tmp_path / "seed0"}, device="cpu", cluster=cluster)
    assert run.finished


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"jobs": 0}, "jobs is 0; give 1 or more."),
        ({"cluster": "moon"}, "cluster 'moon' cannot be used"),
    ],
)
def test_what_cannot_be_asked_for(more: dict[str, Any], said: str, tmp_path: Path):
    with pytest.raises(ZooError, match=said):
        train_all(tmp_path / "none.yaml", {0: tmp_path / "0"}, **more)
