"""Every way of naming a weight leads to the same bundle, and a name of none is an error."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from zoo import pull
from zoo.errors import ZooError
from zoo.sources import find, finding, sources


def test_a_weight_a_model_and_a_path_lead_to_the_bundle_where_it_lies(shelf: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ZOO_SOURCES", str(shelf))
    for name in (
        "mlp.digits_v1",
        "mlp",
        str(shelf / "mlp.digits_v1"),
        f"{shelf}/mlp.digits_v1/",
        shelf / "mlp.digits_v1",
    ):
        bundle = find(name)
        assert bundle.name == "mlp.digits_v1"
        assert bundle.folder == shelf / "mlp.digits_v1"
        assert bundle.entry is not None
    assert find("mlp.digits_v2").name == "mlp.digits_v2"


def test_the_first_source_that_knows_a_name_wins_and_the_package_is_last(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    shutil.copytree(shelf, tmp_path / "package")
    monkeypatch.setattr(finding, "PACKAGE", tmp_path / "package")
    assert find("mlp").folder == tmp_path / "package" / "mlp.digits_v1"
    monkeypatch.setenv("ZOO_SOURCES", f" {shelf} ,")
    assert [source.url for source in sources()] == [str(shelf), str(tmp_path / "package")]
    assert find("mlp").folder == shelf / "mlp.digits_v1"


def test_a_run_counts_as_a_bundle_once_it_is_finished(make_run):
    run = make_run()
    bundle = find(run)
    assert (bundle.name, bundle.entry, bundle.config["model"]) == (None, None, "mlp")
    (run / "model.safetensors").unlink()
    with pytest.raises(ZooError, match="not finished"):
        find(run)


def test_a_folder_in_the_working_directory_needs_no_slash(make_run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(make_run("mine").parent)
    assert find("mine").config["model"] == "mlp"


def test_a_source_with_one_weight_needs_no_name(shelf: Path):
    with pytest.raises(ZooError, match=r"mlp\.digits_v1, mlp\.digits_v2, rnn\.imdb_v1; name one"):
        find(shelf)
    index = json.loads((shelf / "index.json").read_text())
    del index["weights"]["mlp.digits_v1"], index["weights"]["rnn.imdb_v1"]
    (shelf / "index.json").write_text(json.dumps(index))
    assert find(shelf).name == "mlp.digits_v2"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mlp.digit_v1", r"unknown weight 'mlp.digit_v1'; did you mean mlp\.digits_v1, mlp\.digits_v2"),
        ("rnn", r"'rnn' has no default weight; name one of rnn\.imdb_v1"),
        ("resnet18", "'resnet18' has no published weight"),
        ("./nowhere", "there is no folder nowhere"),
        ("~nosuchuser/weight", "there is no folder ~nosuchuser/weight"),
        ("gopher://host/zoo", "not a source that can be read"),
        ("hf://only-an-owner", "hf://OWNER/REPO"),
        ("http://example.org/zoo/mlp.digits_v1", "use https://"),
        ("http://127.0.0.1.example.org/mlp.digits_v1", "use https://"),
        ("", "is empty"),
    ],
)
def test_a_name_of_no_weight_is_an_error(shelf: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str):
    monkeypatch.setenv("ZOO_SOURCES", str(shelf))
    with pytest.raises(ZooError, match=message):
        find(name)


def test_a_folder_that_is_not_a_source_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ZOO_SOURCES", str(tmp_path))
    with pytest.raises(ZooError, match=r"holds no index\.json"):
        find("mlp.digits_v1")


def test_a_changed_file_is_noticed_by_name_and_by_path(shelf: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ZOO_SOURCES", str(shelf))
    tensors = shelf / "mlp.digits_v1" / "model.safetensors"
    body = bytearray(tensors.read_bytes())
    body[-1] ^= 1
    tensors.write_bytes(body)
    for name in ("mlp.digits_v1", tensors.parent):
        with pytest.raises(ZooError, match="SHA-256"):
            find(name).tensors  # noqa: B018
    with pytest.raises(ZooError, match="not kept"):
        pull("mlp.digits_v1")


def test_no_way_to_a_folder_leads_past_its_index(shelf: Path, tmp_path: Path):
    weight = shelf / "mlp.digits_v1"
    (weight / "sub").mkdir()
    (tmp_path / "link").symlink_to(weight)
    shutil.move(shelf / "mlp.digits_v2", tmp_path / "elsewhere")
    (shelf / "mlp.digits_v2").symlink_to(tmp_path / "elsewhere")
    for path in (tmp_path / "link", weight / "sub" / "..", shelf / "mlp.digits_v2"):
        assert find(path).path("log.csv").is_file()
        (path / "log.csv").write_text("mine")
        with pytest.raises(ZooError, match=r"log\.csv"):
            find(path).path("log.csv")
        shutil.copy(shelf / "rnn.imdb_v1" / "log.csv", path)


def test_a_copy_of_a_hub_repository_is_checked_against_the_index_in_it(shelf: Path, tmp_path: Path):
    copy = Path(shutil.copytree(shelf / "mlp.digits_v1", tmp_path / "clone"))
    index = json.loads((shelf / "index.json").read_text())
    weights = {"mlp.digits_v1": index["weights"]["mlp.digits_v1"]}
    (copy / "index.json").write_text(json.dumps({"schema": 1, "weights": weights}))
    bundle = find(copy)
    assert (bundle.name, bundle.folder, bundle.entry is not None) == ("mlp.digits_v1", copy, True)
    assert same(pull(copy), shelf / "mlp.digits_v1")
    (copy / "config.json").write_text((copy / "config.json").read_text() + " ")
    with pytest.raises(ZooError, match=r"config\.json"):
        find(copy).config  # noqa: B018


@pytest.mark.parametrize("content", ['{"pages": [1]}', "[]", '{"schema": 7}'])
def test_another_program_s_index_json_is_not_ours(make_run, content: str):
    run = make_run()
    for folder in (run, run.parent):
        (folder / "index.json").write_text(content)
    assert find(run).entry is None


@pytest.mark.parametrize("content", ["{", '{"weights": []}', '{"schema": 7, "weights": {}}'])
def test_a_damaged_index_is_not_overlooked(make_run, content: str):
    run = make_run()
    (run.parent / "index.json").write_text(content)
    with pytest.raises(ZooError, match=r"index\.json"):
        find(run)


@pytest.mark.parametrize("name", ["../mlp.digits_v1", "/etc/mlp.digits_v1", "..", "mlp.digits_v1/../../x_v1"])
def test_an_index_whose_names_leave_their_folder_is_refused(shelf: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    index = json.loads((shelf / "index.json").read_text())
    for weights in (
        {name: index["weights"]["mlp.digits_v1"]},
        {"mlp.digits_v1": {"default": True, "files": {**index["weights"]["mlp.digits_v1"]["files"], name: {}}}},
    ):
        (shelf / "index.json").write_text(json.dumps({"schema": 1, "weights": weights}))
        monkeypatch.setenv("ZOO_SOURCES", str(shelf))
        with pytest.raises(ZooError, match=r"index\.json"):
            find("mlp.digits_v1")


def test_a_weight_that_is_called_after_another_model_is_refused(shelf: Path, monkeypatch: pytest.MonkeyPatch):
    text = (shelf / "index.json").read_text().replace("mlp.digits_v1", "resnet18.digits_v1")
    (shelf / "index.json").write_text(text)
    (shelf / "mlp.digits_v1").rename(shelf / "resnet18.digits_v1")
    monkeypatch.setenv("ZOO_SOURCES", str(shelf))
    for name in ("resnet18", "resnet18.digits_v1", shelf / "resnet18.digits_v1"):
        with pytest.raises(ZooError, match=r"^resnet18\.digits_v1 holds a 'mlp', not what its name says; ask"):
            find(name).config  # noqa: B018


def test_pull_fills_the_cache_or_copies_a_bundle(
    shelf: Path, home: Path, tmp_path: Path, make_run, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ZOO_SOURCES", str(shelf))
    kept = pull("mlp")
    assert kept.parent == home / "weights" / "mlp.digits_v1"
    assert same(kept, shelf / "mlp.digits_v1")
    copy = pull("mlp.digits_v1", to=tmp_path / "mine")
    assert copy == tmp_path / "mine" / "mlp.digits_v1"
    assert same(copy, shelf / "mlp.digits_v1")
    assert pull("mlp.digits_v1", to=tmp_path / "mine") == copy  # the same bytes again do no harm

    (copy / "log.csv").write_text("mine")
    with pytest.raises(ZooError, match="holds something else"):
        pull("mlp.digits_v1", to=tmp_path / "mine")
    assert (copy / "log.csv").read_text() == "mine"

    run = make_run("run")
    (run / "checkpoints").mkdir()
    assert pull(run) == run
    assert not (pull(run, to=tmp_path / "mine") / "checkpoints").exists()


def test_pull_leaves_the_packages_own_weights_where_they_are(
    shelf: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(finding, "PACKAGE", shelf)
    for name in ("mlp", "mlp.digits_v1", shelf / "mlp.digits_v1"):
        assert pull(name) == shelf / "mlp.digits_v1"
    assert same(pull("mlp", to=tmp_path / "mine"), shelf / "mlp.digits_v1")
    assert not (home / "weights").exists()
    (shelf / "mlp.digits_v1" / "log.csv").write_text("mine")
    with pytest.raises(ZooError, match=r"log\.csv"):
        pull("mlp")


def same(left: Path, right: Path) -> bool:
    def content(folder: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    return content(left) == content(right)
