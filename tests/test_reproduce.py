"""Evaluate, verify and reproduce, on a small weight that is really trained and published."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import zoo
from zoo import ZooError, data
from zoo._reproduce import _seeds
from zoo.training import Run

NAME = "mlp.digits_v1"
UNVOUCHED = "; no index vouches for the bundle, so only the hash of model.safetensors was checked."


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Two seeds of the recipe mlp.digits, of a few epochs each."""
    folder = tmp_path_factory.mktemp("runs")

    def run(seed: int) -> Run:
        changes: dict[str, Any] = {"train.epochs": 6, "train.seed": seed}
        return zoo.train("mlp.digits", out=folder / f"seed{seed}", device="cpu", **changes)

    return [run(seed) for seed in (0, 1)]


@pytest.fixture(scope="session")
def shelf(runs: list[Run], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source that holds them as one weight."""
    folder = tmp_path_factory.mktemp("shelf")
    assert zoo.publish(runs, folder, name=NAME) == NAME
    return folder


@pytest.fixture
def bundle(shelf: Path, tmp_path: Path) -> Path:
    """A copy of the weight that no index vouches for."""
    return Path(shutil.copytree(shelf / NAME, tmp_path / NAME))


@pytest.fixture
def grown(runs: list[Run], tmp_path: Path) -> Path:
    """A folder in which both seeds have been grown, as `reproduce` leaves it: it reads what is finished there."""
    for seed, run in enumerate(runs):
        shutil.copytree(run.folder, tmp_path / "grown" / f"seed{seed}")
    return tmp_path / "grown"


@pytest.fixture
def doctor(bundle: Path) -> Callable[..., Path]:
    """doctor(FILE, change): rewrite a JSON file of the copy by change(content), and return the copy."""

    def doctor(file: str, change: Callable[[dict[str, Any]], Any]) -> Path:
        content = json.loads((bundle / file).read_text())
        change(content)
        (bundle / file).write_text(json.dumps(content))
        return bundle

    return doctor


def shift(by: float) -> Callable[[dict[str, Any]], None]:
    """Move the published accuracy, consistently."""

    def change(metrics: dict[str, Any]) -> None:
        figures = metrics["metrics"]["accuracy"]
        figures.update(
            value=figures["value"] + by, mean=figures["mean"] + by, values=[value + by for value in figures["values"]]
        )

    return change


# evaluate


def test_evaluate_a_weight_a_folder_and_a_run(shelf: Path, runs: list[Run], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ZOO_SOURCES", str(shelf))
    expected = runs[0].metrics
    assert 0.5 < expected["accuracy"] < 1
    for asked in (NAME, "mlp", shelf / NAME, runs[0], runs[0].folder):
        assert zoo.evaluate(asked, device="cpu") == expected


def test_evaluate_measures_on_the_test_split_even_if_the_run_held_out_another(tmp_path: Path):
    run = zoo.train("mlp.digits", out=tmp_path, device="cpu", **{"train.epochs": 1, "data.validation": 0.2})
    content = json.loads((tmp_path / "metrics.json").read_text())
    assert content["split"] == "validation"
    found = zoo.evaluate(run, device="cpu")["accuracy"]
    count = len(data.load("digits").test)
    assert round(found * count) == pytest.approx(found * count), "a share of the test samples"
    said = "metrics were not measured: this run held out a part of its training data"
    assert zoo.verify(tmp_path).message == said + UNVOUCHED


def test_evaluate_an_unfinished_run(runs: list[Run], tmp_path: Path):
    shutil.copytree(runs[0].folder, tmp_path / "run", ignore=shutil.ignore_patterns("model.safetensors"))
    with pytest.raises(ZooError, match=r"is not finished; finish it with `zoo train … --resume` first\.$"):
        zoo.evaluate(tmp_path / "run")


# verify


def test_verify_a_whole_weight(shelf: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ZOO_SOURCES", str(shelf))
    passed = dict.fromkeys(("hashes", "schema", "parameters", "golden", "metrics"), True)
    for asked, end in ((NAME, "."), (shelf / NAME, "."), (bundle, UNVOUCHED)):
        report = zoo.verify(asked).to_dict()
        assert report == {"weight": NAME, "ok": True, "checks": passed, "message": f"all checks passed{end}"}


def failed(name: str | Path) -> tuple[str, str]:
    """The check that fails, and what is said; those before it must have passed."""
    report = zoo.verify(name)
    assert not report.ok
    *before, (check, passed) = report.checks.items()
    assert not passed and all(ok for _, ok in before)
    return check, report.message


@pytest.mark.parametrize(
    "file", ["model.safetensors", "config.json", "metrics.json", "recipe.yaml", "log.csv", "README.md"]
)
def test_verify_finds_a_flipped_byte_in_any_file(shelf: Path, file: str, tmp_path: Path, monkeypatch):
    root = Path(shutil.copytree(shelf, tmp_path / "shelf"))
    content = bytearray((root / NAME / file).read_bytes())
    content[len(content) // 2] ^= 1
    (root / NAME / file).write_bytes(content)
    monkeypatch.setenv("ZOO_SOURCES", str(root))
    check, message = failed(NAME)
    assert check == "hashes" and file in message


def test_verify_finds_a_flipped_byte_without_an_index(bundle: Path):
    content = bytearray((bundle / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (bundle / "model.safetensors").write_bytes(content)
    assert failed(bundle)[0] == "hashes"


def test_verify_finds_another_parameter_count(doctor):
    bundle = doctor("config.json", lambda config: config.update(num_parameters=config["num_parameters"] + 1))
    check, message = failed(bundle)
    assert check == "parameters" and "parameters, but config.json says" in message


def test_verify_finds_a_wrong_published_metric(doctor):
    check, message = failed(doctor("metrics.json", shift(0.01)))
    assert check == "metrics" and "is published for these bytes (tolerance 0.0001)" in message


def test_verify_allows_more_on_another_platform(doctor):
    assert failed(doctor("metrics.json", shift(5e-4)))[0] == "metrics"
    bundle = doctor("metrics.json", lambda metrics: metrics["environment"].update(cpu="an abacus"))
    assert zoo.verify(bundle).ok
    assert "tolerance 0.001" in failed(doctor("metrics.json", shift(1e-3)))[1]


def test_verify_finds_a_wrong_mean(doctor):
    check, message = failed(doctor("metrics.json", lambda m: m["metrics"]["accuracy"].update(mean=0.999)))
    assert check == "schema" and "the mean of accuracy is not that of its 2 values" in message


def test_verify_finds_another_recipe(bundle: Path):
    text = (bundle / "recipe.yaml").read_text()
    assert "lr: 0.003" in text
    (bundle / "recipe.yaml").write_text(text.replace("lr: 0.003", "lr: 0.004"))
    check, message = failed(bundle)
    assert check == "schema" and "recipe.yaml is not the recipe that metrics.json was measured for" in message


def test_verify_finds_a_file_that_is_not_a_recipe(bundle: Path):
    (bundle / "recipe.yaml").write_text("modle: mlp\n")
    check, message = failed(bundle)
    assert check == "schema" and "unknown key modle" in message


@pytest.mark.parametrize("key", ["metrics", "data", "environment"])
def test_verify_finds_metrics_that_lack_something(doctor, key: str):
    check, message = failed(doctor("metrics.json", lambda metrics: metrics.pop(key)))
    assert check in ("schema", "metrics") and key in message


@pytest.mark.parametrize(
    ("file", "change", "check"),
    [
        ("metrics.json", lambda content: content.update(metrics=[0.9]), "schema"),
        ("metrics.json", lambda content: content.update(environment=None), "schema"),
        ("metrics.json", lambda content: content["metrics"]["accuracy"].update(values=[], n=0), "schema"),
        ("config.json", lambda content: content["input"].update(mean=[0.0] * 7), "schema"),
        ("config.json", lambda content: content.pop("num_parameters"), "schema"),
        ("config.json", lambda content: content.update(schema=True), "schema"),
    ],
)
def test_verify_and_publish_find_what_is_doctored(doctor, tmp_path: Path, file: str, change, check: str):
    bundle = doctor(file, change)
    found, message = failed(bundle)
    assert found == check and file in message and message.endswith(".") and "\n" not in message
    with pytest.raises(ZooError) as error:
        zoo.publish(bundle, tmp_path / "another shelf")
    assert str(error.value) == message
    assert not (tmp_path / "another shelf").exists()


def test_verify_reports_whatever_a_check_raises(bundle: Path, monkeypatch: pytest.MonkeyPatch):
    def broken(name: str) -> bool:
        raise ZeroDivisionError("nothing foresaw it")

    monkeypatch.setattr(data, "at_hand", broken)
    check, message = failed(bundle)
    assert check == "metrics" and str(bundle) in message and "nothing foresaw it" in message


@pytest.mark.parametrize("file", ["model.safetensors", "metrics.json", "log.csv"])
def test_verify_reports_a_missing_file(shelf: Path, tmp_path: Path, file: str, monkeypatch: pytest.MonkeyPatch):
    root = Path(shutil.copytree(shelf, tmp_path / "shelf"))
    (root / NAME / file).unlink()
    monkeypatch.setenv("ZOO_SOURCES", str(root))
    for asked in (NAME, root / NAME):
        report = zoo.verify(asked)
        assert (report.weight, report.ok, report.checks) == (NAME, False, {"hashes": False})
        assert f"has no file {file}" in report.message


def test_verify_and_publish_miss_the_curve(bundle: Path, tmp_path: Path):
    copy = Path(shutil.copytree(bundle, tmp_path / "copy" / NAME))
    (copy / "log.csv").unlink()
    found = zoo.verify(copy)
    assert not found.ok and "has no file log.csv" in found.message
    with pytest.raises(ZooError, match=r"has no file log\.csv"):
        zoo.publish(copy, tmp_path / "shelf")
    assert zoo.create(copy).zoo.name == "mlp"  # type: ignore[union-attr]


def test_verify_misses_a_card_that_the_index_does_not_name(shelf: Path, tmp_path: Path, monkeypatch):
    root = Path(shutil.copytree(shelf, tmp_path / "shelf"))
    index = json.loads((root / "index.json").read_text())
    del index["weights"][NAME]["files"]["README.md"]
    (root / "index.json").write_text(json.dumps(index))
    monkeypatch.setenv("ZOO_SOURCES", str(root))
    found = zoo.verify(NAME)
    assert not found.ok and "README.md" in found.message


def test_an_object_that_is_not_a_name(bundle: Path, tmp_path: Path):
    for call in (zoo.evaluate, zoo.verify, zoo.reproduce, zoo.pull, lambda name: zoo.publish(name, tmp_path)):
        with pytest.raises(ZooError, match=r"^None names no model or weight"):
            call(None)  # type: ignore[arg-type]
    with pytest.raises(
        ZooError, match=r"^None is not a place to publish to; give a folder, hf://OWNER/REPO or s3://BUCKET/PATH\.$"
    ):
        zoo.publish(bundle, None)  # type: ignore[arg-type]
    with pytest.raises(ZooError, match=r"^None is not a recipe; give its name, its path, or a dict of its keys\.$"):
        zoo.train(None, out=tmp_path / "run")  # type: ignore[arg-type]


def test_verify_raises_for_an_unknown_weight_alone(tmp_path: Path):
    for name in ("mlp.digits_v99", tmp_path / "nowhere"):
        with pytest.raises(ZooError):
            zoo.verify(name)


def test_verify_finds_other_data(doctor):
    check, message = failed(doctor("metrics.json", lambda metrics: metrics["data"].update(fingerprint="0" * 64)))
    assert check == "metrics" and "another fingerprint" in message


def test_verify_blames_no_weight_for_data_that_are_damaged(bundle: Path, monkeypatch: pytest.MonkeyPatch):
    def load(name: str) -> data.DataSet:
        raise ZooError("labels is not the published file; fetch it again.")

    monkeypatch.setattr(data, "load", load)
    report = zoo.verify(bundle)
    assert report.ok and list(report.checks) == ["hashes", "schema", "parameters", "golden"]
    assert report.message == "metrics were not measured: labels is not the published file; fetch it again" + UNVOUCHED


def test_verify_without_the_data_makes_the_other_checks(bundle: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(data, "at_hand", lambda name: False)
    report = zoo.verify(bundle)
    assert report.ok and list(report.checks) == ["hashes", "schema", "parameters", "golden"]
    assert (
        report.message
        == "metrics were not measured: digits is not at hand (`zoo data get digits` fetches it)" + UNVOUCHED
    )


# reproduce


def test_reproduce_gives_the_same_bytes_again(shelf: Path, runs: list[Run], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ZOO_SOURCES", str(shelf))
    report = zoo.reproduce(NAME, device="cpu")
    assert report.verdict == "reproduced" and report.identical
    values = [run.metrics["accuracy"] for run in runs]
    mean, std = statistics.fmean(values), statistics.stdev(values)
    assert report.published == {"mean": pytest.approx(mean), "std": pytest.approx(std), "n": 2}
    assert report.measured == {"mean": values[0], "std": 0.0, "values": values[:1], "seeds": [0]}
    assert report.margin == 0.0085 and report.interval is not None and report.more_seeds == 0
    assert report.message.startswith(f"{NAME}: reproduced.") and "bit for bit" in report.message
    assert (report.weight, report.metric) == (NAME, "accuracy") and report.seconds > 0
    assert report.environment["torch"]


def test_reproduce_with_all_seeds_keeps_the_runs_and_goes_on_with_them(bundle: Path, runs: list[Run], tmp_path: Path):
    report = zoo.reproduce(bundle, seeds=2, device="cpu", out=tmp_path / "out")
    values = [run.metrics["accuracy"] for run in runs]
    assert report.measured["values"] == values and report.measured["seeds"] == [0, 1]
    assert report.measured["mean"] == pytest.approx(report.published["mean"])
    assert report.measured["std"] == pytest.approx(report.published["std"])
    assert json.loads((tmp_path / "out" / "reproduce.json").read_text()) == report.to_dict()
    for seed, run in enumerate(runs):
        again = tmp_path / "out" / f"seed{seed}"
        assert (again / "model.safetensors").read_bytes() == (run.folder / "model.safetensors").read_bytes()
    # A second time nothing is trained: the finished runs are read.
    stamps = [path.stat().st_mtime_ns for path in sorted(tmp_path.glob("out/*/model.safetensors"))]
    second = zoo.reproduce(bundle, seeds=2, device="cpu", out=tmp_path / "out")
    assert dataclasses.replace(second, seconds=report.seconds) == report
    assert stamps == [path.stat().st_mtime_ns for path in sorted(tmp_path.glob("out/*/model.safetensors"))]


def test_reproduce_does_not_believe_a_doctored_figure(doctor, grown: Path):
    bundle = doctor("metrics.json", shift(0.05))
    report = zoo.reproduce(bundle, device="cpu", out=grown)
    assert abs(report.measured["mean"] - report.published["mean"]) > report.margin
    assert report.verdict == "not reproduced" and report.identical
    assert "The shipped bytes measure" in report.message


def test_reproduce_takes_mean_and_spread_from_the_values_and_not_as_they_are_claimed(doctor, grown: Path):
    bundle = doctor("metrics.json", lambda metrics: metrics["metrics"]["accuracy"].update(std=5.0, mean=0.2))
    report = zoo.reproduce(bundle, device="cpu", out=grown)
    assert report.verdict == "not reproduced" and "is not that of the published values" in report.message
    assert report.interval is not None and report.interval[1] - report.interval[0] < 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda metrics: metrics["metrics"].update(f1=metrics["metrics"].pop("accuracy")),
            "has no accuracy, the recipe",
        ),
        (lambda metrics: metrics["metrics"]["accuracy"].update(n=50), r"accuracy\.n is 50 where 2, as many as values,"),
        (
            lambda metrics: metrics["metrics"]["accuracy"].update(values=["a", "b"]),
            r"accuracy\.values is \['a', 'b'\] where",
        ),
        (lambda metrics: metrics["data"].update(fingerprint="0" * 64), "digits on this machine is not the data"),
        (lambda metrics: metrics["metrics"]["accuracy"].pop("values"), r"accuracy\.values is None where"),
        (
            lambda metrics: metrics["metrics"]["accuracy"].update(seeds=["a", "b"]),
            r"accuracy\.seeds is \['a', 'b'\] where",
        ),
        (lambda metrics: metrics.update(metrics="none"), "metrics is 'none' where an object"),
    ],
)
def test_reproduce_refuses_wrong_figures(doctor, change, told: str, tmp_path: Path):
    with pytest.raises(ZooError, match=told):
        zoo.reproduce(doctor("metrics.json", change), device="cpu", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def rewrite(bundle: Path, change: Callable[[dict[str, torch.Tensor]], Any], recipe: str) -> None:
    """Give the bundle the changed tensors and that recipe, with the hashes that belong to them."""
    tensors = load_file(bundle / "model.safetensors")
    change(tensors)
    hashed = {"recipe_sha256": hashlib.sha256(recipe.encode()).hexdigest()}
    save_file(tensors, bundle / "model.safetensors", hashed)
    (bundle / "recipe.yaml").write_text(recipe)
    hashed["sha256"] = hashlib.sha256((bundle / "model.safetensors").read_bytes()).hexdigest()
    content = json.loads((bundle / "metrics.json").read_text())
    (bundle / "metrics.json").write_text(json.dumps({**content, **hashed}))


def test_reproduce_compares_the_tensors_and_not_the_recipe_that_their_file_names(bundle: Path):
    """A weight of an older zoo: its recipe lacks a key that has a default now, and so the file's head differs."""
    recipe = (bundle / "recipe.yaml").read_text()
    older = recipe.replace("  matmul_conv: false\n", "")
    assert older != recipe
    before = (bundle / "model.safetensors").read_bytes()
    rewrite(bundle, lambda tensors: None, older)
    assert (bundle / "model.safetensors").read_bytes() != before and zoo.verify(bundle).ok
    assert zoo.reproduce(bundle, device="cpu").identical


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors: tensors["head.bias"][:1].add_(1e-3),
        lambda tensors: tensors.update({"head.bias": tensors["head.bias"].double()}),
    ],
)
def test_reproduce_notices_other_tensors(bundle: Path, grown: Path, change: Callable[[dict[str, torch.Tensor]], Any]):
    rewrite(bundle, change, (bundle / "recipe.yaml").read_text())
    assert not zoo.reproduce(bundle, device="cpu", out=grown).identical


