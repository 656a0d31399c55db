"""Tagged sentences: CoNLL-U, or one word and its tag on each line, with blank lines between the sentences."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from zoo.data.own import parting, plain, rows
from zoo.data.own.targets import labels_of
from zoo.data.split import IGNORED, Split
from zoo.data.words import SEPARATOR
from zoo.errors import ZooError, some
from zoo.wording import clean

LAYERS = {"lemma": 2, "upos": 3, "xpos": 4, "deprel": 7}
"""The values of `data.columns.target` for CoNLL-U -> the column."""
Sentence = tuple[list[str], list[str]]


def load(files: Mapping[str, list[Path]], asked: rows.Asked) -> rows.Loaded:
    """The sentences of the files, with one layer of tags: for CoNLL-U `data.columns.target` (by default upos).

    Words are CoNLL-U's syntactic words. A single file is split at random (`data.split.test`, a fifth). Raises
    `ZooError` with file and line for a line that does not fit the format, and for a word without a tag.
    """
    if asked.model is not None:
        files = {"all": files.get("all") or files["test"]}
    layer = asked.columns.get("target")
    found = {part: [s for path in paths for s in sentences(path, layer)] for part, paths in files.items()}
    name = str(next(iter(files.values()))[0])
    if asked.model is not None:
        labels = list(asked.model["labels"])
        whole = _split(found["all"], labels, name)
        data = rows.data_set(asked, "tagged", whole.take([]), whole, None, labels)
        return rows.Loaded(data, dict(asked.columns), {}, [])
    if "all" in found:
        by = asked.split.get("by")
        if by not in (None, "random"):
            raise ZooError(
                f"data.split.by is {by}, but sentences are split at random; give train and test files instead."
            )
        fraction = 0.2 if asked.split.get("test") is None else asked.split["test"]
        every, split = found["all"], {"test": fraction, "by": "random", "column": None}
        count = round(fraction * len(every))
        from zoo.data.split import shuffled

        held = {*shuffled(range(len(every)), parting.SEED)[:count]}
        found = {
            "train": [s for i, s in enumerate(every) if i not in held],
            "test": [s for i, s in enumerate(every) if i in held],
        }
    else:
        split = {}
    labels = labels_of([tag for _, tags in found["train"] for tag in tags])
    if len(labels) < 2:
        raise ZooError(f"{name}: the words have {len(labels)} tag ({some(labels)}); a tagger needs two or more.")
    train, test = (_split(found[part], labels, f"the {part} part of {name}") for part in ("train", "test"))
    validation = _split(found["validation"], labels, "the validation part") if "validation" in found else None
    for part, word in ((train, "train"), (test, "test")):
        if not len(part):
            raise ZooError(f"{name} leaves no sentence to {word} on; give more, or change data.split.test.")
    told = [f"{len(train):,} sentences to train on, {len(test):,} to test on; {len(labels)} tags: {some(labels, 20)}."]
    columns = {**asked.columns, **({"target": layer or "upos"} if _is_conllu(next(iter(files.values()))[0]) else {})}
    return rows.Loaded(rows.data_set(asked, "tagged", train, test, validation, labels), columns, split, told)


def _is_conllu(path: Path) -> bool:
    return path.name.removesuffix(".gz").endswith((".conllu", ".conll-u"))


def sentences(path: Path, layer: str | None = None) -> list[Sentence]:
    """(words, tags) of each sentence of a file."""
    column = LAYERS["upos"]
    if _is_conllu(path) and layer is not None:
        if layer not in LAYERS:
            raise ZooError(f"data.columns.target is {layer!r}; of CoNLL-U give one of {', '.join(LAYERS)}.")
        column = LAYERS[layer]
    found: list[Sentence] = []
    words, tags = [], []
    for number, line in enumerate([*plain.lines(path), ""], 1):
        if not line.strip():
            if words:
                found.append((words, tags))
            words, tags = [], []
            continue
        pair = _conllu(path, number, line, column) if _is_conllu(path) else _pair(path, number, line)
        if pair is not None:
            words.append(pair[0])
            tags.append(pair[1])
    if not found:
        raise ZooError(f"{path} holds no sentence; give a word and its tag a line, and blank lines between sentences.")
    return found


def _conllu(path: Path, number: int, line: str, column: int) -> Sentence | tuple[str, str] | None:
    if line.startswith("#"):
        return None
    cells = line.split("\t")
    if len(cells) != 10:
        raise ZooError(
            f"{path}:{number} has {len(cells)} columns, but a line of CoNLL-U has 10, with tabs between them."
        )
    # Besides words there are spans of several words written as one (1-2) and words left out (1.1).
    if not cells[0].isdigit():
        if all(part.isdigit() for part in cells[0].replace(".", "-").split("-")):
            return None
        raise ZooError(f"{path}:{number} begins with {cells[0]!r} where the number of a word is expected.")
    if cells[column] in ("", "_"):
        raise ZooError(f"{path}:{number}: the word {cells[1]!r} has no tag; fill it in, or choose another layer.")
    return cells[1], cells[column]  # treebanks are in composed form (NFC) already; their words stay as they are


def _pair(path: Path, number: int, line: str) -> tuple[str, str]:
    cells = line.split("\t") if "\t" in line else line.split()
    if len(cells) < 2 or not cells[0] or not cells[-1].strip():
        raise ZooError(f"{path}:{number} is {line[:40]!r}, not a word and its tag; write both, a tab or space between.")
    if len(cells) > 2 and "\t" in line:
        raise ZooError(f"{path}:{number} has {len(cells)} columns; give a word and its tag, a tab between them.")
    return clean(cells[0]) or cells[0], cells[-1].strip()


def _split(found: list[Sentence], labels: list[str], where: str) -> Split:
    known = {label: index for index, label in enumerate(labels)}
    targets = torch.full((len(found), max((len(words) for words, _ in found), default=0)), IGNORED)
    for row, (words, tags) in zip(targets, found, strict=True):
        if lost := [tag for tag in tags if tag not in known]:
            word = words[tags.index(lost[0])]
            raise ZooError(
                f"{where}: the word {word!r} has the tag {lost[0]!r}, which no training word has; "
                "give training sentences with it, or leave the sentence out."
            )
        row[: len(tags)] = torch.tensor([known[tag] for tag in tags])
    return Split([SEPARATOR.join(words) for words, _ in found], targets)


__all__: list[Any] = ["load", "sentences"]
