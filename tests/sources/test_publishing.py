"""From runs to weights in a folder: names, figures over seeds, and what is refused."""

from __future__ import annotations

import hashlib
import json
import math
import os
import subprocess
from pathlib import Path
from statistics import stdev
from types import SimpleNamespace

import pytest
import yaml
from forked import python

from zoo import pull
from zoo.bundles.index import entry_of, read_index
from zoo.errors import ZooError
from zoo.publishing import publish
from zoo.sources import find

ROOT = Path(__file__).parents[2]


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def change(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_run_becomes_the_next_version_of_its_recipe(make_run, tmp_path: Path):
    shelf = tmp_path / "new" / "shelf"
    run = make_run("first")
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "last.pt").write_bytes(b"not for shipping")
    assert publish(run, shelf) == "mlp.digits_v1"
    assert (
        publish(SimpleNamespace(folder=make_run("second", seed=1)), str(shelf)) == "mlp.digits_v2"
    )  # what train returns
    index = read_index(shelf / "index.json")
    assert {name: entry.default for name, entry in index.items()} == {"mlp.digits_v1": True, "mlp.digits_v2": False}
    assert index["mlp.digits_v1"] == entry_of(shelf / "mlp.digits_v1", "mlp.digits_v1", True)
    assert set(content(shelf)) == {"index.json"} | {
        f"{weight}/{file}"
        for weight in index
        for file in (
            "config.json",
            "golden.json",
            "log.csv",
            "metrics.json",
            "model.safetensors",
            "README.md",
            "recipe.yaml",
        )
    }
    card = (shelf / "mlp.digits_v2" / "README.md").read_text()
    assert yaml.safe_load(card.split("---\n")[1])["model-index"][0]["name"] == "mlp.digits_v2"
    bundle = find(shelf / "mlp.digits_v1")
    assert bundle.tensors.read_bytes() == (run / "model.safetensors").read_bytes()
    trained = json.loads((run / "metrics.json").read_text())
    assert {key: bundle.metrics[key] for key in trained if key != "data"} == {
        key: value for key, value in trained.items() if key != "data"
    }
    assert trained["data"].items() <= bundle.metrics["data"].items() and bundle.metrics["cost"]["latency_ms"] > 0


def test_the_same_run_again_changes_nothing(make_run, tmp_path: Path):
    publish(make_run("first"), tmp_path / "shelf")
    publish(make_run("second", seed=1), tmp_path / "shelf")
    before = content(tmp_path / "shelf")
    assert publish(make_run("second again", seed=1), tmp_path / "shelf") == "mlp.digits_v2"
    assert publish(tmp_path / "first", tmp_path / "shelf", name="mlp.digits_v1") == "mlp.digits_v1"
    assert content(tmp_path / "shelf") == before


@pytest.mark.parametrize("recorded", ["mlp.digits", "digits"])
def test_changed_settings_do_not_go_by_the_name_of_the_zoos_recipe(make_run, tmp_path: Path, recorded: str):
    run, shelf = make_run(lr=0.5, seed=3), tmp_path / "shelf"
    change(run / "config.json", recipe=recorded)
    with pytest.raises(ZooError) as error:
        publish(run, shelf)
    assert str(error.value) == (
        f"{run} is not the zoo's recipe mlp.digits: it has optimizer.lr 0.5 instead of 0.003; "
        "give it a name of its own with --name mlp.<tag>_v<N> (name= in Python)."
    )
    assert not list(tmp_path.glob("shelf/*"))
    assert publish(run, shelf, name="mlp.fast_v1") == "mlp.fast_v1"
    assert publish(run, shelf, name="mlp.digits_v7") == "mlp.digits_v7"  # an explicit name is accepted


def test_a_recipe_that_is_not_the_zoos_names_its_runs(make_run, tmp_path: Path):
    run = make_run(lr=0.5)
    change(run / "config.json", recipe="mlp.mine")
    assert publish(run, tmp_path / "shelf") == "mlp.mine_v1"


def test_a_recipe_written_before_a_setting_had_its_default_is_still_the_zoos(make_run, tmp_path: Path):
    run = make_run(seed=4)
    older = (run / "recipe.yaml").read_text().replace("  matmul_conv: false\n", "")
    (run / "recipe.yaml").write_text(older)
    change(run / "metrics.json", recipe_sha256=hashlib.sha256(older.encode()).hexdigest())
    assert publish(run, tmp_path / "shelf") == "mlp.digits_v1"