def test_reproduce_refuses_tensors_that_fit_no_model(bundle: Path):
    rewrite(bundle, lambda t: t.update({"head.bia": t.pop("head.bias")}), (bundle / "recipe.yaml").read_text())
    with pytest.raises(ZooError, match=r"do not fit its model \(1 missing: head\.bias"):
        zoo.reproduce(bundle, device="cpu")


def test_reproduce_compares_with_no_damaged_tensors(doctor):
    bundle = doctor("metrics.json", lambda metrics: metrics.update(sha256="0" * 64))
    with pytest.raises(ZooError, match="is damaged or was changed"):
        zoo.reproduce(bundle, device="cpu")


def test_reproduce_uses_no_recipe_that_the_index_does_not_vouch_for(shelf: Path, tmp_path: Path, monkeypatch):
    root = Path(shutil.copytree(shelf, tmp_path / "shelf"))
    with open(root / NAME / "recipe.yaml", "a") as file:
        file.write("# longer\n")
    monkeypatch.setenv("ZOO_SOURCES", str(root))
    with pytest.raises(ZooError, match=r"recipe\.yaml"):
        zoo.reproduce(NAME, device="cpu")


def test_which_seeds():
    assert _seeds([0, 1, 2], 2) == [0, 1]
    assert _seeds([3, 1], 4) == [3, 1, 0, 2]
    assert _seeds([], 2) == [0, 1]
    for count in (0, -1, 1.5, "a"):
        with pytest.raises(ZooError, match=rf"^seeds is {count!r}; give 1 or more\.$"):
            _seeds([0], count)  # type: ignore[arg-type]


