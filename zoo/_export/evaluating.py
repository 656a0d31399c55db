"""The metrics of an ONNX file on its weight's test split, with numpy, onnxruntime and tokenizers alone."""

from __future__ import annotations

import hashlib
import os
from typing import Any

import numpy as np

from zoo._export.feeds import batches
from zoo._export.metrics import metrics
from zoo._export.onnx_file import open_file
from zoo.errors import ZooError
from zoo.home import home

SIZE = 250


def evaluate(path: str | os.PathLike[str]) -> dict[str, float]:
    """Metric -> value of the file at `path` on the test split of the data set that its weight was measured on.

    The data set is read as the zoo keeps it once it was decoded, in ZOO_HOME; where torch is installed it is decoded if
    need be. Raises `ZooError` for a file that is not the zoo's or was changed, and for data that are not at hand.
    """
    file = open_file(path)
    inputs, targets = _kept(file.config.get("data", ""), file.report.get("fingerprint")) or _decoded(file.config)
    outputs, truth = [], []
    for arrays, expected in batches(inputs, targets, file.config, file.tokenizer(), SIZE):
        outputs.append(file.run(arrays)[0])
        truth.append(expected)
    return metrics(outputs, truth, file.config)


def _kept(name: str, fingerprint: str | None) -> tuple[Any, Any] | None:
    """Inputs and targets of the test split as `zoo.data.store` keeps them; None if they are not there."""
    from safetensors import SafetensorError, safe_open
    from safetensors.numpy import load

    path = home() / "data" / f"{name}.safetensors"
    try:
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != path.with_suffix(".sha256").read_text(encoding="utf-8").strip():
            return None
        with safe_open(path, framework="numpy") as file:
            about = file.metadata() or {}
        tensors = load(content)
    except (OSError, ValueError, SafetensorError):
        return None
    if fingerprint is None or about.get("fingerprint") != fingerprint or "test.targets" not in tensors:
        return None
    if "test.inputs" in tensors:
        return tensors["test.inputs"], tensors["test.targets"]
    ends = np.cumsum(tensors["test.lengths"]).tolist()
    text = tensors["test.text"].tobytes()
    return [text[start:end].decode() for start, end in zip([0, *ends], ends)], tensors["test.targets"]  # noqa: B905


def _decoded(config: dict[str, Any]) -> tuple[Any, Any]:
    name = config.get("data", "")
    try:
        from zoo import data
        from zoo._export.making import arrays
    except ImportError as error:
        raise ZooError(
            f"{name} is not yet decoded in {home() / 'data'}, and that needs torch; run `zoo data get {name}` where "
            "torch is installed, with the same ZOO_HOME."
        ) from error
    return arrays(data.load(name).test)
