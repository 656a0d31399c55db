"""The published metric again, by onnxruntime on the test split."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo._export.feeds import batches
from zoo._export.making import arrays, read
from zoo._export.metrics import metrics

if TYPE_CHECKING:
    from zoo.data import Split

SIZE = 250


def measured_by(session: Any, split: Split, config: dict[str, Any], tokenizer: bytes | None) -> dict[str, float]:
    """Metric -> value of a session over the whole of a split."""
    inputs, targets = arrays(split)
    outputs, truth = [], []
    for given, expected in batches(inputs, targets, config, read(tokenizer), SIZE):
        outputs.append(session.run(None, given)[0])
        truth.append(expected)
    return metrics(session.get_outputs()[0].name, outputs, truth, config)
