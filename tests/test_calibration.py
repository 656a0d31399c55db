"""Calibration, cost and golden inputs: numbers by hand, and what predictors and bundles make of them."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import zoo
from zoo import ZooError
from zoo.calibration import calibration, confusion, ece, fit_temperature, nll
from zoo.cost import BATCH, measure_cost


def test_nll_and_ece_by_hand():
    logits = torch.tensor([[0.0, math.log(3)], [0.0, math.log(3)], [math.log(4), 0.0]])
    targets = torch.tensor([1, 0, 0])
    assert nll(logits, targets) == pytest.approx(-(math.log(0.75) + math.log(0.25) + math.log(0.8)) / 3)
    # Two answers of 75 % in one bin, one of them right; one of 80 % in the next, right.
    assert ece(logits, targets) == pytest.approx((abs(0.5 - 0.75) * 2 + abs(1 - 0.8)) / 3)
    assert ece(torch.tensor([[50.0, 0.0]]), torch.tensor([0])) == pytest.approx(0, abs=1e-9)


def test_the_temperature_that_was_put_in_is_found():
    generator = torch.Generator().manual_seed(0)
    true = 3 * torch.randn(20_000, 5, generator=generator)
    targets = torch.distributions.Categorical(logits=true).logits.exp().multinomial(1, generator=generator)[:, 0]
    for temperature in (0.5, 1.0, 4.0):
        assert fit_temperature(true * temperature, targets) == pytest.approx(temperature, rel=0.05)
    found = calibration(true * 4, targets, 4.0)
    assert found["ece"] < 0.02 < found["raw"]["ece"] and found["nll"] < found["raw"]["nll"]
    assert "raw" not in calibration(true, targets, None)


def test_confusion_counts_rows_of_the_truth():
    logits = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    assert confusion(logits, torch.tensor([0, 0, 1])).tolist() == [[1, 1], [0, 1]]


@pytest.fixture
def warm(image_bundle: Path, tmp_path: Path) -> Callable[[Any], Path]:
    """warm(temperature): the tiny weight with a temperature in its config.json."""

    def warm(temperature: Any) -> Path:
        copy = Path(shutil.copytree(image_bundle, tmp_path / "mlp.tiny_v1", dirs_exist_ok=True))
        config = json.loads((copy / "config.json").read_text())
        (copy / "config.json").write_text(json.dumps({**config, "temperature": temperature}))
        return copy

    return warm


def test_predictors_apply_the_temperature_and_the_model_does_not(image_bundle: Path, warm):
    image = torch.zeros(8, 8)
    image[0, 3] = 1
    plain, calibrated = zoo.predictor(image_bundle), zoo.predictor(warm(3.0))
    x = image[None, None]
    assert torch.equal(plain.model(x), calibrated.model(x))
    logits = plain.model(x)[0].detach()
    sure, modest = plain(image), calibrated(image)
    assert sure.label == modest.label == "pixel 3"
    assert modest.probability == pytest.approx(float((logits / 3).softmax(0).max())) and modest.probability < 0.9
    assert sure.probability > 0.95


@pytest.mark.parametrize("temperature", [0, -1.0, "hot"])
def test_wrong_temperatures_are_refused(warm, temperature: Any):
    with pytest.raises(ZooError, match=r"temperature is .* where a number from 0.001 to 1000 is expected"):
        zoo.predictor(warm(temperature))


def test_multiply_adds_and_memory_of_layers_by_hand():
    threads = torch.get_num_threads()
    linear = nn.Sequential(nn.Linear(10, 20), nn.Linear(20, 3)).eval()
    cost = measure_cost(linear, [torch.zeros(1, 10)])
    assert cost["multiply_adds"] == 10 * 20 + 20 * 3 and cost["shapes"] == [[1, 10]]
    parameters = sum(p.numel() for p in linear.parameters())
    assert 4e-6 * parameters <= cost["memory_mb"] <= 4e-6 * (parameters + 10 + 20 + 3 + 20)
    assert cost["latency_ms"] > 0 and cost["throughput"] > 0 and cost["batch"] == BATCH
    assert torch.get_num_threads() == threads
    convolution = nn.Conv2d(3, 8, 3, padding=1, bias=False).eval()
    assert measure_cost(convolution, [torch.zeros(1, 3, 6, 6)])["multiply_adds"] == 36 * 8 * 3 * 9
    lstm = nn.LSTM(5, 7, batch_first=True).eval()
    assert measure_cost(lstm, [torch.zeros(1, 4, 5)])["multiply_adds"] == 4 * (28 * 5 + 28 * 7)


def test_publishing_calibrates_on_what_a_run_held_out(tmp_path: Path):
    changes: dict[str, Any] = {"train.epochs": 6}
    run = zoo.train("mlp.digits", out=tmp_path / "run", device="cpu", overrides=changes)
    held = zoo.train("mlp.digits", out=tmp_path / "held", device="cpu", overrides={**changes, "data.validation": 0.2})
    place = tmp_path / "shelf" / zoo.publish(run, tmp_path / "shelf", name="mlp.warm_v1", calibrate=held)
    config, metrics = (json.loads((place / f"{file}.json").read_text()) for file in ("config", "metrics"))
    found = metrics["calibration"]
    assert config["temperature"] == found["temperature"] > 0 and found["samples"] == 359
    assert found["ece"] < found["raw"]["ece"] and metrics["metrics"]["accuracy"]["value"] == run.metrics["accuracy"]
    card = (place / "README.md").read_text()
    assert "## Calibration" in card and "![which class is taken for which](confusion.png)" in card
    assert (place / "confusion.png").read_bytes().startswith(b"\x89PNG") and (place / "curves.png").is_file()
    assert zoo.verify(place).checks["golden"]
    assert zoo.publish(run, tmp_path / "shelf", name="mlp.warm_v1", calibrate=held) == "mlp.warm_v1"
    with pytest.raises(ZooError, match=r"has seen all of its training data, so no temperature can be fitted"):
        zoo.publish(run, tmp_path / "shelf", name="mlp.warm_v2", calibrate=run)
    shorter = {"train.epochs": 3, "data.validation": 0.2}
    other = zoo.train("mlp.digits", out=tmp_path / "other", device="cpu", overrides=shorter)
    with pytest.raises(ZooError, match=r"is not of the same recipe \(train\.epochs is 3 there and 6 here\)"):
        zoo.publish(run, tmp_path / "shelf", name="mlp.warm_v2", calibrate=other)
    golden = json.loads((place / "golden.json").read_text())
    golden["outputs"][0] += 0.1
    (place / "golden.json").write_text(json.dumps(golden))
    copy = Path(shutil.copytree(place, tmp_path / "copy" / "mlp.warm_v1"))
    report = zoo.verify(copy)
    assert not report.ok and report.checks["golden"] is False and "golden.json are not the outputs" in report.message
