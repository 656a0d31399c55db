"""Float16 files as float32 tensors: converted a piece at a time, by one thread, without both in memory.

`tensor.to(torch.float32)` opens a parallel region for each tensor, on memory that no thread has touched yet. Beside
another process the threads wait for each other at each of these regions, and loading takes several times as long as on
one thread. A piece is too short for a parallel region. It is read into a buffer and not mapped, so the file's pages do
not add to the memory that the tensors need.
"""

from __future__ import annotations

import json
import sys
from io import FileIO
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from zoo.tensors import CANNOT_MAP

PIECE = 32_000
"""Elements in one conversion; from 32,768 torch works in parallel."""

HALVES = {"F16": torch.float16, "BF16": torch.bfloat16}
OTHERS = {
    "F32": torch.float32,
    "F64": torch.float64,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def widened(path: Path, dtype: torch.dtype) -> dict[str, Tensor] | None:
    """The tensors of a safetensors file on the CPU, those of 16-bit floats in `dtype`, which has more bits.

    None if there is nothing to gain: the file holds no such tensors, or it holds other types than these, or safetensors
    cannot map it. Raises what safetensors raises for a file that is not whole.
    """
    if dtype in HALVES.values() or sys.byteorder != "little":
        return None
    try:
        with safe_open(path, framework="pt"):  # which checks that the header fits the file
            pass
    except OSError as error:
        if error.errno not in (None, *CANNOT_MAP):
            raise
        return None
    with path.open("rb", buffering=0) as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        begin = file.tell()
        about: dict[str, Any] = {name: one for name, one in header.items() if name != "__metadata__"}
        types = {one["dtype"] for one in about.values()}
        if not types & HALVES.keys() or not types <= HALVES.keys() | OTHERS.keys():
            return None
        buffer, tensors = bytearray(8 * PIECE), {}
        for name, one in sorted(about.items(), key=lambda item: item[1]["data_offsets"]):
            file.seek(begin + one["data_offsets"][0])
            tensors[name] = _read(file, one, buffer, dtype)
    return {name: tensors[name] for name in about}


def _read(file: FileIO, about: dict[str, Any], buffer: bytearray, dtype: torch.dtype) -> Tensor:
    """The tensor that begins at the file's place."""
    kind = (HALVES | OTHERS)[about["dtype"]]
    made = torch.empty(about["shape"], dtype=dtype if kind.is_floating_point else kind, device="cpu")
    held, view = torch.frombuffer(buffer, dtype=kind), memoryview(buffer)
    for piece in made.view(-1).split(PIECE) if made.numel() else ():
        count = len(piece)
        if file.readinto(view[: count * kind.itemsize]) != count * kind.itemsize:
            raise OSError("it ended too early")
        piece.copy_(held[:count])
    return made
