"""Running text: the frequency of each character; its frequency after the character before."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from zoo.baselines import Given, Method
from zoo.tasks import Task

PART = 100_000
TRUST = 10.0
"""The weight, in characters, of the overall frequency within the frequency after one character."""


def unigram(given: Given) -> Iterator[tuple[Tensor, Tensor]]:
    shares = _shares(given).log()
    for truth in given.held.targets.split(PART):
        yield shares.expand(len(truth), -1), truth


def bigram(given: Given) -> Iterator[tuple[Tensor, Tensor]]:
    count = len(given.labels)
    before, after = given.train.inputs.long(), given.train.targets
    pairs = torch.bincount(before * count + after, minlength=count * count).view(count, count).double()
    table = (pairs + TRUST * _shares(given)) / (pairs.sum(1, keepdim=True) + TRUST)
    logarithms = table.log().float()
    for ids, truth in zip(given.held.inputs.split(PART), given.held.targets.split(PART), strict=True):
        yield logarithms[ids.long()], truth


def _shares(given: Given) -> Tensor:
    """The share of each character, none 0."""
    counts = torch.bincount(given.train.targets, minlength=len(given.labels)).double() + 1
    return counts / counts.sum()


def methods(task: Task) -> dict[str, Method]:
    return {"unigram": Method(unigram), "bigram": Method(bigram)}
