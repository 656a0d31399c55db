"""The real command in processes of its own: exit statuses, exact JSON, and what bad input gets."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forked import python
from PIL import Image

import zoo
from zoo.cli import main

Result = subprocess.CompletedProcess


def run(*arguments: str | Path, cwd: Path | None = None, forked: bool = True, **environment: str) -> Result[str]:
    """`zoo` with these arguments; the checkout's package, whatever else is installed."""
    root = str(Path(__file__).parents[1])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [*(python() if forked else [sys.executable]), "-m", "zoo", *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8", **environment},
        timeout=300,
    )


@pytest.fixture
def here(capfd: pytest.CaptureFixture[str]) -> Callable[..., Result[str]]:
    """The same in this process, which spares the seconds in which another imports torch."""

    def run_here(*arguments: str | Path) -> Result[str]:
        capfd.readouterr()
        status = main([*map(str, arguments)])
        return Result(arguments, status, *capfd.readouterr())

    return run_here


def refused(result: Result[str], *words: str) -> None:
    """Exit status 2, one line on standard error, nothing on standard output."""
    assert result.returncode == 2, result
    assert result.stdout == ""
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1, result.stderr
    for word in words:
        assert word in result.stderr


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text("sea,age\nnear,1\nfar,2\n")
    return path


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pixels = np.zeros((8, 8), np.uint8)
    pixels[0, 3] = 255
    path = tmp_path_factory.mktemp("images") / "three.png"
    Image.fromarray(pixels).save(path)
    return path


def test_help_and_version_need_no_torch_and_are_there_at_once():
    times = []
    for arguments in (["--version"], ["--help"], ["-h"], []):
        before = os.times()
        result = run(*arguments, forked=False)
        after = os.times()
        times.append(after.children_user + after.children_system - before.children_user - before.children_system)
        assert result.returncode == 0 and result.stderr == "", result
    # Seconds of the processor (none on Windows), which a machine that trains next door does not stretch as it does the
    # clock's. torch alone takes more than one.
    assert min(times) < 0.3
    listing = run("--help", forked=False, PYTHONPROFILEIMPORTTIME="1")
    imported = {line.rpartition("|")[2].strip() for line in listing.stderr.splitlines()}
    assert "zoo.cli" in imported
    assert not imported & {"torch", "numpy", "rich", "pydantic", "zoo.registry"}
    for command in ("list", "predict", "train", "reproduce", "verify", "publish", "pull", "data", "cache"):
        assert command in listing.stdout


def test_every_command_explains_itself():
    for command in ("list", "info", "predict", "train", "evaluate", "verify", "reproduce", "publish", "pull"):
        assert f"Usage: zoo {command}" in run(command, "--help").stdout


def test_list(here):
    shown = run("list", "mlp", "--json")
    assert shown.returncode == 0 and shown.stderr == ""
    (mlp,) = json.loads(shown.stdout)
    assert {"name", "task", "description", "weights"} <= set(mlp)
    assert (mlp["name"], mlp["task"]) == ("mlp", "image-classification")
    assert json.loads(here("list", "nothing*", "--json").stdout) == []
    table = here("list").stdout
    assert table.index("resnet18") < table.index("resnet18_cifar") and "bilstm_attn" in table


def test_info(image_bundle, here):
    model = json.loads(here("info", "mnist_mlp", "--json").stdout)
    assert model["num_parameters"] == 784 * 512 + 512 + 512 * 256 + 256 + 256 * 128 + 128 + 128 * 10 + 10
    weight = json.loads(here("info", image_bundle, "--json").stdout)
    assert weight["labels"][3] == "pixel 3" and weight["figures"]["accuracy"]["mean"] == 0.9
    assert "accuracy" in here("info", image_bundle).stdout


def test_predict_images_gives_one_exact_document(image_bundle, image, here):
    result = run("predict", image_bundle, image, image, "--json")
    assert result.returncode == 0 and result.stderr == ""
    first, second = json.loads(result.stdout)
    assert first == second
    assert set(first) == {"input", "label", "probability", "top"}
    assert first["input"] == str(image) and first["label"] == "pixel 3"
    assert first["top"][0] == {"label": "pixel 3", "probability": first["probability"]}
    probabilities = [top["probability"] for top in first["top"]]
    assert probabilities == sorted(probabilities, reverse=True)
    assert "pixel 3" in here("predict", image_bundle, image).stdout


