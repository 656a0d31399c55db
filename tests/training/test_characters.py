"""Running text in windows: which are trained on, and that each character is measured once, with what came before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import zoo
from zoo import ZooError, kinds
from zoo.data import Split
from zoo.data.split import IGNORED
from zoo.kinds.feed import Feed
from zoo.recipes import parse

KIND = kinds.get("characters")
INPUT = kinds.Input({"kind": "characters", "symbols": "", "length": 10})


def counting(count: int) -> Split:
    """Text whose ids are their places."""
    return Split(torch.arange(count, dtype=torch.uint8), torch.arange(1, count + 1))


@pytest.mark.parametrize("count", [3, 10, 19, 20, 21, 29, 30, 31, 97])
def test_every_character_is_measured_once_and_looks_back_at_a_whole_window(count: int):
    seen = []
    for (ids,), targets in KIND.evaluation(counting(count), INPUT, 3, torch.device("cpu")):
        assert ids.dtype == targets.dtype == torch.int64 and ids.shape == targets.shape
        assert ((targets == ids + 1) | (targets == IGNORED)).all()
        for row, wanted in zip(ids, targets, strict=True):
            counted = wanted[wanted != IGNORED].tolist()
            assert row[0] == 0 or counted[0] - 1 - row[0] >= 10
            seen += counted
    assert seen == list(range(1, count + 1))


def feed(characters: dict[str, Any], count: int, seed: int = 0) -> Feed:
    recipe = parse({**characters, "train": {"epochs": 1, "seed": seed}})
    return KIND.training(recipe, counting(count), INPUT, torch.device("cpu"))


def test_an_epoch_reads_windows_end_to_end_from_a_place_of_its_own(characters: dict[str, Any], tiny_text: None):
    found = feed(characters, 188)
    firsts = set()
    for epoch in range(20):
        begins = torch.cat(found.plan(epoch)).sort().values
        assert len(begins) == found.size * 8 == 16  # 17 windows fit wherever the first begins
        assert ((begins - begins[0]) % 10 == 0).all() and len(begins.unique()) == 16
        firsts.add(int(begins[0]) % 10)
        (ids,), targets = found.load(begins, torch.Generator(), 0.0)
        assert torch.equal(ids, begins.unsqueeze(1) + torch.arange(10)) and torch.equal(targets, ids + 1)
    assert len(firsts) > 5


def test_the_windows_are_a_pure_function_of_seed_and_epoch(characters: dict[str, Any], tiny_text: None):
    first = torch.stack(feed(characters, 188).plan(3))
    torch.manual_seed(99)
    assert torch.equal(first, torch.stack(feed(characters, 188).plan(3)))
    assert not torch.equal(first, torch.stack(feed(characters, 188).plan(4)))
    assert not torch.equal(first, torch.stack(feed(characters, 188, seed=1).plan(3)))


def test_the_held_out_part_is_the_end_of_the_text():
    rest, held = KIND.hold_out(counting(50), 0.2)
    assert rest.targets.tolist() == list(range(1, 41)) and held.targets.tolist() == list(range(41, 51))
    assert isinstance(held.inputs, torch.Tensor) and held.inputs[0] == 40


def test_a_text_too_short_for_a_batch_is_refused(characters: dict[str, Any], tiny_text: None, tmp_path: Path):
    data = {**characters["data"], "characters": {"length": 2000}}
    with pytest.raises(ZooError, match=r"data.batch_size is 8, but there are 0 training samples; lower it\."):
        zoo.train({**characters, "data": data}, out=tmp_path / "run", device="cpu")


def test_a_run_writes_text_like_that_it_has_read(characters: dict[str, Any], tiny_text: None, tmp_path: Path):
    longer = {**characters, "model_args": {"embedding_dim": 4, "hidden": 24}, "train": {"epochs": 8}}
    run = zoo.train(longer, out=tmp_path, device="cpu")
    assert run.metrics["nats"] < 0.6, "of four symbols, most follow from those before"
    answer = zoo.predictor(run.folder)("aacc\n")
    words = answer.answer.split("\n")[:-1]
    assert sum(word in {"abc", "cab", "b", "aacc"} for word in words) > 0.8 * len(words)
