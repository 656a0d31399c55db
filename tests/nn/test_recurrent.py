"""The padded BiLSTM against PyTorch's own on packed sequences."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from zoo.nn import BiLSTM, length_mask, reverse_within
from zoo.nn.recurrent import time_dropout

LENGTHS = torch.tensor([9, 1, 4, 7, 2])


def packed_twin(ours: BiLSTM, features: int) -> nn.LSTM:
    """PyTorch's bidirectional LSTM with the weights of ours."""
    twin = nn.LSTM(features, ours.hidden, len(ours.ahead), batch_first=True, bidirectional=True)
    for layer in range(len(ours.ahead)):
        for suffix, half in (("", ours.ahead[layer]), ("_reverse", ours.back[layer])):
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                getattr(twin, f"{name}_l{layer}{suffix}").data.copy_(getattr(half, f"{name}_l0"))
    return twin


def run_packed(twin: nn.LSTM, x: Tensor, lengths: Tensor) -> Tensor:
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    return pad_packed_sequence(twin(packed)[0], batch_first=True, total_length=x.shape[1])[0]


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_states_and_gradients_equal_the_packed_lstm(layers: int) -> None:
    torch.manual_seed(layers)
    ours = BiLSTM(5, 8, layers)
    twin = packed_twin(ours, 5)
    a, b = (torch.randn(5, 12, 5, generator=torch.Generator().manual_seed(0)).requires_grad_() for _ in range(2))
    left, right = ours(a, LENGTHS), run_packed(twin, b, LENGTHS)
    torch.testing.assert_close(left, right, atol=1e-5, rtol=0)
    left.pow(2).sum().backward()
    right.pow(2).sum().backward()
    assert a.grad is not None and b.grad is not None
    torch.testing.assert_close(a.grad, b.grad, atol=1e-5, rtol=0)
    first = ours.back[0]
    assert isinstance(first, nn.LSTM)
    torch.testing.assert_close(first.weight_hh_l0.grad, twin.weight_hh_l0_reverse.grad, atol=1e-4, rtol=0)


def test_a_bidirectional_model_that_ignores_lengths() -> None:
    """The guide's mistake: the backward half of `nn.LSTM(bidirectional=True)` on a padded batch begins in padding."""
    torch.manual_seed(0)
    ours, x = BiLSTM(5, 8), torch.randn(5, 9, 5)
    naive = packed_twin(ours, 5)(x)[0]
    honest = ours(x, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        alone = ours(x[row : row + 1, :length], LENGTHS[row : row + 1])[0]
        torch.testing.assert_close(honest[row, :length], alone, atol=1e-6, rtol=0)
        assert length == 9 or (naive[row, :length, 8:] - alone[:, 8:]).abs().max() > 1e-2


def test_what_lies_in_the_padding_changes_nothing() -> None:
    torch.manual_seed(0)
    ours, x = BiLSTM(5, 8, layers=2), torch.randn(5, 9, 5)
    mask = length_mask(LENGTHS, 9).unsqueeze(-1)
    states = ours(x, LENGTHS)
    assert torch.equal(states, ours(x.masked_fill(~mask, 1e3), LENGTHS))
    assert (states.masked_select(~mask) == 0).all()


def test_empty_rows_and_no_steps_at_all() -> None:
    ours = BiLSTM(5, 8)
    states = ours(torch.randn(2, 4, 5), torch.tensor([0, 4]))
    assert (states[0] == 0).all() and states.isfinite().all()
    assert ours(torch.randn(2, 0, 5), torch.tensor([0, 0])).shape == (2, 0, 16)


def test_reverse_within() -> None:
    x = torch.arange(1, 11).view(2, 5, 1)
    assert reverse_within(x, torch.tensor([3, 0])).squeeze(-1).tolist() == [[3, 2, 1, 4, 5], [6, 7, 8, 9, 10]]
    lengths = torch.tensor([5, 2])
    assert torch.equal(reverse_within(reverse_within(x, lengths), lengths), x)


def test_dropout_inside_multi_layer_nn_lstm() -> None:
    """The guide's mistake: `nn.LSTM(dropout=)` does nothing with one layer, and with more draws a mask a step."""
    torch.manual_seed(0)
    ours = BiLSTM(4, 64, layers=2, dropout=0.5)
    assert all(lstm.dropout == 0 and lstm.num_layers == 1 for lstm in ours.modules() if isinstance(lstm, nn.LSTM))
    seen: list[Tensor] = []
    upper = ours.ahead[1]
    upper.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    x, lengths = torch.randn(3, 6, 4), torch.tensor([6, 6, 6])
    ours.train()(x, lengths)
    dropped = seen[0] == 0
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped)), "a channel is dropped for all steps or for none"
    assert 0.35 < dropped.float().mean() < 0.65 and not torch.equal(dropped[0], dropped[1])
    ours.eval()(x, lengths)
    assert (seen[1] != 0).all()


def test_time_dropout_keeps_the_mean() -> None:
    torch.manual_seed(0)
    y = time_dropout(torch.ones(2000, 2, 3), 0.25, training=True)
    assert set(y.unique().tolist()) == {0.0, torch.tensor(1 / 0.75).item()}
    assert abs(y.mean().item() - 1) < 0.03
