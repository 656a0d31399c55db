"""A forked process (forked.py) is to a test what a real one would be: streams, status, signals, folder, environment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from forked import python

CODE = (
    "import os, sys; print(sys.stdin.read(), os.getcwd(), os.environ['MINE'], sys.argv[1:]);"
    " print('bad', file=sys.stderr); sys.exit(7)"
)
ROOT = Path(__file__).parents[1]


@pytest.fixture(params=["forked", "real"])
def start(request: pytest.FixtureRequest) -> list[str]:
    return python() if request.param == "forked" else [sys.executable]


def test_streams_status_folder_and_environment(start: list[str], tmp_path: Path) -> None:
    environment = {**os.environ, "MINE": "here"}
    command = [*start, "-c", CODE, "one", "two"]
    done = subprocess.run(command, input="in", capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 7 and done.stderr == "bad\n"
    assert done.stdout == f"in {tmp_path} here ['one', 'two']\n"


def test_an_error_ends_with_its_traceback(start: list[str]) -> None:
    done = subprocess.run([*start, "-c", "1 / 0"], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.splitlines()[-1] == "ZeroDivisionError: division by zero"


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGTERM, 5), (signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, -signal.SIGINT)],
    ids=lambda value: str(int(value)),
)
def test_a_signal_reaches_it_and_its_end_is_seen(start: list[str], number: int, status: int) -> None:
    code = (
        "import os, signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(5));"
        "print(os.getpid(), flush=True); [time.sleep(0.1) for _ in range(300)]"  # Python handles one between two
    )
    with subprocess.Popen([*start, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        worker = int(process.stdout.readline())
        process.send_signal(number)
        assert process.wait(30) == status
        assert process.stdout.read() == b"", "the streams end with the worker"
    deadline = time.monotonic() + 60
    while Path(f"/proc/{worker}").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not Path(f"/proc/{worker}").exists(), "nobody works on"


def test_closed_streams_are_None_and_a_module_runs(start: list[str]) -> None:
    shell = ["sh", "-c", '"$@" >&-', "sh", *start]
    done = subprocess.run([*shell, "-m", "zoo", "--version"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2 and "standard output is closed" in done.stderr
