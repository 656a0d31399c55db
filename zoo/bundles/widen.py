"""Float16 files as float32 tensors: in one piece of memory, converted by one thread, without both in memory.

`tensor.to(torch.float32)` opens a parallel region for each tensor, on memory that no thread has touched yet. If
another process runs too, the threads wait for each other at each of these regions, and loading takes several times as
long as on one thread. Also, the system gives the memory in pages of 4 KB, one by one, which takes longer than reading
and converting. So all tensors lie in one piece of memory, in large pages if the system has free ones, and each
conversion is too short for a parallel region. The file is read through a buffer that a core's cache holds, and not
mapped, so its pages do not add to the memory that the tensors need.
"""

from __future__ import annotations

import json
import mmap
import sys
import time
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from zoo.tensors import CANNOT_MAP

PIECE = 32_000
"""Elements in one conversion; from 32,768 torch works in parallel."""

ALIGNED = 64
"""Every tensor's address is a multiple of this, in bytes, as in torch itself."""

LARGE = 2 << 20
"""Bytes of a large page; the system gives large pages if a whole number of them is asked for."""

POPULATE_WRITE = 23
"""MADV_POPULATE_WRITE of Linux, which Python does not name."""

DEAR = 1e-3
"""If getting one large page takes longer than this (seconds, five times the usual), small pages are cheaper."""

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
TYPES = HALVES | OTHERS


def widened(path: Path, dtype: torch.dtype) -> dict[str, Tensor] | None:
    """The tensors of a safetensors file on the CPU, those of 16-bit floats in `dtype`, which has more bits.

    Each tensor has a storage of its own; the memory is freed with the last of them. Returns None if there is nothing
    to gain: the file holds no such tensors, or it holds other types than these, or safetensors cannot map
    it. Raises what safetensors raises for a file that is not whole.
    """
    if dtype in HALVES.values() or sys.byteorder != "little":
        return None
    try:
        with safe_open(path, framework="pt"):  # checks that the header fits the file
            pass
    except OSError as error:
        if error.errno not in (None, *CANNOT_MAP):
            raise
        return None
    with path.open("rb", buffering=0) as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        about: dict[str, Any] = {name: one for name, one in header.items() if name != "__metadata__"}
        if not _gains(about, dtype):
            return None
        names = sorted(about, key=lambda name: about[name]["data_offsets"])  # as they lie in it, without gaps
        sizes = [_count(about[name]) * _kept_as(about[name], dtype).itemsize for name in names]
        room, place = _room(sum(map(_rounded, sizes)))
        buffer, tensors = _Buffer(file), {}
        for name, size in zip(names, sizes, strict=True):
            kept = _kept_as(about[name], dtype)
            if size:
                made = torch.frombuffer(room, dtype=kept, count=size // kept.itemsize, offset=place)
                buffer.into(made, TYPES[about[name]["dtype"]])
            else:
                made = torch.empty(0, dtype=kept, device="cpu")
            tensors[name] = made.view(about[name]["shape"])
            place += _rounded(size)
    return {name: tensors[name] for name in about}


class _Buffer:
    """Numbers on their way from a file into tensors."""

    def __init__(self, file: FileIO) -> None:
        self.file = file
        memory = bytearray(8 * PIECE)
        self.view = memoryview(memory)
        self.held = {kind: torch.frombuffer(memory, dtype=kind) for kind in set(TYPES.values())}

    def into(self, made: Tensor, kind: torch.dtype) -> None:
        """Fill a flat tensor with the file's next numbers, which are of this kind."""
        held, count = self.held[kind], made.numel()
        if count > PIECE:
            for block in made.split(len(held)):
                self._read(block.numel() * kind.itemsize)
                for piece, source in zip(block.split(PIECE), held[: block.numel()].split(PIECE), strict=True):
                    piece.copy_(source)
        else:
            self._read(count * kind.itemsize)
            made.copy_(held[:count])

    def _read(self, size: int) -> None:
        if self.file.readinto(self.view[:size]) != size:
            raise OSError("it ended too early")


def _gains(about: dict[str, Any], dtype: torch.dtype) -> bool:
    """Whether there are 16-bit floats, and nothing that this module cannot read."""
    types = {one["dtype"] for one in about.values()}
    return not types.isdisjoint(HALVES) and types <= TYPES.keys()


def _kept_as(about: dict[str, Any], dtype: torch.dtype) -> torch.dtype:
    kind = TYPES[about["dtype"]]
    return dtype if kind.is_floating_point else kind


def _count(about: dict[str, Any]) -> int:
    start, end = about["data_offsets"]
    return (end - start) // TYPES[about["dtype"]].itemsize


def _rounded(size: int) -> int:
    return -(-size // ALIGNED) * ALIGNED


def _room(size: int) -> tuple[Any, int]:
    """New memory, and the first offset in it that is a multiple of `ALIGNED` and has `size` bytes after it."""
    if size >= 2 * LARGE and sys.platform == "linux":
        with suppress(OSError):  # for instance because of a limit; other memory may still be free
            room = mmap.mmap(-1, -(-size // LARGE) * LARGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            _populate(room)
            return room, 0
    spare = bytearray(size + ALIGNED)
    return spare, -torch.frombuffer(spare, dtype=torch.uint8).data_ptr() % ALIGNED


def _populate(room: mmap.mmap) -> None:
    """Let the system give all of the memory now, in large pages as long as it has free ones.

    If it must first move other memory to make one, small pages are faster.
    """
    with suppress(OSError):  # a kernel without large pages, or before 5.14; it gives the memory when it is first used
        room.madvise(mmap.MADV_HUGEPAGE)
        large = True
        for start in range(0, len(room), LARGE):
            began = time.thread_time()
            room.madvise(POPULATE_WRITE, start, LARGE)
            if large and time.thread_time() - began > DEAR:
                room.madvise(mmap.MADV_NOHUGEPAGE, start, len(room) - start)
                large = False
