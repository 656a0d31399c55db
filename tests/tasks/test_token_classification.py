from __future__ import annotations

import json
import math

import pytest
import torch

from zoo.data.words import train_tokenizer
from zoo.errors import ZooError
from zoo.kinds import Input
from zoo.kinds.tagged import prepare
from zoo.tasks.token_classification import TASK, Tag, Tagging

INPUT = {"kind": "tagged", "tokenizer": "tokenizer.json", "alphabet": "acdgost", "max_characters": 20}
CONFIG = {"labels": ["NOUN", "VERB", "PUNCT"], "input": INPUT}


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(["cats\tdo\tn't\tdance", "dogs\tdo\t."], vocab_size=50)


def test_sentences_become_words_characters_and_lengths(tokenizer):
    words, characters, lengths = prepare(["Cats don't!", "dogs", ""], Input(INPUT, tokenizer))
    word = tokenizer.token_to_id
    assert words.tolist() == [[word("cats"), word("do"), word("n't"), 1], [word("dogs"), 0, 0, 0], [0, 0, 0, 0]]
    assert lengths.tolist() == [4, 1, 0]
    assert characters.shape == (3, 4, 4)
    assert characters[0, 0].tolist() == [1, 2, 8, 7], "C is not in the alphabet: 1, then a, t, s"


def test_a_tab_says_where_the_words_are(tokenizer):
    assert prepare(["don't\tdance"], Input(INPUT, tokenizer))[2].tolist() == [2]
    assert prepare(["don't dance"], Input(INPUT, tokenizer))[2].tolist() == [3]


@pytest.mark.parametrize("raw", [b"bytes", 3, None])
def test_an_input_that_is_not_a_sentence_is_refused(raw, tokenizer):
    with pytest.raises(ZooError, match="is not a sentence; give a str"):
        prepare([raw], Input(INPUT, tokenizer))


def test_half_a_character_is_refused(tokenizer):
    with pytest.raises(
        ZooError, match=r"the sentence 'cats \\udcff' holds an unpaired surrogate; give valid Unicode\."
    ):
        prepare(["cats", "cats \udcff"], Input(INPUT, tokenizer))


def test_every_word_as_it_was_written_has_a_tag_and_its_probability():
    outputs = torch.zeros(2, 3, 3)
    outputs[0, 0, 0] = outputs[0, 1, 1] = outputs[0, 2, 2] = math.log(2)
    first, second = TASK.answer(outputs.bfloat16(), ["Cats dance!", ""], CONFIG)
    assert [(tag.word, tag.tag) for tag in first.answer] == [("Cats", "NOUN"), ("dance", "VERB"), ("!", "PUNCT")]
    assert [tag.probability for tag in first.answer] == pytest.approx([0.5] * 3, abs=2e-3)
    assert second.answer == []


def test_to_dict_is_json():
    answer = Tagging([Tag("Cats", "NOUN", 0.75)])
    assert json.loads(json.dumps(answer.to_dict())) == {
        "answer": [{"word": "Cats", "tag": "NOUN", "probability": 0.75}]
    }


def test_accuracy_is_over_words_and_not_over_sentences():
    outputs = torch.eye(3)[torch.tensor([[0, 1, 2], [2, 0, 0]])]
    targets = torch.tensor([[0, 1, 2], [1, -100, -100]])
    rows, truth = TASK.rows(outputs, targets)
    assert rows.shape == (4, 3) and truth.tolist() == [0, 1, 2, 1]
    assert TASK.metrics["accuracy"](rows, truth) == 0.75