def test_predict_gives_an_answer_to_each_row_of_a_file(table_bundle, rows, here):
    row = '{"age": 7, "sea": "near"}'
    assert json.loads(here("predict", table_bundle, rows, row, "--json").stdout) == [
        {"input": f"{rows}:2", "answer": 11.0, "unit": "years"},
        {"input": f"{rows}:3", "answer": 2.0, "unit": "years"},
        {"input": row, "answer": 17.0, "unit": "years"},
    ]
    assert f"{rows}:2\n  answer: 11\n  unit: years\n" in here("predict", table_bundle, rows).stdout
    refused(here("predict", table_bundle, "no.csv"), "there is no file no.csv")


def test_predict_texts_in_order(text_bundle, here):
    texts = ["a good film", "bad \N{PILE OF POO}", "a plot with a film"]
    answers = json.loads(run("predict", text_bundle, *texts, "--json").stdout)
    assert [answer["input"] for answer in answers] == texts
    assert all(answer["label"] in ("neg", "pos") for answer in answers)
    assert here("predict", text_bundle, "--json", "--", "--debug").returncode == 0  # a text, not an option


def test_predict_a_series(series_bundle, here, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("date,a,b\n" + "".join(f"2026-01-0{day},{a},{-a}\n" for day, a in enumerate((99, 1, 2, 3, 4), 1)))
    (answer,) = json.loads(here("predict", series_bundle, path, "--json").stdout)
    assert answer == {"input": str(path), "answer": {"a": [2.5, 2.5], "b": [-2.5, -2.5]}}
    assert here("predict", series_bundle, path).stdout.splitlines()[1:] == [
        "  answer:",
        "    a: 2.5, 2.5",
        "    b: -2.5, -2.5",
    ]


def test_predict_how_a_text_goes_on(characters_bundle, here):
    (answer,) = json.loads(here("predict", characters_bundle, "ab", "--json").stdout)
    assert answer["input"] == "ab" and set(answer["answer"]) <= set("\nab")
    assert answer["answer"] in here("predict", characters_bundle, "ab").stdout


def test_the_document_stays_exact_if_other_code_prints(image_bundle, image, tmp_path):
    plugin = tmp_path / "noisy-1.0.dist-info"
    plugin.mkdir()
    (plugin / "METADATA").write_text("Metadata-Version: 2.1\nName: noisy\nVersion: 1.0\n")
    (plugin / "entry_points.txt").write_text("[zoo.models]\nnoisy = noisy\n")
    (tmp_path / "noisy.py").write_text("print('hello from a plug-in')\n")
    result = run("list", "--json", forked=False, PYTHONPATH=f"{Path(__file__).parents[1]}{os.pathsep}{tmp_path}")
    assert "hello from a plug-in" in result.stderr
    assert isinstance(json.loads(result.stdout), list)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["frobnicate"], ["No such command", "zoo --help"]),
        (["predict"], ["Missing argument"]),
        (["predict", "mlp"], ["Missing argument"]),
        (["list", "--nonsense"], ["No such option"]),
        (["data"], ["Missing command"]),
        (["publish", "run"], ["--to"]),
        (["reproduce", "mlp", "--seeds", "0"], ["--seeds"]),
        (["reproduce", "mlp", "--seeds", "many"], ["--seeds"]),
        (["info", "mnist_mpl"], ["unknown model 'mnist_mpl'", "mnist_mlp"]),
        (["info", "mlp.digits_v9"], ["unknown weight 'mlp.digits_v9'; did you mean mlp.digits_v1"]),
        (["info", "nosuch.x_v1"], ["unknown weight 'nosuch.x_v1'", "mnist_mlp.mnist_v1"]),
        (["predict", "mlp.nothing_v1", "x.png"], ["unknown weight"]),
        (["evaluate", "mlp.nothing_v1"], ["unknown weight"]),
        (["verify", "mlp.nothing_v1"], ["unknown weight"]),
        (["reproduce", "mlp.nothing_v1"], ["unknown weight"]),
        (["pull", "mlp.nothing_v1"], ["unknown weight"]),
        (["publish", "no_such_run", "--to", "anywhere"], ["no_such_run"]),
        (["train", "no_such_recipe"], ["unknown recipe"]),
        (["train", "no/such/recipe.yaml"], ["recipe.yaml"]),
        (["train", "mlp.digits", "epochs"], ["'epochs' is not an override"]),
        (["train", "mlp.digits", "train.epochz=1"], ["train.epochz", "epochs"]),
        (["train", "mlp.digits", "train.epochs=few"], ["train.epochs"]),
        (["train", "mlp.digits", "train.epochs=1", "--device", "abacus"], ["abacus"]),
        (["train", "mlp.digits", "device=cpu"], ["unknown key device"]),
        (["train", "mlp.digits", "out=x"], ["unknown key out"]),
        (["train", "mlp.digits", "resume=true"], ["unknown key resume"]),
        (["train", "mlp.digits", "recipe=x"], ["unknown key recipe"]),
        (["train", "mlp.digits", "model_args.num_classes=3"], ["num_classes is 3", "10 labels"]),
        (["train", "mlp.digits", "model_args.widths=[0]"], ["no units"]),
        (["train", "mlp.digits", "data.augment.cutout.size=100"], ["data.augment.cutout.size is 100", "8 x 8 pixels"]),
        (["train", "mlp.digits", "optimizer.name=adamm"], ["unknown optimizer 'adamm'", "adam"]),
        (["train", "mlp.digits", "schedule.name=steps"], ["schedule.name should be one of", "'step'"]),
        (["train", "mlp.digits", "loss.name=hinge"], ["loss.name should be one of"]),
        (["train", "mlp.digits", "evaluate.metric=nats"], ["evaluate.metric should be one of accuracy"]),
        (["train", "mlp.digits", "init=kaimin_normal"], ["unknown init scheme", "kaiming_normal"]),
        (["train", "mlp.digits", "data.name=mnst"], ["unknown data set 'mnst'", "mnist"]),
        (["train", "mlp.digits", "data.batch_size=5000"], ["data.batch_size is 5000", "training samples; lower it"]),
        (["train", "mlp.digits", "train.epochs=0"], ["train.epochs should be greater than or equal to 1"]),
        (["train", "mlp.digits", "optimizer.lr=.nan"], ["optimizer.lr should be a finite number"]),
        (["train", "mlp.digits", "train.keep_best=true"], ["which must not be done on the test split"]),
        (["data", "get", "mnits"], ["unknown data set", "mnist"]),
    ],
    ids=" ".join,
)
def test_bad_input_is_one_line_and_exit_2(arguments, words, here, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(here(*arguments), *words)
    assert list(tmp_path.iterdir()) == []  # nothing half-written


def test_the_status_is_the_process_own(tmp_path):
    refused(run("info", "mnist_mpl", cwd=tmp_path, forked=False), "unknown model")


def test_bad_inputs_of_predict(image_bundle, text_bundle, series_bundle, characters_bundle, image, here, tmp_path):
    (tmp_path / "fake.png").write_text("this is not an image")
    for arguments, words in (
        ((image_bundle, tmp_path / "fake.png"), ["fake.png cannot be read as an image"]),
        ((image_bundle, "nowhere.png"), ["there is no file nowhere.png"]),
        ((image_bundle, image, "nowhere.png", "--strict", "--json"), ["nowhere.png"]),
        ((text_bundle, ""), ["no words to classify"]),
        ((text_bundle, "   "), ["no words to classify"]),
        ((series_bundle, "nowhere.csv"), ["there is no file nowhere.csv"]),
        ((characters_bundle, "abc"), ["holds 'c'", "never seen"]),
        ((image_bundle, image, "--device", "cuda:99"), ["cuda:99"]),
        ((image_bundle, image, "--device", "abacus"), ["abacus"]),
        ((tmp_path / "nothing", image), ["nothing"]),
    ):
        refused(here("predict", *arguments), *words)


def test_a_damaged_bundle_is_refused(image_bundle, image, here, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(image_bundle, broken)
    tensors = bytearray((broken / "model.safetensors").read_bytes())
    tensors[-1] ^= 1
    (broken / "model.safetensors").write_bytes(tensors)
    refused(here("predict", broken, image), "model.safetensors")
    (broken / "config.json").write_text("{not json")
    refused(here("info", broken), "config.json")


def test_debug_shows_the_traceback_and_keeps_the_status(image_bundle, here):
    for arguments in (["--debug", "predict", image_bundle, "no.png"], ["predict", image_bundle, "no.png", "--debug"]):
        result = here(*arguments)
        assert result.returncode == 2
        assert "Traceback" in result.stderr and result.stderr.splitlines()[-1].startswith("error: there is no file")


def test_a_reader_who_leaves_early_is_not_an_error():
    command = [*python(), "-m", "zoo", "list"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=Path(__file__).parents[1])
    assert process.stdout and process.stderr
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 0


def test_a_training_goes_on_to_its_end_after_its_reader_left(tmp_path: Path):
    command = [*python(), "-m", "zoo", "train", "mlp.digits", "train.epochs=3", "--out", str(tmp_path / "run")]
    where = Path(__file__).parents[1]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=where)
    assert process.stderr
    process.stderr.close()
    assert process.wait() == 0
    assert zoo.training.Run(tmp_path / "run").finished


@pytest.mark.skipif(os.name == "nt", reason="a POSIX shell closes the stream")
def test_output_that_cannot_be_written_is_one_line():
    def shell(redirection: str, *arguments: str) -> Result[str]:
        command = ["sh", "-c", f'"$@" {redirection}', "sh", *python(), "-m", "zoo", *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1], timeout=300)

    for arguments in (["list"], ["list", "--json"], ["--version"]):
        refused(shell(">&-", *arguments), "standard output is closed")
    if Path("/dev/full").exists():
        for arguments in (["list"], ["list", "--json"], ["--version"]):
            refused(shell(">/dev/full", *arguments), "No space left")
    quiet = shell("2>&-", "info", "mnist_mpl")
    assert (quiet.returncode, quiet.stdout) == (2, "")


