"""What a run takes from the weight it begins from beside tensors: the words, letters and symbols of its embeddings."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import zoo
from zoo import ZooError, data
from zoo.data import Split, fingerprint
from zoo.training import Run

pytestmark = pytest.mark.usefixtures("tiny_reviews", "tiny_sentences", "tiny_text", "other_words")
STILL = {"name": "sgd", "lr": 1e-9}
"""An optimizer that leaves the tensors as they are, or nearly so."""


@pytest.fixture
def other_words(tiny_reviews: None, tiny_sentences: None, tiny_text: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """`other_reviews`, `other_sentences` and `other_text`: as the tiny ones, but for their words and symbols."""

    def add(name: str, like: str, inputs: Any, targets: torch.Tensor, **changes: Any) -> None:
        train, test = Split(inputs[:40], targets[:40]), Split(inputs[40:], targets[40:])
        found = fingerprint.of(train, test)
        entry = replace(data.ENTRIES[like], name=name, read=lambda _: (train, test), fingerprint=found, **changes)
        monkeypatch.setitem(data.ENTRIES, name, entry)

    draw, targets = random.Random(1), torch.arange(60) % 2
    texts = [" ".join(draw.choices(["plot", "dull" if t == 0 else "fine", "book"], k=5)) for t in targets.tolist()]
    add("other_reviews", "tiny_reviews", texts, targets.clone())
    sentences = ["\t".join(draw.choices(["xyzly", "xyz", "zyx"], k=3)) for _ in range(60)]
    add("other_sentences", "tiny_sentences", sentences, targets.repeat(3, 1).T.contiguous())
    symbols = torch.tensor(draw.choices(range(3), k=61))
    add("other_text", "tiny_text", symbols[:-1].to(torch.uint8), symbols[1:].clone(), labels=["x", "y", "z"])


def config(run: Run) -> dict[str, Any]:
    return json.loads((run.folder / "config.json").read_text(encoding="utf-8"))


def on(recipe: dict[str, Any], name: str, **data_settings: Any) -> dict[str, Any]:
    """The recipe on another data set, for one step that changes next to nothing."""
    there = {**recipe["data"], "name": name, "validation": 0.0, **data_settings}
    return {**recipe, "data": there, "optimizer": STILL, "train": {"steps": 1}}


def test_embeddings_keep_their_words(text: dict[str, Any], tmp_path: Path):
    first = zoo.train(text, out=tmp_path / "first", device="cpu", **{"train.epochs": 1})  # type: ignore[arg-type]
    recipe = on(text, "other_reviews", text={"vocab_size": 5, "max_length": 9})
    second = zoo.train(recipe, out=tmp_path / "second", device="cpu", init_from=str(first.folder))
    theirs, ours = ((run.folder / "tokenizer.json").read_bytes() for run in (first, second))
    assert ours == theirs and b"awful" in ours and b"dull" not in ours
    assert config(second)["model_args"]["vocab_size"] == config(first)["model_args"]["vocab_size"] != 5
    assert config(second)["input"]["max_length"] == 9, "how much of a text is read is the recipe's to say"
    before, after = (load_file(run.folder / "model.safetensors") for run in (first, second))
    assert torch.allclose(before["embedding.weight"], after["embedding.weight"], atol=1e-6)
    said = json.loads((second.folder / "metrics.json").read_text(encoding="utf-8"))["notes"]
    assert said == [f"The tokenizer is that of {first.folder}; the recipe's vocab_size was not used."]


def test_a_tagger_keeps_its_words_and_letters(tagged: dict[str, Any], tmp_path: Path):
    first = zoo.train(tagged, out=tmp_path / "first", device="cpu", **{"train.epochs": 1})  # type: ignore[arg-type]
    second = zoo.train(
        on(tagged, "other_sentences"), out=tmp_path / "second", device="cpu", init_from=str(first.folder)
    )
    assert (second.folder / "tokenizer.json").read_bytes() == (first.folder / "tokenizer.json").read_bytes()
    assert config(second)["input"]["alphabet"] == config(first)["input"]["alphabet"] == "abcdefghly"
    assert config(second)["model_args"] == config(first)["model_args"]


def test_running_text_goes_on_with_the_same_symbols_alone(characters: dict[str, Any], tmp_path: Path):
    first = zoo.train(characters, out=tmp_path / "first", device="cpu")
    again = zoo.train(on(characters, "tiny_text"), out=tmp_path / "again", device="cpu", init_from=str(first.folder))
    assert again.metrics["nats"] == pytest.approx(first.metrics["nats"], abs=1e-4)
    with pytest.raises(ZooError, match=r"uses other symbols than other_text; name a weight that uses"):
        zoo.train(on(characters, "other_text"), out=tmp_path / "other", device="cpu", init_from=str(first.folder))


def test_tensors_alone_are_not_a_start_for_texts(text: dict[str, Any], characters: dict[str, Any], tmp_path: Path):
    first = zoo.train(text, out=tmp_path / "first", device="cpu", **{"train.epochs": 1})  # type: ignore[arg-type]
    file = str(first.folder / "model.safetensors")
    for recipe in (text, characters):
        with pytest.raises(
            ZooError, match=r"^init_from: .*safetensors does not say to which words .* give the folder of"
        ):
            zoo.train(recipe, out=tmp_path / "run", device="cpu", init_from=file)
    with pytest.raises(ZooError, match=r"^init_from: .*first reads text data, not characters data; name a weight of"):
        zoo.train(characters, out=tmp_path / "run", device="cpu", init_from=str(first.folder))
    assert not (tmp_path / "run").exists()


def test_a_run_with_the_words_of_a_weight_goes_on_bit_for_bit(text: dict[str, Any], interrupt: Any, tmp_path: Path):
    first = zoo.train(text, out=tmp_path / "first", device="cpu", **{"train.epochs": 1})  # type: ignore[arg-type]
    there = {**text["data"], "name": "other_reviews"}
    recipe = {**text, "data": there, "init_from": str(first.folder), "train": {"epochs": 3}}
    whole = zoo.train(recipe, out=tmp_path / "whole", device="cpu")
    interrupt(5)
    with pytest.raises(KeyboardInterrupt):
        zoo.train(recipe, out=tmp_path / "run", device="cpu")
    (tmp_path / "run" / "metrics.json").write_text('{"damaged')
    run = zoo.train(recipe, out=tmp_path / "run", device="cpu", resume=True)
    for file in ("model.safetensors", "tokenizer.json", "config.json"):
        assert (run.folder / file).read_bytes() == (whole.folder / file).read_bytes()


def test_a_run_does_not_go_on_if_its_beginning_differs(text: dict[str, Any], interrupt: Any, tmp_path: Path):
    first = zoo.train(text, out=tmp_path / "first", device="cpu", **{"train.epochs": 1})  # type: ignore[arg-type]
    recipe = {**text, "data": {**text["data"], "name": "other_reviews"}, "init_from": str(first.folder)}
    interrupt(5)
    with pytest.raises(KeyboardInterrupt):
        zoo.train(recipe, out=tmp_path / "run", device="cpu")
    first.folder.rename(tmp_path / "elsewhere")
    zoo.train({**text, "train": {"epochs": 1, "seed": 7}}, out=tmp_path / "first", device="cpu")
    kept = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    with pytest.raises(ZooError, match=r"^init_from: .*first is not the file that .*run began from \(sha256 .*bring"):
        zoo.train(recipe, out=tmp_path / "run", device="cpu", resume=True)
    assert kept == {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
