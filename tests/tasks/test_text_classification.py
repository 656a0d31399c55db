from __future__ import annotations

import pytest
import torch

from zoo.data.text import train_tokenizer
from zoo.errors import ZooError
from zoo.kinds import Input
from zoo.kinds.text import explain, prepare

INPUT = {"kind": "text", "tokenizer": "tokenizer.json", "max_length": 4, "truncate": "head_tail"}


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(["a good film", "a bad film", "don't miss it"], vocab_size=50)


def test_texts_become_padded_ids_and_lengths(tokenizer):
    tokens, lengths = prepare(["A good film", "film", "a bad unheard film don't"], Input(INPUT, tokenizer))
    assert lengths.tolist() == [3, 1, 4]
    assert tokens.shape == (3, 4) and tokens.dtype == torch.int64
    word = tokenizer.token_to_id
    assert tokens[0].tolist() == [word("a"), word("good"), word("film"), 0]
    assert tokens[2].tolist() == [word("a"), word("bad"), word("film"), word("don't")]  # head and tail


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "\u00a0", "<br />"])
def test_a_text_without_words_is_refused(text, tokenizer):
    with pytest.raises(ZooError, match="holds no words to classify"):
        prepare(["a good film", text], Input(INPUT, tokenizer))


@pytest.mark.parametrize("raw", [b"bytes", 3, None])
def test_an_input_that_is_not_a_text_is_refused(raw, tokenizer):
    with pytest.raises(ZooError, match="is not a text"):
        prepare([raw], Input(INPUT, tokenizer))


def test_half_a_character_is_refused(tokenizer):
    # What Python makes of a command line that is not UTF-8.
    with pytest.raises(ZooError, match=r"the text 'a good \\udcff' holds an unpaired surrogate; give valid Unicode\."):
        prepare(["a film", "a good \udcff"], Input(INPUT, tokenizer))


def test_attention_falls_on_the_words_as_written(tokenizer):
    weights = torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.75, 0.25, 0, 0]])
    long, short = explain(["A GOOD but unheard Film, DON’T", "Film!"], Input(INPUT, tokenizer), weights)
    assert [word for word, _ in long] == ["A", "GOOD", "but", "unheard", "Film", ",", "DON’T"]
    assert [weight for _, weight in long] == pytest.approx([0.1, 0.2, 0, 0, 0, 0.3, 0.4])
    assert short == [("Film", 0.75), ("!", 0.25)]


def test_what_is_one_character_as_written_is_one_word_with_all_its_accents(tokenizer):
    weights = torch.full((1, 9), 0.125)
    (found,) = explain(["cafe\u0301 re\u0301sume\u0301 \u2026"], Input({**INPUT, "max_length": 9}, tokenizer), weights)
    assert found == [("caf\u00e9", 0.125), ("r\u00e9sum\u00e9", 0.125), ("\u2026", 0.375)]
