"""The language model over characters, and how it writes."""

from __future__ import annotations

import itertools

import pytest
import torch

from zoo import ZooError, init
from zoo.models.charlm import charlstm, draw, encode

SYMBOLS = "\nabcd"


@pytest.fixture
def model() -> charlstm:
    torch.manual_seed(0)
    model = charlstm(SYMBOLS, embedding_dim=6, hidden=16, layers=2, dropout=0.5)
    init.apply(model, "recurrent")
    return model.eval()


def test_a_prediction_does_not_depend_on_what_comes_later(model: charlstm):
    ids = torch.tensor([[1, 2, 3, 4, 0, 1]])
    changed = torch.tensor([[1, 2, 3, 0, 2, 2]])
    torch.testing.assert_close(model(ids)[:, :3], model(changed)[:, :3])
    assert (model(ids)[:, 3:] - model(changed)[:, 3:]).abs().max() > 1e-3


def test_reading_on_from_memory_equals_reading_at_once(model: charlstm):
    ids = torch.tensor([[1, 2, 3, 4, 0, 1]])
    first, memory = model.read(ids[:, :2], [])
    second, _ = model.read(ids[:, 2:], memory)
    torch.testing.assert_close(torch.cat([first, second], 1), model(ids))


def test_a_dropped_channel_is_dropped_at_every_time_step(model: charlstm):
    model.train()
    seen = []
    model.head.register_forward_hook(lambda _, inputs, output: seen.append(inputs[0]))
    model(torch.randint(5, (32, 9)))
    zero = seen[0] == 0
    assert 0.3 < zero.float().mean() < 0.7
    assert torch.equal(zero.all(1), zero.any(1))


def test_a_seed_fixes_the_text_and_another_gives_another(model: charlstm):
    texts = ["".join(model.generate("ab", 40, seed=seed)) for seed in (0, 0, 1)]
    assert texts[0] == texts[1] != texts[2] and len(texts[0]) == 40
    assert set(texts[0]) <= set(SYMBOLS)


def test_torchs_own_generator_is_left_alone(model: charlstm):
    before = torch.get_rng_state()
    list(model.generate("ab", 5))
    assert torch.equal(torch.get_rng_state(), before)


def test_characters_come_as_they_are_drawn(model: charlstm):
    read = []
    model.head.register_forward_hook(lambda *_: read.append(None))
    stream = model.generate("ab", 10**9)
    assert not read
    first = "".join(itertools.islice(stream, 3))
    assert len(read) == 3 and first == "".join(model.generate("ab", 3))


def test_the_text_goes_on_from_the_whole_prompt(model: charlstm):
    """Each character is that which a forward pass over all before it gives."""
    text = "abdc" + "".join(model.generate("abdc", 12, temperature=0))
    for end in range(4, 16):
        likeliest = int(model(encode(text[:end], SYMBOLS).unsqueeze(0))[0, -1].argmax())
        assert text[end] == SYMBOLS[likeliest]


def test_temperature_and_top_k_shape_the_draw():
    logits = torch.tensor([1.0, 3.0, 2.0, 0.0])

    def shares(temperature: float, top_k: int | None) -> torch.Tensor:
        generator = torch.Generator().manual_seed(0)
        drawn = torch.cat([draw(logits, temperature, top_k, generator) for _ in range(3000)])
        return drawn.bincount(minlength=4) / 3000

    torch.testing.assert_close(shares(1.0, None), logits.softmax(0), atol=0.03, rtol=0)
    torch.testing.assert_close(shares(2.0, None), (logits / 2).softmax(0), atol=0.03, rtol=0)
    two = logits.masked_fill(logits < 2, -torch.inf).softmax(0)
    torch.testing.assert_close(shares(1.0, 2), two, atol=0.03, rtol=0)
    assert shares(0.0, None)[1] == shares(1.0, 1)[1] == 1
    assert shares(1.0, 99).gt(0).all()
    for least in (1e-40, 1e-50, 5e-324):
        assert shares(least, None)[1] == shares(least, 2)[1] == 1


@pytest.mark.parametrize(
    ("prompt", "settings", "said"),
    [
        ("", {}, "the prompt is empty; give at least one character to go on from."),
        ("abé?", {}, "the prompt 'abé?' holds '?', 'é', which the model has never seen; use only '\\nabcd'."),
        ("a", {"temperature": -1.0}, "temperature is -1.0; give a number from 0."),
        ("a", {"temperature": float("nan")}, "temperature is nan; give a number from 0."),
        ("a", {"top_k": 0}, "top_k is 0; give a whole number of 1 or more, or None for all symbols."),
        ("a", {"top_k": 2.5}, "top_k is 2.5; give a whole number of 1 or more, or None for all symbols."),
        ("a", {"length": -3}, "length is -3; give a whole number of characters."),
        ("a", {"seed": None}, "seed is None; give a whole number."),
        (None, {}, "NoneType is not a prompt; give a str."),
    ],
)
def test_what_cannot_be_written_is_refused_before_the_first_character(model: charlstm, prompt, settings, said: str):
    with pytest.raises(ZooError) as raised:
        model.generate(prompt, **{"length": 5, **settings})
    assert str(raised.value) == said


def test_a_model_in_training_mode_does_not_write(model: charlstm):
    with pytest.raises(ZooError, match=r"training mode, where dropout would garble the text; call eval\(\) first"):
        model.train().generate("a")


def test_a_fresh_model_knows_printable_ascii():
    assert charlstm().symbols.isascii() and len(charlstm().symbols) == 96
