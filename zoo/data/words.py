"""From sentences to padded batches of word ids and character ids, and from a raw text to its words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from zoo.data import text
from zoo.wording import SEPARATOR, split

__all__ = ["RARE", "SEPARATOR", "Encoded", "alphabet", "encode", "split", "train_tokenizer"]

if TYPE_CHECKING:
    from tokenizers import Tokenizer

RARE = 5
"""A character that occurs fewer times in the training words is unknown, so the model learns about unknown ones."""


def train_tokenizer(sentences: Iterable[str], vocab_size: int) -> Tokenizer:
    """A word-level tokenizer of the most frequent words, in lower case, of sentences whose words are joined by tabs.

    Like `zoo.data.text.train_tokenizer`, which is for raw texts; here every word gets exactly one id. Only the
    characters keep the capitals: on the treebank's validation split this raised a one-layer tagger from 95.1 % to 95.4
    %.
    """
    from tokenizers import normalizers, pre_tokenizers

    return text.word_level(sentences, vocab_size, normalizers.Lowercase(), pre_tokenizers.CharDelimiterSplit(SEPARATOR))


def alphabet(sentences: Iterable[str]) -> str:
    """Every character that occurs at least `RARE` times in the words, in the order of code points.

    The character at place i has the id i + 2; 0 is padding and 1 is unknown.
    """
    counts = Counter(character for sentence in sentences for character in sentence if character != SEPARATOR)
    return "".join(sorted(character for character, count in counts.items() if count >= RARE))


@dataclass(frozen=True)
class Encoded:
    """Sentences as ids: for each its word ids and its rows of `spellings`, which spells each word form once.

    `spellings` is int64 [forms, characters], zeros after a form's end; row 0 is padding's, all zeros.
    """

    words: list[list[int]]
    forms: list[list[int]]
    spellings: Tensor

    def batch(self, indices: Iterable[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Words (N, T), their characters (N, T, C) and lengths (N,), all int64; zeros are padding.

        T is the longest sentence's length and C that of the longest word, at least 1.
        """
        chosen = list(indices)
        words, lengths = text.pad([self.words[i] for i in chosen])
        characters = self.spellings[text.pad([self.forms[i] for i in chosen])[0]]
        longest = int((characters != 0).sum(-1).max())
        return words, characters[..., : max(1, longest)], lengths


def encode(sentences: Sequence[Sequence[str]], tokenizer: Tokenizer, letters: str, max_characters: int) -> Encoded:
    """Ids of sentences that are split into words; a longer word keeps its first and last characters."""
    rows = text.rows_of(tokenizer, [SEPARATOR.join(sentence) for sentence in sentences])
    known = {character: place for place, character in enumerate(letters, start=2)}
    place: dict[str, int] = {}
    forms = [[place.setdefault(word, len(place) + 1) for word in sentence] for sentence in sentences]
    spelt = [[known.get(c, 1) for c in text.shorten(list(word), max_characters, "head_tail")] for word in place]
    return Encoded([row.ids for row in rows], forms, text.pad([[], *spelt])[0])
