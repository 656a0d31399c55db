"""Running text as characters: a text file, or train and test files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from zoo.data.own import plain, rows
from zoo.data.split import Split
from zoo.errors import ZooError
from zoo.wording import clean

SHARE = 0.1
"""The last tenth of one text is the test part."""


def load(files: Mapping[str, list[Path]], asked: rows.Asked) -> rows.Loaded:
    """The text of the files (UTF-8) as ids of its characters; the training part's characters are the symbols.

    Characters that only other parts hold are left out of those parts, and counted. Raises `ZooError` for a file that
    is not text, and for a text that is too short to split.
    """
    if asked.model is not None:
        files = {"all": files.get("all") or files["test"]}
    texts = {part: clean("".join(map(plain.content, paths))) for part, paths in files.items()}
    name, told = str(next(iter(files.values()))[0]), []
    if asked.model is not None:
        symbols = asked.model["input"]["symbols"]
        whole = _split(texts["all"], symbols, name, "measured text", told)
        data = rows.data_set(
            asked, "characters", Split(whole.inputs[:0], whole.targets[:0]), whole, None, list(symbols)
        )
        return rows.Loaded(data, {}, {}, told)
    split = {}
    if "all" in texts:
        by = asked.split.get("by")
        if by not in (None, "time"):
            raise ZooError(f"data.split.by is {by}, but the test part of a text is always its end; leave it out.")
        share = SHARE if asked.split.get("test") is None else asked.split["test"]
        split = {"test": share, "by": "time", "column": None}
        end = int(len(texts["all"]) * (1 - share))
        texts = {"train": texts["all"][:end], "test": texts["all"][end:]}
    symbols = "".join(sorted({*texts["train"]}))
    if len(symbols) == 1:
        raise ZooError(f"{name}: the train part holds only one character ({symbols!r}); give a text.")
    parts = {part: _split(text, symbols, name, f"{part} part", told) for part, text in texts.items()}
    told.insert(
        0, f"{len(parts['train']):,} characters to train on, {len(parts['test']):,} to test on; {len(symbols)} symbols."
    )
    data = rows.data_set(asked, "characters", parts["train"], parts["test"], parts.get("validation"), list(symbols))
    return rows.Loaded(data, {}, split, told)


def _split(text: str, symbols: str, name: str, what: str, told: list[str]) -> Split:
    if lost := {*text} - {*symbols}:
        count = sum(map(text.count, lost))
        shown = ", ".join(repr(character) for character in sorted(lost)[:3])
        told.append(f"left out of the {what}: {count} characters that the model does not know ({shown}).")
        text = "".join(character for character in text if character not in lost)
    if len(text) < 2:
        raise ZooError(f"{name}: the {what} has {len(text)} characters; give a longer text.")
    points = torch.frombuffer(bytearray(text.encode("utf-32-le")), dtype=torch.int32).long()
    known = torch.tensor([ord(symbol) for symbol in symbols])
    order = known.argsort()
    ids: Tensor = order[torch.searchsorted(known[order], points)]
    kind = torch.uint8 if len(symbols) <= 256 else torch.int32
    return Split(ids[:-1].to(kind), ids[1:].clone())
