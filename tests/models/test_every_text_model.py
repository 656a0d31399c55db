"""What every model of texts must do: its answer is a function of the text alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from zoo import registry
from zoo.create import create
from zoo.nn.words import PAD, UNKNOWN

NAMES = [name for name in registry.names() if registry.get(name).task == "text-classification"]
WORDS = 50
TEXTS = {
    "words": [7, 3, 3, 41, 12, 9],
    "one word": [5],
    "400 words": [2 + 7 * place % 48 for place in range(400)],
    "empty": [],
    "all unknown": [UNKNOWN] * 4,
}


@pytest.fixture(scope="module", params=NAMES)
def model(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    return create(request.param, vocab_size=WORDS, num_classes=3).eval()


def batch(*rows: list[int], steps: int = 0) -> tuple[Tensor, Tensor]:
    """Rows of ids, padded to the longest or to `steps`, and their lengths."""
    tokens = torch.full((len(rows), max(steps, *map(len, rows))), PAD)
    for row, ids in zip(tokens, rows, strict=True):
        row[: len(ids)] = torch.tensor(ids, dtype=torch.int64)
    return tokens, torch.tensor([len(ids) for ids in rows])


@pytest.mark.parametrize("ids", TEXTS.values(), ids=TEXTS.keys())
@pytest.mark.parametrize("padding", [1, 400])
@torch.no_grad()
def test_a_text_gives_the_same_output_whatever_it_is_batched_with(
    model: nn.Module, ids: list[int], padding: int
) -> None:
    alone = model(*batch(ids, steps=1))
    assert alone.isfinite().all()
    longer = [2 + 5 * place % 48 for place in range(len(ids) + padding)]
    for rows in ([ids, longer, [4, 8], []], [longer, [], ids], [[], ids, ids]):
        beside = model(*batch(*rows, steps=len(longer)))
        torch.testing.assert_close(beside[rows.index(ids)], alone[0], atol=1e-5, rtol=0)


def test_reading_the_last_state_of_a_padded_batch(model: nn.Module) -> None:
    """The guide's mistake: `output[:, -1]` is the state behind a text's end, so the answer depends on the padding."""
    near, far = batch(TEXTS["words"], steps=7), batch(TEXTS["words"], steps=40)
    torch.testing.assert_close(model(*near), model(*far), atol=1e-6, rtol=0)
    vectors = model.get_submodule("embedding")
    naive = nn.LSTM(model.get_parameter("embedding.weight").shape[1], 10, batch_first=True)
    last = [naive(vectors(tokens))[0][:, -1] for tokens, _ in (near, far)]
    assert (last[0] - last[1]).abs().max() > 1e-3


def test_what_stands_behind_the_length_is_never_read(model: nn.Module) -> None:
    tokens, lengths = batch(TEXTS["words"], [4, 5], steps=9)
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
    net = registry.get(model.zoo.name).constructor(vocab_size=WORDS, **rates)  # type: ignore[union-attr]
    inputs = batch(TEXTS["words"])
    assert not torch.equal(net(*inputs), net(*inputs))
    net.eval()
    assert torch.equal(net(*inputs), net(*inputs))


def test_padding_does_not_learn(model: nn.Module) -> None:
    model(*batch(list(range(1, WORDS)), [3, 4], steps=60)).square().sum().backward()
    gradient = model.get_parameter("embedding.weight").grad
    assert gradient is not None and gradient[PAD].count_nonzero() == 0 and gradient[1:].any(1).all()
    model.zero_grad()


@torch.no_grad()
def test_runs_under_autocast(model: nn.Module) -> None:
    inputs = batch(TEXTS["words"], [], steps=9)
    exact = model(*inputs)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(model(*inputs).float(), exact, atol=3e-2, rtol=0)
