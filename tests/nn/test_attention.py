"""Attention pooling against a loop, and where there is nothing to attend to."""

from __future__ import annotations

import torch

from zoo.nn import AttentionPooling, length_mask


def test_equals_a_loop_over_the_states() -> None:
    torch.manual_seed(0)
    pool, states, lengths = AttentionPooling(6, 5), torch.randn(4, 7, 6), torch.tensor([7, 3, 1, 5])
    pooled, weights = pool(states, length_mask(lengths, 7))
    for row, length in enumerate(lengths.tolist()):
        hidden = [torch.tanh(pool.project.weight @ h + pool.project.bias) for h in states[row, :length]]
        scores = torch.stack([pool.score.weight[0] @ h for h in hidden])
        share = scores.exp() / scores.exp().sum()
        torch.testing.assert_close(weights[row, :length], share)
        torch.testing.assert_close(pooled[row], share @ states[row, :length])


def test_attention_that_gives_weight_to_padding() -> None:
    """The guide's mistake: a softmax over all steps leaks weight to what is behind a row's end, whatever lies there."""
    torch.manual_seed(0)
    pool, states, mask = AttentionPooling(6, 5), torch.randn(3, 50, 6), length_mask(torch.tensor([50, 2, 9]), 50)
    pooled, weights = pool(states, mask)
    assert (weights[~mask] == 0).all() and (weights[mask] > 0).all()
    torch.testing.assert_close(weights.sum(1), torch.ones(3))
    loud = states.masked_fill(~mask.unsqueeze(-1), 1e4)
    torch.testing.assert_close(pool(loud, mask)[0], pooled)


def test_a_row_without_states_gives_zeros_and_finite_gradients() -> None:
    pool, states = AttentionPooling(6, 5), torch.randn(2, 4, 6, requires_grad=True)
    pooled, weights = pool(states, length_mask(torch.tensor([0, 4]), 4))
    assert (pooled[0] == 0).all() and (weights[0] == 0).all()
    (pooled.sum() + (weights**2).sum()).backward()
    assert states.grad is not None and states.grad.isfinite().all() and (states.grad[0] == 0).all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in pool.parameters())


def test_scores_far_apart_neither_overflow_nor_leak() -> None:
    """In half precision a masked score of -1e4 would be no mask at all beside true scores that are lower still."""
    pool = AttentionPooling(2, 2).half()
    torch.nn.init.constant_(pool.score.weight, -3e4)
    torch.nn.init.constant_(pool.project.bias, 5.0)
    _, weights = pool(torch.ones(1, 4, 2, dtype=torch.half), length_mask(torch.tensor([2]), 4))
    assert weights.tolist() == [[0.5, 0.5, 0.0, 0.0]]