def test_the_bytes_of_a_weight_never_change(make_run, tmp_path: Path):
    publish(make_run("first"), tmp_path / "shelf")
    before = content(tmp_path / "shelf")
    with pytest.raises(
        ZooError, match=r"mlp\.digits_v1 is already published with other bytes.*, such as mlp\.digits_v2\.$"
    ):
        publish(make_run("second", seed=1), tmp_path / "shelf", name="mlp.digits_v1")
    assert content(tmp_path / "shelf") == before


def test_what_lies_there_without_an_entry_is_left_and_does_not_block(make_run, tmp_path: Path):
    """As a publisher that was killed between the folder and the index leaves it."""
    publish(make_run("first"), tmp_path / "shelf")
    (tmp_path / "shelf" / "mlp.digits_v2").mkdir()
    (tmp_path / "shelf" / ".publishing-0123").mkdir()
    with pytest.raises(ZooError, match=r"something else under mlp\.digits_v2, which no index lists; remove it"):
        publish(make_run("second", seed=1), tmp_path / "shelf", name="mlp.digits_v2")
    assert publish(tmp_path / "second", tmp_path / "shelf") == "mlp.digits_v3"
    assert sorted(os.listdir(tmp_path / "shelf")) == ["index.json", "mlp.digits_v1", "mlp.digits_v2", "mlp.digits_v3"]


def test_several_seeds_become_mean_and_spread(make_run, tmp_path: Path):
    values = [0.97, 0.99, 0.98]
    runs = [make_run(f"seed {seed}", seed=seed, value=value) for seed, value in enumerate(values)]
    assert publish(runs, tmp_path / "shelf") == "mlp.digits_v1"
    bundle = find(tmp_path / "shelf" / "mlp.digits_v1")
    figures = bundle.metrics["metrics"]["accuracy"]
    assert figures["value"] == 0.97  # of the bytes that are shipped, the first run's
    assert (figures["n"], figures["seeds"], figures["values"]) == (3, [0, 1, 2], values)
    assert figures["mean"] == pytest.approx(0.98, abs=1e-12)
    assert figures["std"] == pytest.approx(0.01, abs=1e-12) == stdev(values)
    assert bundle.tensors.read_bytes() == (runs[0] / "model.safetensors").read_bytes()
    assert bundle.recipe == (runs[0] / "recipe.yaml").read_text()
    assert "98.00 % ± 1.00 %" in (bundle.folder / "README.md").read_text()


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"seed": 1, "lr": 0.5}, r"differ in recipe\.optimizer\.lr \(0\.003 and 0\.5\)"),
        ({"seed": 1, "size": 32}, r"differ in config\.model_args\.in_features \(64 and 32\)"),
        ({"seed": 0}, "the seeds 0, 0; give each seed once"),
    ],
)
def test_runs_that_do_not_belong_together_are_refused(make_run, tmp_path: Path, other: dict, message: str):
    with pytest.raises(ZooError, match=message):
        publish([make_run("one"), make_run("other", **other)], tmp_path / "shelf")
    assert not (tmp_path / "shelf").exists()


def test_a_refused_name_leaves_no_folder(make_run, tmp_path: Path):
    with pytest.raises(ZooError):
        publish(make_run(), tmp_path / "new" / "folder", name="no version")
    assert not (tmp_path / "new").exists()


def test_runs_on_other_data_are_refused(make_run, tmp_path: Path):
    runs = [make_run("one"), make_run("other", seed=1)]
    change(runs[1] / "metrics.json", data={"name": "digits", "fingerprint": "1" * 64})
    with pytest.raises(ZooError, match=r"differ in data\.fingerprint"):
        publish(runs, tmp_path / "shelf")


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        (
            "metrics.json",
            {"split": "validation"},
            r"measured on 'validation', not on 'test'; train it with data\.validation=0",
        ),
        ("metrics.json", {"metrics": {}}, r"metrics\.json: metrics is {} where at least one metric is expected"),
        ("metrics.json", {"metrics": {"accuracy": {}}}, r"accuracy\.value is None where a number is expected"),
        ("metrics.json", {"seconds": math.nan}, r"metrics\.json is not JSON \(NaN"),
        ("config.json", {"labels": ["only one"]}, r"config\.json: labels is .* one for each of 10 outputs"),
        ("config.json", {"task": "text-classification"}, r"config\.json: task is 'text-classification'"),
        ("config.json", {"num_parameters": 7}, "the model has 650 parameters, but config.json says 7"),
        ("metrics.json", {"sha256": "0" * 64}, "is damaged or was changed"),
        ("config.json", {"recipe": "two words"}, r"'mlp\.two words_v1' cannot be the name"),
        ("model.safetensors", None, "is not finished"),
        ("config.json", None, r"has no file config\.json"),
        ("config.json", {"model": "mnist_mlp"}, "config.json is for mnist_mlp, but recipe.yaml for mlp; publish"),
    ],
)
def test_a_run_that_is_not_fit_is_refused(make_run, tmp_path: Path, file: str, changes: dict | None, message: str):
    run = make_run()
    if changes is None:
        (run / file).unlink()
    else:
        change(run / file, **changes)
    with pytest.raises(ZooError, match=message):
        publish(run, tmp_path / "shelf")
    assert not list(tmp_path.glob("shelf/*"))


