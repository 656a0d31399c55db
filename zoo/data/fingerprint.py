"""One SHA-256 for a whole data set: equal exactly if every example and label is equal."""

from __future__ import annotations

import hashlib
import sys

import torch
from torch import Tensor

from zoo.data.split import Split

SPLITS = ("train", "test", "validation")


def of(*splits: Split) -> str:
    """SHA-256 (hex) over the tensors of the splits, in order: inputs and targets of train, of test, of validation.

    For each tensor: a line "SPLIT.NAME DTYPE SHAPE", then its bytes, row-major and little-endian. Texts count as two
    tensors: their lengths in UTF-8 bytes, and the bytes themselves end to end. Groups are left out: they say how to
    use the data, not what the data are.
    """
    digest = hashlib.sha256()
    for name, split in zip(SPLITS, splits, strict=False):
        if isinstance(split.inputs, Tensor):
            _add(digest, f"{name}.inputs", split.inputs)
        else:
            _add_texts(digest, name, split.inputs)
        _add(digest, f"{name}.targets", split.targets)
    return digest.hexdigest()


def _add(digest: hashlib._Hash, key: str, tensor: Tensor) -> None:
    shape = "x".join(map(str, tensor.shape))
    digest.update(f"{key} {str(tensor.dtype).removeprefix('torch.')} {shape}\n".encode())
    array = tensor.contiguous().numpy()
    digest.update((array if sys.byteorder == "little" else array.byteswap()).data)


def _add_texts(digest: hashlib._Hash, name: str, texts: list[str]) -> None:
    """The same as `_add` for the result of `pack`, without all of it in memory."""
    lengths = torch.tensor([len(text) if text.isascii() else len(text.encode()) for text in texts], dtype=torch.int64)
    _add(digest, f"{name}.lengths", lengths)
    digest.update(f"{name}.text uint8 {int(lengths.sum())}\n".encode())
    for start in range(0, len(texts), 10_000):
        digest.update("".join(texts[start : start + 10_000]).encode())


def pack(texts: list[str]) -> tuple[Tensor, Tensor]:
    """Texts as (lengths in UTF-8 bytes, int64 [N]; all their bytes end to end, uint8 [sum of lengths])."""
    encoded = [text.encode() for text in texts]
    joined = torch.frombuffer(bytearray(b"".join(encoded)), dtype=torch.uint8) if any(encoded) else torch.empty(0)
    return torch.tensor([len(e) for e in encoded], dtype=torch.int64), joined.to(torch.uint8)


def unpack(lengths: Tensor, joined: Tensor) -> list[str]:
    """The texts that `pack` packed."""
    everything, texts, start = joined.numpy().tobytes(), [], 0
    for length in lengths.tolist():
        texts.append(everything[start : start + length].decode())
        start += length
    return texts
