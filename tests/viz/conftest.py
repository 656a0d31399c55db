"""A convolutional model, and a weight of it for grey and for colour images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from zoo import registry


class Conv(nn.Module):
    """70 filters of 3 x 3, a ReLU in place, and a head on the channels' means."""

    def __init__(self, channels: int = 1, num_classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(channels, 70, 3, padding=1), nn.ReLU(inplace=True))
        self.head = nn.Linear(70, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stem(x).mean((2, 3)))


@pytest.fixture
def conv(
    own_models: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, make_bundle: Callable[..., Path]
) -> Callable[..., Path]:
    """Writes a bundle of the model `conv` for images of so many channels, 8 x 8, of digits or another data set."""
    model = registry.Model("conv", Conv, "image-classification", "default", "a test", "this test", (1, 8, 8))
    own_models(model)

    def write(channels: int, name: str = "digits") -> Path:
        torch.manual_seed(0)
        maximum = 16 if name == "digits" else 255
        arguments: dict[str, Any] = {"channels": channels}
        return make_bundle(
            tmp_path / f"{len(list(tmp_path.iterdir()))}" / "conv.tiny_v1",
            Conv(**arguments).state_dict(),
            model="conv",
            model_args=arguments,
            task="image-classification",
            labels=[str(label) for label in range(10)],
            input={
                "kind": "image",
                "channels": channels,
                "size": [8, 8],
                "maximum": maximum,
                "mean": [0.0],
                "std": [1.0],
            },
            data=name,
        )

    return write