def test_debug_and_version(here):
    for arguments in (["--version"], ["--debug", "--version"], ["--version", "--debug"]):
        assert here(*arguments).stdout == f"zoo {zoo.__version__}\n"


def test_data_and_cache(here, tmp_path, monkeypatch):
    home = tmp_path / "home"
    monkeypatch.setenv("ZOO_HOME", str(home))
    assert "comes with scikit-learn" in here("data", "list").stdout
    assert here("data", "get", "digits").stdout.startswith("digits: ")
    shown = here("cache").stdout
    assert str(home) in shown and "data sets" in shown
    assert (home / "data").is_dir()
    (home / "mine.txt").write_text("not the zoo's")
    assert here("cache", "clear").returncode == 0
    assert [path.name for path in home.iterdir()] == ["mine.txt"]


def test_pull_copies_a_bundle_that_works(image_bundle, image, here, tmp_path):
    result = here("pull", image_bundle, "--to", tmp_path)
    assert result.returncode == 0, result.stderr
    folder = Path(result.stdout.strip())
    assert folder.parent == tmp_path
    assert json.loads(here("predict", folder, image, "--json").stdout)[0]["label"] == "pixel 3"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for another process alone")
def test_ctrl_c_while_training_keeps_a_checkpoint_and_exits_130(tmp_path):
    arguments = ["train", "mlp.digits", "train.epochs=100000", "--out", str(tmp_path / "run"), "--device", "cpu"]
    process = subprocess.Popen(
        [*python(), "-m", "zoo", *arguments], stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]
    )
    assert process.stderr
    try:
        while "epoch 1" not in (line := process.stderr.readline()):
            assert line, "training ended by itself"
        process.send_signal(signal.SIGINT)
        messages = process.stderr.read()
        assert process.wait(timeout=60) == 130
    finally:
        process.kill()
    assert "--resume" in messages and "Traceback" not in messages
    assert any((tmp_path / "run" / "checkpoints").iterdir())
    assert not (tmp_path / "run" / "model.safetensors").exists()


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of one epoch, `run`, and the weight that it was published as, `mlp.digits_v1`."""
    folder = tmp_path_factory.mktemp("grown")
    changes: dict[str, Any] = {"train.epochs": 1}
    zoo.train("mlp.digits", out=folder / "run", device="cpu", **changes)
    assert zoo.publish(folder / "run", folder, name="mlp.digits_v1") == "mlp.digits_v1"
    return folder


def test_train_then_publish(here, tmp_path):
    run_folder = tmp_path / "run"
    arguments = ["train", "mlp.digits", "train.epochs=1", "--out", run_folder, "--device", "cpu"]
    trained = here(*arguments)
    assert trained.returncode == 0 and "accuracy" in trained.stdout and str(run_folder) in trained.stdout
    refused(here(*arguments), "--resume")
    assert here(*arguments, "--resume").returncode == 0
    to = ["publish", run_folder, "--to", tmp_path / "published"]
    refused(here(*to), "train.epochs 1 instead of 60", "--name mlp.<tag>_v<N>")
    assert not (tmp_path / "published" / "index.json").exists()
    published = here(*to, "--name", "mlp.quick_v1")
    assert (published.returncode, published.stdout.strip()) == (0, "mlp.quick_v1"), published.stderr


def test_what_was_measured_beside_a_run_stands_on_its_card(here, grown, tmp_path):
    beside = tmp_path / "beside.json"
    beside.write_text(json.dumps({"a wild guess": {"value": 0.1}, "an oracle": {"value": 1.0}}))
    to = ["publish", grown / "run", "--to", tmp_path / "published", "--name", "mlp.quick_v1"]
    published = here(*to, "--baselines", beside)
    assert published.returncode == 0, published.stderr
    card = (tmp_path / "published" / "mlp.quick_v1" / "README.md").read_text()
    assert "| a wild guess | 10.00 % |" in card and "It loses to an oracle." in card
    for content in ("[]", '{"an oracle": 1}', "no JSON"):
        beside.write_text(content)
        refused(here("publish", grown / "run", "--to", tmp_path / "other", "--baselines", beside), "beside.json")
    assert not (tmp_path / "other").exists()


def test_a_run_is_used_like_a_weight(here, grown, tmp_path):
    np.save(tmp_path / "digit.npy", np.zeros((8, 8)))
    for name in (grown / "run", grown / "mlp.digits_v1"):
        assert json.loads(here("predict", name, tmp_path / "digit.npy", "--json").stdout)[0]["label"] in "0123456789"
        found = json.loads(here("evaluate", name, "--json").stdout)
        assert (found["name"], found["split"]) == (str(name), "test")
        assert 0 < found["metrics"]["accuracy"] < 1


def test_resumed_by_its_folder_a_run_goes_on_there(here, grown):
    again = here("train", grown / "run", "--resume")
    assert again.returncode == 0 and f"run: {grown / 'run'}\n" in again.stdout, again


def test_verify_says_what_it_checked(here, grown, image_bundle):
    result = here("verify", grown / "mlp.digits_v1", "--json")
    assert result.returncode == 0, result
    (report,) = json.loads(result.stdout)
    assert report["weight"] == "mlp.digits_v1" and report["ok"]
    assert report["checks"] and all(passed is True for passed in report["checks"].values())
    # The tiny bundle claims to be measured on digits that have another fingerprint than any.
    failed = here("verify", grown / "mlp.digits_v1", image_bundle, "--json")
    assert failed.returncode == 1
    assert [report["ok"] for report in json.loads(failed.stdout)] == [True, False]
    assert "FAILED" in here("verify", image_bundle).stdout


def test_reproduce_says_whether_it_came_out_again(here, grown, tmp_path):
    result = here("reproduce", grown / "mlp.digits_v1", "--device", "cpu", "--out", tmp_path / "kept", "--json")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report == json.loads((tmp_path / "kept" / "reproduce.json").read_text())
    assert (tmp_path / "kept" / "seed0" / "model.safetensors").is_file()
    assert report["verdict"] == "reproduced" and report["metric"] == "accuracy"
    assert set(report["published"]) >= {"mean", "std", "n"} and set(report["measured"]) >= {
        "mean",
        "std",
        "values",
        "seeds",
    }
    assert {"weight", "margin", "interval", "more_seeds", "identical", "seconds", "environment"} <= set(report)
    low, high = report["interval"]
    assert low <= report["measured"]["mean"] - report["published"]["mean"] <= high

    added = here("report", tmp_path / "kept", "--json")
    assert added.returncode == 0, added
    (row,) = json.loads(added.stdout)["reports"]
    assert (row["n"], row["verdict"], row["identical"]) == (1, "reproduced", True)

    boast = tmp_path / "boast"
    shutil.copytree(grown / "mlp.digits_v1", boast)
    metrics = json.loads((boast / "metrics.json").read_text())
    metrics["metrics"]["accuracy"] |= {"mean": 0.999, "values": [0.999]}
    (boast / "metrics.json").write_text(json.dumps(metrics))
    failed = here("reproduce", boast, "--device", "cpu")
    assert failed.returncode == 1
    assert "not reproduced" in failed.stdout and "0.9990" in failed.stdout

    def undecided(metrics):  # two seeds that lie far apart, and tensors that are another platform's
        values = [metrics["metrics"]["accuracy"]["value"], 0.5]
        metrics["metrics"]["accuracy"] |= {"values": values, "seeds": [0, 1], "n": 2, "mean": sum(values) / 2}

    doubtful = tmp_path / "doubtful"
    shutil.copytree(grown / "mlp.digits_v1", doubtful)
    metrics = json.loads((doubtful / "metrics.json").read_text())
    undecided(metrics)
    (doubtful / "metrics.json").write_text(json.dumps(metrics))
    open_ = here("reproduce", doubtful, "--device", "cpu")
    assert open_.returncode == 3 and ": undecided." in open_.stdout and "measured - published" in open_.stdout, open_
