"""Data of one's own, from the file to the published weight; and that a file can say all that the zoo's own sets are."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import zoo
from zoo import data
from zoo.data import DataSet, Split
from zoo.recipes import load_recipe

needs_data = pytest.mark.data


def write_rows(path: Path, head: list[str], rows: list[Any]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head, *rows])


def texts(found: DataSet, folder: Path) -> dict[str, Any]:
    """A folder of train.csv and test.csv."""
    for name, part in (("train", found.train), ("test", found.test)):
        rows = [(text, found.labels[target]) for text, target in zip(part.inputs, part.targets.tolist(), strict=True)]
        write_rows(folder / f"{name}.csv", ["text", "label"], rows)
    return {}


def table(found: DataSet, folder: Path) -> dict[str, Any]:
    """One file with a column that says the part of each row."""
    assert found.table is not None
    columns, rows = found.table, []
    for name, part in (("train", found.train), ("test", found.test)):
        for cells, target in zip(part.inputs.tolist(), part.targets.tolist(), strict=True):  # type: ignore[union-attr]
            numbers = ["" if cell != cell else repr(cell) for cell in cells[: len(columns.numbers)]]
            places = zip(cells[len(columns.numbers) :], columns.categories.values(), strict=True)
            words = ["" if cell != cell else known[int(cell)] for cell, known in places]
            # Labels of a file are in the order of their characters, which those of telco_churn are not.
            label = f"{target} {found.labels[target]}" if found.labels else repr(target)
            rows.append([*numbers, *words, label, name])
    write_rows(folder / "rows.csv", [*columns.numbers, *columns.categories, "target", "part"], rows)
    return {
        "columns": {"target": "target", "categories": list(columns.categories)},
        "split": {"by": "column", "column": "part"},
    }


def series(found: DataSet, folder: Path) -> dict[str, Any]:
    """A file for each part, one after the other in time."""
    assert found.validation is not None
    for name, part in (("train", found.train), ("validation", found.validation), ("test", found.test)):
        rows = part.inputs[part.targets].tolist()  # type: ignore[index]
        write_rows(folder / f"{name}.csv", list(found.channels), [[repr(value) for value in row] for row in rows])
    return {}


def tagged(found: DataSet, folder: Path) -> dict[str, Any]:
    """CoNLL-U, whose words are read as they are."""
    for name, part in (("train", found.train), ("test", found.test)):
        blocks = []
        for sentence, tags in zip(part.inputs, part.targets.tolist(), strict=True):
            words = sentence.split("\t")  # type: ignore[union-attr]
            pairs = enumerate(zip(words, tags, strict=False), 1)
            rest = "\t_" * 6
            blocks.append("".join(f"{n}\t{word}\t_\t{found.labels[tag]}{rest}\n" for n, (word, tag) in pairs))
        (folder / f"{name}.conllu").write_text("\n".join(blocks), encoding="utf-8")
    return {}


def characters(found: DataSet, folder: Path) -> dict[str, Any]:
    """Two text files."""
    for name, part in (("train", found.train), ("test", found.test)):
        ids = [*part.inputs.tolist(), int(part.targets[-1])]  # type: ignore[union-attr]
        text = "".join(found.labels[i] for i in ids)
        (folder / f"{name}.txt").write_text(text, encoding="utf-8", newline="")
    return {}


SETS: dict[str, tuple[str, Callable[[DataSet, Path], dict[str, Any]]]] = {
    "trec": ("rnn_text.trec", texts),
    "sst2": ("bilstm_attn.sst2", texts),
    "telco_churn": ("churn_mlp.telco_churn", table),
    "california_housing": ("housing_mlp.california_housing", table),
    "etth1": ("gru_forecast.etth1", series),
    "ud_english_ewt": ("bilstm_tagger.ud_english_ewt", tagged),
    "tinyshakespeare": ("charlstm.tinyshakespeare", characters),
}


def shortened(found: DataSet) -> DataSet:
    """A data set of a few hundred samples, so that its training takes a second."""
    from dataclasses import replace

    from zoo.data import fingerprint

    def short(part: Split, samples: int) -> Split:
        if found.kind == "table":  # with some rows of each category, which the built-in road knows without meeting it
            last: torch.Tensor = part.inputs[:, -1]  # type: ignore[index]
            some = [
                (last == code).nonzero().flatten().tolist()[:3] for code in range(int(last.nan_to_num(0).max()) + 1)
            ]
            return part.take(sorted({*range(samples), *(row for rows in some for row in rows)}))
        if found.kind in ("text", "tagged"):
            return part.take(range(min(samples, len(part))))
        if found.kind == "characters" and part is found.test:
            return Split(part.inputs[: 20 * samples], part.targets[: 20 * samples])
        return part

    parts = short(found.train, 600), short(found.test, 200)
    return replace(found, train=parts[0], test=parts[1], fingerprint=fingerprint.of(*parts))


@needs_data
@pytest.mark.parametrize("name", SETS)
def test_a_file_says_what_a_set_of_the_zoo_is(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole data set, written out, has the tensors of the built-in one; a short training has its bits."""
    recipe, write = SETS[name]
    whole = data.load(name)
    settings = write(whole, tmp_path)
    address = f"file:{tmp_path / 'rows.csv' if write is table else tmp_path}"
    content = load_recipe(recipe, {"data.name": address, "data.columns": settings.get("columns"),
                                   "data.split": settings.get("split")})  # fmt: skip
    from zoo.training import own

    read = own.load(content)
    for mine, theirs in ((read.train, whole.train), (read.test, whole.test)):
        assert torch.equal(mine.targets, theirs.targets)
        if isinstance(theirs.inputs, list):
            assert mine.inputs == theirs.inputs
        else:
            assert torch.equal(mine.inputs.nan_to_num(-1), theirs.inputs.nan_to_num(-1))  # type: ignore[union-attr]
    assert list(read.labels) == list(whole.labels) or name == "telco_churn"


