"""What the tagger reaches from raw text, where it has to split the words itself.

    python benchmarks/tagger_raw.py [WEIGHT]

The published accuracy is for sentences whose words are given. Here each test sentence of English EWT is given as its
raw text; a word that the predictor finds counts as right if it spans the very characters of a word of the treebank and
has its tag. The F1 is of words found and words there, as in the CoNLL 2018 shared task (Zeman et al. 2018, section 5).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import zoo


def sentences(lines: Iterable[str]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Raw text and its syntactic words with their tags, sentence by sentence, of a CoNLL-U file."""
    text, words = "", []
    for line in lines:
        if line.startswith("# text = "):
            text = line.removeprefix("# text = ").rstrip("\n")
        elif line.strip() and not line.startswith("#"):
            number, form, _, tag, *_ = line.split("\t")
            if number.isdigit():  # no range of a contraction, no empty node
                words.append((form, tag))
        elif not line.strip() and words:
            yield text, words
            text, words = "", []


def spans(words: Iterable[tuple[str, str]]) -> set[tuple[int, int, str]]:
    """Where each word stands among the letters that are no space, and its tag."""
    found, place = set(), 0
    for word, tag in words:
        length = len("".join(word.split()))
        found.add((place, place + length, tag))
        place += length
    return found


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else "bilstm_tagger.ud_english_ewt_v1"
    path = Path(os.environ["ZOO_DATA"]) / "UD_English-EWT" / "en_ewt-ud-test.conllu"
    with path.open(encoding="utf-8") as file:
        read = list(sentences(file))
    answers = zoo.predictor(name)([text for text, _ in read])
    right = split = found = there = 0
    for (_, words), answer in zip(read, answers, strict=True):
        ours, theirs = spans((tag.word, tag.tag) for tag in answer.answer), spans(words)
        right += len(ours & theirs)
        split += len({span[:2] for span in ours} & {span[:2] for span in theirs})
        found, there = found + len(ours), there + len(theirs)
    for what, count in (("words split right", split), ("words split and tagged right", right)):
        print(f"{name}: {what}: F1 {200 * count / (found + there):.1f} % of {there:,} words")


if __name__ == "__main__":
    main()
