"""The tagger: a word's tag is a function of its sentence alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence

from zoo import init
from zoo.models.tagger import bilstm_tagger

PAD, UNKNOWN = 0, 1


@pytest.fixture
def model() -> bilstm_tagger:
    torch.manual_seed(0)
    sizes = {"vocab_size": 50, "characters": 20, "embedding_dim": 12, "character_dim": 6, "spelling": 5, "hidden": 10}
    model = bilstm_tagger(**sizes, layers=2, num_classes=3)
    init.apply(model, "recurrent")
    return model.eval()


def batch(*sentences: list[int], steps: int, characters: int = 7) -> tuple[Tensor, Tensor, Tensor]:
    """Word ids padded to `steps`; a word with id i has 1 + i % 6 characters."""
    words, spelt = torch.full((len(sentences), steps), PAD), torch.full((len(sentences), steps, characters), PAD)
    for row, sentence in enumerate(sentences):
        for place, word in enumerate(sentence):
            size = 1 + word % 6
            words[row, place] = word
            spelt[row, place, :size] = 1 + (torch.arange(size) + 5 * word) % 19
    return words, spelt, torch.tensor([len(sentence) for sentence in sentences])


SENTENCES = {"words": [7, 3, 3, 41, 12, 9], "empty": [], "all unknown": [UNKNOWN] * 4, "one word": [5]}


@pytest.mark.parametrize("sentence", SENTENCES.values(), ids=SENTENCES.keys())
@pytest.mark.parametrize("padding", [1, 400])
def test_a_sentence_gives_the_same_tags_whatever_it_is_batched_with(
    model: bilstm_tagger, sentence: list[int], padding: int
) -> None:
    steps = max(1, len(sentence))
    alone = model(*batch(sentence, steps=steps))
    others = [[4, 8] * 3, [2 + i % 48 for i in range(6 + padding)], []]
    beside = model(*batch(sentence, *others, steps=6 + padding, characters=19))
    assert alone.shape == (1, steps, 3) and alone.isfinite().all()
    torch.testing.assert_close(beside[0, : len(sentence)], alone[0, : len(sentence)], atol=1e-5, rtol=0)


def test_padding_after_a_sentence_is_never_read(model: bilstm_tagger) -> None:
    words, characters, lengths = batch(SENTENCES["words"], [4, 5], steps=9)
    garbage = torch.where(words == PAD, 33, words), torch.where(characters.any(-1, keepdim=True), characters, 7)
    torch.testing.assert_close(model(*garbage, lengths)[1, :2], model(words, characters, lengths)[1, :2])


def test_no_words_at_all(model: bilstm_tagger) -> None:
    assert model(*batch([], [], steps=0)).shape == (2, 0, 3)


def test_a_word_is_spelt_as_by_pytorchs_lstm_on_packed_words(model: bilstm_tagger) -> None:
    _, characters, _ = batch([7, 3, 41], steps=3)
    twin = torch.nn.LSTM(6, 5, batch_first=True, bidirectional=True)
    for suffix, half in (("", model.speller.ahead[0]), ("_reverse", model.speller.back[0])):
        for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
            getattr(twin, name + suffix).data.copy_(getattr(half, name))
    rows = characters[0]
    packed = pack_padded_sequence(model.characters(rows), (rows != PAD).sum(-1), True, enforce_sorted=False)
    _, (last, _) = twin(packed)
    torch.testing.assert_close(model.spell(characters)[0], last.transpose(0, 1).flatten(1), atol=1e-6, rtol=0)


def test_an_unknown_word_is_tagged_by_its_spelling_and_a_word_by_its_neighbours(model: bilstm_tagger) -> None:
    words, characters, lengths = batch([7, 3, 9], steps=3)
    words[:] = UNKNOWN
    before = model(words, characters, lengths)
    characters[0, 1, 0] += 1
    assert (model(words, characters, lengths) - before).abs().amin((0, 2)).min() > 1e-6


def test_word_dropout_reads_that_share_as_unknown_and_keeps_the_spelling(model: bilstm_tagger) -> None:
    model.word_dropout = 0.3
    seen: list[Tensor] = []
    model.embedding.register_forward_hook(lambda _, inputs, output: seen.append(inputs[0]))
    model.characters.register_forward_hook(lambda _, inputs, output: seen.append(inputs[0]))
    inputs = batch(*[[2 + i % 48 for i in range(100)]] * 20, [5], steps=101)
    model.train()(*inputs)
    read = next(ids for ids in seen if ids.shape == inputs[0].shape)
    assert abs((read[:20, :100] == UNKNOWN).float().mean().item() - 0.3) < 0.03
    assert (read[:, 100:] == PAD).all() and (read[20, 1:] == PAD).all()
    assert any(torch.equal(ids, inputs[1].flatten(0, 1)) for ids in seen)


def test_every_parameter_learns_and_padding_does_not(model: bilstm_tagger) -> None:
    model.train()(*batch(list(range(1, 50)), [3, 4], steps=60)).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
    for table in (model.embedding, model.characters):
        assert table.weight.grad is not None and (table.weight.grad[PAD] == 0).all()


def test_runs_under_autocast(model: bilstm_tagger) -> None:
    inputs = batch(SENTENCES["words"], [], steps=9)
    exact = model(*inputs)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(model(*inputs).float(), exact, atol=3e-2, rtol=0)
