"""Finding models and weights by pattern, task, data set, and whether there is a weight."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import zoo
from zoo import registry
from zoo.bundles.index import entry_of, write_index


@pytest.fixture
def source(image_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index of three weights; the files of the first are there."""
    entry = entry_of(image_bundle, "mlp.tiny_v1", True)
    root = tmp_path / "source"
    root.mkdir()
    (root / "mlp.tiny_v1").symlink_to(image_bundle, target_is_directory=True)
    names = ["mlp.tiny_v10", "mlp.tiny_v2", "mlp.tiny_v1", "bilstm_attn.imdb_big_v1"]
    write_index(root / "index.json", {n: type(entry)(n, n == "mlp.tiny_v1", entry.files) for n in names})
    monkeypatch.setenv("ZOO_SOURCES", str(root))
    return root


def test_patterns_are_globs_and_numbers_sort_as_numbers(
    own_models: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("net101", "net18", "net9"):
        model = registry.Model(name, lambda: None, "regression", "default", "", "", (1,))
        own_models(model)
    assert zoo.list_models("net*") == ["net9", "net18", "net101"]
    assert zoo.list_models("net?") == ["net9"]
    assert zoo.list_models(task="regression", pattern="*1*") == ["net18", "net101"]
    assert zoo.list_models("nothing") == []


def test_models_by_task() -> None:
    assert "bilstm_attn" in zoo.list_models(task="text-classification")
    assert "bilstm_attn" not in zoo.list_models(task="image-classification")
    assert set(zoo.list_models()) == set(registry.names())


def test_models_by_weight(source: Path) -> None:
    with_weight = zoo.list_models(pretrained=True)
    assert {"mlp", "bilstm_attn"} <= set(with_weight)
    assert sorted(with_weight + zoo.list_models(pretrained=False)) == sorted(registry.names())
    assert zoo.list_models("resnet*", dataset="tiny") == []
    assert zoo.list_models(dataset="tiny") == ["mlp"]
    assert "bilstm_attn" in zoo.list_models(dataset="imdb")
    with pytest.raises(zoo.ZooError, match="unknown data set 'tin'"):
        zoo.list_models(dataset="tin")


def test_weights_in_natural_order(source: Path) -> None:
    assert zoo.list_weights("mlp.tiny*") == ["mlp.tiny_v1", "mlp.tiny_v2", "mlp.tiny_v10"]
    assert "bilstm_attn.imdb_big_v1" in zoo.list_weights()


def test_info_of_a_model(source: Path) -> None:
    info = zoo.info("mlp")
    assert (info.name, info.task, info.init, info.weight) == ("mlp", "image-classification", "kaiming_normal", None)
    assert info.num_parameters == sum(p.numel() for p in zoo.create("mlp").parameters())
    assert {"mlp.tiny_v1", "mlp.tiny_v2", "mlp.tiny_v10"} <= set(info.weights)
    assert info.default == "mlp.tiny_v1"


@pytest.mark.parametrize("by_path", [False, True])
def test_info_of_a_weight(by_path: bool, source: Path) -> None:
    info = zoo.info(source / "mlp.tiny_v1" if by_path else "mlp.tiny_v1")
    assert (info.name, info.weight, info.data, info.num_parameters) == ("mlp", "mlp.tiny_v1", "digits", 650)
    assert info.labels[0] == "pixel 0" and info.figures["accuracy"]["n"] == 2
    assert info.metrics == {"accuracy": info.figures["accuracy"]["value"]}
    assert info.files["model.safetensors"] > 2600
    assert json.loads(json.dumps(info.to_dict()))["input_shape"] == [1, 8, 8]


@pytest.mark.parametrize("weight", zoo.list_weights())
def test_info_of_a_weight_describes_what_that_weight_takes(weight: str) -> None:
    import torch

    info = zoo.info(weight)
    inputs = eval(f"({info.example},)", {"torch": torch})
    with torch.inference_mode():
        zoo.create(weight)(*inputs)
    settings = info.input
    shapes = {
        "image": lambda: (settings["channels"], *settings["size"]),
        "series": lambda: (settings["context"], len(settings["channels"])),
        "text": lambda: (settings["max_length"],),
        "characters": lambda: (settings["length"],),
        "table": lambda: (sum(part.shape[1] for part in inputs),),
        "tagged": lambda: registry.get(info.name).input_shape,  # a sentence is as long as it is
    }
    assert info.input_shape == shapes[settings["kind"]]()


def test_what_is_known_of_a_model_can_be_in_a_set() -> None:
    assert len({zoo.info("mlp"), zoo.info("mlp"), zoo.info("mlp.digits_v1")}) == 2


def test_patterns_may_be_several_or_none() -> None:
    assert zoo.list_models(None) == zoo.list_models() == registry.names()
    assert zoo.list_models(["lstm*", "gru_t*"]) == ["gru_text", "lstm_text"]
    assert zoo.list_models(("mlp", "m?p", "mlp")) == ["mlp"]
    assert zoo.list_models([]) == []
    assert zoo.list_weights(["mlp.*", "rnn*"]) == ["mlp.digits_v1", "rnn_text.trec_v1"]


@pytest.mark.parametrize(
    ("filters", "told"),
    [
        ({"task": "text"}, "unknown task 'text'; did you mean text-classification"),
        ({"task": "image_classification"}, "did you mean image-classification"),
        ({"dataset": "MNIST"}, "unknown data set 'MNIST'; did you mean mnist"),
        ({"dataset": "cifar-10"}, "did you mean cifar10"),
        ({"pattern": 3}, "3 is not a pattern"),
        ({"pattern": ["mlp", None]}, "is not a pattern"),
    ],
)
def test_a_filter_that_nothing_is_called_is_an_error(filters: dict[str, Any], told: str) -> None:
    with pytest.raises(zoo.ZooError, match=told):
        zoo.list_models(**filters)


def test_info_draws_no_random_number() -> None:
    import torch

    state = torch.get_rng_state()
    zoo.info("resnet18")
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("resnet81", "unknown model 'resnet81'; did you mean resnet18"),
        ("tiny_v10", "unknown model 'tiny_v10'; did you mean mlp.tiny_v10"),
        ("mlp_tiny_v2", "unknown model 'mlp_tiny_v2'; did you mean mlp.tiny_v2"),
        (None, "None names no model or weight"),
        ("mlp.tinny_v1", "unknown weight 'mlp.tinny_v1'; did you mean mlp.tiny_v1"),
        ("./nothing", "nothing"),
    ],
)
def test_info_of_what_is_not_there(name: Any, told: str, source: Path) -> None:
    with pytest.raises(zoo.ZooError, match=told):
        zoo.info(name)


@pytest.mark.parametrize("name", ["half_done", "./half_done", "half.done"])
def test_info_of_an_unfinished_run_says_so(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir()
    (tmp_path / name / "recipe.yaml").write_text("model: mlp\n")
    with pytest.raises(zoo.ZooError, match=r"the run in .* is not finished; finish it with `zoo train"):
        zoo.info(name)
