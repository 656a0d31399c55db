"""Series as windows: which there are, what they hold, and that none is trained on that is measured on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import zoo
from zoo import ZooError, data, kinds
from zoo.data import Split
from zoo.kinds.series import starts
from zoo.recipes import parse
from zoo.training.setup import prepare

KIND = kinds.get("series")


def rows(count: int) -> torch.Tensor:
    """Two channels: the row's number, and its negative."""
    return torch.arange(count, dtype=torch.float32).unsqueeze(1) * torch.tensor([1.0, -1.0])


def all_rows() -> torch.Tensor:
    """Those of `tiny_series`."""
    found = data.load("tiny_series").test.inputs
    assert isinstance(found, torch.Tensor)
    return found


INPUT = kinds.Input({"kind": "series", "context": 4, "horizon": 3, "mean": [1.0, 0.0], "std": [1.0, 2.0]})


def test_every_window_of_a_split_is_measured_once_and_may_look_back_before_it():
    split = Split(rows(20), torch.arange(10, 20))
    batches = list(KIND.evaluation(split, INPUT, 3, torch.device("cpu")))
    assert [len(targets) for _, targets in batches] == [3, 3, 2]  # a forecast ends with the split at the latest
    contexts, targets = (torch.cat(part) for part in ([x for (x,), _ in batches], [y for _, y in batches]))
    for i in range(8):
        assert contexts[i, :, 0].tolist() == [6 + i - 1, 7 + i - 1, 8 + i - 1, 9 + i - 1]
        assert targets[i, :, 0].tolist() == [10 + i - 1, 11 + i - 1, 12 + i - 1]
        assert targets[i, :, 1].tolist() == [(10 + i) / -2, (11 + i) / -2, (12 + i) / -2]


def test_training_reads_no_window_that_begins_before_the_series(series: dict[str, Any], tiny_series: None):
    split, recipe = Split(rows(20), torch.arange(20)), parse(series)
    feed = KIND.training(recipe, split, INPUT, torch.device("cpu"))
    (contexts,), targets = feed.load(torch.arange(14), torch.Generator(), 0.0)
    assert contexts[0, 0, 0] == -1.0 and contexts[13, 0, 0] == 12.0 and targets[13, -1, 0] == 18.0
    assert len(starts(split, 4, 3)) == 14
    assert feed.size == 14 // 8


def test_a_held_out_part_comes_last_and_no_trained_forecast_reaches_into_it():
    rest, held = KIND.hold_out(Split(rows(50), torch.arange(10, 50)), 0.25)
    assert rest.targets.tolist() == list(range(10, 40)) and held.targets.tolist() == list(range(40, 50))
    assert len(rest.inputs) == 40 and len(held.inputs) == 50


def test_the_scale_is_that_of_the_training_rows(series: dict[str, Any], tiny_series: None, tmp_path: Path):
    setup = prepare(parse({**series, "data": {**series["data"], "validation": 0.2}}), tmp_path)
    known = all_rows()[:160].numpy().astype(np.float64)
    assert setup.config["input"] == {
        "kind": "series",
        "context": 8,
        "horizon": 4,
        "channels": ["small", "large"],
        "mean": pytest.approx(known.mean(0).tolist()),
        "std": pytest.approx(known.std(0).tolist()),
    }
    assert setup.config["labels"] == [] and setup.config["model_args"]["horizon"] == 4


def test_a_channel_that_stands_still_is_left_on_its_scale(series: dict[str, Any], tiny_series: None, tmp_path: Path):
    still = Split(torch.full((30, 2), 7.0), torch.arange(30))
    found = KIND.describe(parse(series), data.load("tiny_series"), still, None)
    assert found.input["mean"] == [7.0, 7.0] and found.input["std"] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"series": {"context": 190, "horizon": 11}}, "data.series: a context of 190 and a horizon of 11 do not fit"),
        ({"series": {"context": 8, "horizon": 61}}, "into 60 rows after 200 others; lower them."),
        ({"augment": {"flip": {}}}, "data.augment is for images, but tiny_series holds series data; remove it."),
    ],
)
def test_settings_that_do_not_fit_are_refused(series, tiny_series: None, settings, said: str, tmp_path: Path):
    with pytest.raises(ZooError) as raised:
        zoo.train({**series, "data": {**series["data"], **settings}}, out=tmp_path / "run", device="cpu")
    assert said in str(raised.value) and not (tmp_path / "run").exists()


def test_a_run_forecasts_in_the_units_of_the_series(series: dict[str, Any], tiny_series: None, tmp_path: Path):
    run = zoo.train({**series, "train": {"epochs": 12}}, out=tmp_path, device="cpu")
    assert run.metrics["mse"] < 0.1, "two waves are easily told"
    truth = all_rows()
    forecast = zoo.predictor(run.folder)(truth[:220])
    assert forecast.channels == ["small", "large"]
    assert (forecast.answer - truth[220:224]).abs().max() < 5  # the large wave is 20 high
    assert [len(one.answer) for one in zoo.predictor(run.folder)(truth[:224].unflatten(0, (4, 56)))] == [4] * 4
