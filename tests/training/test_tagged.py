"""Tagged sentences through the engine: what is a batch, and a run that can be asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import zoo
from zoo import recipes
from zoo.cli import main
from zoo.data import DataSet
from zoo.data.split import IGNORED
from zoo.kinds import tagged
from zoo.kinds.feed import Feed
from zoo.training.setup import Setup, prepare

RECIPE: dict[str, Any] = {
    "model": "bilstm_tagger",
    "model_args": {"embedding_dim": 8, "character_dim": 6, "spelling": 6, "hidden": 8, "word_dropout": 0.2},
    "init": "recurrent",
    "data": {"name": "tiny_sentences", "batch_size": 8, "validation": 0.1, "tagged": {"vocab_size": 8}},
    "optimizer": {"name": "adamw", "lr": 0.03},
    "train": {"epochs": 10},
}
CPU = torch.device("cpu")


pytestmark = pytest.mark.usefixtures("tiny_sentences")


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return prepare(recipes.parse(RECIPE), tmp_path)


def feed_of(setup: Setup) -> Feed:
    return tagged.training(recipes.parse(RECIPE), setup.train, setup.input, CPU)


def test_the_validation_split_is_the_authors_own(setup: Setup, tiny_sentences: DataSet) -> None:
    assert setup.held_name == "validation" and tiny_sentences.validation is not None
    assert setup.held.inputs == tiny_sentences.validation.inputs
    assert len(setup.train) == 150


def test_every_word_stands_beside_its_own_target(setup: Setup) -> None:
    feed, endings, seen = feed_of(setup), setup.config["input"]["alphabet"], 0
    ly = [2 + endings.index("l"), 2 + endings.index("y")]
    for indices in feed.plan(0):
        (words, characters, lengths), targets = feed.load(indices, torch.Generator(), 0.0)
        assert words.shape == targets.shape == characters.shape[:2] and words.shape[1] == lengths.max()
        assert ((targets != IGNORED).sum(1) == lengths).all()
        counts = targets != IGNORED
        ends = [[c for c in word if c][-2:] == ly for word in characters[counts].tolist()]
        assert ends == targets[counts].bool().tolist()
        seen += len(targets)
    assert seen == 150


def test_evaluation_gives_every_sentence_once(setup: Setup) -> None:
    batches = list(tagged.evaluation(setup.held, setup.input, 7, CPU))
    assert sum(len(targets) for _, targets in batches) == 30
    lengths = torch.cat([inputs[2] for inputs, _ in batches])
    assert lengths.tolist() == sorted((setup.held.targets != IGNORED).sum(1).tolist())
    assert sum(int((t == 1).sum()) for _, t in batches) == int((setup.held.targets == 1).sum())


def test_a_run_learns_endings_and_tags_words_it_has_never_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = zoo.train(RECIPE, out=tmp_path / "run", device="cpu")
    assert run.metrics["accuracy"] > 0.95
    tag = zoo.predictor(run.folder)
    answers = tag(["hhhhly gggg", "", "hhhhly\tgggg", "gggg"])
    assert [[(a.word, a.tag) for a in answer.answer] for answer in answers] == [
        [("hhhhly", "ADV"), ("gggg", "NOUN")],
        [],
        [("hhhhly", "ADV"), ("gggg", "NOUN")],
        [("gggg", "NOUN")],
    ]
    assert answers[0].to_dict() == answers[2].to_dict()
    first = answers[0].answer[0].probability
    assert tag("hhhhly gggg").answer[0].probability == pytest.approx(first, abs=1e-5)
    assert main(["predict", str(run.folder), "hhhhly gggg"]) == 0
    assert capsys.readouterr().out.splitlines()[1:3] == ["  answer:", f"    hhhhly  ADV  {first:.4g}"]


def test_augmentation_of_sentences_is_refused(tmp_path: Path) -> None:
    with pytest.raises(zoo.ZooError, match=r"data\.augment is for images, but tiny_sentences holds tagged data"):
        prepare(recipes.parse({**RECIPE, "data": {**RECIPE["data"], "augment": {"flip": {}}}}), tmp_path)
