"""What a person sees while a run trains."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import pytest

import zoo
from zoo.training.progress import bar, text

FIGURES = {"epoch": 3, "lr": 0.00123456, "train_loss": 0.5, "train_accuracy": "", "samples_per_second": 12345}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_figures_as_words():
    assert text(FIGURES) == "epoch 3  lr 0.001235  loss 0.5  samples/s 12345"
    assert text(FIGURES, 30) == "epoch 3  lr 0.001235  loss 0.5" and text(FIGURES, 20) == "epoch 3  loss 0.5"
    assert text({}) == ""


def test_plain_lines_without_a_terminal(capsys: pytest.CaptureFixture[str]):
    with bar("mlp.digits, seed 0", 40, 0) as (move, tell):
        move(5, FIGURES)
        tell(10, FIGURES)
        move(15, FIGURES)
        tell(20, {"epoch": 2})
        tell(40, {"epoch": 4})
    out, err = capsys.readouterr()
    assert out == "", "standard output belongs to the commands"
    first = f"mlp.digits, seed 0  25 %  {text(FIGURES, 54)}"
    assert err == f"{first}\nmlp.digits, seed 0 100 %  epoch 4\n" and len(first) <= 80


def test_a_line_every_ten_seconds_without_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    from zoo.training import progress

    clock = iter(range(0, 1000, 2))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with bar("mlp", 400, 0) as (move, tell):
        for epoch in range(1, 21):
            move(epoch - 1, {"epoch": epoch})
            tell(epoch, {"epoch": epoch})
    lines = capsys.readouterr().err.splitlines()
    assert 5 < len(lines) < 12 and lines[0].endswith("epoch 1") and lines[-1].endswith("epoch 20")


@pytest.mark.parametrize("name", ["mlp.digits", "resnet18_cifar.fashion_mnist"])
def test_eighty_columns_of_a_terminal_hold_all(name: str, monkeypatch: pytest.MonkeyPatch):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    for variable, value in (("TERM", "xterm"), ("COLUMNS", "80")):
        monkeypatch.setenv(variable, value)
    figures = {"epoch": 100, "lr": 1.2345e-05, "train_loss": 1.2345e-05, "train_accuracy": 0.98765}
    with bar(name, 40, 10) as (move, tell):
        move(20, FIGURES)
        tell(20, {"epoch": 1})
        move(40, {**figures, "samples_per_second": 123456})
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue())
    assert f"{name}  epoch 1\n" not in shown, "one live display, and no line an epoch"
    line, below = shown.splitlines()[-2:]
    assert re.fullmatch(rf"{name} ━+ 100% (\d:\d\d:\d\d|-:--:--)", line) and len(line) == 80, "a bar and the time left"
    assert below.rstrip() == "epoch 100  lr 1.234e-05  loss 1.234e-05  accuracy 0.9877  samples/s 123456"


def test_a_run_on_a_terminal_shows_its_figures_while_they_grow(tmp_path, monkeypatch: pytest.MonkeyPatch):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    for variable, value in (("TERM", "xterm"), ("COLUMNS", "80")):
        monkeypatch.setenv(variable, value)
    zoo.train("mlp.digits", out=tmp_path / "run", device="cpu", **{"train.epochs": 2})  # type: ignore
    number = r"[-+.e0-9]+"
    live = rf"epoch 2  lr {number}  loss {number}  accuracy {number}  samples/s \d+( |\n)"
    assert re.search(live, re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue()))


def test_a_run_prints_its_first_and_last_epoch_and_logs_all(tmp_path, capsys):
    recipe = {
        "model": "mlp",
        "init": "default",
        "data": {"name": "digits", "batch_size": 64, "validation": 0.2},
        "optimizer": {"name": "adamw", "lr": 0.01},
        "train": {"epochs": 3},
    }
    run = zoo.train(recipe, out=tmp_path / "run", device="cpu")
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("  epoch")[0] for line in lines] == ["mlp, seed 0  33 %", "mlp, seed 0 100 %"]
    assert [row["epoch"] for row in run.log] == ["1", "2", "3"]
    for row, line in zip(run.log[::2], lines, strict=True):
        assert len(line) <= 80 and f"  loss {float(row['train_loss']):.4g}" in line
    assert f"validation accuracy {float(run.log[-1]['validation_accuracy']):.4g}" in lines[-1]
    assert float(run.log[-1]["validation_accuracy"]) == run.metrics["accuracy"] > 0.8
    assert float(run.log[-1]["train_loss"]) < float(run.log[0]["train_loss"])


def test_progress_false_says_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    zoo.train("mlp.digits", {"train.epochs": 1}, out=tmp_path / "quiet", progress=False)
    assert capfd.readouterr() == ("", "")
    zoo.train("mlp.digits", {"train.epochs": 1}, out=tmp_path / "usual")
    assert "mlp.digits, seed 0" in capfd.readouterr().err
