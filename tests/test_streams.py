"""Standard streams may be closed, replaced, not terminals, or not there: the command, predictors and runs go on."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from small import RECIPE

import zoo
from zoo.cli import main
from zoo.sources import progress


class Bare:
    """A stream that somebody put in place of another, and that can do no more than be written to."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text
        return len(text)


class Full(io.StringIO):
    """A stream whose other end is gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError

    def flush(self) -> None:
        raise BrokenPipeError


class Gone(Full):
    """A terminal that is gone."""

    def isatty(self) -> bool:
        return True


def closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


STREAMS = {"none": lambda: None, "closed": closed, "bare": Bare, "full": Full, "gone": Gone}
every_stream = pytest.mark.parametrize("make", STREAMS.values(), ids=STREAMS)


@every_stream
def test_a_run_does_not_end_if_no_one_reads_its_output(
    make: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    out, err = io.StringIO(), make()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    run = zoo.train(RECIPE, out=tmp_path / "run", device="cpu")
    assert run.finished and sys.stderr is err and out.getvalue() == "", "what is for standard error goes nowhere else"
    if isinstance(err, Bare):
        assert "epoch 2" in err.text


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="closes streams as shells of POSIX do")
def test_the_command_trains_if_no_one_reads_its_output(tmp_path: Path):
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(RECIPE))
    command = f"exec {sys.executable} -m zoo train small.yaml --out run <&- >out.txt 2>&-"
    subprocess.run(["sh", "-c", command], cwd=tmp_path, timeout=120)
    assert zoo.Run(tmp_path / "run").finished


@every_stream
@pytest.mark.parametrize("arguments", [["info", "mlp.digits_v1"], ["list", "mlp*"]], ids=lambda given: given[0])
def test_a_command_answers_its_caller(
    arguments: list[str], make: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a window without a console, in a notebook, in a server: what is printed goes to what stands there."""
    for more, out in ((["--json"], io.StringIO()), ([], io.StringIO()), (["--json"], Bare()), ([], Bare())):
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", make())
        monkeypatch.setattr(sys, "stdin", None)
        assert main([*arguments, *more]) == 0
        told = out.getvalue() if isinstance(out, io.StringIO) else out.text
        assert "mlp.digits_v1" in told and sys.stdout is out
        assert not more or json.loads(told)


@every_stream
def test_an_error_has_its_status_even_if_no_one_reads_it(
    make: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", make())
    assert main(["info", "mnist_mpl"]) == 2 and main(["predict", "rnn_text", "-"]) == 2
    assert out.getvalue() == "", "what is for standard error goes nowhere else"


@pytest.mark.parametrize("make", [lambda: None, closed], ids=["none", "closed"])
def test_output_that_cannot_be_written_is_an_error(make: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    err = io.StringIO()
    monkeypatch.setattr(sys, "stdout", make())
    monkeypatch.setattr(sys, "stderr", err)
    for arguments in (["list"], ["list", "--json"]):
        assert main(arguments) == 2
    assert err.getvalue() == 2 * "error: standard output is closed\n"


@every_stream
def test_a_predictor_answers_whatever_standard_error_is(
    make: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    read, raw = zoo.predictor("mlp.digits_v1"), np.zeros((8, 8))
    monkeypatch.setattr("zoo.answering.progress.PATIENCE", -1.0)
    out, err = io.StringIO(), make()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    assert len(read([raw] * 70)) == len(list(read.stream([raw] * 3))) + 67 == 70
    assert out.getvalue() == ""


@every_stream
def test_a_transfer_goes_on_whatever_standard_error_is(
    make: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_QUIET", -1.0)
    out, err = io.StringIO(), make()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    with progress.progress("some weight", 2_000_000) as tell:
        tell(1_000_000)
    assert out.getvalue() == "" and (not isinstance(err, Bare) or err.text == "some weight (2.0 MB)\n")


def test_a_stream_that_is_lost_costs_no_open_file(monkeypatch: pytest.MonkeyPatch) -> None:
    before = len(os.listdir("/dev/fd")) if os.path.isdir("/dev/fd") else 0
    monkeypatch.setattr(sys, "stderr", Full())
    for _ in range(5):
        assert main(["info", "mnist_mpl"]) == 2
    assert not before or len(os.listdir("/dev/fd")) == before
