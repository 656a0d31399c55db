"""The weights that ship with the package: each reaches what was asked of it, and all are small and whole."""

from __future__ import annotations

from operator import ge, le
from pathlib import Path

import pytest

import zoo
from zoo import sources
from zoo.bundles.index import read_index
from zoo.recipes import load_recipe
from zoo.sources.folder import PACKAGE
from zoo.tasks.measures import find

# Weight, metric, and what its mean over the seeds has to be: at least (ge) or at most (le) the bar.
BARS = [
    ("bilstm_attn.imdb_v1", "accuracy", ge, 0.890),
    ("bilstm_attn.sst2_v1", "accuracy", ge, 0.830),
    ("bilstm_tagger.ud_english_ewt_v1", "accuracy", ge, 0.935),
    ("bilstm_text.imdb_v1", "accuracy", ge, 0.885),
    ("charlstm.tinyshakespeare_v1", "nats", le, 1.55),
    ("churn_mlp.telco_churn_v1", "roc_auc", ge, 0.840),
    ("churn_mlp.telco_churn_weighted_v1", "roc_auc", ge, 0.840),
    ("housing_mlp.california_housing_v1", "rmse", le, 0.52),
    ("cnn_cifar.cifar10_v1", "accuracy", ge, 0.90),
    ("cnn_fashion.fashion_mnist_v1", "accuracy", ge, 0.935),
    ("gru_forecast.etth1_v1", "mse", le, 0.40),
    ("gru_text.imdb_v1", "accuracy", ge, 0.880),
    ("lstm_text.imdb_v1", "accuracy", ge, 0.880),
    ("mlp.digits_v1", "accuracy", ge, 0.975),
    ("mlp_bn.fashion_mnist_v1", "accuracy", ge, 0.90),
    ("mnist_embed.mnist_contrastive_v1", "recall_at_1", ge, 0.985),
    ("mnist_embed.mnist_triplet_v1", "recall_at_1", ge, 0.985),
    ("mnist_mlp.mnist_plain_v1", "accuracy", ge, 0.9860),
    ("mnist_mlp.mnist_v1", "accuracy", ge, 0.9930),
    ("mnist_multitask.mnist_tasks_v1", "digit_accuracy", ge, 0.99),
    ("res_mlp.fashion_mnist_v1", "accuracy", ge, 0.90),
    ("resnet18_cifar.cifar10_v1", "accuracy", ge, 0.945),
    ("rnn_text.trec_v1", "accuracy", ge, 0.80),
]
ROOT = Path(__file__).parents[1]
SHIPPED = read_index(PACKAGE / "index.json")


@pytest.mark.parametrize(("weight", "metric", "holds", "bar"), BARS, ids=[row[0] for row in BARS])
def test_a_weight_reaches_its_bar(weight: str, metric: str, holds, bar: float) -> None:
    figures = sources.find(PACKAGE / weight).metrics["metrics"][metric]
    assert holds(figures["mean"], bar), f"{weight}: {metric} is {figures['mean']} on average"


def test_no_weight_ships_without_a_bar() -> None:
    assert set(SHIPPED) <= {row[0] for row in BARS}


def test_the_package_holds_its_weights_whole_and_nothing_else() -> None:
    files = {Path(name) / file for name, entry in SHIPPED.items() for file in entry.files} | {Path("index.json")}
    assert files == {path.relative_to(PACKAGE) for path in PACKAGE.rglob("*") if path.is_file()}
    for name, entry in SHIPPED.items():
        bundle = sources.find(PACKAGE / name)
        for file in entry.files:
            bundle.path(file)  # raises unless its bytes are those of the index


def test_they_take_less_than_45_mib_together() -> None:
    assert sum(path.stat().st_size for path in PACKAGE.rglob("*") if path.is_file()) < 45 * 2**20


def test_the_default_of_each_model_is_one_that_ships() -> None:
    for model in {zoo.info(weight).name for weight in SHIPPED}:
        assert zoo.info(model).default in SHIPPED


@pytest.mark.parametrize("weight", SHIPPED)
def test_a_card_shows_plain_baselines_their_command_and_who_wins(weight: str) -> None:
    """Of every forecasting, tabular and text weight; of the last also those that tag words or write on."""
    bundle = sources.find(PACKAGE / weight)
    task, metrics = bundle.config["task"], bundle.metrics
    beside = metrics.get("baselines") or {}
    kind = bundle.config["input"]["kind"]
    expected = {"series": ("last value", "linear layer"), "table": ("linear model", "gradient boosting")}.get(kind, ())
    assert set(expected) <= set(beside)
    assert beside or kind == "image", f"{task} has no baseline"
    if task == "text-classification":
        assert any(name.startswith("TF-IDF") for name in beside)
    card = bundle.path("README.md").read_text(encoding="utf-8")
    for name, baseline in beside.items():
        script = baseline["command"].split()[1]
        assert script.startswith("benchmarks/") and (ROOT / script).is_file()
        assert f"| {name} | " in card and f"`{baseline['command']}`" in card
        metric = baseline.get("metric", next(iter(metrics["metrics"])))
        mean = metrics["metrics"][metric]["mean"]
        up = find(bundle.config["task"], metric).more_is_better
        worse = mean < baseline["value"] if up else mean > baseline["value"]
        told = [line for line in card.splitlines() if line.startswith(("It loses to ", "It ties with ", "It beats "))]
        assert worse == any(line.startswith("It loses to ") and name in line for line in told), (name, told)


@pytest.mark.parametrize("weight", SHIPPED)
def test_a_run_of_less_than_a_quarter_of_an_hour_has_three_seeds(weight: str) -> None:
    metrics = sources.find(PACKAGE / weight).metrics
    seeds = min(figures["n"] for figures in metrics["metrics"].values())
    alone = any("One seed was trained" in note for note in metrics.get("notes") or [])
    assert seeds >= 3 or (metrics["seconds"] >= 15 * 60 and alone)


def test_learned_task_weights_beat_equal_ones_on_the_sum() -> None:
    metrics = sources.find(PACKAGE / "mnist_multitask.mnist_tasks_v1").metrics
    assert metrics["metrics"]["sum_of_losses"]["mean"] < metrics["baselines"]["equal weights"]["value"]


@pytest.mark.parametrize("weight", SHIPPED)
def test_each_switch_of_a_recipe_was_measured_on_its_card(weight: str) -> None:
    bundle = sources.find(PACKAGE / weight)
    train = load_recipe(bundle.path("recipe.yaml")).train.model_dump()
    switches = ("channels_last", "compile", "matmul_conv", "fast_dropout")
    off = {"precision": "fp32", **dict.fromkeys(switches, False)}
    card = bundle.path("README.md").read_text(encoding="utf-8")
    for switch, value in off.items():
        assert train[switch] == value or f"- With train.{switch}" in card, switch
