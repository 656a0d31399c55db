"""Attention pooling against a loop, and where there is nothing to attend to."""

from __future__ import annotations

import torch
from torch import Tensor

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


def test_gradcheck() -> None:
    torch.manual_seed(0)
    pool, states = AttentionPooling(4, 3).double(), torch.randn(3, 5, 4, dtype=torch.float64, requires_grad=True)
    mask = length_mask(torch.tensor([5, 2, 0]), 5)
    assert torch.autograd.gradcheck(lambda states: pool(states, mask), (states,))
    assert torch.autograd.gradgradcheck(lambda states: pool(states, mask)[0], (states,))


def test_the_gradient_in_a_score_is_as_derived() -> None:
    torch.manual_seed(0)
    pool, states = AttentionPooling(4, 3).double(), torch.randn(1, 5, 4, dtype=torch.float64)
    scores: list[Tensor] = []
    pool.score.register_forward_hook(lambda *call: scores.append(call[-1]))
    pooled, weights = pool(states, length_mask(torch.tensor([3]), 5))
    wanted = torch.randn(4, dtype=torch.float64)
    (gradient,) = torch.autograd.grad(pooled[0] @ wanted, scores)
    torch.testing.assert_close(gradient[0, :, 0], weights[0] * ((states[0] - pooled[0]) @ wanted))
    assert (gradient[0, 3:] == 0).all()


def test_the_order_of_states_does_not_matter_and_equal_states_are_averaged() -> None:
    torch.manual_seed(0)
    pool, states, order = AttentionPooling(6, 5), torch.randn(2, 7, 6), torch.randperm(7)
    mask = length_mask(torch.tensor([7, 4]), 7)
    (pooled, weights), (turned, turned_weights) = pool(states, mask), pool(states[:, order], mask[:, order])
    torch.testing.assert_close(turned, pooled)
    torch.testing.assert_close(turned_weights, weights[:, order])
    _, equal = pool(states[:, :1].expand(2, 7, 6), mask)
    torch.testing.assert_close(equal, mask / mask.sum(1, keepdim=True))


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
