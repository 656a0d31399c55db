"""A series by its names and times, not by its places: columns in any order, rows newest first, gaps, doubled times."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
import torch

from zoo import ZooError
from zoo.kinds import Input
from zoo.kinds.series import prepare

CHANNELS = ["a", "b"]
INPUT = {"channels": CHANNELS, "context": 4, "mean": [0.0, 0.0], "std": [1.0, 1.0]}
HOURS = [datetime.datetime(2026, 1, 1) + datetime.timedelta(hours=hour) for hour in range(6)]
ROWS = [(str(hour), f"{number}", f"{10 * number}") for number, hour in enumerate(HOURS)]
WANTED = torch.tensor([[[number, 10.0 * number] for number in range(2, 6)]])


def write(path: Path, rows: list[tuple[str, ...]], head: str = "date,a,b") -> Path:
    path.write_text("\n".join([head, *map(",".join, rows)]) + "\n", encoding="utf-8")
    return path


def read(raw: Any) -> torch.Tensor:
    return prepare([raw], Input(INPUT))[0]


@pytest.mark.parametrize("head", ["date,a,b", "Time ,a,b", "when,a,b"])
def test_rows_in_any_order_are_read_oldest_first(tmp_path: Path, head: str) -> None:
    for rows in (ROWS, ROWS[::-1], [ROWS[i] for i in (3, 0, 5, 1, 4, 2)]):
        assert torch.equal(read(write(tmp_path / "series.csv", rows, head)), WANTED)


def test_columns_are_found_by_their_names(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {"b": [10.0 * n for n in range(6)], "other": list(range(6, 0, -1)), "date": HOURS, "a": range(6)}
    )
    assert torch.equal(read(frame), WANTED)
    assert torch.equal(read(frame[::-1]), WANTED)
    assert torch.equal(read(frame.set_index("date")[::-1]), WANTED)
    with pytest.raises(ZooError, match="the frame has no column b; give a, b"):
        read(frame.drop(columns="b"))
    gap = frame.iloc[[0, 1, 3, 4]]
    with pytest.raises(ZooError, match="row 3 of the frame 2026-01-01 03:00:00 comes 2 hours after"):
        read(gap)


@pytest.mark.parametrize(
    ("hours", "said"),
    [
        ((0, 1, 2, 4, 5, 6), r"line 5 of .* 2026-01-01 04:00:00 comes 2 hours after"),
        ((0, 1, 2, 3, 3, 4), r"line 6 of .* 2026-01-01 03:00:00 stands there twice"),
    ],
)
def test_a_gap_or_a_doubled_time_is_an_error_with_its_place(tmp_path: Path, hours: Any, said: str) -> None:
    start = HOURS[0]
    rows = [(str(start + datetime.timedelta(hours=hour)), str(hour), "0") for hour in hours]
    for ordered in (rows, rows[::-1]):
        with pytest.raises(ZooError, match="twice|after" if ordered is not rows else said):
            read(write(tmp_path / "series.csv", ordered))


def test_only_the_rows_that_are_looked_back_at_need_equal_steps(tmp_path: Path) -> None:
    early = [("2025-12-30 07:00", "9", "9"), ("2025-12-30 07:00", "8", "8")]
    assert torch.equal(read(write(tmp_path / "series.csv", [*early, *ROWS])), WANTED)


def test_months_are_steps_and_a_number_beside_them_is_not_a_time(tmp_path: Path) -> None:
    rows = [(f"2026-{month:02}-01", str(month), "7") for month in range(1, 7)]
    assert read(write(tmp_path / "series.csv", rows))[0, :, 0].tolist() == [3, 4, 5, 6]
    assert torch.equal(read(write(tmp_path / "other.csv", [("5", *row[1:]) for row in ROWS], "load,a,b")), WANTED)
    with pytest.raises(ZooError, match=r"line 2 of .*: the time is 'now'; write it as 2026-01-31"):
        read(write(tmp_path / "odd.csv", [("now", *row[1:]) for row in ROWS]))
