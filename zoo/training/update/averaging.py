"""The exponential moving average of a model, which is published because it is smoother than the last step."""

from __future__ import annotations

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def average_of(model: nn.Module, decay: float) -> AveragedModel:
    """A copy of `model` that follows it: after step n, average = d average + (1 - d) model, buffers of floats likewise.

    d is `decay`, but at most (1 + n) / (10 + n): the average reaches back over a tenth of the steps so far, until that
    is as long as 1 / (1 - decay) (Abadi et al. 2016, TensorFlow's `ExponentialMovingAverage`, `num_updates`). Without
    this limit decay^n of the first step stays in the average: 15 % after 1,900 steps at 0.999, which is too much for
    batch-norm variances that begin at one and should be a hundredth.
    """

    def follow(averaged: tuple[Tensor, ...], current: tuple[Tensor, ...], count: Tensor) -> None:
        steps = int(average.n_averaged)  # not `count`, the copy on the device: the CPU would wait for it
        get_ema_multi_avg_fn(min(decay, (1 + steps) / (10 + steps)))(averaged, current, count)  # type: ignore[arg-type]

    average = AveragedModel(model, multi_avg_fn=follow, use_buffers=True)  # type: ignore[arg-type]
    return average
