"""The English Web Treebank in Universal Dependencies, version 2.16: weblogs, newsgroups, e-mails, reviews and answers.

Silveira et al. 2014, A Gold Standard Dependency Corpus for English;
https://github.com/UniversalDependencies/UD_English-EWT. Here each word has only its universal part of speech.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from zoo.data import files
from zoo.data.entry import Entry, Raw, Web
from zoo.data.split import IGNORED, Split
from zoo.data.words import SEPARATOR

LABELS = [
    *("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM"),
    *("PART", "PRON", "PROPN", "PUNCT", "SCONJ", "SYM", "VERB", "X"),
]


def read(raw: Raw, folder: Path) -> tuple[Split, ...]:
    """(train, test, validation), each sentence as its words joined by tabs; targets int64 [N, longest].

    Targets are indices into `LABELS`, one a word, and -100 after the last. Words are syntactic words: the treebank
    splits "don't" into "do" and "n't". Raises ZooError for a file that is not the published one.
    """
    train, test, validation = (_split(files.read(raw, folder, name).decode()) for name in raw.files)
    return train, test, validation


def _split(content: str) -> Split:
    sentences = [list(_words(block)) for block in content.strip().split("\n\n")]
    targets = torch.full((len(sentences), max(map(len, sentences))), IGNORED)
    for row, sentence in zip(targets, sentences, strict=True):
        row[: len(sentence)] = torch.tensor([LABELS.index(tag) for _, tag in sentence])
    return Split([SEPARATOR.join(word for word, _ in sentence) for sentence in sentences], targets)


def _words(block: str) -> Iterator[tuple[str, str]]:
    """(form, universal tag) of each word of a sentence in CoNLL-U."""
    for line in block.split("\n"):
        # Besides words there are comments, spans of several words written as one (1-2) and words left out (1.1).
        if line.partition("\t")[0].isdigit():
            _, form, _, tag, *_ = line.split("\t")
            yield form, tag


_FILES: dict[str, str | None] = {
    "en_ewt-ud-train.conllu": "3fb78e2b55482c8ee00caa653af436c88c9e5bc9a73ce26e4ae3ddc79d2b7e7b",
    "en_ewt-ud-test.conllu": "e266e515a0a7547657ed3d90d9ba46487d6bd251f27ad4269d4e8a427c8555cd",
    "en_ewt-ud-dev.conllu": "531a54ff90d6ab12201c5a50c3e78e6ddac4de69abc4bce5d275d3cd29efe2b6",
}
_RAW = Raw(
    folder="UD_English-EWT",
    files=_FILES,
    mirrors=(
        Web(
            "https://raw.githubusercontent.com/UniversalDependencies/UD_English-EWT/r2.16/",
            {name: digest for name, digest in _FILES.items() if digest},
        ),
    ),
)

UD_ENGLISH_EWT = Entry(
    name="ud_english_ewt",
    kind="tagged",
    labels=LABELS,
    maximum=1.0,
    raw=_RAW,
    note="94 of the 2,077 test sentences, the longest of 7 words, stand in the training part too, word for word.",
    read=lambda folder: read(_RAW, folder),
    fingerprint="c0254e8a5d5297ad984a55c345043eed592f0498b22455ab4901aabd00e8750b",
)
