"""The model card says what metrics.json says, in Markdown that the Hub reads."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard

from zoo.bundles.format import open_bundle
from zoo.publishing.card import card

RECIPE = "model: mlp\ntrain:\n  seed: 0\nevaluate:\n  metric: accuracy\n  seeds: 5\n"


@pytest.fixture
def content(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    bundle = open_bundle(folder)
    return copy.deepcopy(bundle.config), copy.deepcopy(bundle.metrics)


def test_the_hub_reads_the_front_matter(folder: Path) -> None:
    loaded: Any = ModelCard((folder / "README.md").read_text())
    assert loaded.data.pipeline_tag == "image-classification"
    (result,) = loaded.data.eval_results
    assert (result.metric_type, result.metric_value, result.dataset_name) == ("accuracy", 0.975, "digits")
    assert loaded.data.model_name == "mlp.digits_v1"


def test_it_prints_figure_bytes_data_recipe_and_machine(folder: Path) -> None:
    text = (folder / "README.md").read_text()
    for part in (
        "# mlp.digits_v1",
        "| accuracy | 97.44 % ± 0.12 % | 3 | 97.50 % |",
        "f" * 64,
        "wall time | 75 s for one seed",
        "| cpu | a \\| cpu |",
        "batch_size: 64",
        'zoo.create("mlp.digits_v1")',
        open_bundle(folder).metrics["sha256"],
    ):
        assert part in text, part


def test_a_seed_alone_is_shown_without_a_spread(content: tuple[dict, dict]) -> None:
    config, metrics = content
    metrics["metrics"]["accuracy"] = {"value": 0.95, "mean": 0.95, "std": 0.0, "n": 1, "seeds": [0]}
    text = card(config, metrics, RECIPE)
    assert "| accuracy | 95.00 % | 1 | 95.00 % |" in text
    assert "Only 1 seed was run where the recipe asks for 5, which says nothing of the spread." in text


@pytest.mark.parametrize(
    "recipe",
    [
        RECIPE,
        "model: mlp\nevaluate: {metric: accuracy, seeds: 5}\ntrain: {seeds: 1}\n",
        "evaluate: {metric: accuracy,\n  seeds: 5}\n",
        {"evaluate": {"metric": "accuracy", "seeds": 5}, "train": {"seed": 0}},
    ],
)
def test_fewer_seeds_than_the_recipe_asks_for_are_admitted(recipe: Any, content: tuple[dict, dict]) -> None:
    config, metrics = content
    assert "Only 3 seeds were run where the recipe asks for 5." in card(config, metrics, recipe)
    metrics["metrics"]["accuracy"]["n"] = 5
    assert "Only" not in card(config, metrics, recipe)


@pytest.mark.parametrize(
    ("beside", "verdict"),
    [(0.99, "It loses to TF-IDF."), ({"value": 0.9}, "It beats TF-IDF."), (0.9744, "It ties with TF-IDF.")],
)
def test_it_says_which_of_two_wins(beside: Any, verdict: str, content: tuple[dict, dict]) -> None:
    config, metrics = content
    metrics["baselines"] = {"chance": 0.1, "TF-IDF": beside}
    text = card(config, metrics, RECIPE)
    assert verdict in text and "| chance | 10.00 % |" in text


@pytest.mark.parametrize("metric", ["accuracy", "mse"])
def test_the_first_sentence_names_the_best_baseline_that_wins(content: tuple[dict, dict], metric: str) -> None:
    config, metrics = content
    metrics["metrics"] = {key: {"value": 0.5, "mean": 0.5, "std": 0.1, "n": 5} for key in (metric, "f1")}
    better, best = (0.6, 0.75) if metric == "accuracy" else (0.4, 0.25)
    metrics["baselines"] = {"TF-IDF": better, "trees": {"value": best}, "other": {"value": 0.9, "metric": "f1"}}
    shown = "75.00 % accuracy, this model 50.00 %" if metric == "accuracy" else "0.25 mse, this model 0.5"
    first = card(config, metrics, RECIPE, name="a.b_v1").split("# a.b_v1\n\n")[1]
    assert first.startswith(f"**trees does better on these data: {shown}.** `mlp` for image-classification")
    for lost in ({"TF-IDF": 0.5}, {"other": {"value": 0.9, "metric": "f1"}}, {}):
        metrics["baselines"] = lost
        assert "does better" not in card(config, metrics, RECIPE)


def test_all_that_win_are_named_and_how_they_were_measured(content: tuple[dict, dict]) -> None:
    config, metrics = content
    command = "python benchmarks/text_baseline.py trec"
    metrics["baselines"] = {
        "chance": {"value": 0.1, "command": command},
        "oracle": {"value": 1.0, "command": command},
        "TF-IDF": {"value": 0.99, "command": "zoo evaluate RUN"},
        "twin": 0.9744,
    }
    text = card(config, metrics, RECIPE)
    assert "It loses to oracle and TF-IDF and ties with twin.\n\nMeasured by `" in text
    assert f"Measured by `{command}` and `zoo evaluate RUN`." in text


def test_notes_and_odd_names_survive(content: tuple[dict, dict]) -> None:
    config, metrics = content
    config["data"] = metrics["data"]["name"] = 'di: "gits" # [1'
    config["labels"] = []
    text = card(config, metrics, RECIPE, ["Trained on a Tuesday."], name="mlp.odd_v1")
    front = yaml.safe_load(text.split("---\n")[1])
    assert "datasets" not in front, "the Hub takes no such name"
    assert front["model-index"][0]["results"][0]["dataset"]["name"] == 'di: "gits" # [1'
    assert front["model-index"][0]["name"] == "mlp.odd_v1"
    assert "## Notes\n\n- Trained on a Tuesday." in text


@pytest.mark.parametrize(
    "data, told", [("mnist", ["mnist"]), ("hf:a/b@main", ["a/b"]), ("file:reviews.csv", None), ("imagefolder:x", None)]
)
def test_data_of_one_s_own_are_not_called_the_hub_s(content: tuple[dict, dict], data: str, told: list | None) -> None:
    config, metrics = content
    config["data"] = metrics["data"]["name"] = data
    assert yaml.safe_load(card(config, metrics, RECIPE).split("---\n")[1]).get("datasets") == told


def test_a_run_without_a_name_has_a_card_too(content: tuple[dict, dict]) -> None:
    config, metrics = content
    assert "# mlp on digits" in card(config, metrics, RECIPE)


def test_a_figure_that_is_not_a_share_is_shown_as_it_is(content: tuple[dict, dict]) -> None:
    config, metrics = content
    metrics["metrics"] = {"mse": {"value": 12.3456, "mean": 12.5, "std": 0.25, "n": 5}}
    metrics["baselines"] = {"last value": 14.0}
    text = card(config, metrics, RECIPE)
    assert "| mse | 12.5 ± 0.25 | 5 | 12.35 |" in text and "It beats last value." in text


def test_a_baseline_in_another_metric_stands_in_a_table_of_its_own(content: tuple[dict, dict]) -> None:
    config, metrics = content
    metrics["metrics"]["loss"] = {"value": 0.5, "mean": 0.5, "std": 0.1, "n": 5}
    metrics["baselines"] = {"chance": 0.1, "equal weights": {"metric": "loss", "value": 0.75}}
    text = card(config, metrics, RECIPE)
    assert "| | accuracy |" in text and "| chance | 10.00 % |" in text and "It beats chance." in text
    assert "| | loss |" in text and "| equal weights | 0.75 |" in text and "It beats equal weights." in text


def test_symbols_are_named_white_space_too(content: tuple[dict, dict]) -> None:
    config, metrics = content
    config |= {"task": "language-modelling", "labels": ["\n", " ", *"abcdefghij"]}
    assert r"It knows 12 symbols: '\n', ' ', a, b, c, d, e, f, g, h, …." in card(config, metrics, RECIPE)


EVIL = (
    "<script>alert(1)</script>",
    "![x](http://a.example/track.png)",
    "<img src=http://a.example/track.png>",
    "[see](javascript:alert(1))",
    "[a]: http://a.example",
    "\n# Verified by the zoo\n",
    "\n\n---\n\n# x",
    "x\n===",
    "# x",
    "`<b>`",
    "```\n# x\n```",
    "a | b |\n| --- | --- |",
    "\\<i>\\",
    "\x1b[2J\x7f\x80\x85\u2028\ufffe\ud800",
    "'); import os; ('",
)


@pytest.mark.parametrize("evil", EVIL)
def test_no_word_of_others_becomes_markup_or_a_command(evil: str) -> None:
    from markdown_it import MarkdownIt

    def made(word: str) -> str:
        metrics: dict[str, Any] = {
            **{"split": word, "notes": [word], "license": word, "sha256": word, "seconds": 3.0},
            "metrics": {word: {"value": 0.5, "mean": 0.5, "std": 0.1, "n": 2, "seeds": [0, 1], "values": [0.5, 0.5]}},
            "data": {"name": word, "fingerprint": word, "license": word, "source": word, "language": word},
            "environment": {"cpu": word, word: word},
            "baselines": {word: {"value": 0.9, "metric": word, "command": word}},
            "reports": [{"n": 1, "mean": 0.5, "verdict": word, "hardware": word, "versions": word}],
            "init_from": {"name": word, "sha256": word},
            "cost": {
                **{"shapes": [[1]], "latency_ms": 1.0, "throughput": 1.0, "batch": 1, "multiply_adds": 1},
                **{"memory_mb": 1.0, "processor": word, "torch": word},
            },
        }
        config = {
            **{"model": word, "task": "text-classification", "labels": [word, "b"], "num_parameters": 3},
            "input": {"kind": "text", "max_length": 3, "truncate": word},
        }
        return card(config, metrics, f"# short\nmodel: {word}", [word], name=word)

    text = made(evil)
    text.encode()
    assert not set(text) & set("\x1b\x7f\x80\x85\u2028\ufffe\r")
    front = yaml.safe_load(text.split("\n---\n")[0].removeprefix("---\n"))
    assert front["model-index"][0]["name"] == evil.replace("\ud800", "\ufffd")

    def shape(text: str) -> list[str]:
        """What the page is built of, less its words."""
        body = text.partition("\n---\n")[2]
        tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(body)
        inside = [child for token in tokens for child in token.children or ()]
        assert not [t for t in [*tokens, *inside] if t.type in ("html_block", "html_inline", "image", "link_open")]
        return [token.type for token in tokens]

    assert shape(text) == shape(made("word"))
    assert "import os" not in text.partition("```python")[2].partition("```")[0]