@needs_data
@pytest.mark.parametrize("name", SETS)
def test_it_trains_to_the_bits_of_the_built_in_road(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, write = SETS[name]
    short = shortened(data.load(name))
    folder = tmp_path / "data"
    folder.mkdir()
    settings = write(short, folder)
    real = data.load
    monkeypatch.setattr(data, "load", lambda asked: short if asked == name else real(asked))
    changes: dict[str, Any] = {"train.epochs": None, "train.steps": 4, "data.batch_size": 16, "init_from": None}
    if name in ("etth1", "ud_english_ewt", "tinyshakespeare"):
        changes["model_args.hidden"] = 16  # measuring takes most of the time
    theirs = zoo.train(recipe, changes, out=tmp_path / "theirs", device="cpu")
    mine = {**changes, "data.name": f"file:{folder / 'rows.csv' if write is table else folder}"}
    mine |= {f"data.{key}": value for key, value in settings.items()}
    ours = zoo.train(recipe, mine, out=tmp_path / "ours", device="cpu")
    one, other = (load_file(run.folder / "model.safetensors") for run in (theirs, ours))
    assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
    assert ours.metrics == theirs.metrics


REVIEWS = [(f"a {'fine and lovely' if i % 2 else 'dull and boring'} film, number {i}", "pn"[i % 2]) for i in range(60)]


@pytest.fixture
def reviews(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    path = tmp_path / "private" / "reviews.csv"
    path.parent.mkdir()
    write_rows(path, ["review", "opinion"], REVIEWS)
    return path


QUICK = {"train.epochs": 2, "model_args.hidden": 8, "model_args.embedding_dim": 8, "init_from": None}
COLUMNS = {"data.columns.text": "review", "data.columns.target": "opinion"}


def test_the_whole_way_of_a_file(reviews: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Train, evaluate, publish, and reproduce elsewhere; no path is published."""
    run = zoo.train("bilstm_attn", {**QUICK, **COLUMNS}, data=reviews, out=tmp_path / "run", device="cpu")
    said = capsys.readouterr().err
    assert "48 rows to train on, 12 to test on (0.2 of each class)" in said and "begins from scratch, as asked" in said
    assert "data.batch_size: 8 (48 samples to train on: 6 steps an epoch)" in said
    recipe = run.recipe
    assert recipe.data.name == "file:reviews.csv" and recipe.name == "bilstm_attn.reviews"
    assert recipe.data.columns is not None and recipe.data.columns.text == ["review"]
    assert zoo.evaluate(run) == run.metrics
    name = zoo.publish(run, tmp_path / "published", name="bilstm_attn.mine_v1")
    bundle = tmp_path / "published" / name
    published = b"".join(path.read_bytes() for path in bundle.iterdir() if path.suffix != ".safetensors")
    assert str(tmp_path).encode() not in published and b"private" not in published and b"number 7" not in published
    assert b"number 7" not in (bundle / "model.safetensors").read_bytes()
    assert zoo.verify(bundle).message.startswith("all checks passed")
    moved = tmp_path / "elsewhere" / "theirs.csv"
    moved.parent.mkdir()
    reviews.rename(moved)
    assert "say where it lies with --data PATH" in zoo.verify(bundle).message
    with pytest.raises(zoo.ZooError, match=r"the data file:reviews.csv were not found on this machine"):
        zoo.reproduce(bundle)
    report = zoo.reproduce(bundle, data=moved, device="cpu")
    assert report.identical and report.verdict == "reproduced"
    moved.write_text(moved.read_text().replace("number 7", "number 8"))
    with pytest.raises(zoo.ZooError, match="are not those of the recipe"):
        zoo.reproduce(bundle, data=moved, device="cpu")


def test_a_weight_is_measured_on_anybody_s_labelled_data(reviews: Path, tmp_path: Path) -> None:
    run = zoo.train("bilstm_attn", {**QUICK, **COLUMNS}, data=reviews, out=tmp_path / "run", device="cpu")
    other = tmp_path / "other.csv"
    write_rows(other, ["text", "label"], REVIEWS[:20])
    found = zoo.evaluate(run, data=other, columns={"text": "text", "target": "label"})
    assert found["accuracy"] == pytest.approx(round(found["accuracy"] * 20) / 20)
    frame = {"review": [text for text, _ in REVIEWS[:20]], "opinion": [label for _, label in REVIEWS[:20]]}
    assert zoo.evaluate(run, data=frame) == found
    write_rows(other, ["text", "label"], [("x", "maybe")])
    with pytest.raises(zoo.ZooError, match="label is 'maybe', which is not among"):
        zoo.evaluate(run, data=other, columns={"text": "text", "target": "label"})


def test_a_file_that_changes_between_two_runs(reviews: Path, tmp_path: Path) -> None:
    run = zoo.train("bilstm_attn", {**QUICK, **COLUMNS}, data=reviews, out=tmp_path / "run", device="cpu")
    reviews.write_text(reviews.read_text().replace("lovely", "ugly"))
    with pytest.raises(zoo.ZooError, match="are not those of the recipe"):
        zoo.train(run.folder, data=reviews, out=tmp_path / "again", device="cpu")


def test_a_table_of_few_rows_in_its_own_unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    rows = [(i % 17, ["a", "b"][i % 2], 250_000 + 20_000 * (i % 17) + 5_000 * (i % 2)) for i in range(200)]
    write_rows(tmp_path / "houses.csv", ["rooms", "street", "price"], rows)
    changes = {"data.columns.target": "price", "train.epochs": 15, "train.seed": 1}
    run = zoo.train("housing_mlp", changes, data=tmp_path / "houses.csv", out=tmp_path / "run", device="cpu")
    assert run.recipe.model_args["shift"] > 200_000 and run.metrics["rmse"] < 50_000
    answer = zoo.predictor(run.folder)({"rooms": 3, "street": "c", "price": None})  # a street that training never saw
    assert 100_000 < answer.value < 700_000


@pytest.mark.parametrize(
    "model, given, changes",
    [
        ("mlp", (torch.rand(60, 8, 8), [i % 3 for i in range(60)]), {}),
        ("churn_mlp", (torch.rand(60, 4).numpy(), [i % 2 for i in range(60)]), {}),
        ("rnn_text", ([text for text, _ in REVIEWS], [label for _, label in REVIEWS]), {"init_from": None}),
        ("gru_forecast", torch.arange(400.0).sin().view(200, 2).numpy(), {}),
    ],
)
def test_arrays_are_data_too(
    model: str, given: Any, changes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    run = zoo.train(model, {"train.epochs": 1, **changes}, data=given, out=tmp_path / "run", device="cpu")
    assert run.finished and run.recipe.data.name.startswith("memory:")
    assert zoo.evaluate(run, data=given) is not None


def test_a_recipe_may_be_judged_by_any_metric(reviews: Path, tmp_path: Path) -> None:
    changes = {**QUICK, **COLUMNS, "evaluate.metric": "f1", "data.validation": 0.25, "train.keep_best": True}
    run = zoo.train("bilstm_attn", changes, data=reviews, out=tmp_path / "run", device="cpu")
    assert set(run.metrics) == {"accuracy", "f1"} and "validation_f1" in run.log[0]
    assert zoo.evaluate(run) == run.metrics


def test_a_row_of_weight_two_counts_as_two_rows() -> None:
    from zoo.recipes import parse
    from zoo.training.update import losses

    logits, targets = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 0, 1, 2])
    weights = torch.tensor([2.0, 1.0, 0.0, 1.0, 1.0, 1.0])
    twice = torch.tensor([0, 0, 1, 3, 4, 5])
    content = load_recipe("mlp.digits").content() | {"loss": {"name": "cross_entropy", "class_weight": {"a": 3.0}}}
    recipe, config = parse(content), {"labels": ["a", "b", "c"], "model_args": {}}
    weighed = losses.build(recipe, Split(logits, targets, weights=weights), config)
    weighed.at = torch.arange(6)  # type: ignore[assignment]
    plain = losses.build(recipe, Split(logits, targets), config)
    assert weighed(logits, targets).item() == pytest.approx(plain(logits[twice], targets[twice]).item())


def test_rows_of_weight_zero_teach_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    rows = [(i % 10, "no" if (i % 10 < 5) != (i % 4 == 0) else "yes", float(i % 4 != 0)) for i in range(400)]
    write_rows(tmp_path / "a.csv", ["n", "label", "trust"], rows)
    changes = {"data.columns": {"target": "label", "weight": "trust", "numbers": ["n"]}, "train.epochs": 20}
    run = zoo.train("churn_mlp", changes, data=tmp_path / "a.csv", out=tmp_path / "run", device="cpu")
    assert zoo.predictor(run.folder)({"n": 1}).label == "no" and zoo.predictor(run.folder)({"n": 9}).label == "yes"
    assert run.recipe.data.columns is not None and "trust" not in (run.recipe.data.columns.numbers or [])


def test_classes_may_be_weighed_by_their_label(reviews: Path, tmp_path: Path) -> None:
    changes = {**QUICK, **COLUMNS, "loss.class_weight": {"p": 5.0}, "train.epochs": 1}
    run = zoo.train("bilstm_attn", changes, data=reviews, out=tmp_path / "run", device="cpu")
    assert run.recipe.loss.class_weight == {"p": 5.0}  # type: ignore[union-attr]
    with pytest.raises(zoo.ZooError, match=r"loss.class_weight: unknown label 'q'"):
        zoo.train("bilstm_attn", {**changes, "loss.class_weight": {"q": 5.0}}, data=reviews, out=tmp_path / "b")


def test_the_command(reviews: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from zoo.cli import main

    options = ["--data", str(reviews), "--text", "review", "--target", "opinion", "--from-scratch"]
    settings = ["train.epochs=1", "model_args.hidden=8"]
    assert main(["train", "bilstm_attn", *options, *settings, "--out", str(tmp_path / "run"), "--device", "cpu"]) == 0
    assert main(["evaluate", str(tmp_path / "run"), "--data", str(reviews), "--json"]) == 0
    out = capfd.readouterr().out
    found = json.loads(out[out.index("{") :])
    assert {"accuracy", "balanced_accuracy", "f1", "log_loss"} <= set(found["metrics"])
    assert [row["label"] for row in found["classes"]] == ["n", "p"]
    assert (
        main(["train", "bilstm_attn", "--data", str(reviews), "--target", "opnion", "--out", str(tmp_path / "b")]) == 2
    )
    assert "did you mean opinion?" in capfd.readouterr().err and not (tmp_path / "b").exists()
