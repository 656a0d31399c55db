"""Values that a model computes from the training data before the first step."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from torch import Tensor, nn

Batches = Iterable[tuple[tuple[Tensor, ...], Tensor]]
"""What the model's `forward` takes, and the targets, batch by batch; each training sample once, not augmented."""


def start(model: nn.Module, batches: Callable[[], Batches]) -> None:
    """Give the training data to every layer of `model` that asks for them: that has a method `start_from`.

    A layer may need more of the data than their shape: quantiles (`PiecewiseLinear`), or weights that have a closed
    form (`Ngrams`). `start_from(batches)` reads all batches once and sets its own buffers and parameters, without
    randomness. Training calls this after the init scheme, and after `init_from`, before the first step. A layer without
    data must work too, if not as well: nobody calls this on `zoo.create(...)`.

    Args:
        batches: makes an iterable of (inputs, targets), afresh for each layer that asks.
    """
    for layer in model.modules():
        if callable(read := getattr(layer, "start_from", None)):
            read(batches())
