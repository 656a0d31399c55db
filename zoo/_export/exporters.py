"""The ways from a graph to an ONNX file. None of them works for all models, so each file is checked."""

from __future__ import annotations

import io
import logging
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from zoo._export.graph import Graph

OPSET = 17
"""The newest version that every runtime in use reads; no operator of ours needs a newer one."""


def torchscript(graph: Graph, example: tuple[Tensor, ...], free: dict[str, tuple[str, ...]]) -> bytes:
    """torch's older exporter: right for recurrent networks over any length, which the newer one freezes."""
    axes = {name: dict(enumerate(letters)) for name, letters in free.items()}
    buffer: Any = io.BytesIO()  # this exporter takes a buffer, although its signature does not say so
    torch.onnx.export(
        graph,
        example,
        buffer,
        dynamo=False,
        input_names=list(graph.input_names),
        output_names=list(graph.output_names),
        dynamic_axes=axes,
        opset_version=OPSET,
    )
    return buffer.getvalue()


def dynamo(graph: Graph, example: tuple[Tensor, ...], free: dict[str, tuple[str, ...]]) -> bytes:
    """torch's newer exporter, by `torch.export`: right if the older one freezes the batch, as for `gru_forecast`."""
    sizes: dict[str, Any] = {"N": torch.export.Dim("N"), "T": torch.export.Dim("T"), "C": torch.export.Dim("C")}
    axes = tuple({place: sizes[letter] for place, letter in enumerate(letters)} for letters in free.values())
    program = torch.onnx.export(
        graph,
        example,
        dynamo=True,
        input_names=list(graph.input_names),
        output_names=list(graph.output_names),
        dynamic_shapes=(axes,),
        opset_version=18,  # its own; it converts down with a library that may fail
        verbose=False,
    )
    assert program is not None
    return program.model_proto.SerializeToString()


EXPORTERS: dict[str, Callable[[Graph, tuple[Tensor, ...], dict[str, tuple[str, ...]]], bytes]] = {
    "torchscript": torchscript,
    "dynamo": dynamo,
}
"""The exporters in the order in which they are tried; the first is a hundred times as fast as the second."""


@contextmanager
def quiet() -> Iterator[None]:
    """Silence exporters' messages and warnings: the check says whether their file is right."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for logger in loggers:
                logger.setLevel(logging.CRITICAL)
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def operator(error: BaseException) -> str | None:
    """The operator that an exporter could not write, if its message names one."""
    found = re.search(r"(?:aten|prim|torch\.ops\.\w+|[a-z_]\w*)::\w+|aten\.\w+", str(error))
    return found.group() if found else None
