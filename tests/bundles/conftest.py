"""Small real bundles, and models that only these tests know."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from zoo import registry
from zoo.bundles.write import write_bundle
from zoo.integrity import sha256
from zoo.publishing.card import card

RECIPE = "model: mlp\ndata: {name: digits, batch_size: 64}\nevaluate:\n  metric: accuracy\n  seeds: 5\n"


def metrics() -> dict[str, Any]:
    figure = {
        "value": 0.975,
        "mean": 0.9744,
        "std": 0.0012,
        "n": 3,
        "seeds": [0, 1, 2],
        "values": [0.975, 0.976, 0.972],
    }
    return {
        "schema": 1,
        "split": "test",
        "metrics": {"accuracy": figure},
        "data": {"name": "digits", "fingerprint": "f" * 64},
        "seconds": 75.0,
        "environment": {"python": "3.11.7", "torch": "2.15", "cpu": "a | cpu", "threads": 2, "device": "cpu"},
    }


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    """make(model, name, model="mlp", labels=…, …) -> the folder of a bundle that holds the module's state dict."""

    def make(
        module: nn.Module, name: str = "mlp.digits_v1", *, model: str = "mlp", root: Path | None = None, **more
    ) -> Path:
        config = {
            "schema": 1,
            "model": model,
            "model_args": {},
            "task": "image-classification",
            "labels": [str(digit) for digit in range(10)],
            "input": {"kind": "image", "channels": 1, "size": [8, 8], "maximum": 16, "mean": [0.0], "std": [1.0]},
            "num_parameters": sum(parameter.numel() for parameter in module.parameters()),
            "data": "digits",
        }
        folder = (root or tmp_path) / name
        write_bundle(
            folder,
            state_dict=more.pop("state_dict", module.state_dict()),
            config={**config, **more},
            recipe_text=RECIPE,
            card=lambda config, metrics: card(config, metrics, RECIPE, name=name),
            metrics=metrics(),
            log_csv="epoch,loss\n1,0.5\n",
            metadata={"name": name, "seed": 0},
        )
        return folder

    return make


@pytest.fixture
def folder(make: Callable[..., Path]) -> Path:
    """A whole bundle of `mlp`."""
    return make(registry.get("mlp").constructor())


@pytest.fixture
def register(
    own_models: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, Callable[..., nn.Module]], None]:
    """Register a constructor for the duration of one test."""

    def register(name: str, constructor: Callable[..., nn.Module]) -> None:
        model = registry.Model(name, constructor, "image-classification", "kaiming_normal", "a test", "this test", (4,))
        own_models(model)

    return register


@pytest.fixture
def rehash() -> Callable[[Path], None]:
    """rehash(folder): make metrics.json vouch for the tensors as they are, so that only their content can be wrong."""

    def rehash(folder: Path) -> None:
        path = folder / "metrics.json"
        content = json.loads(path.read_text())
        path.write_text(json.dumps({**content, "sha256": sha256(folder / "model.safetensors")}))

    return rehash
