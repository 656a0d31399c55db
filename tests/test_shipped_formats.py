"""Shipped files as others' clients read them, cards as the Hub reads them, and recipes in both their forms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import zoo
from zoo import golden, sources, tasks
from zoo.bundles.index import read_index
from zoo.construct import in_full
from zoo.publishing.complete import is_classifier
from zoo.recipes import list_recipes, load_recipe, parse
from zoo.recipes.reading import read_yaml
from zoo.sources.folder import PACKAGE

SHIPPED = sorted(read_index(PACKAGE / "index.json"))
CLASSIFIERS = [name for name in SHIPPED if is_classifier(sources.find(PACKAGE / name).config)]


def fresh(weight: str) -> torch.nn.Module:
    config = sources.find(PACKAGE / weight).config
    return in_full(config["model"], config["model_args"])


@pytest.mark.parametrize("client", ["accelerate", "huggingface_hub"])
@pytest.mark.parametrize("weight", SHIPPED)
def test_other_clients_read_the_tensors(weight: str, client: str):
    model, path = fresh(weight), PACKAGE / weight / "model.safetensors"
    if client == "accelerate":
        from accelerate import load_checkpoint_in_model

        load_checkpoint_in_model(model, str(path))
    else:
        from huggingface_hub import load_torch_model

        load_torch_model(model, path)
    read = model.state_dict()
    for name, tensor in zoo.create(PACKAGE / weight).state_dict().items():
        assert torch.equal(read[name].float(), tensor.float()), name


@pytest.mark.parametrize("weight", SHIPPED)
def test_the_golden_input_gets_its_outputs(weight: str):
    bundle = sources.find(PACKAGE / weight)
    golden.check(bundle)
    content = json.loads(bundle.path("golden.json").read_text(encoding="utf-8"))
    answer: Any = zoo.predictor(PACKAGE / weight)(golden.raw(content["input"]))
    assert answer.to_dict(), "a person may give it"


@pytest.mark.parametrize("weight", SHIPPED)
def test_the_hubs_client_reads_the_card(weight: str):
    from huggingface_hub import ModelCard

    bundle = sources.find(PACKAGE / weight)
    card = ModelCard.load(PACKAGE / weight / "README.md")
    about: Any = card.data
    assert about.license == "apache-2.0" and about.library_name == "reprozoo"
    assert about.get("datasets_license") and about.datasets == [bundle.config["data"]]
    if bundle.config["input"]["kind"] in ("text", "tagged", "characters"):
        assert about.language == ["en"]
    task = tasks.get(bundle.config["task"])
    assert about.pipeline_tag == (task.hub or task.name) or not task.pipeline
    results = {result.metric_type: result for result in about.eval_results or []}
    for metric, figures in bundle.metrics["metrics"].items():
        assert results[metric].metric_value == figures["value"]
        assert results[metric].metric_args == {key: figures[key] for key in ("mean", "std", "n", "seeds")}
    for shown in ("pip install reprozoo", f'zoo.predictor("{weight}")', "## Limits", "## What it costs to run"):
        assert shown in card.text
    assert "](curves.png)" in card.text and (PACKAGE / weight / "curves.png").is_file()


@pytest.mark.parametrize("weight", CLASSIFIERS)
def test_a_classifiers_card_says_how_far_its_probabilities_can_be_believed(weight: str):
    bundle = sources.find(PACKAGE / weight)
    found = bundle.metrics["calibration"]
    assert 0 <= found["ece"] < 0.2 and found["nll"] > 0 and found["samples"] > 300
    assert found["temperature"] == bundle.config.get("temperature")
    card = bundle.path("README.md").read_text(encoding="utf-8")
    assert "## Calibration" in card
    if found["temperature"]:
        assert ("On the test split it does not help" in card) == (found["nll"] > found["raw"]["nll"])
    assert (PACKAGE / weight / "confusion.png").is_file()


@pytest.mark.parametrize("weight", SHIPPED)
def test_the_cards_recipe_is_short_and_the_same(weight: str):
    bundle = sources.find(PACKAGE / weight)
    card = bundle.path("README.md").read_text(encoding="utf-8")
    shown = card.partition("## Recipe\n\n```yaml\n")[2].partition("```")[0]
    resolved = load_recipe(bundle.path("recipe.yaml"))
    assert parse(read_yaml(shown)).model_dump() == resolved.model_dump()
    assert shown.count("\n") < bundle.recipe.count("\n") and "tolerance" not in bundle.recipe


@pytest.mark.parametrize("name", list_recipes())
def test_the_short_form_of_a_recipe_resolves_to_it(name: str):
    recipe = load_recipe(name)
    assert parse(read_yaml(recipe.short())).model_dump() == recipe.model_dump()
    assert set(yaml.safe_load(recipe.short())) <= set(recipe.model_dump())


def test_the_index_repeats_what_a_list_shows():
    index = json.loads(Path(PACKAGE / "index.json").read_text(encoding="utf-8"))
    for name, entry in index["weights"].items():
        facts, bundle = entry["list"], sources.find(PACKAGE / name)
        assert facts["mean"] == next(iter(bundle.metrics["metrics"].values()))["mean"]
        assert facts["parameters"] == bundle.config["num_parameters"]
        assert facts["latency_ms"] == bundle.metrics["cost"]["latency_ms"]
        assert facts["bytes"] == sum(file["size"] for file in entry["files"].values())
