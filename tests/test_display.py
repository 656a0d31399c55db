"""What a person sees: tables in a terminal, numbers, what an object says of itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from forked import python

import zoo
from zoo import data, display
from zoo.cli.output import lines

HEAD = ("name", "task", "figure", "size", "description")
ROWS = [
    ("mnist_mlp.mnist_plain_v1", "image-classification", "98.69 % ± 0.04 %", "1.1 MB", "A perceptron of four layers"),
    ("日本.語_v1", "regression", "9 %", "22.4 MB", "Short"),
]


def in_terminal(columns: int, *arguments: str, cwd: Path | None = None) -> str:
    """What `zoo` writes into a terminal of this width, in columns."""
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        [*python(), "-m", "zoo", *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=environment, cwd=cwd
    )
    os.close(theirs)
    written = b""
    while True:
        try:
            part = os.read(ours, 1 << 16)
        except OSError:  # the other end is closed
            part = b""
        if not part:
            break
        written += part
    os.close(ours)
    assert process.wait() == 0, written.decode()
    return written.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("width", range(24, 120, 7))
def test_a_table_fits_its_terminal_and_cuts_no_name(width: int) -> None:
    from rich.cells import cell_len

    shown = lines(HEAD, ROWS, width)
    table = [line for line in shown if not line.startswith("…")]
    assert len(table) == 3 and all(cell_len(line) <= width for line in table)
    assert table[1].startswith(ROWS[0][0]) and table[2].startswith(ROWS[1][0])
    left_out = shown[3].partition("also: ")[2].split(", ") if len(shown) > 3 else []
    kept = [name for name in HEAD if name in table[0]]
    assert kept + left_out == list(HEAD)
    for column in range(len(kept) - 1):  # of all but the last text every cell is whole
        assert all(ROWS[row][column] in table[row + 1] for row in range(2))


def test_a_table_without_a_terminal_is_whole() -> None:
    head, first, second = lines(HEAD, ROWS, None)
    assert all(cell in first for cell in ROWS[0]) and all(cell in second for cell in ROWS[1])
    assert head.index("size") + 4 == first.index("1.1 MB") + 6, "numbers are set to the right"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
@pytest.mark.parametrize("command", [("list",), ("data", "list")])
def test_at_eighty_columns_every_name_can_be_copied(command: tuple[str, ...]) -> None:
    shown = in_terminal(80, *command)
    names = zoo.list_weights() if command == ("list",) else data.names()
    rows = shown.splitlines()
    assert all(len(row) <= 80 for row in rows)
    assert {row.split()[0] for row in rows} >= set(names)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.0018138724688724077, "0.001814"),
        (0.98765, "0.9877"),
        (1234.5678, "1,235"),
        (928930, "928,930"),
        (2026, "2026"),
        (1e-7, "1e-07"),
        (0.0, "0"),
        (True, "True"),
        ("text", "text"),
    ],
)
def test_numbers_are_written_as_people_write_them(value: object, told: str) -> None:
    assert display.written(value) == told


@pytest.mark.parametrize("weight", zoo.list_weights())
def test_a_record_prints_on_one_screen(weight: str) -> None:
    model = zoo.create(weight)
    shown = str(model.zoo).splitlines()
    assert len(shown) < 24 and all(len(line) <= 80 for line in shown)
    assert weight in shown[0]
    assert all(metric in " ".join(shown) for metric in model.zoo.metrics)
    assert "train:" not in str(model.zoo) and "<table>" in model.zoo._repr_html_()


def test_a_predictor_says_what_it_is_and_no_page_of_functions() -> None:
    predictor = zoo.predictor("mlp.digits_v1")
    for shown in (repr(predictor), predictor._repr_html_(), repr(zoo.info("mlp.digits_v1"))):
        assert "mlp.digits_v1" in shown and "image-classification" in shown and "<function" not in shown
    assert len(repr(predictor).splitlines()) < 10


def test_a_record_is_had_from_any_model_of_the_zoo() -> None:
    import torch

    from zoo.bundles.record import record

    assert record(zoo.create("mlp.digits_v1")).weight == "mlp.digits_v1"
    with pytest.raises(zoo.ZooError, match=r"this Linear has no record; make the model with zoo.create"):
        record(torch.nn.Linear(1, 1))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_a_command_that_takes_long_says_so_at_once_in_a_terminal(tmp_path: Path) -> None:
    shown = in_terminal(80, "train", "mlp.digits", "train.epochs=2", "--out", str(tmp_path / "run"), "--device", "cpu")
    first = shown.splitlines()[0]
    assert first.startswith("train mlp.digits: reading recipe and data; its card says 2 s a seed") and len(first) <= 80
    assert "mlp.digits, seed 0" in shown


@pytest.mark.parametrize("name", ["mlp", "mlp.digits", "mlp.digits_v1", "nothing", "", "no/where"])
def test_what_is_said_beforehand_needs_nothing_heavy(name: str) -> None:
    code = (
        "import sys; from zoo.cli.beforehand import announce; sys.stderr.isatty = lambda: True\n"
        f"announce('reproduce', {name!r}); print('torch' in sys.modules, 'pydantic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "False False\n", done.stderr
    assert done.stderr.startswith(f"reproduce {name}: reading recipe and data") and done.stderr.count("\n") == 1
    assert ("its card says 2 s a seed" in done.stderr) == name.startswith("mlp")