# forgeries: no bundle talks itself into *reproduced*


def forge(bundle: Path, values: list[float], seeds: list[int] | None = None, **recipe: Any) -> Path:
    """Claim other values of further seeds, consistently, and another recipe: `verify` finds nothing wrong with it."""
    import yaml

    content = yaml.safe_load((bundle / "recipe.yaml").read_text())
    for key, value in recipe.items():
        section, _, name = key.partition("__")
        if name:
            content[section][name] = value
        else:
            content[section] = value
    text = yaml.safe_dump(content, sort_keys=False)
    (bundle / "recipe.yaml").write_text(text)
    metrics = json.loads((bundle / "metrics.json").read_text())
    metrics["recipe_sha256"] = hashlib.sha256(text.encode()).hexdigest()
    metrics["metrics"]["accuracy"].update(
        value=values[0],
        values=values,
        mean=statistics.fmean(values),
        std=statistics.stdev(values) if len(values) > 1 else 0.0,
        n=len(values),
        seeds=seeds or list(range(len(values))),
    )
    (bundle / "metrics.json").write_text(json.dumps(metrics))
    return bundle


def test_forged_values_of_other_seeds(bundle: Path, runs: list[Run], grown: Path):
    """The claimed spread widened what was accepted."""
    true = runs[0].metrics["accuracy"]
    forge(bundle, [true, 0.9999, 0.9999])
    assert zoo.verify(bundle).ok
    for seeds in (1, 3):
        report = zoo.reproduce(bundle, seeds=seeds, device="cpu", out=grown)
        assert report.verdict != "reproduced" and report.identical
        assert report.more_seeds > 0 or report.verdict == "not reproduced"


