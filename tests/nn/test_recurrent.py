"""Recurrent layers on padded batches against PyTorch's own on packed sequences."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from zoo.errors import ZooError
from zoo.nn import Recurrent, length_mask, reverse_within
from zoo.nn.recurrent import CELLS, time_dropout

LENGTHS = torch.tensor([9, 1, 4, 7, 2])

EVERY_CELL = pytest.mark.parametrize("cell", CELLS)
EVERY_DIRECTION = pytest.mark.parametrize("bidirectional", [False, True], ids=["one way", "both ways"])
EVERY_DEPTH = pytest.mark.parametrize("layers", [1, 2, 3])


def build(cell: str, bidirectional: bool, layers: int = 2) -> Recurrent:
    torch.manual_seed(layers)
    return Recurrent(cell, 5, 8, layers, bidirectional)


def packed_twin(ours: Recurrent, cell: str) -> nn.RNNBase:
    """PyTorch's network with the weights of ours."""
    both = len(ours.back) > 0
    twin = CELLS[cell](5, ours.hidden, len(ours.ahead), batch_first=True, bidirectional=both)
    for suffix, half in (("", ours.ahead), ("_reverse", ours.back)):
        for i, layer in enumerate(half):
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                getattr(twin, f"{name}_l{i}{suffix}").data.copy_(getattr(layer, f"{name}_l0"))
    return twin


def run_packed(twin: nn.RNNBase, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """States (N, T, width), and what each direction of the last layer ends with (N, width)."""
    states, last = twin(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))
    hidden = last[0] if isinstance(last, tuple) else last
    ends = torch.cat(list(hidden[-2:] if twin.bidirectional else hidden[-1:]), -1)
    return pad_packed_sequence(states, batch_first=True, total_length=x.shape[1])[0], ends


@EVERY_CELL
@EVERY_DIRECTION
@EVERY_DEPTH
def test_states_last_states_and_gradients_equal_the_packed_network(cell: str, bidirectional: bool, layers: int) -> None:
    ours = build(cell, bidirectional, layers)
    twin = packed_twin(ours, cell)
    a, b = (torch.randn(5, 12, 5, generator=torch.Generator().manual_seed(0)).requires_grad_() for _ in range(2))
    left, (right, ends) = ours(a, LENGTHS), run_packed(twin, b, LENGTHS)
    torch.testing.assert_close(left, right, atol=1e-5, rtol=0)
    left_ends = ours.last_states(left, LENGTHS)
    torch.testing.assert_close(left_ends, ends, atol=1e-5, rtol=0)
    (left.pow(2).sum() + left_ends.sum()).backward()
    (right.pow(2).sum() + ends.sum()).backward()
    assert a.grad is not None and b.grad is not None
    torch.testing.assert_close(a.grad, b.grad, atol=1e-5, rtol=0)
    for half, suffix in ((ours.ahead, ""), (ours.back, "_reverse")):
        for i, layer in enumerate(half):
            gradient = getattr(twin, f"weight_hh_l{i}{suffix}").grad
            torch.testing.assert_close(layer.get_parameter("weight_hh_l0").grad, gradient, atol=1e-4, rtol=0)


@EVERY_CELL
@EVERY_DIRECTION
@pytest.mark.parametrize("length", [1, 400])
@pytest.mark.parametrize("padding", [1, 400])
def test_a_row_is_the_same_whatever_it_is_batched_with(
    cell: str, bidirectional: bool, length: int, padding: int
) -> None:
    ours = build(cell, bidirectional)
    x = torch.randn(3, length + padding, 5)
    lengths = torch.tensor([length, length + padding, 0])  # beside a longer row, and an empty one
    with torch.no_grad():
        states = ours(x, lengths)
        alone = ours(x[:1, :length], lengths[:1])
        torch.testing.assert_close(states[:1, :length], alone, atol=1e-5, rtol=0)
        ends, end_alone = ours.last_states(states, lengths), ours.last_states(alone, lengths[:1])
    torch.testing.assert_close(ends[:1], end_alone, atol=1e-5, rtol=0)
    assert (states[0, length:] == 0).all()


@EVERY_CELL
@EVERY_DIRECTION
def test_what_lies_in_the_padding_changes_nothing(cell: str, bidirectional: bool) -> None:
    ours, x = build(cell, bidirectional), torch.randn(5, 9, 5)
    mask = length_mask(LENGTHS, 9).unsqueeze(-1)
    states = ours(x, LENGTHS)
    assert torch.equal(states, ours(x.masked_fill(~mask, 1e3), LENGTHS))
    assert (states.masked_select(~mask) == 0).all()


@EVERY_CELL
@EVERY_DIRECTION
def test_empty_rows_and_no_steps_at_all(cell: str, bidirectional: bool) -> None:
    ours = build(cell, bidirectional)
    lengths = torch.tensor([0, 4, 1])
    states = ours(torch.randn(3, 4, 5), lengths)
    ends = ours.last_states(states, lengths)
    assert (states[0] == 0).all() and (ends[0] == 0).all() and states.isfinite().all()
    assert torch.equal(ends[2], states[2, 0])
    nothing, none = torch.randn(2, 0, 5), torch.tensor([0, 0])
    assert ours(nothing, none).shape == (2, 0, ours.width)
    assert torch.equal(ours.last_states(ours(nothing, none), none), torch.zeros(2, ours.width))


def test_a_bilstm_keeps_the_names_that_shipped_weights_have() -> None:
    ours = Recurrent("lstm", 5, 8, layers=2, bidirectional=True)
    assert list(ours.state_dict()) == [
        f"{half}.{i}.{name}_l0"
        for half in ("ahead", "back")
        for i in range(2)
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    ]
    assert list(Recurrent("gru", 5, 8).state_dict()) == [
        f"ahead.0.{name}_l0" for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    ]


def test_an_unknown_cell_is_refused() -> None:
    with pytest.raises(ZooError, match="unknown cell 'lstn'; did you mean lstm"):
        Recurrent("lstn", 5, 8)


def test_reverse_within() -> None:
    x = torch.arange(1, 11).view(2, 5, 1)
    assert reverse_within(x, torch.tensor([3, 0])).squeeze(-1).tolist() == [[3, 2, 1, 4, 5], [6, 7, 8, 9, 10]]
    lengths = torch.tensor([5, 2])
    assert torch.equal(reverse_within(reverse_within(x, lengths), lengths), x)


@EVERY_CELL
@EVERY_DIRECTION
def test_dropout_takes_a_channel_from_all_steps_between_layers_alone(cell: str, bidirectional: bool) -> None:
    torch.manual_seed(0)
    ours = Recurrent(cell, 4, 64, 2, bidirectional, dropout=0.5)
    seen: list[Tensor] = []
    ours.ahead[1].register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    x, lengths = torch.randn(3, 6, 4), torch.tensor([6, 6, 6])
    states = ours.train()(x, lengths)
    dropped = seen[0] == 0
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped)), "a channel is dropped for all steps or for none"
    assert 0.35 < dropped.float().mean() < 0.65 and not torch.equal(dropped[0], dropped[1])
    assert (states != 0).all()
    ours.eval()(x, lengths)
    assert (seen[1] != 0).all()


def test_time_dropout_keeps_the_mean() -> None:
    torch.manual_seed(0)
    y = time_dropout(torch.ones(2000, 2, 3), 0.25, training=True)
    assert set(y.unique().tolist()) == {0.0, torch.tensor(1 / 0.75).item()}
    assert abs(y.mean().item() - 1) < 0.03
