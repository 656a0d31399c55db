"""The update of the weights, in place of an optimizer's `step` and `zero_grad`."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.optim import Adam, AdamW, Optimizer

# pyright: reportPrivateImportUsage=false
# The kernels that torch's optimizers call; torch's functions around them would cost part of the time that is saved.
_KERNELS: dict[type[Optimizer], Callable[..., None]] = {Adam: torch._fused_adam_, AdamW: torch._fused_adamw_}
_STATE = ("exp_avg", "exp_avg_sq", "step")


def updater(optimizer: Optimizer) -> Callable[[], None]:
    """A function that updates the weights by their gradients and drops the gradients, as `step` and `zero_grad` do.

    Around the fused kernel of Adam and AdamW torch looks up their state, groups it, and opens and closes a region for
    its profiler in each step, which slows down a small model on a CPU (`benchmarks/train.py`, zoo over bare). Here
    the kernel is called with lists that are made once; the bits are the same. A step in which a parameter has no
    gradient is torch's own, as is the first, which makes the state. It is for the optimizers of
    `zoo.training.update.build`:
    their state is loaded before the first update, and no hooks are set on their steps.
    """
    groups = optimizer.param_groups
    parameters = [parameter for group in groups for parameter in group["params"]]
    kernel = _KERNELS.get(type(optimizer))
    alike = len({(parameter.device, parameter.dtype) for parameter in parameters}) == 1
    if kernel is None or not alike or not all(group["fused"] and not group["amsgrad"] for group in groups):

        def usual() -> None:
            optimizer.step()
            optimizer.zero_grad()

        return usual

    lists: list[list[list[Tensor]]] = []

    def update() -> None:
        nonlocal lists
        grads = [[parameter.grad for parameter in group["params"]] for group in groups]
        if not lists or any(grad is None for each in grads for grad in each):
            optimizer.step()
            lists = _lists(optimizer)
        else:
            with torch.no_grad():
                for group, grad, (averages, squares, steps) in zip(groups, grads, lists, strict=True):
                    torch._foreach_add_(steps, 1)
                    kernel(
                        group["params"], grad, averages, squares, [], steps,
                        lr=group["lr"], beta1=group["betas"][0], beta2=group["betas"][1], eps=group["eps"],
                        weight_decay=group["weight_decay"], amsgrad=False, maximize=group["maximize"],
                    )  # fmt: skip
        for parameter in parameters:
            parameter.grad = None

    return update


def _lists(optimizer: Optimizer) -> list[list[list[Tensor]]]:
    """The state that the kernel reads and writes, by group; none if a parameter has no state."""
    if not all(optimizer.state.get(parameter) for group in optimizer.param_groups for parameter in group["params"]):
        return []
    return [[[optimizer.state[p][key] for p in group["params"]] for key in _STATE] for group in optimizer.param_groups]
