"""What is held out: as much of every class as asked for, whole groups, and the same everywhere."""

from __future__ import annotations

import pytest
import torch

from zoo import ZooError
from zoo.data import Split, hold_out


def numbered(targets: list[int], groups: list[int] | None = None) -> Split:
    """A split of texts that are their own places."""
    return Split(
        [str(i) for i in range(len(targets))],
        torch.tensor(targets),
        None if groups is None else torch.tensor(groups),
    )


def test_every_class_gives_its_share():
    split = numbered([0] * 100 + [1] * 40 + [2] * 7)
    rest, held = hold_out(split, 0.25, seed=3)
    assert held.targets.bincount().tolist() == [25, 10, 2]
    assert rest.targets.bincount().tolist() == [75, 30, 5]


def test_every_example_goes_to_one_side_with_its_label_in_the_old_order():
    split = numbered([i % 3 for i in range(50)])
    sides = hold_out(split, 0.3, seed=0)
    places = [[int(text) for text in side.inputs] for side in sides]
    assert sorted(places[0] + places[1]) == list(range(50))
    for side, at in zip(sides, places, strict=True):
        assert at == sorted(at)
        assert side.targets.tolist() == [i % 3 for i in at]


def test_the_choice_is_the_same_on_every_machine():
    # The published validation scores rest on this very choice.
    _, held = hold_out(numbered([0, 1] * 10), 0.2, seed=0)
    assert held.inputs == ["4", "7", "15", "18"]


def test_another_seed_holds_out_others():
    split = numbered([0] * 200)
    assert hold_out(split, 0.5, seed=0)[1].inputs != hold_out(split, 0.5, seed=1)[1].inputs


def test_no_group_is_parted():
    targets = [0] * 300 + [1] * 300
    groups = [i // 7 for i in range(600)]  # group 42 has examples of both classes
    rest, held = hold_out(numbered(targets, groups), 0.2, seed=5)
    assert rest.groups is not None and held.groups is not None
    assert not set(rest.groups.tolist()) & set(held.groups.tolist())
    for count in held.targets.bincount().tolist():
        assert abs(count - 60) <= 7


def test_a_group_that_brings_the_classes_no_nearer_is_not_held():
    """One of four is wanted: with a group of two there is one too many, without it one too few."""
    rest, held = hold_out(numbered([0] * 4, [0, 0, 1, 1]), 0.25, seed=0)
    assert (len(rest), len(held)) == (4, 0)


def test_images_are_held_out_too():
    images = torch.arange(10, dtype=torch.uint8).reshape(10, 1, 1, 1)
    rest, held = hold_out(Split(images, torch.zeros(10, dtype=torch.int64)), 0.2, seed=0)
    assert (len(rest), len(held)) == (8, 2)
    assert isinstance(rest.inputs, torch.Tensor) and isinstance(held.inputs, torch.Tensor)
    assert sorted(torch.cat([rest.inputs, held.inputs]).flatten().tolist()) == list(range(10))


def test_of_numbers_as_many_are_held_out_as_of_one_class():
    prices = Split(torch.arange(100.0).reshape(50, 2), torch.linspace(0, 1, 50))
    rest, held = hold_out(prices, 0.2, seed=0)
    assert (len(rest), len(held)) == (40, 10)
    assert held.targets.dtype == torch.float32
    assert held.targets.tolist() == sorted(held.targets.tolist())
    assert not set(rest.targets.tolist()) & set(held.targets.tolist())
    of_one_class = hold_out(numbered([0] * 50), 0.2, seed=0)[1].inputs
    assert isinstance(held.inputs, torch.Tensor)
    assert [int(row[0]) // 2 for row in held.inputs] == [int(text) for text in of_one_class]
    several = Split(prices.inputs, torch.stack([prices.targets, prices.targets], 1))  # a column a task
    assert torch.equal(hold_out(several, 0.2, seed=0)[1].targets[:, 1], held.targets)


@pytest.mark.parametrize("fraction", [-0.1, 1.0, 5.0])
def test_an_impossible_fraction_is_refused(fraction: float):
    with pytest.raises(ZooError, match="at least 0 and below 1"):
        hold_out(numbered([0, 1]), fraction, seed=0)
