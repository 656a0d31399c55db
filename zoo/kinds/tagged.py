"""Sentences with a tag for each word: word ids and character ids, padded to the longest of a batch, with lengths."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import torch
from torch import Generator, Tensor

from zoo.data import DataSet, Split, text, words
from zoo.kinds import Change, Described, Input, Kind, holds, vocabulary
from zoo.kinds.feed import Batches, Feed, Inputs, check_batch, mix, refuse_augment
from zoo.limits import AtLeast, Count

if TYPE_CHECKING:
    from zoo.recipes import Recipe


@dataclass(frozen=True)
class Tagged:
    """Sentences as word ids, of the vocab_size most frequent words of the training split, and their characters.

    A word longer than max_characters keeps its first and last characters: the beginning of its stem and its ending.
    """

    vocab_size: Annotated[int, AtLeast(3)] = 20000
    max_characters: Count = 20


def describe(recipe: Recipe, data: DataSet, train: Split[list[str]], begun: Callable[[], Input] | None) -> Described:
    settings = recipe.data.tagged
    if begun is None:
        tokenizer = words.train_tokenizer(train.inputs, settings.vocab_size)
        alphabet = words.alphabet(train.inputs)
    else:
        weight = begun()
        tokenizer, alphabet = weight.tokenizer, weight.settings["alphabet"]
    return Described(
        {
            "kind": "tagged",
            "tokenizer": "tokenizer.json",
            "alphabet": alphabet,
            "max_characters": settings.max_characters,
        },
        {"vocab_size": tokenizer.get_vocab_size(), "characters": len(alphabet) + 2},
        tokenizer,
    )


def blank(settings: dict[str, Any]) -> Inputs:
    return torch.ones(2, 3, dtype=torch.int64), torch.ones(2, 3, 4, dtype=torch.int64), torch.tensor([3, 2])


def training(recipe: Recipe, split: Split[list[str]], input: Input, device: torch.device) -> Feed:
    encoded = encode(split, input)
    lengths, size = [len(s) for s in encoded.words], check_batch(recipe, len(split))

    def plan(epoch: int) -> list[Tensor]:
        return text.buckets(lengths, size, mix(recipe.train.seed, 0, epoch))

    def load(indices: Tensor, generator: Generator, progress: float) -> tuple[Inputs, Tensor]:
        return _batch(encoded, split, indices, device)

    return Feed(len(plan(0)), plan, load)


def evaluation(split: Split[list[str]], input: Input, size: int, device: torch.device) -> Batches:
    encoded = encode(split, input)
    # Neighbours in length share a batch, so that little is padded.
    order = torch.tensor([len(s) for s in encoded.words]).argsort(stable=True)

    def begin() -> Iterator[tuple[Inputs, Tensor]]:
        for indices in order.split(size):
            yield _batch(encoded, split, indices, device)

    return Batches(size, begin)


def encode(split: Split[list[str]], input: Input) -> words.Encoded:
    """Every sentence of the split as ids, as the bundle's input says."""
    texts: list[str] = split.inputs
    return _encode([sentence.split(words.SEPARATOR) for sentence in texts], input)


def prepare(raw: list[Any], input: Input) -> tuple[Tensor, Tensor, Tensor]:
    """Sentences -> words (N, T) and their characters (N, T, C), zero after each end, and lengths (N,), all int64.

    A sentence is a text, which `zoo.data.words.split` splits into words, or words with tabs between them. Raises
    `ZooError` for an object that is not a `str`, and for a `str` that no encoding can write.
    """
    text.check(raw, "sentence")
    return _encode(list(map(words.split, raw)), input).batch(range(len(raw)))


def fitting(content: dict[str, Any], data: DataSet, begun: bool) -> Iterator[Change]:
    if not begun:
        sentences = data.train.inputs[: vocabulary.SAMPLE]
        seen = (word.lower() for sentence in sentences for word in sentence.split(words.SEPARATOR))
        yield from vocabulary.fitting("tagged", content, seen)


def _encode(sentences: list[list[str]], input: Input) -> words.Encoded:
    settings = input.settings
    return words.encode(sentences, input.tokenizer, settings["alphabet"], settings["max_characters"])


def _batch(
    encoded: words.Encoded, split: Split[list[str]], indices: Tensor, device: torch.device
) -> tuple[Inputs, Tensor]:
    ids, characters, lengths = encoded.batch(indices.tolist())
    targets = split.targets[indices, : ids.shape[1]]
    return (ids.to(device), characters.to(device), lengths.to(device)), targets.to(device)


def said(settings: dict[str, Any]) -> str:
    return (
        "A sentence is split into words and punctuation; each word is read by its id in `tokenizer.json` and by at "
        f"most {settings['max_characters']} of its characters."
    )


KIND = Kind(
    words=said,
    example='answer = {}("The quick brown fox jumps over the lazy dog.")',
    golden=lambda settings: "The quick brown fox jumps over the lazy dog.",
    section=Tagged,
    describe=describe,
    training=training,
    evaluation=evaluation,
    check=refuse_augment,
    fitting=fitting,
    holds=(holds.TOKENIZER, holds.text("alphabet"), holds.count("max_characters")),
    blank=blank,
    samples=lambda settings: "word ids and character ids",
    prepare=prepare,
    cost=lambda raw: len(raw) if isinstance(raw, str) else 0,
)
