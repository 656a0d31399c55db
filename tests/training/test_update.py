"""The update is torch's own, to the bit, whatever has a gradient and whatever state is gone on from."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from accelerate import Accelerator
from accelerate.optimizer import AcceleratedOptimizer
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from zoo.training.update.fused import updater


def weights() -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in ((7, 5), (7,), (3, 7), ())]


def grouped(kind: Any, parameters: list[nn.Parameter], **options: Any) -> Optimizer:
    matrices, vectors = parameters[::2], parameters[1::2]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    return kind(groups, lr=0.1, **options)


def train(parameters: list[nn.Parameter], optimizer: Optimizer, update: Any, steps: range, without: dict[int, int]):
    """Steps with gradients of their own each; `without`: the parameter that has none, by step."""
    for step in steps:
        for number, parameter in enumerate(parameters):
            generator = torch.Generator().manual_seed(100 * step + number)
            parameter.grad = None if without.get(step) == number else torch.randn(parameter.shape, generator=generator)
        for number, group in enumerate(optimizer.param_groups):
            group["lr"] = 0.1 / (1 + step + number)
        update()
        assert all(parameter.grad is None for parameter in parameters)


def plain(optimizer: Optimizer) -> Any:
    def update() -> None:
        optimizer.step()
        optimizer.zero_grad()

    return update


def watched(optimizer: Optimizer) -> list[Optimizer]:
    """Grows with every step that torch takes by itself."""
    own: list[Optimizer] = []
    optimizer.register_step_post_hook(lambda optimizer, *_: own.append(optimizer))
    return own


def contents(optimizer: Optimizer) -> list[Tensor]:
    return [value for state in optimizer.state.values() for value in state.values() if isinstance(value, Tensor)]


@pytest.mark.parametrize(
    ("kind", "options", "own"),
    [
        (AdamW, {"fused": True}, 1),
        (Adam, {"fused": True, "betas": (0.7, 0.8), "eps": 1e-3}, 1),
        (AdamW, {"fused": True, "maximize": True}, 1),
        (AdamW, {"fused": True, "amsgrad": True}, 12),
        (AdamW, {"fused": False}, 12),
        (SGD, {"fused": True, "momentum": 0.9}, 12),
    ],
)
def test_an_update_is_torchs_to_the_bit(kind: type[Optimizer], options: dict[str, Any], own: int):
    """`own`: how many of the twelve steps torch takes by itself."""
    theirs, ours = weights(), weights()
    one, other = grouped(kind, theirs, **options), grouped(kind, ours, **options)
    train(theirs, one, plain(one), range(12), {})
    seen = watched(other)
    train(ours, other, updater(other), range(12), {})
    assert len(seen) == own
    assert all(map(torch.equal, ours, theirs))
    assert all(map(torch.equal, contents(other), contents(one)))
    assert not torch.equal(ours[0], weights()[0])


def test_a_parameter_without_a_gradient_stays_as_it_is():
    """Frozen until step 3, it gets a state of its own then; in step 6 another has none; all other steps are fast."""
    without = {0: 1, 1: 1, 2: 1, 6: 2}
    theirs, ours = weights(), weights()
    one, other = (grouped(AdamW, parameters, fused=True) for parameters in (theirs, ours))
    train(theirs, one, plain(one), range(12), without)
    seen = watched(other)
    train(ours, other, updater(other), range(12), without)
    assert len(seen) == 5
    assert all(map(torch.equal, ours, theirs))
    assert [float(other.state[p]["step"]) for p in ours] == [12, 9, 11, 12]


def test_a_state_loaded_before_is_gone_on_from():
    theirs, ours = weights(), weights()
    one, other = (grouped(AdamW, parameters, fused=True) for parameters in (theirs, ours))
    train(theirs, one, plain(one), range(12), {})
    train(ours, other, updater(other), range(5), {})
    fresh = grouped(AdamW, ours, fused=True)
    fresh.load_state_dict(other.state_dict())
    train(ours, fresh, updater(fresh), range(5, 12), {})
    assert all(map(torch.equal, ours, theirs))


def test_parameters_of_two_types_are_torchs_to_group():
    def mixed() -> list[nn.Parameter]:
        return [nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3, dtype=torch.float64))]

    theirs, ours = mixed(), mixed()
    for parameters, make in ((theirs, plain), (ours, updater)):
        optimizer = AdamW(parameters, lr=0.1, fused=True)
        seen, update = watched(optimizer), make(optimizer)
        for _ in range(3):
            for parameter in parameters:
                parameter.grad = torch.full_like(parameter, 0.5)
            update()
        assert len(seen) == 3
    assert all(map(torch.equal, ours, theirs))


def test_with_a_scaler_accelerate_decides_whether_to_step():
    Accelerator(cpu=True)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    scaler.scale(torch.zeros(1))  # this is when it starts
    parameter = nn.Parameter(torch.ones(3))
    update = updater(AcceleratedOptimizer(AdamW([parameter], lr=0.1, fused=True), scaler=scaler))
    for gradient, moved in ((torch.inf, False), (1.0, True), (torch.inf, False), (1.0, True)):
        before, parameter.grad = parameter.detach().clone(), torch.full_like(parameter, gradient)
        update()
        assert parameter.grad is None and torch.equal(parameter, before) is not moved


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_too():
    def on_gpu() -> list[nn.Parameter]:
        return [nn.Parameter(parameter.detach().cuda()) for parameter in weights()]

    theirs, ours = on_gpu(), on_gpu()
    for parameters, make in ((theirs, plain), (ours, updater)):
        optimizer = AdamW(parameters, lr=0.1, fused=True)
        update = make(optimizer)
        for step in range(5):
            for parameter in parameters:
                parameter.grad = torch.full_like(parameter, 0.1 * step)
            update()
    assert all(map(torch.equal, ours, theirs))
