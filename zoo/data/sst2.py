"""The Stanford Sentiment Treebank (Socher et al. 2013) as GLUE gives it: phrases of film reviews, positive or negative.

Wang et al. 2019, GLUE, section 3.1: 67,349 phrases to train on, cut from 6,885 sentences. GLUE hides the labels of its
test split, so the 872 sentences of its dev split are the test split here; nothing is chosen on them.
"""

from __future__ import annotations

from pathlib import Path

import torch

from zoo.data import files
from zoo.data.entry import Archive, Entry, Raw
from zoo.data.split import Split
from zoo.data.treebank import rejoined


def read(raw: Raw, folder: Path) -> tuple[Split, Split]:
    """(train, test), in the order of the files; the phrases of one sentence are a group.

    A line is the phrase, a tab, and 0 for negative or 1 for positive; the first names the columns.
    Raises ZooError for a file that is not the published one.
    """
    train, test = (_split(files.read(raw, folder, name).decode()) for name in raw.files)
    return train, test


def _split(content: str) -> Split:
    rows = [line.split("\t") for line in content.splitlines()[1:]]
    phrases = [phrase.strip() for phrase, _ in rows]
    return Split(
        [rejoined(phrase) for phrase in phrases],
        torch.tensor([int(target) for _, target in rows]),
        torch.tensor(sentences(phrases)),
    )


def sentences(phrases: list[str]) -> list[int]:
    """For each phrase the number of the sentence from which it was cut; the files do not say it.

    A phrase counts as a part of the longest text that holds its words in a row; a phrase in no other text is a
    sentence. A few words that several sentences share are assigned to one of them.
    """
    owner: dict[str, int | None] = dict.fromkeys(phrases)
    for number, sentence in enumerate(sorted(owner, key=len, reverse=True)):
        if owner[sentence] is None:
            words = sentence.split()
            for start in range(len(words)):
                for end in range(start + 1, len(words) + 1):
                    part = " ".join(words[start:end])
                    if part in owner and owner[part] is None:
                        owner[part] = number
    return [owner[phrase] for phrase in phrases]  # type: ignore[misc]


_RAW = Raw(
    folder="SST-2",
    files={
        "train.tsv": "48eac26399f8456935f81dd9e3a745c1430adb6c62e233ccfe22db4a0d15d1d1",
        "dev.tsv": "54a9c12c77e402fc14d6a66a506f24d999f596b0176eb777c972cccc2f9cc4b0",
    },
    mirrors=(
        Archive(
            "https://dl.fbaipublicfiles.com/glue/data/SST-2.zip",
            "sha256:d67e16fb55739c1b32cdce9877596db1c127dc322d93c082281f64057c16deaa",
        ),
    ),
)

SST2 = Entry(
    name="sst2",
    kind="text",
    labels=["negative", "positive"],
    maximum=1.0,
    raw=_RAW,
    read=lambda folder: read(_RAW, folder),
    fingerprint="76381201da9786aba6ad0b3e595c8c7626353ce629922c0b5cbd8b26dec14105",
    note="Measured on GLUE's dev split, since the labels of its test split are hidden; nothing was chosen on it.",
)
