"""Texts: token ids padded to the longest of a batch, with their lengths; batches are of nearly equal length."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor

from zoo.data import DataSet, Split, text
from zoo.errors import ZooError
from zoo.kinds import Described, Kind
from zoo.kinds.feed import Feed, Inputs, check_batch, mix, refuse_augment
from zoo.recipes import Recipe
from zoo.training.begin import reader
from zoo.training.run import write_text


def describe(recipe: Recipe, data: DataSet, train: Split, folder: Path) -> Described:
    settings = recipe.data.text
    if recipe.init_from is None:
        tokenizer = text.train_tokenizer(train.inputs, settings.vocab_size)  # type: ignore[arg-type]
    else:
        tokenizer = text.read_tokenizer(reader(recipe.init_from, "text").tokenizer)
    path = folder / "tokenizer.json"
    write_text(path, tokenizer.to_str(pretty=False))
    return Described(
        {
            "kind": "text",
            "tokenizer": path.name,
            "max_length": settings.max_length,
            "truncate": settings.truncate,
        },
        {"vocab_size": tokenizer.get_vocab_size()},
        path,
    )


def blank(config: dict[str, Any]) -> Inputs:
    return torch.ones(2, 3, dtype=torch.int64), torch.tensor([3, 2])


def training(
    recipe: Recipe, split: Split, config: dict[str, Any], tokenizer: Path | None, device: torch.device
) -> Feed:
    sequences = encode(split, config, tokenizer)
    lengths, size = torch.tensor([len(s) for s in sequences]), check_batch(recipe, len(sequences))
    most = recipe.data.text.per_group

    def plan(epoch: int) -> list[Tensor]:
        seed = mix(recipe.train.seed, 0, epoch)
        if most is None or split.groups is None:
            return text.buckets(lengths, size, seed)
        drawn = few_of_each(split.groups, most, mix(recipe.train.seed, 3, epoch))
        return [drawn[batch] for batch in text.buckets(lengths[drawn], size, seed)]

    def load(indices: Tensor, generator: Generator, progress: float) -> tuple[Inputs, Tensor]:
        tokens, length = text.pad([sequences[i] for i in indices.tolist()])
        return (tokens.to(device), length.to(device)), split.targets[indices].to(device)

    return Feed(len(plan(0)), plan, load)


def few_of_each(groups: Tensor, most: int, seed: int) -> Tensor:
    """Indices in order of at most `most` members of each group (N,), drawn at random by the seed alone."""
    order = torch.randperm(len(groups), generator=Generator().manual_seed(seed))
    order = order[groups[order].argsort(stable=True)]  # group after group, each in a random order
    _, sizes = groups[order].unique_consecutive(return_counts=True)
    place = torch.arange(len(order)) - (sizes.cumsum(0) - sizes).repeat_interleave(sizes)
    return order[place < most].sort().values


def check(recipe: Recipe, data: DataSet) -> None:
    refuse_augment(recipe, data)
    if recipe.data.text.per_group is not None and data.train.groups is None:
        raise ZooError(f"data.text.per_group: the texts of {data.name} are in no groups; leave it out.")


def evaluation(
    split: Split, config: dict[str, Any], tokenizer: Path | None, size: int, device: torch.device
) -> Iterator[tuple[Inputs, Tensor]]:
    sequences = encode(split, config, tokenizer)
    # Neighbours in length share a batch, so that little is padded.
    order = sorted(range(len(sequences)), key=lambda i: len(sequences[i]))
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        tokens, length = text.pad([sequences[i] for i in chosen])
        yield (tokens.to(device), length.to(device)), split.targets[chosen].to(device)


def encode(split: Split, config: dict[str, Any], tokenizer: Path | None) -> list[list[int]]:
    """The token ids of every text of the split, shortened as the bundle's input says."""
    settings = config["input"]
    return text.encode(text.read_tokenizer(tokenizer), split.inputs, settings["max_length"], settings["truncate"])  # type: ignore[arg-type]


KIND = Kind(
    describe=describe,
    blank=blank,
    training=training,
    evaluation=evaluation,
    shape=lambda config: (config["input"]["max_length"],),
    samples=lambda config: "token ids",
    check=check,
)
