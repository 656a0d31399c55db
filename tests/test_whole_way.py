"""The whole way at once: a recipe becomes a run, the run a weight, and the weight loads through all three doors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import zoo
from zoo import data
from zoo.cli import main

ROOT = Path(__file__).parents[1]
NAME = "mlp.digits_v1"


def test_from_a_recipe_to_a_weight_that_loads_through_every_door(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def command(*arguments: str | Path) -> Any:
        capfd.readouterr()
        assert main([*map(str, arguments), "--json"]) == 0
        return json.loads(capfd.readouterr().out)

    # Seed 7 is not the shipped weight's: what loads below can only come from here.
    changes: dict[str, Any] = {"train.seed": 7}
    run = zoo.train("mlp.digits", out=tmp_path / "run", device="cpu", **changes)
    assert run.metrics["accuracy"] > 0.97
    assert zoo.publish(run, tmp_path / "shelf") == NAME
    monkeypatch.setenv("ZOO_SOURCES", str(tmp_path / "shelf"))

    test = data.load("digits").test
    inputs, logits = test.inputs / 16.0, []  # type: ignore[operator]
    models: list[Any] = [
        zoo.create("mlp", pretrained=True),
        zoo.create(NAME),
        zoo.create("mlp", weights=tmp_path / "shelf" / NAME),
        torch.hub.load(str(ROOT), "mlp", source="local", pretrained=True),
        torch.hub.load(str(ROOT), "mlp", source="local", weights="digits_v1"),
    ]
    for model in models:
        assert model.zoo.weight == NAME and not model.training
        with torch.no_grad():
            logits.append(model(inputs))
    assert all(torch.equal(logits[0], other) for other in logits)
    answers = logits[0].argmax(1)
    assert (answers == test.targets).double().mean().item() == pytest.approx(run.metrics["accuracy"], abs=1e-12)

    pictures = [tmp_path / f"{index}.npy" for index in range(20)]
    for picture, image in zip(pictures, inputs[:, 0].numpy(), strict=False):
        np.save(picture, image)
    predicted = command("predict", NAME, *pictures)
    assert [answer["label"] for answer in predicted] == [str(answer) for answer in answers[:20].tolist()]
    assert [answer["input"] for answer in predicted] == [str(picture) for picture in pictures]
    assert predicted[0]["probability"] == pytest.approx(logits[0][0].softmax(0).max().item(), abs=1e-6)
    assert command("evaluate", NAME, "--device", "cpu")["metrics"] == run.metrics
    (report,) = command("verify", NAME)
    assert report == {**zoo.verify(NAME).to_dict(), "ok": True}
    assert list(report["checks"]) == ["hashes", "schema", "parameters", "golden", "metrics"]
