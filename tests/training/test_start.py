"""What layers take from the training data before the first step, in whole runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import zoo

pytestmark = pytest.mark.usefixtures("tiny_reviews", "tiny_prices")
EPOCH: dict[str, Any] = {"train.epochs": 1}
NGRAMS: dict[str, Any] = {"model_args.ngrams": 512, "model_args.ngram_penalty": 1e-3}


def tensors(run: zoo.Run) -> dict[str, torch.Tensor]:
    return load_file(run.folder / "model.safetensors")


def test_ngrams_are_fitted_before_the_first_step_and_the_network_learns_as_without(text: Any, tmp_path: Path):
    plain = zoo.train(text, out=tmp_path / "plain", device="cpu", **EPOCH)
    beside = zoo.train(text, out=tmp_path / "beside", device="cpu", **NGRAMS, **EPOCH)
    ours, theirs = tensors(beside), tensors(plain)
    assert ours.pop("ngrams.weight").count_nonzero() and ours.pop("ngrams.bias") is not None
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs) and list(ours) == list(theirs)
    assert beside.metrics["accuracy"] > 0.9 >= plain.metrics["accuracy"], "each word of tiny_reviews says its class"


def test_a_run_with_ngrams_goes_on_bit_for_bit(text: Any, interrupt: Any, tmp_path: Path):
    whole = zoo.train(text, out=tmp_path / "whole", device="cpu", **NGRAMS)
    interrupt(5)
    with pytest.raises(KeyboardInterrupt):
        zoo.train(text, out=tmp_path / "run", device="cpu", **NGRAMS)
    run = zoo.train({**text}, out=tmp_path / "run", resume=True, device="cpu", **NGRAMS)
    assert all(torch.equal(tensor, tensors(whole)[key]) for key, tensor in tensors(run).items())


def test_ngrams_of_a_weight_are_fitted_again_to_the_data_at_hand(text: Any, tmp_path: Path):
    first = zoo.train(text, out=tmp_path / "first", device="cpu", **NGRAMS, **EPOCH)
    changes = {**NGRAMS, "train": {"steps": 1}, "init_from": str(first.folder)}
    again = zoo.train(text, out=tmp_path / "again", device="cpu", **changes)
    assert torch.equal(tensors(again)["ngrams.weight"], tensors(first)["ngrams.weight"]), (
        "the same texts, words, labels"
    )
    other = zoo.train(text, out=tmp_path / "other", device="cpu", **{**changes, "model_args.ngrams": 64})
    assert tensors(other)["ngrams.weight"].shape == (64, 1), "another table begins afresh"


def test_the_edges_of_numbers_are_quantiles_of_the_training_rows(table: Any, tmp_path: Path):
    recipe = {
        **{key: table[key] for key in ("init", "optimizer", "schedule") if key in table},
        "model": "housing_mlp",
        "model_args": {"bins": 4, "frequencies": 0, "members": 3},
        "data": {**table["data"], "name": "tiny_prices"},
        "loss": {"name": "mse"},
        "train": {"epochs": 1},
    }
    run = zoo.train(recipe, out=tmp_path / "run", device="cpu")
    edges = tensors(run)["piecewise.edges"]
    assert edges.shape[1] == 5 and edges.diff(dim=1).ge(0).all() and edges.min() < -1 < 1 < edges.max()
    assert tensors(run)["members.0.weight"].shape[0] == 3
