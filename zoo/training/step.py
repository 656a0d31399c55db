"""One step: the loss of a batch and its gradient, in parts if the recipe asks for it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import torch
from torch import Tensor, nn

from zoo.errors import ZooError
from zoo.kinds.feed import Inputs
from zoo.training.machine import draws, norms, processes
from zoo.training.update.losses import IGNORED


def backward(
    model: nn.Module,
    criterion: nn.Module,
    descend: Callable[[Tensor], None],
    inputs: Inputs,
    targets: Tensor,
    parts: int = 1,
) -> tuple[Tensor, Tensor]:
    """Add the gradient of the batch's loss to the parameters' `grad`; (outputs in float32, loss), both detached.

    `model` is as `accelerator.prepare` gives it: its forward enters autocast by itself. The loss is taken in float32;
    `descend` is its `backward`, or the accelerator's if that scales losses.

    With `parts` above 1 the batch is computed in that many pieces, one after another, which takes less memory. Each
    piece's loss is weighted by its share of the terms of the mean, so that the sum is the loss of the whole batch.
    Raises `ZooError` if batch norm gets a single sample.
    """
    rows = len(targets)
    if parts == 1:
        outputs, loss = _forward(model, criterion, inputs, targets, 0, rows)
        descend(loss)
        return outputs.detach(), loss.detach()
    pieces = list(zip(*(x.split(-(-rows // parts)) for x in (*inputs, targets)), strict=True))
    counts = [_counted(truth) for *_, truth in pieces]
    began, done = draws.state(), 0
    everything, losses = [], []
    for (*piece, truth), count in zip(pieces, counts, strict=True):
        draws.again(began)
        outputs, loss = _forward(model, criterion, tuple(piece), truth, done, rows)
        done += len(truth)
        # A mean over only padding is not a number.
        loss = loss * (count / sum(counts)) if count else outputs.sum() * 0
        descend(loss)
        everything.append(outputs.detach())
        losses.append(loss.detach())
    return torch.cat(everything), torch.stack(losses).sum()


def _forward(
    model: nn.Module, criterion: nn.Module, inputs: Inputs, targets: Tensor, before: int, rows: int
) -> tuple[Tensor, Tensor]:
    """Outputs and loss of a piece of a batch of `rows` rows; earlier pieces hold the rows before it."""
    start, end = processes.share(len(targets))
    own = processes.own_rows(inputs)
    try:
        compiled = _is_compiled(model)
        norms_ = norms.WholeBatchNorm(end - start) if processes.count() > 1 and not compiled else nullcontext()
        with draws.of_the_whole(rows, before + start, before + end, targets.device, compiled=compiled), norms_:
            outputs = model(*own)
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise ZooError(
            f"batch norm needs at least two samples, but only {len(own[0])} of the batch is computed at a time; "
            "raise data.batch_size."
        ) from error
    outputs = processes.whole(outputs.float(), len(targets))
    return outputs, criterion(outputs, targets)


def _is_compiled(model: nn.Module) -> bool:
    return hasattr(getattr(model, "module", model), "_orig_mod")


def _counted(targets: Tensor) -> int:
    """The number of terms of the mean: all targets except padding."""
    return len(targets) if targets.is_floating_point() else int((targets != IGNORED).sum())