@pytest.mark.parametrize("name", ["rnn.digits_v1", "mlp", "mlp.digits", "../mlp.digits_v1", "mlp.digits_v1/x", ""])
def test_a_name_must_be_one_of_a_weight_of_the_model(make_run, tmp_path: Path, name: str):
    if not name:  # none is given
        assert publish(make_run(), tmp_path / "shelf", name=name) == "mlp.digits_v1"
        return
    with pytest.raises(ZooError, match=r"mlp\.<tag>_v<N>"):
        publish(make_run(), tmp_path / "shelf", name=name)
    assert not list(tmp_path.glob("shelf/*"))


@pytest.mark.parametrize(
    ("baseline", "message"),
    [
        ({"value": math.nan}, "the value of 'a line' is nan; give a finite number"),
        ({"value": "0.9"}, "the value of 'a line' is '0.9'; give a finite number"),
        ({"value": True}, "the value of 'a line' is True; give a finite number"),
        ({"value": 0.9, "C": math.inf}, "cannot be written as JSON"),
        (
            {"value": 0.9, "metric": "f1"},
            "'a line' is measured in 'f1', but the run in accuracy; measure the baseline in one of these",
        ),
    ],
)
@pytest.mark.parametrize("in_a_file", [False, True])
def test_a_baseline_is_a_finite_number_in_a_metric_of_the_run(
    make_run, tmp_path: Path, baseline: dict, message: str, in_a_file: bool
):
    given = {"a line": baseline}
    (tmp_path / "baselines.json").write_text(json.dumps(given))
    with pytest.raises(ZooError, match=message):
        publish(make_run(), tmp_path / "shelf", baselines=tmp_path / "baselines.json" if in_a_file else given)
    assert not (tmp_path / "shelf").exists()


def test_a_destination_that_cannot_be_one_is_named(make_run, tmp_path: Path):
    run = make_run()
    with pytest.raises(ZooError, match="give a folder, hf://OWNER/REPO or a bucket"):
        publish(run, "https://example.org/zoo")
    with pytest.raises(ZooError, match="hf://OWNER/REPO"):
        publish(run, "hf://someone")
    (tmp_path / "a file").write_text("")
    with pytest.raises(ZooError, match="cannot be written"):
        publish(run, tmp_path / "a file")
    with pytest.raises(ZooError, match="nothing to publish"):
        publish([], tmp_path / "shelf")


def test_a_bundle_keeps_its_name_and_its_bytes(make_run, tmp_path: Path):
    publish(make_run(), tmp_path / "shelf", name="mlp.mine_v4")
    assert publish(tmp_path / "shelf" / "mlp.mine_v4", tmp_path / "second") == "mlp.mine_v4"
    copy = pull(tmp_path / "shelf" / "mlp.mine_v4", to=tmp_path / "loose")
    assert publish(copy, tmp_path / "third") == "mlp.mine_v4"
    assert content(tmp_path / "shelf") == content(tmp_path / "second") == content(tmp_path / "third")


def test_under_another_name_a_bundle_gets_another_card(make_run, tmp_path: Path):
    shelf = tmp_path / "shelf"
    publish(make_run(), shelf)
    assert publish(shelf / "mlp.digits_v1", shelf, name="mlp.mine_v1") == "mlp.mine_v1"
    ours, theirs = content(shelf / "mlp.mine_v1"), content(shelf / "mlp.digits_v1")
    assert ours.pop("README.md") == theirs.pop("README.md").replace(b"mlp.digits_v1", b"mlp.mine_v1")
    assert ours == theirs


def test_a_half_published_weight_is_taken_up(make_run, tmp_path: Path):
    """A process killed between the folder and the index leaves a folder without a name; the next one gives it."""
    shelf, run = tmp_path / "shelf", make_run()
    publish(run, shelf)
    (shelf / "index.json").unlink()
    assert publish(run, shelf) == "mlp.digits_v1"
    assert find(shelf / "mlp.digits_v1").entry is not None


