"""Tiny Shakespeare (Karpathy 2015, https://github.com/karpathy/char-rnn): 1,115,394 characters of his plays."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from zoo.data import files
from zoo.data.entry import Entry, Raw, Web
from zoo.data.split import Split

SYMBOLS = "\n !$&',-.3:;?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

_SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
_RAW = Raw(
    folder="tinyshakespeare",
    files={"input.txt": _SHA256},
    mirrors=(
        Web("https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/", {"input.txt": _SHA256}),
    ),
)


def read(folder: Path) -> tuple[Split, Split]:
    """(train, test): the first 90 % of the text and the last 10 %, as in nanoGPT."""
    ids = {symbol: id for id, symbol in enumerate(SYMBOLS)}
    text = torch.tensor([ids[character] for character in files.read(_RAW, folder, "input.txt").decode()])
    end = len(text) * 9 // 10
    return _split(text[:end]), _split(text[end:])


def _split(ids: Tensor) -> Split:
    return Split(ids[:-1].to(torch.uint8), ids[1:].clone())


TINYSHAKESPEARE = Entry(
    name="tinyshakespeare",
    kind="characters",
    labels=list(SYMBOLS),
    maximum=1.0,
    raw=_RAW,
    read=read,
    note="No split is published; the test split is the last tenth of the text. Nats are those a character.",
    fingerprint="10bc90a6d65f8904a6f3208d899d14f66c4e60b6a80d6b9fcf59e68ffaa8dde3",
)
