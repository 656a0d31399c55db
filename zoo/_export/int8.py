"""Eight-bit weights: smaller files, and on most processors quicker ones."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from zoo._export.feeds import Arrays

STATIC = ("image", "table")
"""Kinds of data whose models are convolutional or perceptrons. Their activations too become int8, in ranges that are
measured on training samples; dynamic ranges make convolutions many times slower. Recurrent models are the reverse."""

SAMPLES, BATCH = 512, 32
"""Training samples to calibrate on, and how many at a time."""

OPERATORS = ["Conv", "Gemm", "MatMul", "MaxPool"]
"""The operators computed in int8. The input transform's sums stay in float32, in which a blank cell can be NaN."""


def quantized(model: bytes, kind: str, samples: Callable[[], Iterator[Arrays]]) -> bytes:
    """The ONNX model in int8; `samples()` gives batches of training inputs; static quantization uses some of them."""
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder:
        given, ready, made = (Path(folder) / f"{name}.onnx" for name in ("given", "ready", "made"))
        given.write_bytes(model)
        quant_pre_process(given, ready, skip_symbolic_shape=True)
        if kind in STATIC:
            reader: Any = _Reader(samples())
            quantization.quantize_static(
                ready,
                made,
                reader,
                quant_format=quantization.QuantFormat.QDQ,
                op_types_to_quantize=OPERATORS,
                per_channel=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
            )
        else:
            quantization.quantize_dynamic(ready, made, weight_type=quantization.QuantType.QInt8)
        return made.read_bytes()


class _Reader:
    """Calibration batches as onnxruntime asks for them."""

    def __init__(self, samples: Iterator[Arrays]) -> None:
        self.samples: Iterator[Any] = islice(samples, SAMPLES // BATCH)

    def get_next(self) -> Any:
        return next(self.samples, None)
