"""Forecasts beside the truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from torch import Tensor

from zoo import ZooError, data, viz
from zoo.data import DataSet, Split

ROWS = torch.arange(20.0).view(10, 2) ** 2  # ten rows of the two channels of `series_bundle`


def lines(axes: Axes) -> dict[object, list[tuple[float, float]]]:
    return {line.get_label(): list(zip(*np.asarray(line.get_data()).tolist(), strict=True)) for line in axes.lines}


def points(rows: Tensor, channel: int, start: int) -> list[tuple[float, Any]]:
    return [(float(start + place), pytest.approx(value)) for place, value in enumerate(rows[:, channel].tolist())]


def test_the_last_rows_are_kept_back_as_the_truth(series_bundle: Path) -> None:
    figure = viz.forecast(series_bundle, ROWS)
    assert [axes.get_title() for axes in figure.axes] == ["a, off by 164 on average", "b, off by 176 on average"]
    for channel, axes in enumerate(figure.axes):
        drawn = lines(axes)
        assert drawn["before"] == points(ROWS[4:8], channel, -4) and drawn["truth"] == points(ROWS[8:], channel, 0)
        assert drawn["forecast"] == points(ROWS[4:8].mean(0).expand(2, 2), channel, 0)  # it says the mean of four rows
    assert figure.get_suptitle().endswith(": 2 rows of the series given")


def test_a_series_of_just_what_the_model_looks_back_at_has_no_truth(series_bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    rows = "".join(f"2026-01-0{day},{b},{a}\n" for day, (a, b) in enumerate(ROWS[:4].tolist(), 1))
    path.write_text(f"date,b,a\n{rows}")
    (first, _) = viz.forecast(series_bundle, str(path)).axes
    assert set(lines(first)) == {"before", "forecast"} and first.get_title() == "a"
    assert lines(first)["forecast"] == points(ROWS[:4].mean(0).expand(2, 2), 0, 0)
    with pytest.raises(ZooError, match="has 3 rows, and a forecast looks back at 4"):
        viz.forecast(series_bundle, ROWS[:3])


def test_without_a_series_it_is_the_end_of_the_test_split(series_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    split = Split(ROWS, torch.arange(5, 10))
    monkeypatch.setattr(data, "load", lambda name: DataSet(name, "series", [], 1.0, split, split, ""))
    figure = viz.forecast(series_bundle)
    assert lines(figure.axes[1])["truth"] == points(ROWS[8:], 1, 0)
    assert figure.get_suptitle().endswith(": 2 rows at the end of the test split")
