from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor

from zoo.data import Split
from zoo.kinds.transforms import normalize
from zoo.recipes import load_recipe, parse
from zoo.training.setup import prepare

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def peers(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    return __import__("peers")


@pytest.mark.parametrize("path", sorted(BENCHMARKS.glob("*.fast.yaml")), ids=lambda path: path.stem)
def test_a_recipe_timed_to_an_accuracy_trains_on_the_whole_training_split(path: Path) -> None:
    recipe = load_recipe(path)
    assert path.stem == f"{recipe.model}.fast"
    assert recipe.data.validation == 0


@pytest.mark.parametrize("model", ["mnist_mlp", "cnn_cifar", "resnet18_cifar", "lstm_text"])
def test_a_case_is_a_recipe_with_the_switches_of_each_contender(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    train = __import__("train")
    case = train.CASES[model]
    for name in {"zoo", *(name for slow, fast, _ in case.targets for name in (slow, fast))}:
        recipe = train.recipe_of(model, case, train.CONTENDERS[name][1])
        if ", " in name:
            assert recipe.train.precision == {"bfloat16": "bf16", "float32": "fp32"}[name.split(", ")[1]]


def test_the_bare_loop_ends_with_the_engines_weights(peers: ModuleType, tmp_path: Path) -> None:
    recipe = parse(
        {
            "model": "mlp",
            "init": "kaiming_normal",
            "data": {"name": "digits", "batch_size": 256},
            "optimizer": {"name": "adamw", "lr": 1e-2},
            "train": {"epochs": 3, "precision": "bf16"},
        }
    )
    job = peers.Job(recipe, prepare(recipe, tmp_path))
    laps = [peers.Laps(), peers.Laps()]
    by_engine, by_hand = peers.zoo(job, laps[0]).state_dict(), peers.bare(job, laps[1]).state_dict()
    for name, tensor in by_engine.items():
        assert torch.equal(by_hand[name], tensor), name
    assert [len(each.seconds(processor=False)) for each in laps] == [2, 2]


def test_torchvision_reads_the_same_numbers_from_pictures(peers: ModuleType) -> None:
    from torchvision import transforms as T

    split = Split(torch.randint(256, (2, 3, 8, 8), dtype=torch.uint8), torch.tensor([3, 1]))
    settings = {"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.4], "maximum": 255.0}
    pictures = peers.Pictures(split, T.Compose([T.ToTensor(), T.Normalize(settings["mean"], settings["std"])]))
    assert isinstance(split.inputs, Tensor)
    torch.testing.assert_close(torch.stack([x for x, _ in pictures]), normalize(split.inputs, settings))
    assert [y for _, y in pictures] == [3, 1]
