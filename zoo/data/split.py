"""A data set in memory, and how a part of it is held out for validation."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Generic

import torch
from torch import Tensor

from zoo.data.table import Columns
from zoo.errors import ZooError

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    X = TypeVar("X", bound=Tensor | list[str], default=Any)
else:
    from typing import TypeVar

    X = TypeVar("X")  # a TypeVar has no default before Python 3.13

IGNORED = -100
"""The target of a step that is padding: no loss, no metric (torch's own default for `ignore_index`)."""


@dataclass(frozen=True)
class Split(Generic[X]):
    """One split of a data set, every example in memory. For type checkers `Split[Tensor]` or `Split[list[str]]` says
    what its inputs are.

    inputs: images as uint8 [N, C, H, W]; texts as a list of N str; tagged sentences have tabs between their words;
        running text as the ids of its characters, uint8 [N]; a series as float32 [T, C], all rows from its beginning to
        the split's end, so that a forecast may look at those before the split; or rows of a table as float32
        [N, columns], NaN for a blank cell (`Columns` describes the columns).
    targets: class index, int64 [N], or one for each word, int64 [N, longest], with `IGNORED` after the last; a number,
        float32 [N], or one for each of several tasks, float32 [N, tasks]; for running text the id of the next
        character; for a series the rows of the split, at each of which a forecast may begin.
    groups: int64 [N], or None. Examples of one group are near duplicates (reviews of one film), so `hold_out` never
        separates them.
    weights: float32 [N], or None: how much each example counts in the training loss.

        >>> zoo.data.Split(["a good film", "a bad one"], torch.tensor([1, 0])).take([1]).inputs
        ['a bad one']
    """

    inputs: X
    targets: Tensor
    groups: Tensor | None = None
    weights: Tensor | None = None

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, index: Sequence[int]) -> Split[X]:
        """The examples at `index`, in that order."""
        at = torch.as_tensor(index, dtype=torch.int64)
        inputs: Any = self.inputs[at] if isinstance(self.inputs, Tensor) else [self.inputs[i] for i in at.tolist()]
        groups, weights = (None if one is None else one[at] for one in (self.groups, self.weights))
        return Split(inputs, self.targets[at], groups, weights)


@dataclass(frozen=True)
class About:
    """The facts about a data set that are known before it is read.

    kind: "image", "text" and so on, one of `zoo.kinds`. labels: class names by index, empty if the targets are not
    classes. maximum: the value of white in an image's inputs (1.0 for other kinds, without meaning).
    channels: the names of the numbers in a row of a series. note: what a weight's card must say about the data.
    table: its columns, if it is a table. tasks: the columns of the targets, if there are
    several: name -> {"kind": "classification", "binary" or "regression", "outputs": numbers that a model gives for it}.
    """

    name: str
    kind: str
    labels: list[str]
    maximum: float
    channels: tuple[str, ...] = field(default=(), kw_only=True)
    note: str = field(default="", kw_only=True)
    table: Columns | None = field(default=None, kw_only=True)
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict, kw_only=True)

    def about(self) -> dict[str, Any]:
        """A copy of only these fields."""
        return {each.name: copy(getattr(self, each.name)) for each in fields(About)}


@dataclass(frozen=True)
class DataSet(About):
    """A data set as `zoo.data.load` returns it, with the facts about it.

    fingerprint: SHA-256 of the tensors of all splits (`zoo.data.fingerprint`). validation: that split, if the authors
    publish one.

        >>> digits = zoo.data.load("digits")
        >>> digits.kind, digits.train.inputs.shape[1:], digits.labels[:3]
        ('image', torch.Size([1, 8, 8]), ['0', '1', '2'])
    """

    train: Split
    test: Split
    fingerprint: str
    validation: Split | None = None


def hold_out(split: Split[X], fraction: float, seed: int) -> tuple[Split[X], Split[X]]:
    """Split `split` into (rest, held), with about `fraction` of every class held (of all examples if targets are
    numbers).

    If the split has groups, whole groups go to one side. Both sides keep the original order. The choice depends only
    on the seed and the targets (and groups), so it is the same on every machine and with every version of torch.

    Raises ZooError if `fraction` is not in [0, 1).

        >>> train = zoo.data.load("digits").train
        >>> rest, held = zoo.data.hold_out(train, 0.1, seed=0)
        >>> len(rest) + len(held) == len(train)
        True
    """
    if not 0 <= fraction < 1:
        raise ZooError(f"cannot hold out {fraction} of a split; give a fraction of at least 0 and below 1")
    targets = split.targets.tolist() if not split.targets.is_floating_point() else [0] * len(split)
    wanted: dict[int, int] = {c: round(fraction * n) for c, n in _counts(targets).items()}
    held = _single(targets, wanted, seed) if split.groups is None else _groups(targets, split.groups, wanted, seed)
    taken = set(held)
    return split.take([i for i in range(len(targets)) if i not in taken]), split.take(sorted(taken))


def _single(targets: list[int], wanted: dict[int, int], seed: int) -> list[int]:
    """The examples to hold out, in a drawn order, until there are as many of each class as are wanted."""
    held: list[int] = []
    for i in shuffled(range(len(targets)), seed):
        if wanted[targets[i]] > 0:
            held.append(i)
            wanted[targets[i]] -= 1
    return held


def _groups(targets: list[int], groups: Tensor, wanted: dict[int, int], seed: int) -> list[int]:
    """The same with whole groups: as near as possible to the number wanted of each class."""
    members: dict[int, list[int]] = {}
    for i, group in enumerate(groups.tolist()):
        members.setdefault(group, []).append(i)
    held: list[int] = []
    for group in shuffled(members, seed):
        inside = _counts([targets[i] for i in members[group]])
        # Take the group if that brings the numbers of each class nearer to the wanted ones than leaving it does.
        if sum(abs(wanted[c] - n) - abs(wanted[c]) for c, n in inside.items()) < 0:
            held += members[group]
            for c, n in inside.items():
                wanted[c] -= n
    return held


def shuffled(items: Iterable[int], seed: int) -> list[int]:
    """The integers `items` in an order drawn by SHA-256 from the seed: no random generator can change it."""
    import numpy as np

    items = list(items)
    # End to end, because a million digests as objects take more memory than the texts that they sort.
    drawn = bytearray()
    for item in items:
        drawn += hashlib.sha256(f"{seed}:{item}".encode()).digest()
    words = np.frombuffer(drawn, dtype=">u8").reshape(-1, 4)
    return [items[place] for place in np.lexsort(words.T[::-1]).tolist()]


def _counts(targets: list[int]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for target in targets:
        counts[target] = counts.get(target, 0) + 1
    return counts