@pytest.mark.parametrize("recipe", [{"evaluate__margin": 1.0}, {"evaluate__tolerance": 1.0}])
def test_forged_values_with_a_margin_to_match(bundle: Path, runs: list[Run], recipe: dict[str, Any]):
    forge(bundle, [runs[0].metrics["accuracy"], 0.9999, 0.9999], **recipe)
    assert zoo.verify(bundle).ok
    report = zoo.reproduce(bundle, device="cpu")
    assert report.verdict != "reproduced" and report.margin < 0.025
    assert ("the recipe's margin of 1 is more than" in report.message) == ("evaluate__margin" in recipe)


@pytest.mark.parametrize("rate", [1e-30, 1e-6])
def test_a_forged_recipe_that_begins_from_its_own_result(bundle: Path, runs: list[Run], tmp_path: Path, rate: float):
    """At the one rate the tensors come out again bit for bit, at the other only the figure does."""
    grown = Path(shutil.copytree(runs[0].folder, tmp_path / "grown"))
    forge(bundle, [runs[0].metrics["accuracy"]], init_from=str(grown), train__epochs=1, optimizer__lr=rate)
    with pytest.raises(zoo.ZooError, match="begins from a place that it names itself"):
        zoo.reproduce(bundle, device="cpu")
    report = zoo.reproduce(bundle, device="cpu", trust=True)
    assert report.verdict == "not reproduced" and report.begins_from == str(grown)
    assert "the recipe begins from its own result" in report.message and f"It begins from {grown}" in report.message


