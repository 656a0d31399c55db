"""Batches from tensors in memory: a plan of indices for each epoch, and a function from indices to tensors.

Both are pure functions of the seed and the place in the run, so that a resumed run sees what an uninterrupted one sees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor

from zoo.data import DataSet, Split
from zoo.data.transforms import augmented, normalize
from zoo.errors import ZooError
from zoo.recipes import Recipe

Inputs = tuple[Tensor, ...]


@dataclass(frozen=True)
class Feed:
    """The training batches of a run.

    `plan(epoch)` lists the batches of an epoch as index tensors; `load(indices, generator, progress)` gives the model's
    inputs and the targets. `size` is the number of batches an epoch.
    """

    size: int
    plan: Callable[[int], list[Tensor]]
    load: Callable[[Tensor, Generator, float], tuple[Inputs, Tensor]]


def mix(seed: int, *place: int) -> int:
    """A seed for one place of the run: 63 bits that depend on all arguments (splitmix64, Steele et al. 2014)."""
    state = seed
    for part in place:
        state = (state + 0x9E3779B97F4A7C15 * (part + 1)) % 2**64
        state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        state = (state ^ (state >> 27)) * 0x94D049BB133111EB % 2**64
        state ^= state >> 31
    return state >> 1


def training_feed(
    recipe: Recipe, split: Split, config: dict[str, Any], tokenizer: Path | None, device: torch.device
) -> Feed:
    """The batches of `split` for a recipe. Raises `ZooError` where a batch is larger than the split."""
    size = recipe.data.batch_size
    if size > len(split.targets):
        raise ZooError(f"data.batch_size is {size}, but there are {len(split.targets)} training samples; lower it.")
    if config["input"]["kind"] == "text":
        return _text_feed(recipe, split, config, tokenizer, device)
    images, targets = split.inputs.to(device), split.targets.to(device)  # type: ignore[union-attr]
    count = len(targets) // size

    def plan(epoch: int) -> list[Tensor]:
        order = torch.randperm(len(targets), generator=Generator().manual_seed(mix(recipe.train.seed, 0, epoch)))
        return list(order[: count * size].view(count, size).to(device))

    def load(indices: Tensor, generator: Generator, progress: float) -> tuple[Inputs, Tensor]:
        x, y = augmented(
            images[indices],
            targets[indices],
            config["input"],
            recipe.data.augment,
            generator,
            progress,
            len(config["labels"]),
        )
        return (x,), y

    return Feed(count, plan, load)


def _text_feed(
    recipe: Recipe, split: Split, config: dict[str, Any], tokenizer: Path | None, device: torch.device
) -> Feed:
    from zoo.data import text

    sequences = _encode(split, config, tokenizer)
    lengths = [len(s) for s in sequences]

    def plan(epoch: int) -> list[Tensor]:
        return [
            torch.as_tensor(b) for b in text.buckets(lengths, recipe.data.batch_size, mix(recipe.train.seed, 0, epoch))
        ]

    def load(indices: Tensor, generator: Generator, progress: float) -> tuple[Inputs, Tensor]:
        tokens, length = text.pad([sequences[i] for i in indices.tolist()])
        return (tokens.to(device), length.to(device)), split.targets[indices].to(device)

    return Feed(len(plan(0)), plan, load)


def evaluation_batches(
    split: Split, config: dict[str, Any], tokenizer: Path | None, size: int, device: torch.device
) -> Iterator[tuple[Inputs, Tensor]]:
    """Every sample of `split` exactly once, without augmentation: (inputs, targets) on `device`."""
    if config["input"]["kind"] == "text":
        from zoo.data import text

        sequences = _encode(split, config, tokenizer)
        # Neighbours in length share a batch, so that little is padded.
        order = sorted(range(len(sequences)), key=lambda i: len(sequences[i]))
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            tokens, length = text.pad([sequences[i] for i in chosen])
            yield (tokens.to(device), length.to(device)), split.targets[chosen].to(device)
        return
    for images, targets in zip(split.inputs.split(size), split.targets.split(size), strict=True):  # type: ignore[union-attr]
        yield (normalize(images.to(device), config["input"]),), targets.to(device)


def _encode(split: Split, config: dict[str, Any], tokenizer: Path | None) -> list[list[int]]:
    from tokenizers import Tokenizer

    from zoo.data import text

    settings = config["input"]
    return text.encode(Tokenizer.from_file(str(tokenizer)), split.inputs, settings["max_length"], settings["truncate"])  # type: ignore[arg-type]


def check_data(data: DataSet, recipe: Recipe) -> None:
    """Settings that only the data can refuse. Raises `ZooError` with the key path."""
    if data.kind == "text" and recipe.data.augment.model_dump(exclude_none=True):
        raise ZooError(f"data.augment is for images, and {data.name} holds text; remove it.")
    if data.kind == "image":
        channels = data.train.inputs.shape[1]  # type: ignore[union-attr]
        for key in ("mean", "std"):
            values = getattr(recipe.data, key)
            if len(values) not in (1, channels):
                raise ZooError(f"data.{key} has {len(values)} values; give one, or one for each channel ({channels}).")
