"""Plain methods beside a model: what they answer for each kind of data, and the line that says who is better."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import zoo
from zoo import baselines, tasks
from zoo.baselines import Beside
from zoo.data.split import IGNORED, Split
from zoo.kinds import Input
from zoo.tasks import measures


def beside(task: str, settings: dict[str, Any], train: Split, held: Split, labels: list[str], metric: str) -> Beside:
    found = baselines.beside(train, held, Input(settings), labels, tasks.get(task), metric, 0.5)
    assert found is not None and found.rows == len(train) and found.tested == len(held)
    return found


def test_texts() -> None:
    texts = [f"a {'fine' if i % 3 else 'dull'} film, number {i}" for i in range(60)]
    split = Split(texts, torch.tensor([int(i % 3 > 0) for i in range(60)]))
    found = beside("text-classification", {"kind": "text"}, split, split, ["n", "p"], "accuracy")
    assert found.values == {"majority": pytest.approx(2 / 3), "TF-IDF + linear": 1.0}
    likely = beside("text-classification", {"kind": "text"}, split, split, ["n", "p"], "log_loss")
    assert likely.values["majority"] == pytest.approx(-(math.log(2 / 3) * 2 + math.log(1 / 3)) / 3)
    assert 0 < likely.values["TF-IDF + linear"] < 0.2


TABLE = {"kind": "table", "numbers": {"n": {"log": False, "mean": 0.0, "std": 1.0}}, "categories": {"c": ["x", "y"]}}


def rows(count: int = 400) -> Tensor:
    numbers = torch.linspace(-2, 2, count)[torch.randperm(count, generator=torch.Generator().manual_seed(0))]
    table = torch.stack([numbers, torch.arange(count) % 2], 1)
    table[::50] = torch.nan  # blank in both columns
    return table


def test_tables_of_classes_with_blanks() -> None:
    inputs = rows()
    split = Split(inputs, (inputs[:, 0].nan_to_num(0) * (2 * inputs[:, 1].nan_to_num(0) - 1) > 0).long())
    found = beside("tabular-classification", TABLE, split, split, ["a", "b"], "accuracy")
    # A linear model cannot learn a product, and trees can.
    assert found.values["gradient boosting"] > 0.95 > found.values["linear"] + 0.2 and found.best == "gradient boosting"


def test_tables_of_numbers() -> None:
    inputs = rows()
    truth = 3 * inputs[:, 0].nan_to_num(0) + 5 * inputs[:, 1].nan_to_num(0)
    found = beside("regression", TABLE, Split(inputs, truth), Split(inputs, truth), [], "rmse")
    assert found.best == "linear" and found.values["linear"] < 0.1
    assert found.values["the mean"] == pytest.approx((truth - truth.mean()).square().mean().sqrt().item(), rel=1e-4)


def test_rows_have_the_given_weights() -> None:
    inputs, truth = rows(), torch.arange(400) % 4 // 2
    trusted = Split(inputs, truth, weights=(truth == 1).float() + 1e-6)
    found = beside(
        "tabular-classification", TABLE, trusted, Split(inputs, torch.ones(400).long()), ["a", "b"], "accuracy"
    )
    assert found.values["linear"] == found.values["gradient boosting"] == 1.0


def test_series() -> None:
    wave = torch.stack([torch.arange(300.0).mul(0.3).sin(), torch.arange(300.0).mul(0.3).cos() * 9], 1)
    settings = {"kind": "series", "context": 12, "horizon": 4, "channels": ["s", "c"], "mean": [0, 0], "std": [1, 9]}
    train, held = Split(wave[:240], torch.arange(240)), Split(wave, torch.arange(240, 300))
    found = beside("forecasting", settings, train, held, [], "mse")
    assert found.values["linear"] < 0.01 < found.values["last value"]
    # By hand: what each of the four rows ahead differs from the last one seen.
    starts = range(240, 297)
    scaled = wave / torch.tensor([1.0, 9.0])
    errors = torch.cat([scaled[start : start + 4] - scaled[start - 1] for start in starts])
    assert found.values["last value"] == pytest.approx(errors.square().mean().item(), rel=1e-5)


def test_tagged_words() -> None:
    train = Split(["The\tcat\tsat", "a\tcat\tran", "Run\tcat"], torch.tensor([[0, 1, 2], [0, 1, 2], [2, 1, IGNORED]]))
    held = Split(["the\trun\tsat\tdog"], torch.tensor([[0, 2, 2, 1]]))
    found = beside("token-classification", {"kind": "tagged"}, train, held, ["D", "N", "V"], "accuracy")
    # the and run as their small letters; of dog nothing is known, and N and V are equally frequent.
    assert found.values["each word's tag"] == 1.0 and found.values["majority tag"] == 0.25


def test_pictures() -> None:
    images = torch.zeros(80, 3, 40, 48, dtype=torch.uint8)
    truth = torch.arange(80) % 2
    images[truth == 1, :, :20] = 200
    settings = {"kind": "image", "channels": 3, "size": [40, 48], "maximum": 255, "mean": [0.5], "std": [0.25]}
    split = Split(images, truth)
    found = beside("image-classification", settings, split, split, ["low", "high"], "accuracy")
    assert found.values == {"majority": 0.5, "linear on pixels": 1.0}
    near = beside("metric-learning", settings, split, split, [], "recall_at_1")
    assert near.values == {"the pixels": 1.0}


def test_running_text() -> None:
    ids = torch.arange(2001) % 2
    split = Split(ids[:-1].to(torch.uint8), ids[1:])
    settings = {"kind": "characters", "symbols": "ab", "length": 64}
    found = beside("language-modelling", settings, split, split, ["a", "b"], "nats")
    assert found.values["unigram"] == pytest.approx(math.log(2), rel=1e-3) and found.values["bigram"] < 0.01


def test_several_targets_have_none() -> None:
    split = Split(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.zeros(4, 2))
    task = tasks.get("multi-task")
    assert baselines.beside(split, split, Input({"kind": "image"}), [], task, "digit_accuracy", 0.5) is None


@pytest.mark.parametrize("count, most", [(100, None), (100, 100), (100, 30), (5000, 60)])
def test_no_more_rows_than_a_method_may_learn_from(count: int, most: int | None) -> None:
    split = Split([str(i) for i in range(count)], torch.arange(count))
    part = baselines.drawn(split, most)
    assert len(part) == min(count, most or count)
    assert part.inputs == [str(i) for i in sorted(set(map(int, part.inputs)))]  # each once, in their order


@pytest.mark.parametrize(
    "metric, ours, said",
    [
        ("accuracy", 0.7, "the plain baseline is better here: b has accuracy 80.00 %, the model 70.00 % (a 50.00 %)"),
        ("accuracy", 0.9, "the model is better than the plain baselines: accuracy 90.00 %, b 80.00 % (a 50.00 %)"),
        ("accuracy", 0.8, "the model is as good as the plain baselines"),
        ("rmse", 0.4, "the model is better than the plain baselines: rmse 0.4, a 0.5 (b 0.8)"),
        ("rmse", 0.6, "the plain baseline is better here: a has rmse 0.5, the model 0.6 (b 0.8)"),
    ],
)
def test_one_line_says_who_is_better(metric: str, ours: float, said: str) -> None:
    known = measures.find("regression" if metric == "rmse" else "text-classification", metric)
    found = Beside(metric, known, ours, {"a": 0.5, "b": 0.8}, {"a": 100, "b": 40}, 100, 25, 0.1)
    assert said in found.said() and found.ahead == ("plain baseline is better" in said)
    assert found.said().endswith("on the same 25 rows, learned from at least 40 of 100 training rows (0.1 s).")


def test_a_run_on_ones_own_data_has_them_and_one_that_is_done_again_does_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    path = tmp_path / "a.csv"
    path.write_text("n,m,label\n" + "".join(f"{i % 7},{i % 5},{'ab'[i % 7 > 3]}\n" for i in range(80)))
    changes = {"data.columns.target": "label", "train.epochs": 1}
    run = zoo.train("churn_mlp", changes, data=path, out=tmp_path / "run", device="cpu")
    assert "baseline: the " in capsys.readouterr().err
    found = json.loads((run.folder / "metrics.json").read_text())["baselines"]
    assert set(found) == {"majority", "linear", "gradient boosting"}
    assert found["linear"] == {"value": pytest.approx(1.0, abs=0.3), "metric": "roc_auc", "rows": 64}
    name = zoo.publish(run, tmp_path / "published", name="churn_mlp.mine_v1")
    assert "| gradient boosting |" in (tmp_path / "published" / name / "README.md").read_text()
    again = zoo.train(run.folder, data=path, out=tmp_path / "again", device="cpu")
    assert "baselines" not in json.loads((again.folder / "metrics.json").read_text())
    assert again.metrics == run.metrics and "baseline" not in capsys.readouterr().err


def test_what_cannot_be_fitted_costs_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    told: list[str] = []
    monkeypatch.setattr("zoo.streams.say", told.append)
    texts, labels = [" "] * 40, [i % 2 for i in range(40)]  # no word at all
    changes = {"train.epochs": 1, "init_from": None, "data.text.vocab_size": 3}
    run = zoo.train("rnn_text", changes, data=(texts, labels), out=tmp_path / "run", device="cpu")
    assert run.finished and any(line.startswith("no baseline: it cannot be fitted to these data") for line in told)


def test_the_recipe_of_the_weight_that_is_asked_for_is_followed() -> None:
    from zoo.training.fitted import fitted

    given = (["a fine film", "a dull film"] * 20, [1, 0] * 20)
    for name in ("bilstm_attn.imdb_v1", "bilstm_attn.sst2_v1"):
        recipe, _, told = fitted("bilstm_attn", {"init_from": name}, given)
        weight = zoo.load_recipe(name.rpartition("_v")[0])
        assert recipe.model_args == weight.model_args and recipe.init_from == name
        assert f"begins from {name}, as asked." in told