def test_a_forged_crowd_of_equal_values(bundle: Path, runs: list[Run], grown: Path):
    """A hundred claimed seeds without a spread leave the interval no narrower than the test set allows."""
    true = runs[0].metrics["accuracy"]
    forge(bundle, [true, *[true + 0.02] * 99])
    assert zoo.verify(bundle).ok
    assert zoo.reproduce(bundle, device="cpu", out=grown).verdict != "reproduced"


def test_forged_bytes_that_are_better_than_their_recipe(bundle: Path, grown: Path, tmp_path: Path):
    """Tensors of a longer training under the recipe of the short one, with the figure that they really have."""
    changes: dict[str, Any] = {"train.epochs": 20}
    longer = zoo.train("mlp.digits", out=tmp_path / "longer", device="cpu", **changes)
    shutil.copy(longer.folder / "model.safetensors", bundle / "model.safetensors")
    metrics = json.loads((bundle / "metrics.json").read_text())
    metrics["sha256"] = hashlib.sha256((bundle / "model.safetensors").read_bytes()).hexdigest()
    (bundle / "metrics.json").write_text(json.dumps(metrics))
    forge(bundle, [longer.metrics["accuracy"]])
    assert failed(bundle)[0] == "golden", "other bytes do not give the published outputs"
    (bundle / "golden.json").unlink()
    assert zoo.verify(bundle).ok
    assert zoo.reproduce(bundle, device="cpu", out=grown).verdict != "reproduced"
    report = zoo.reproduce(bundle, seeds=4, device="cpu", out=grown)
    assert report.verdict == "not reproduced" and "It is worse by more than that." in report.message


