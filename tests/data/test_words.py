"""From a raw text to its words, and from words to ids and spellings."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
import torch

from zoo.data.words import Encoded, alphabet, encode, split, train_tokenizer

SENTENCES = ["The\tcat\tsaw\tthe\tdog\t.", "It\tdid\tn't\tsee\tthe\tcat\t!"]


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("I can't, won't and cannot.", "I ca n't , wo n't and can not ."),
        ("It’s the U.S. that they'll see", "It ’s the U.S. that they 'll see"),
        ("Mr. Fox met St. Nick", "Mr. Fox met St. Nick"),
        ("Mail a.b@c.org or see http://x.org/y?z=1, (really)", "Mail a.b@c.org or see http://x.org/y?z=1, ( really )"),
        ("$1,000.50 at 7:30 on the 20th", "$ 1,000.50 at 7:30 on the 20th"),
        ("a well-known e-mail -- wow!!! ...", "a well - known e-mail -- wow !!! ..."),
        ("naïve 東京 😀😀 :-)", "naïve 東京 😀😀 :-)"),
        ("", ""),
        (" \n\u00a0", ""),
    ],
)
def test_a_text_is_split_as_the_treebank_is(raw: str, words: str) -> None:
    assert split(raw) == words.split()


def test_words_with_tabs_between_them_stay_as_they_are() -> None:
    assert split("can't\t ,\t\te-mail and more\t") == ["can't", ",", "e-mail and more"]
    assert split("\t") == []


@pytest.mark.data
def test_the_rule_finds_as_many_words_of_the_validation_split_as_its_docstring_says() -> None:
    content = Path(os.environ["ZOO_DATA"], "UD_English-EWT", "en_ewt-ud-dev.conllu").read_text(encoding="utf-8")
    right = found = there = 0
    for block in content.strip().split("\n\n"):
        lines = [line.split("\t") for line in block.split("\n")]
        raw = next(line[0].removeprefix("# text = ") for line in lines if line[0].startswith("# text = "))
        ours, theirs = places(split(raw)), places([line[1] for line in lines if line[0].isdigit()])
        right, found, there = right + len(ours & theirs), found + len(ours), there + len(theirs)
    assert round(2 * right / (found + there), 3) == 0.988


def places(words: list[str]) -> set[tuple[int, int]]:
    """Where the words begin and end in the text without its spaces."""
    ends = [sum(map(len, words[: i + 1])) for i in range(len(words))]
    return {(end - len(word), end) for word, end in zip(words, ends, strict=True)}


def test_every_word_has_one_id_in_lower_case() -> None:
    tokenizer = train_tokenizer(SENTENCES, vocab_size=100)
    assert tokenizer.encode("THE\tcat\tcan't\tsleep").ids == [
        tokenizer.token_to_id("the"),
        tokenizer.token_to_id("cat"),
        1,
        1,
    ]
    assert "n't" in tokenizer.get_vocab() and "\t" not in "".join(tokenizer.get_vocab())


def test_the_vocabulary_is_the_most_frequent_words() -> None:
    assert sorted(train_tokenizer(SENTENCES, vocab_size=4).get_vocab()) == ["<pad>", "<unk>", "cat", "the"]


def test_rare_characters_are_unknown() -> None:
    sentences = ["aaaa\tbbbbb", "aB\tBBBB"]
    assert alphabet(sentences) == "Bab"
    encoded = encode([["abcB"]], train_tokenizer(sentences, 10), "Bab", 20)
    assert encoded.spellings.tolist() == [[0, 0, 0, 0], [3, 4, 1, 2]]


def test_a_long_word_keeps_its_beginning_and_its_ending() -> None:
    letters = "abcdefghij"
    encoded = encode([[letters]], train_tokenizer(SENTENCES, 10), letters, max_characters=5)
    assert [letters[i - 2] for i in encoded.spellings[1].tolist()] == ["a", "b", "c", "i", "j"]


def test_a_batch_is_padded_to_its_own_longest_sentence_and_word() -> None:
    encoded = encoded_sentences()
    words, characters, lengths = encoded.batch([0, 2])
    assert words.shape == (2, 2) and characters.shape == (2, 2, 3) and lengths.tolist() == [2, 0]
    assert words.dtype == characters.dtype == lengths.dtype == torch.int64
    assert words[1].tolist() == [0, 0] and not characters[1].any()
    everything = encoded.batch([0, 1])
    assert everything[1].shape == (2, 3, 6)
    assert torch.equal(everything[1][0, :2, :3], characters[0])
    assert encoded.batch([2])[1].shape == (1, 1, 1)


def test_a_form_is_spelt_once_and_the_same_everywhere() -> None:
    encoded = encoded_sentences()
    assert len(encoded.spellings) == 1 + len({"the", "cat", "saw", "longer"})
    _, characters, _ = encoded.batch([0, 1])
    assert torch.equal(characters[0, 0], characters[1, 2])


def encoded_sentences() -> Encoded:
    letters = "".join(sorted(Counter("thecatsawlonger")))
    sentences = [["the", "cat"], ["saw", "longer", "the"], []]
    return encode(sentences, train_tokenizer(SENTENCES, 100), letters, 20)
