"""Texts: token ids padded to the longest of a batch, with their lengths; batches are of nearly equal length."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from torch import Generator, Tensor

from zoo.data import DataSet, Split, text
from zoo.errors import ZooError
from zoo.kinds import Change, Described, Input, Kind, holds, vocabulary
from zoo.kinds.feed import Batches, Feed, Inputs, check_batch, mix, refuse_augment
from zoo.limits import AtLeast, Count

if TYPE_CHECKING:
    from zoo.recipes import Recipe


@dataclass(frozen=True)
class Text:
    """Texts as token ids: a tokenizer of vocab_size words trained on the training split, cut to max_length tokens.

    With per_group an epoch takes at most that many texts of a group (such as the phrases of one sentence), drawn
    again for each epoch, so that a large group does not count more than a small one.
    """

    vocab_size: Annotated[int, AtLeast(3)] = 20000
    max_length: Count = 400
    truncate: Literal["head", "tail", "head_tail"] = "head_tail"
    per_group: Count | None = None


def describe(recipe: Recipe, data: DataSet, train: Split[list[str]], begun: Callable[[], Input] | None) -> Described:
    settings = recipe.data.text
    tokenizer = begun().tokenizer if begun else text.train_tokenizer(train.inputs, settings.vocab_size)
    return Described(
        {
            "kind": "text",
            "tokenizer": "tokenizer.json",
            "max_length": settings.max_length,
            "truncate": settings.truncate,
        },
        {"vocab_size": tokenizer.get_vocab_size()},
        tokenizer,
    )


def blank(settings: dict[str, Any]) -> Inputs:
    return torch.ones(2, 3, dtype=torch.int64), torch.tensor([3, 2])


def training(recipe: Recipe, split: Split[list[str]], input: Input, device: torch.device) -> Feed:
    sequences = encode(split, input)
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
    """Indices, in order, of at most `most` members of each group (N,), drawn at random; they depend only on the
    seed."""
    order = torch.randperm(len(groups), generator=Generator().manual_seed(seed))
    order = order[groups[order].argsort(stable=True)]  # group after group, each in a random order
    _, sizes = groups[order].unique_consecutive(return_counts=True)
    place = torch.arange(len(order)) - (sizes.cumsum(0) - sizes).repeat_interleave(sizes)
    return order[place < most].sort().values


def fitting(content: dict[str, Any], data: DataSet, begun: bool) -> Iterator[Change]:
    if not begun:
        splitter: Any = text.train_tokenizer([], 3)
        yield from vocabulary.fitting(
            "text",
            content,
            (
                word
                for one in data.train.inputs[: vocabulary.SAMPLE]
                for word, _ in splitter.pre_tokenizer.pre_tokenize_str(splitter.normalizer.normalize_str(one))
            ),
        )


def check(recipe: Recipe, data: DataSet) -> None:
    refuse_augment(recipe, data)
    if recipe.data.text.per_group is not None and data.train.groups is None:
        raise ZooError(f"data.text.per_group: the texts of {data.name} are in no groups; leave it out.")


def evaluation(split: Split[list[str]], input: Input, size: int, device: torch.device) -> Batches:
    sequences = encode(split, input)
    # Neighbours in length share a batch, so that little is padded.
    order = sorted(range(len(sequences)), key=lambda i: len(sequences[i]))

    def begin() -> Iterator[tuple[Inputs, Tensor]]:
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            tokens, length = text.pad([sequences[i] for i in chosen])
            yield (tokens.to(device), length.to(device)), split.targets[chosen].to(device)

    return Batches(size, begin)


def encode(split: Split[list[str]], input: Input) -> text.Rows:
    """The token ids of every text of the split, shortened as the bundle's input says."""
    settings = input.settings
    return text.encode_all(input.tokenizer, split.inputs, settings["max_length"], settings["truncate"])


def _encode(texts: Any, input: Input) -> list[list[int]]:
    settings = input.settings
    return text.encode(input.tokenizer, texts, settings["max_length"], settings["truncate"])


def prepare(raw: list[Any], input: Input) -> tuple[Tensor, Tensor]:
    """Texts -> tokens (N, T) int64, zero after each end, and lengths (N,) int64.

    At most `max_length` tokens, cut as `truncate` of the settings says. Raises `ZooError` for an object that is not a
    `str`, for a `str` that no encoding can write, and for a text in which the tokenizer finds nothing to read.
    """
    text.check(raw)
    raw = list(map(text.clean, raw))
    rows = _encode(raw, input)
    for one, row in zip(raw, rows, strict=True):
        if not row:
            raise ZooError(f"the text {one[:40]!r} holds no words to classify; give at least one.")
    return text.pad(rows)


def explain(raw: list[str], input: Input, attention: Tensor) -> list[list[tuple[str, float]]]:
    """Attention weights (N, T) -> for each text all its words as written, in order, each with its weight.

    A word that truncation left out has the weight 0. A word that the tokenizer splits into several tokens, such as ½
    or …, is listed once, with the sum of their weights.
    """
    found, settings = [], input.settings
    for one, weights in zip(map(text.clean, raw), attention.tolist(), strict=True):
        places = text.spans(input.tokenizer, one)
        summed = dict.fromkeys(places, 0.0)
        read = text.shorten(places, settings["max_length"], settings["truncate"])
        for place, weight in zip(read, weights[: len(read)], strict=True):
            summed[place] += weight
        found.append([(one[start:end], weight) for (start, end), weight in summed.items()])
    return found


def words(settings: dict[str, Any]) -> str:
    cut = {"head": "its beginning", "tail": "its end", "head_tail": "its beginning and its end"}
    return (
        "A text becomes the ids of its tokens by `tokenizer.json`; of one with more than "
        f"{settings['max_length']} tokens {cut.get(settings['truncate'], settings['truncate'])} is read."
    )


KIND = Kind(
    words=words,
    example='answer = {}("A slow start, but the last half hour is wonderful.")',
    golden=lambda settings: "A slow start, but the last half hour is wonderful.",
    section=Text,
    describe=describe,
    training=training,
    evaluation=evaluation,
    check=check,
    fitting=fitting,
    holds=(holds.TOKENIZER, holds.count("max_length"), holds.text("truncate")),
    blank=blank,
    shape=lambda settings: (settings["max_length"],),
    samples=lambda settings: "token ids",
    prepare=prepare,
    cost=lambda raw: len(raw) if isinstance(raw, str) else 0,
    explain=explain,
)
