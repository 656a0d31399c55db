"""What a person sees while a run trains."""

from __future__ import annotations

import io
import re
import sys

import pytest

import zoo
from zoo.training.progress import bar, text

FIGURES = {"epoch": 3, "lr": 0.00123456, "train_loss": 0.5, "train_accuracy": "", "samples_per_second": 12345}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_figures_as_words():
    assert text(FIGURES) == "epoch 3  lr 0.001235  train loss 0.5  samples per second 12345"
    assert text({}) == ""


def test_plain_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]):
    with bar("mlp.digits", 40, 0) as (move, tell):
        move(5, FIGURES)
        tell(10, FIGURES)
        move(15, FIGURES)
        tell(40, {"epoch": 4})
    out, err = capsys.readouterr()
    assert out == "", "standard output belongs to the commands"
    assert err == f"mlp.digits  25 %  {text(FIGURES)}\nmlp.digits 100 %  epoch 4\n"


def test_a_live_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    for name, value in (("TERM", "xterm"), ("COLUMNS", "200")):
        monkeypatch.setenv(name, value)
    with bar("mlp.digits", 40, 10) as (move, tell):
        move(20, FIGURES)
        tell(20, {"epoch": 1})
        move(40, FIGURES)
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue())
    assert "100 %" in shown and text(FIGURES) in shown, "loss, metric and speed"
    assert re.search(r"\d:\d\d:\d\d|-:--:--", shown), "time left"
    assert "mlp.digits  epoch 1" in shown


def test_a_run_tells_every_epoch_once_and_logs_the_same(tmp_path, capsys):
    recipe = {
        "model": "mlp",
        "init": "default",
        "data": {"name": "digits", "batch_size": 64, "validation": 0.2},
        "optimizer": {"name": "adamw", "lr": 0.01},
        "train": {"epochs": 3},
    }
    run = zoo.train(recipe, out=tmp_path / "run", device="cpu")
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("  epoch")[0] for line in lines] == ["mlp  33 %", "mlp  67 %", "mlp 100 %"]
    assert [row["epoch"] for row in run.log] == ["1", "2", "3"]
    for row, line in zip(run.log, lines, strict=True):
        for key in ("train_loss", "validation_accuracy"):
            assert f"{key.replace('_', ' ')} {float(row[key]):.4g}" in line
    assert float(run.log[-1]["validation_accuracy"]) == run.metrics["accuracy"] > 0.8
    assert float(run.log[-1]["train_loss"]) < float(run.log[0]["train_loss"])
