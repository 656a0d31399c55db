"""The text classifier: its answer is a function of the text alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from zoo import init
from zoo.models.rnn import PAD, UNKNOWN, bigram_ids, bilstm_attn


@pytest.fixture(params=[{}, {"bigrams": 64}, {"bigrams": 64, "skip": True}], ids=["plain", "pairs", "pairs, skip"])
def model(request: pytest.FixtureRequest) -> bilstm_attn:
    torch.manual_seed(0)
    sizes = {"vocab_size": 50, "embedding_dim": 12, "bigram_dim": 5, "hidden": 10, "layers": 2, "attention": 8}
    model = bilstm_attn(**sizes, num_classes=3, **request.param)
    init.apply(model, "recurrent")
    return model.eval()


def batch(*rows: list[int], steps: int) -> tuple[Tensor, Tensor]:
    tokens = torch.full((len(rows), steps), PAD)
    for row, ids in zip(tokens, rows, strict=True):
        row[: len(ids)] = torch.tensor(ids, dtype=torch.int64)
    return tokens, torch.tensor([len(ids) for ids in rows])


TEXTS = {"words": [7, 3, 3, 41, 12, 9], "empty": [], "all unknown": [UNKNOWN] * 4, "one word": [5]}


@pytest.mark.parametrize("ids", TEXTS.values(), ids=TEXTS.keys())
@pytest.mark.parametrize("padding", [1, 400])
def test_a_text_gives_the_same_output_whatever_it_is_batched_with(
    model: bilstm_attn, ids: list[int], padding: int
) -> None:
    alone, weights = model(*batch(ids, steps=max(1, len(ids))), return_attention=True)
    padded = batch(ids, [4, 8] * 3, list(range(2, 8 + padding)), [], steps=8 + padding)
    padded[0].clamp_(max=49)
    beside, beside_weights = model(*padded, return_attention=True)
    assert alone.isfinite().all()
    torch.testing.assert_close(beside[0], alone[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(beside_weights[0, : len(ids)], weights[0, : len(ids)], atol=1e-5, rtol=0)
    assert (beside_weights[0, len(ids) :] == 0).all()


def test_reading_the_last_state_of_a_padded_batch(model: bilstm_attn) -> None:
    """The guide's mistake: `output[:, -1]` is the state behind a text's end, so the answer depends on the padding."""
    near, far = batch(TEXTS["words"], steps=7), batch(TEXTS["words"], steps=40)
    torch.testing.assert_close(model(*near), model(*far), atol=1e-6, rtol=0)
    naive = nn.LSTM(12, 10, batch_first=True, bidirectional=True)
    last = [naive(model.embedding(tokens))[0][:, -1] for tokens, _ in (near, far)]
    assert (last[0] - last[1]).abs().max() > 1e-3


def test_what_stands_behind_the_length_is_never_read(model: bilstm_attn) -> None:
    tokens, lengths = batch(TEXTS["words"], [4, 5], steps=9)
    garbage = torch.where(tokens == PAD, 33, tokens)
    assert torch.equal(model(tokens, lengths), model(garbage, lengths))


def test_a_text_without_tokens_is_answered_by_the_heads_bias(model: bilstm_attn) -> None:
    with torch.no_grad():
        model.head.bias.copy_(torch.tensor([0.1, 0.2, 0.3]))
    for steps in (0, 1, 5):
        logits, weights = model(*batch([], [], steps=steps), return_attention=True)
        torch.testing.assert_close(logits, model.head.bias.expand(2, 3))
        assert weights.shape == (2, steps) and (weights == 0).all()


def test_order_matters_and_attention_sums_to_one(model: bilstm_attn) -> None:
    logits, weights = model(*batch([7, 3, 9], [9, 3, 7], steps=3), return_attention=True)
    assert (logits[0] - logits[1]).abs().max() > 1e-4
    torch.testing.assert_close(weights.sum(1), torch.ones(2))


def captured(model: bilstm_attn, module: nn.Module, read: Callable[[tuple[Tensor, ...], Tensor], Tensor]) -> Tensor:
    """What `read` takes from the module's (inputs, output) in one training pass over 64 rows of 100 tokens."""
    seen: list[Tensor] = []
    with torch.no_grad():
        hook = module.register_forward_hook(lambda _, inputs, output: seen.append(read(inputs, output)))
        model.train()(torch.arange(2, 50).repeat(134)[:6400].view(64, 100), torch.tensor([100] * 64))
        hook.remove()
    return seen[0]


