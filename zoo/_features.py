"""`zoo.transform` and `zoo.embed`: a model's input, and its features before the head."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo import caller, kinds, sources
from zoo._predictor import BATCH, Predictor, predictor
from zoo.check import check_config
from zoo.errors import ZooError
from zoo.kinds import Input
from zoo.names import GUESTS, text_of


@dataclass(frozen=True)
class Transform:
    """Raw input -> what a model's `forward` takes, made by `zoo.transform`. It can be pickled.

    Attributes:
        task: the model's task, which says what a raw input may be.
        input: the input transform as data.
        tokenizer: the weight's, None if its input is not text.
    """

    task: str
    input: dict[str, Any]
    tokenizer: Any = field(default=None, repr=False)

    def __call__(self, raw: Any) -> Tensor | tuple[Tensor, ...]:
        """One sample without its batch dimension: a tensor, or a tuple of them for a model with several inputs.

        Raises `ZooError` for an input that the task cannot read.
        """
        sample = tuple(one[0] for one in self.batch([raw]))
        return sample[0] if len(sample) == 1 else sample

    def batch(self, raw: Sequence[Any]) -> tuple[Tensor, ...]:
        """What `forward` takes for several raw inputs at once, texts padded to the longest: for `collate_fn`."""
        with caller.own(gradients=False):
            return kinds.get(self.input["kind"]).prepare(list(raw), Input(self.input, self.tokenizer))


def transform(name: str | os.PathLike[str]) -> Transform:
    """The input transform of a weight, for your own `Dataset`: the same one that its predictor uses.

    `name` is a weight, a model (its default weight, or one of timm's, `timm/resnet18`), or a bundle's folder. The
    transform reads one raw input (an image's path, a text, a row of a table) and gives the tensors that the model's
    `forward` takes, without the batch dimension. It works in the workers of a `DataLoader`:

        >>> to_tensor = zoo.transform("cnn_cifar")
        >>> to_tensor("cat.png").shape
        torch.Size([3, 32, 32])
        >>> paths = ["cat.png", "dog.png"]
        >>> loader = torch.utils.data.DataLoader(paths, batch_size=64, num_workers=4, collate_fn=to_tensor.batch)

    Raises `ZooError` for an unknown name.
    """
    name = text_of(name)
    if name.startswith(GUESTS):
        from zoo.models import timm

        return Transform("image-classification", timm.transform(name, {}))
    bundle = sources.find(name)
    check_config(bundle)
    return Transform(bundle.config["task"], bundle.config["input"], kinds.input_of(bundle).tokenizer)


def embed(name: str | os.PathLike[str], raw: Any, *, device: str | torch.device | None = None) -> Tensor:
    """A model's features of raw inputs, before its head: float32 (N, D) on the CPU, one row for each input.

    Args:
        name: a weight, a model (its default weight), or a bundle's folder.
        raw: one raw input or a list of them, as for `zoo.predictor(name)`; one gives N = 1.
        device: where to compute; by default the CPU.

    For most models a row is the head's input, without the logits of n-grams. For a tagger it is the mean over the
    words; for a language model the state after the last character; for a forecast the states of all channels, end to
    end; for metric learning the embedding itself. Raises `ZooError` for an unknown name, and for an
    input that the model cannot read.

        >>> zoo.embed("cnn_cifar", ["cat.png", "dog.png"]).shape
        torch.Size([2, 256])
    """
    return features(predictor(name, device=device), raw)


@caller.own(gradients=False)
@torch.inference_mode()
def features(predictor: Predictor, raw: Any) -> Tensor:
    """Like `embed`, with an existing predictor."""
    task, model = predictor.task, predictor.model
    if not hasattr(model, "forward_features"):
        raise ZooError(f"{type(model).__name__} has no forward_features, so it gives no embedding; add that method.")
    several = isinstance(raw, (list, tuple)) or getattr(raw, "ndim", None) == (predictor.kind.batch_ndim or -1)
    raws = predictor.unpack(raw if several else [raw])
    if not raws:
        raise ZooError("there is nothing to embed; give one input or more.")
    order = sorted(range(len(raws)), key=lambda index: predictor.kind.cost(raws[index]))
    rows: list[Tensor] = [torch.empty(0)] * len(raws)
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        batch = [raws[index] for index in chosen]
        inputs = predictor.prepare(batch)
        found = model.forward_head(model.forward_features(*inputs), pre_logits=True)  # type: ignore[operator]
        for index, row in zip(chosen, task.embed(found, inputs, batch).float().cpu(), strict=True):
            rows[index] = row
    # Made outside inference mode, so that the caller may train on it.
    with torch.inference_mode(False):
        return torch.stack([row.clone() for row in rows])


def save(
    name: str | os.PathLike[str],
    raw: Sequence[Any],
    to: str | os.PathLike[str],
    *,
    device: str | torch.device | None = None,
) -> str:
    """Write `embed` of several inputs into an .npy file, and return a sentence on its content; `ZooError` if it cannot
    be written."""
    import numpy as np

    from zoo.home import replacing

    path = Path(os.path.expanduser(to))
    if path.suffix != ".npy" or path.is_dir():
        raise ZooError(f"{path} is not the name of an array; give one that ends in .npy.")
    rows = embed(name, list(raw), device=device).numpy()
    try:
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.save(file, rows)
    except OSError as error:
        raise ZooError(f"{path} cannot be written ({error.strerror}); choose another place.") from error
    return f"{path}: {len(rows)} x {rows.shape[1]}, float32"
