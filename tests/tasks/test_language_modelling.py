"""Prompts, continuations, and what a character costs."""

from __future__ import annotations

import math

import pytest
import torch

import zoo
from zoo.data.split import IGNORED
from zoo.errors import ZooError
from zoo.kinds import Input
from zoo.kinds.characters import prepare
from zoo.tasks.language_modelling import nats, rows

INPUT = {"kind": "characters", "symbols": "\nab", "length": 8}


def test_prompts_become_ids_with_padding_at_the_end():
    (ids,) = prepare(["ab\n", "b"], Input(INPUT))
    assert ids.tolist() == [[1, 2, 0], [2, 0, 0]] and ids.dtype == torch.int64


@pytest.mark.parametrize(
    ("raw", "said"),
    [("", "the prompt is empty"), ("abc", "holds 'c', which the model has never seen"), (b"ab", "bytes is not a text")],
)
def test_an_input_that_is_not_a_prompt_is_refused(raw, said: str):
    with pytest.raises(ZooError, match=said):
        prepare(["ab", raw], Input(INPUT))


def test_nats_are_of_the_characters_that_count():
    logits = torch.tensor([[[0.0, 0.0, 0.0], [math.log(2.0), 0.0, 0.0]], [[9.0, 9.0, 9.0], [0.0, 0.0, 0.0]]])
    targets = torch.tensor([[2, 0], [IGNORED, 1]])
    kept, wanted = rows(logits, targets)
    assert kept.shape == (3, 3) and wanted.tolist() == [2, 0, 1]
    assert nats(kept, wanted) == pytest.approx((math.log(3) + math.log(2) + math.log(3)) / 3)


def test_a_predictor_writes_on_and_always_the_same(characters_bundle):
    predictor = zoo.predictor(characters_bundle)
    first, second = predictor(["ab", "a"])
    assert first.answer == predictor("ab").answer != second.answer
    assert set(first.answer) <= set("\nab") and first.to_dict() == {"answer": first.answer}
    with pytest.raises(ZooError, match="has never seen"):
        predictor(["ab", "x"])