def test_word_dropout_reads_that_share_as_unknown(model: bilstm_attn) -> None:
    model.word_dropout = 0.3
    read = captured(model, model.embedding, lambda inputs, _: inputs[0])
    assert abs((read == UNKNOWN).float().mean().item() - 0.3) < 0.03
    assert (read != PAD).all()


def test_word_dropout_leaves_padding_alone(model: bilstm_attn) -> None:
    model.word_dropout = 1.0
    seen: list[Tensor] = []
    model.embedding.register_forward_hook(lambda _, inputs, output: seen.append(inputs[0]))
    model.train()(*batch([7, 8], [9], steps=3))
    assert seen[0].tolist() == [[UNKNOWN, UNKNOWN, PAD], [UNKNOWN, PAD, PAD]]


def test_embedding_dropout_takes_whole_words_wherever_they_stand(model: bilstm_attn) -> None:
    model.embedding_dropout = 0.5
    torch.manual_seed(1)
    tokens = torch.arange(2, 50).repeat(2, 3)
    vectors = model.train().embed(tokens)
    gone = (vectors[..., :12] == 0).all(-1)  # a pair may be kept where its word is dropped
    assert torch.equal(gone[0, :48], gone[1, 96:]) and 0.25 < gone.float().mean() < 0.75
    torch.testing.assert_close(vectors[..., :12][~gone], 2 * model.embedding(tokens)[~gone])


def test_dropout_acts_in_training_mode_alone() -> None:
    torch.manual_seed(0)
    model = bilstm_attn(50, 12, 10, word_dropout=0.3, embedding_dropout=0.3, dropout=0.3)
    inputs = batch(TEXTS["words"], steps=6)
    assert not torch.equal(model(*inputs), model(*inputs))
    model.eval()
    assert torch.equal(model(*inputs), model(*inputs))


def test_word_vectors_start_small_under_the_models_init_scheme() -> None:
    torch.manual_seed(0)
    model = bilstm_attn(vocab_size=3000, embedding_dim=50)
    init.apply(model, "recurrent")
    assert abs(model.embedding.weight[1:].std().item() - 0.3) < 0.005
    assert (model.embedding.weight[PAD] == 0).all()


def test_every_parameter_learns_and_padding_does_not(model: bilstm_attn) -> None:
    model.train()(*batch(list(range(1, 50)), [3, 4], steps=60)).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
    assert model.embedding.weight.grad is not None and (model.embedding.weight.grad[PAD] == 0).all()


def test_runs_in_half_precision_and_under_autocast(model: bilstm_attn) -> None:
    inputs = batch(TEXTS["words"], [], steps=9)
    exact = model(*inputs)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(model(*inputs).float(), exact, atol=2e-2, rtol=0)
    for dtype in (torch.bfloat16, torch.float16):
        logits = model.to(dtype)(*inputs)
        assert logits.dtype == dtype
        torch.testing.assert_close(logits.float(), exact, atol=2e-2, rtol=0)


def test_a_pair_is_hashed_by_both_its_tokens_and_their_order() -> None:
    ids = bigram_ids(torch.tensor([[7, 3, 7, 3, 9]]), 1 << 16)[0].tolist()
    assert ids[1] == ids[3]  # 7 before 3, twice
    assert len({ids[0], ids[1], ids[2], ids[4]}) == 4
    assert min(ids) >= 0 and max(ids) < 1 << 16


def test_pairs_are_spread_over_the_whole_table() -> None:
    tokens = torch.randint(2, 12_000, (1, 200_000), generator=torch.Generator().manual_seed(0))
    counts = bigram_ids(tokens, 4096)[0].bincount(minlength=4096).float()
    assert (counts.var() / counts.mean()).item() == pytest.approx(1, abs=0.15)  # as that of a Poisson distribution
