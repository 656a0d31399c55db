"""Series as people have them, and answers in their units."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from zoo.errors import ZooError
from zoo.kinds import Input
from zoo.kinds.series import prepare
from zoo.tasks.forecasting import answer, mae, mse

INPUT = {"kind": "series", "context": 3, "horizon": 2, "channels": ["a", "b"], "mean": [10.0, 0.0], "std": [2.0, 0.5]}
ROWS = np.array([[99, 99], [10, 0], [12, 1], [8, -1]])
STANDARDISED = torch.tensor([[[0.0, 0.0], [1.0, 2.0], [-1.0, -2.0]]])


def test_arrays_tensors_and_files_become_the_last_rows_standardised(tmp_path: Path):
    np.save(tmp_path / "rows.npy", ROWS)
    (tmp_path / "rows.csv").write_text(
        "date,b,a\n" + "".join(f"2026-01-0{i + 1},{b},{a}\n" for i, (a, b) in enumerate(ROWS)), encoding="utf-8-sig"
    )
    raw = [ROWS, torch.from_numpy(ROWS), ROWS.astype("float16"), ROWS[::-1][::-1]]
    (batch,) = prepare([*raw, tmp_path / "rows.npy", str(tmp_path / "rows.csv")], Input(INPUT))
    assert batch.dtype == torch.float32
    torch.testing.assert_close(batch, STANDARDISED.expand(6, -1, -1))


def test_a_gap_before_the_context_does_not_matter():
    rows = ROWS.astype(float)
    rows[0] = np.nan
    torch.testing.assert_close(prepare([rows], Input(INPUT))[0], STANDARDISED)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (ROWS[1:, :1], r"the array of shape \(3, 1\) is not a series; give rows of 2 numbers: a, b\."),
        (ROWS[:, 0], "is not a series"),
        (ROWS.astype(complex), "is not a series"),
        (np.array([["x", "y"]] * 3), "holds no numbers"),
        (ROWS[2:], r"has 2 rows, and a forecast looks back at 3; give at least as many\."),
        (np.where(ROWS == 12, np.nan, ROWS), "not finite in its last 3 rows"),
        (np.where(ROWS == 12, 1e30, ROWS), r"holds a value beyond 1e\+12 in its last 3 rows; give it in other units\."),
        (7, "int is not a series"),
        ("nowhere.csv", r"there is no file nowhere\.csv"),
    ],
)
def test_an_input_that_is_not_a_series_is_refused(raw, said: str):
    with pytest.raises(ZooError, match=said):
        prepare([ROWS, raw], Input(INPUT))


def test_files_that_hold_no_series_are_refused(tmp_path: Path):
    for name, content, said in (
        ("a.csv", b"a,c\n1,2\n", "has no column b"),
        ("a.csv", b"a,b\n1,2\n", "has 1 rows"),
        ("a.csv", b"\xff\xfe\x00", "cannot be read as CSV text"),
        ("a.npy", b"no array", "is not a readable .npy array"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ZooError, match=said):
            prepare([tmp_path / name], Input(INPUT))


def test_an_answer_is_in_the_units_of_the_series():
    (forecast,) = answer(torch.tensor([[[1.0, 0.0], [0.0, 1.0 / 3]]]), [ROWS], {"input": INPUT})
    torch.testing.assert_close(forecast.answer, torch.tensor([[12.0, 0.0], [10.0, 1 / 6]]))
    assert forecast.channels == ["a", "b"]
    assert forecast.to_dict() == {"answer": {"a": [12.0, 10.0], "b": [0.0, 0.166667]}}


def test_errors_are_means_over_all_numbers():
    outputs, targets = torch.tensor([[[0.0, 1.0]], [[2.0, 3.0]]]), torch.tensor([[[0.0, 3.0]], [[2.0, 2.0]]])
    assert mse(outputs, targets) == pytest.approx(5 / 4)
    assert mae(outputs, targets) == pytest.approx(3 / 4)
