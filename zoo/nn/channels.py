"""The first layer of an image model for another number of channels."""

from __future__ import annotations

from torch import Tensor


def adapt_channels(weight: Tensor, before: int, after: int) -> Tensor:
    """A first layer's weight for `before` channels -> one for `after` channels, as timm makes it.

    For one channel the weights of all are summed, so that a grey image gives what it gave as equal channels. For more
    they are repeated in turn and scaled by before / after, so that the layer's outputs keep their size.
    Shapes: (O, before, H, W) or (O, before * H * W) -> the same with `after`; float32 sums, in the dtype given.
    """
    split = weight.float().unflatten(1, (before, -1)).flatten(2)
    if after == 1:
        made = split.sum(1, keepdim=True)
    else:
        made = split.repeat(1, -(-after // before), 1)[:, :after] * (before / after)
    shape = (len(weight), after * weight.shape[1] // before, *weight.shape[2:])
    return made.reshape(shape).to(weight.dtype)
