"""The fingerprint: written down by hand once, and different for every difference."""

from __future__ import annotations

import hashlib

import pytest
import torch

from zoo.data import Split, fingerprint


def images() -> Split:
    return Split(torch.arange(12, dtype=torch.uint8).reshape(2, 1, 2, 3), torch.tensor([1, 0]))


def texts(*inputs: str) -> Split:
    return Split(list(inputs), torch.zeros(len(inputs), dtype=torch.int64))


def test_it_is_the_hash_that_its_docstring_states():
    targets = b"\1\0\0\0\0\0\0\0" + b"\0" * 8
    half = b"%s.inputs uint8 2x1x2x3\n" + bytes(range(12)) + b"%s.targets int64 2\n" + targets
    by_hand = half % (b"train", b"train") + half % (b"test", b"test")
    assert fingerprint.of(images(), images()) == hashlib.sha256(by_hand).hexdigest()


def test_texts_count_by_their_bytes_and_where_each_ends():
    known = fingerprint.of(texts("ab", "c"), texts("é"))
    assert known == fingerprint.of(texts("ab", "c"), texts("é"))
    for other in (texts("a", "bc"), texts("ab", "d"), texts("c", "ab"), texts("abc")):
        assert fingerprint.of(other, texts("é")) != known


@pytest.mark.parametrize("change", ["a pixel", "a label", "the shape", "the type"])
def test_every_change_changes_it(change: str):
    inputs, targets = images().inputs, images().targets
    assert isinstance(inputs, torch.Tensor)
    changed = {
        "a pixel": Split(torch.cat([inputs[:1], inputs[1:] + 1]), targets),
        "a label": Split(inputs, torch.tensor([1, 1])),
        "the shape": Split(inputs.reshape(2, 1, 3, 2), targets),
        "the type": Split(inputs.to(torch.int8), targets),
    }[change]
    assert fingerprint.of(changed, images()) != fingerprint.of(images(), images())


def test_memory_layout_and_groups_do_not_matter():
    split = images()
    assert isinstance(split.inputs, torch.Tensor)
    turned = split.inputs.transpose(2, 3).contiguous().transpose(2, 3)
    assert not turned.is_contiguous()
    assert fingerprint.of(Split(turned, split.targets, torch.tensor([0, 1])), split) == fingerprint.of(split, split)


@pytest.mark.parametrize("inputs", [[], [""], ["", "naïve 😀", "", "end\r\n"]])
def test_packed_texts_come_back(inputs: list[str]):
    assert fingerprint.unpack(*fingerprint.pack(inputs)) == inputs