def test_an_index_that_is_broken_is_not_overwritten(make_run, tmp_path: Path):
    (tmp_path / "index.json").write_text("{")
    with pytest.raises(ZooError, match="is not JSON"):
        publish(make_run(), tmp_path)
    assert (tmp_path / "index.json").read_text() == "{"


def test_a_full_disk_never_leaves_half_of_a_weight(make_run, small_disk: Path):
    """One page of memory more at a time, so that each file in turn is the one for which there is no room."""
    shelf, filler, page = small_disk / "shelf", small_disk / "filler", 4096
    shelf.mkdir()
    filler.write_bytes(bytes(1 << 20))
    for seed, name in enumerate(["mlp.digits_v1", "mlp.digits_v2"]):
        run, before, refusals = make_run(name, seed=seed), content(shelf), []
        while name not in os.listdir(shelf):
            try:
                assert publish(run, shelf) == name
            except ZooError as error:
                refusals.append(str(error))
                assert content(shelf) == before and not list(shelf.glob(f"*{name}*"))
                os.truncate(filler, filler.stat().st_size - page)
        assert all("No space left on device" in refusal for refusal in refusals)
        assert refusals[0].startswith(f"{shelf / name} cannot be written"), "the bundle did not fit"
        assert refusals[-1].startswith(f"{shelf} cannot be written"), "the bundle did, and the index did not"
        assert find(shelf / name).entry == read_index(shelf / "index.json")[name]


def test_eight_processes_publish_at_once_and_none_is_lost(make_run, tmp_path: Path):
    runs = [make_run(f"run {seed}", seed=seed) for seed in range(8)]
    script = "import sys; from zoo.publishing import publish; print(publish(sys.argv[1], sys.argv[2]))"
    all_of_them = [
        subprocess.Popen(
            [*python(), "-c", script, str(run), str(tmp_path / "shelf")],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for run in runs
    ]
    names = sorted(process.communicate(timeout=300)[0].strip() for process in all_of_them)
    assert names == [f"mlp.digits_v{version}" for version in range(1, 9)]
    index = read_index(tmp_path / "shelf" / "index.json")
    assert sorted(index) == names
    assert sum(entry.default for entry in index.values()) == 1
    assert {entry.files["model.safetensors"].sha256 for entry in index.values()} == {
        json.loads((run / "metrics.json").read_text())["sha256"] for run in runs
    }


def test_the_package_is_read_with_torch_and_safetensors_alone(make_run, tmp_path: Path):
    """As on a machine with nothing but torch and safetensors: importing anything else fails."""
    publish(make_run(), tmp_path / "shelf")
    script = """
import sys
from pathlib import Path

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("filelock", "huggingface_hub", "requests", "yaml", "numpy", "pydantic", "httpx2"):
            raise ModuleNotFoundError(f"{name} is not installed")

sys.meta_path.insert(0, Absent())
from zoo.sources import find, finding
finding.PACKAGE = Path(sys.argv[1])
print(find("mlp").tensors)
"""
    process = subprocess.run([*python(), "-c", script, tmp_path / "shelf"], cwd=ROOT, capture_output=True, text=True)
    assert process.stdout.strip() == str(tmp_path / "shelf" / "mlp.digits_v1" / "model.safetensors"), process.stderr


def test_a_note_is_on_the_card(make_run, tmp_path: Path):
    publish(make_run(), tmp_path / "shelf", notes=["One seed, on two cores."])
    folder = tmp_path / "shelf" / "mlp.digits_v1"
    assert "## Notes\n\n- One seed, on two cores.\n" in (folder / "README.md").read_text(encoding="utf-8")
    assert json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["notes"] == ["One seed, on two cores."]


PLACES = ("/home/someone/first", "../first", "~/first", "first.safetensors", "runs/first", r"C:\runs\first")


@pytest.mark.parametrize("begins", PLACES)
def test_a_run_that_begins_from_a_place_on_this_machine_is_not_published(make_run, tmp_path: Path, begins: str):
    run = make_run()
    recipe = (run / "recipe.yaml").read_text().replace("init_from: null", f"init_from: '{begins}'")
    (run / "recipe.yaml").write_text(recipe)
    metrics = json.loads((run / "metrics.json").read_text())
    metrics["recipe_sha256"] = hashlib.sha256(recipe.encode()).hexdigest()
    (run / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(
        ZooError, match=r"begins from .*, a place on this machine, .* train with init_from=WEIGHT"
    ) as said:
        publish(run, tmp_path / "shelf", name="mlp.own_v1")
    assert begins in str(said.value) and not (tmp_path / "shelf").exists()