# one look and several


def nearly(bundle: Path) -> Path:
    """Other tensors with the same figure, as another platform gives them."""
    rewrite(bundle, lambda tensors: tensors["head.bias"].add_(1e-6), (bundle / "recipe.yaml").read_text())
    return bundle


def test_until_decided_stops_at_once_for_the_same_tensors(bundle: Path, grown: Path):
    report = zoo.reproduce(bundle, until_decided=True, device="cpu", out=grown)
    assert report.verdict == "reproduced" and len(report.measured["values"]) == 1


def test_until_decided_goes_on_to_as_many_seeds_as_were_published(bundle: Path, grown: Path):
    report = zoo.reproduce(nearly(bundle), until_decided=True, device="cpu", out=grown)
    assert not report.identical and report.measured["seeds"] == [0, 1]
    assert report.level == pytest.approx(1 - 0.05 * 3 / 4)
    assert report.verdict == "undecided" and report.more_seeds > 0 and "would probably decide it" in report.message


def test_until_decided_begins_no_seed_after_its_minutes(bundle: Path):
    report = zoo.reproduce(nearly(bundle), until_decided=True, minutes=1e-6, device="cpu")
    assert len(report.measured["values"]) == 1 and report.level == pytest.approx(1 - 0.05 / 4)
    with pytest.raises(ZooError, match="minutes is 0; give a number above 0"):
        zoo.reproduce(bundle, until_decided=True, minutes=0, device="cpu")
