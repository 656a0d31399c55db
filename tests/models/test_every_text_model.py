"""What every model of texts must do, beside giving one answer whatever a text is batched with (test_guide_mistakes)."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from zoo import registry
from zoo._create import create
from zoo.data.text import shorten
from zoo.nn.words import PAD

NAMES = [name for name in registry.names() if registry.get(name).task == "text-classification"]
VOCABULARY = 50
WORDS = [7, 3, 3, 41, 12, 9]


@pytest.fixture(scope="module", params=NAMES)
def model(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    return create(request.param, vocab_size=VOCABULARY, num_classes=3).eval()


def batch(*rows: list[int], steps: int = 0) -> tuple[Tensor, Tensor]:
    """Rows of ids, padded to the longest or to `steps`, and their lengths."""
    tokens = torch.full((len(rows), max(steps, *map(len, rows))), PAD)
    for row, ids in zip(tokens, rows, strict=True):
        row[: len(ids)] = torch.tensor(ids, dtype=torch.int64)
    return tokens, torch.tensor([len(ids) for ids in rows])


def test_padding_after_the_length_is_never_read(model: nn.Module) -> None:
    tokens, lengths = batch(WORDS, [4, 5], steps=9)
    garbage = torch.where(tokens == PAD, 33, tokens)
    assert torch.equal(model(tokens, lengths), model(garbage, lengths))


@pytest.mark.parametrize("steps", [0, 1, 5])
def test_a_text_without_tokens_is_answered_by_the_heads_bias(model: nn.Module, steps: int) -> None:
    bias = model.get_parameter("head.bias")
    with torch.no_grad():
        bias.copy_(torch.tensor([0.1, 0.2, 0.3]))
    torch.testing.assert_close(model(*batch([], [], steps=steps)), bias.expand(2, 3))


def test_the_first_word_and_the_order_of_all_matter(model: nn.Module) -> None:
    logits = model(*batch([7, 3, 9, 11], [8, 3, 9, 11], [11, 9, 3, 7]))
    assert (logits[0] - logits[1]).abs().max() > 1e-4
    assert (logits[0] - logits[2]).abs().max() > 1e-4


def test_dropout_acts_in_training_mode_alone(model: nn.Module) -> None:
    rates = {"word_dropout": 0.3, "embedding_dropout": 0.3, "dropout": 0.3}
    net = registry.get(model.zoo.name).constructor(vocab_size=VOCABULARY, **rates)  # type: ignore[union-attr]
    inputs = batch(WORDS)
    assert not torch.equal(net(*inputs), net(*inputs))
    net.eval()
    assert torch.equal(net(*inputs), net(*inputs))


def test_padding_does_not_learn(model: nn.Module) -> None:
    model(*batch(list(range(1, VOCABULARY)), [3, 4], steps=60)).square().sum().backward()
    gradient = model.get_parameter("embedding.weight").grad
    assert gradient is not None and gradient[PAD].count_nonzero() == 0 and gradient[1:].any(1).all()
    model.zero_grad()


@torch.no_grad()
@pytest.mark.parametrize("read", [4, 5, 9])
def test_a_long_text_may_be_read_at_its_ends_alone(model: nn.Module, read: int) -> None:
    net = registry.get(model.zoo.name).constructor(vocab_size=VOCABULARY, num_classes=3, read=read).eval()  # type: ignore[union-attr]
    net.load_state_dict(model.state_dict())
    texts = [list(range(10, 21)), WORDS, [4, 5], []]
    cut = [shorten(text, read, "head_tail") for text in texts]
    torch.testing.assert_close(net(*batch(*texts)), model(*batch(*cut)))
    if "attn" in model.zoo.name:  # type: ignore[union-attr]
        _, weights = net(*batch(*texts), return_attention=True)
        _, of_cut = model(*batch(*cut), return_attention=True)
        middle = slice(read - read // 2, len(texts[0]) - read // 2)
        assert weights.shape == (4, 11) and not weights[0, middle].any()
        torch.testing.assert_close(torch.cat([weights[0, : middle.start], weights[0, middle.stop :]]), of_cut[0])
        torch.testing.assert_close(weights.sum(1), of_cut.sum(1))


@torch.no_grad()
def test_runs_under_autocast(model: nn.Module) -> None:
    inputs = batch(WORDS, [], steps=9)
    exact = model(*inputs)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(model(*inputs).float(), exact, atol=3e-2, rtol=0)
