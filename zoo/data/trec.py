"""Questions and what kind of answer each asks for, in six classes (Li & Roth 2002, Learning Question Classifiers).

https://cogcomp.seas.upenn.edu/Data/QA/QC: 5,452 questions to train on and the 500 of TREC-10 to test on. Ten
questions are in both, word for word: they are left where the authors put them.
"""

from __future__ import annotations

from pathlib import Path

import torch

from zoo.data import files
from zoo.data.entry import Entry, Raw, Web
from zoo.data.split import Split
from zoo.data.treebank import rejoined

LABELS = {
    "ABBR": "abbreviation",
    "DESC": "description",
    "ENTY": "entity",
    "HUM": "human",
    "LOC": "location",
    "NUM": "numeric value",
}


def read(raw: Raw, folder: Path) -> tuple[Split, Split]:
    """(train, test), in the order of the files; equal questions form a group.

    A line is COARSE:FINE, a space and the question, in Latin-1. The fine classes are left out.
    Raises ZooError for a file that is not the published one.
    """
    train, test = (_split(files.read(raw, folder, name).decode("latin-1")) for name in raw.files)
    return train, test


def _split(content: str) -> Split:
    lines = [line.partition(" ") for line in content.splitlines()]
    texts = [rejoined(question) for _, _, question in lines]
    targets = [list(LABELS).index(kind.partition(":")[0]) for kind, _, _ in lines]
    first: dict[str, int] = {}
    groups = [first.setdefault(text, place) for place, text in enumerate(texts)]
    return Split(texts, torch.tensor(targets), torch.tensor(groups))


_FILES = {
    "train_5500.label": "9e4c8bdcaffb96ed61041bd64b564183d52793a8e91d84fc3a8646885f466ec3",
    "TREC_10.label": "033f22c028c2bbba9ca682f68ffe204dc1aa6e1cf35dd6207f2d4ca67f0d0e8e",
}
_RAW = Raw(
    folder="TREC",
    files={**_FILES},
    mirrors=(Web("https://cogcomp.seas.upenn.edu/Data/QA/QC/", _FILES),),
)

TREC = Entry(
    name="trec",
    kind="text",
    labels=list(LABELS.values()),
    maximum=1.0,
    raw=_RAW,
    read=lambda folder: read(_RAW, folder),
    fingerprint="79ed8ba62e0df91bae56331fd37b83425193f86bec8881ac847299ea8f9c566e",
)
