"""Sentences with a tag for each word: word ids and character ids, padded to the longest of a batch, with lengths."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor

from zoo.data import DataSet, Split, text, words
from zoo.kinds import Described, Kind
from zoo.kinds.feed import Feed, Inputs, check_batch, mix, refuse_augment
from zoo.recipes import Recipe
from zoo.training.begin import reader
from zoo.training.run import write_text


def describe(recipe: Recipe, data: DataSet, train: Split, folder: Path) -> Described:
    settings = recipe.data.tagged
    if recipe.init_from is None:
        tokenizer = words.train_tokenizer(train.inputs, settings.vocab_size)  # type: ignore[arg-type]
        alphabet = words.alphabet(train.inputs)  # type: ignore[arg-type]
    else:
        weight = reader(recipe.init_from, "tagged")
        tokenizer, alphabet = text.read_tokenizer(weight.tokenizer), weight.config["input"]["alphabet"]
    path = folder / "tokenizer.json"
    write_text(path, tokenizer.to_str(pretty=False))
    return Described(
        {
            "kind": "tagged",
            "tokenizer": path.name,
            "alphabet": alphabet,
            "max_characters": settings.max_characters,
        },
        {"vocab_size": tokenizer.get_vocab_size(), "characters": len(alphabet) + 2},
        path,
    )


def blank(config: dict[str, Any]) -> Inputs:
    return torch.ones(2, 3, dtype=torch.int64), torch.ones(2, 3, 4, dtype=torch.int64), torch.tensor([3, 2])


def training(
    recipe: Recipe, split: Split, config: dict[str, Any], tokenizer: Path | None, device: torch.device
) -> Feed:
    encoded = encode(split, config, tokenizer)
    lengths, size = [len(s) for s in encoded.words], check_batch(recipe, len(split))

    def plan(epoch: int) -> list[Tensor]:
        return text.buckets(lengths, size, mix(recipe.train.seed, 0, epoch))

    def load(indices: Tensor, generator: Generator, progress: float) -> tuple[Inputs, Tensor]:
        return _batch(encoded, split, indices, device)

    return Feed(len(plan(0)), plan, load)


def evaluation(
    split: Split, config: dict[str, Any], tokenizer: Path | None, size: int, device: torch.device
) -> Iterator[tuple[Inputs, Tensor]]:
    encoded = encode(split, config, tokenizer)
    # Neighbours in length share a batch, so that little is padded.
    order = torch.tensor([len(s) for s in encoded.words]).argsort(stable=True)
    for indices in order.split(size):
        yield _batch(encoded, split, indices, device)


def encode(split: Split, config: dict[str, Any], tokenizer: Path | None) -> words.Encoded:
    """Every sentence of the split as ids, as the bundle's input says."""
    texts: list[str] = split.inputs  # type: ignore[assignment]
    sentences = [sentence.split(words.SEPARATOR) for sentence in texts]
    settings = config["input"]
    return words.encode(sentences, text.read_tokenizer(tokenizer), settings["alphabet"], settings["max_characters"])


def _batch(encoded: words.Encoded, split: Split, indices: Tensor, device: torch.device) -> tuple[Inputs, Tensor]:
    ids, characters, lengths = encoded.batch(indices.tolist())
    targets = split.targets[indices, : ids.shape[1]]
    return (ids.to(device), characters.to(device), lengths.to(device)), targets.to(device)


KIND = Kind(
    describe=describe,
    blank=blank,
    training=training,
    evaluation=evaluation,
    samples=lambda config: "word ids and character ids",
    check=refuse_augment,
)
