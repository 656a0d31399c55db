"""Locks, mirrors, imports and the cache, by the commands that people type."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import zoo
from zoo import pull
from zoo.bundles.index import entry_of, write_index
from zoo.cli import main
from zoo.errors import ZooError
from zoo.publishing import mirror as mirrors
from zoo.sources import find
from zoo.sources import index as indexes
from zoo.sources.lockfile import read_lock

NAME = "mlp.digits_v1"


@pytest.fixture(autouse=True)
def no_lock(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ZOO_LOCK", "")
    monkeypatch.delenv("ZOO_LOCK")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def served(web: SimpleNamespace, shelf: Path) -> SimpleNamespace:
    shutil.copytree(shelf, web.root / "zoo")
    web.zoo = f"{web.url}/zoo"
    return web


def test_a_lock_keeps_names_to_what_they_meant(
    served: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("ZOO_SOURCES", served.zoo)
    lock = tmp_path / "zoo.lock"
    assert main(["lock", "mlp", "-o", str(lock)]) == 0
    assert capsys.readouterr().out == f"{NAME}\n"
    held = json.loads(lock.read_text())
    assert held["schema"] == 1 and held["weights"][NAME]["source"] == served.zoo
    published = json.loads((served.root / "zoo" / "index.json").read_text())["weights"][NAME]
    assert held["weights"][NAME]["files"] == published["files"]
    digest = held["weights"][NAME]["files"]["model.safetensors"]["sha256"]

    # The source now means another weight by the model's name, and has other bytes under the old one.
    index = json.loads((served.root / "zoo" / "index.json").read_text())
    index["weights"][NAME]["default"], index["weights"]["mlp.digits_v2"]["default"] = False, True
    (served.root / "zoo" / "index.json").write_text(json.dumps(index))
    assert find("mlp").name == "mlp.digits_v2"
    monkeypatch.setenv("ZOO_LOCK", str(lock))
    served.asked.clear()
    entry = find("mlp").entry
    assert entry and entry.files["model.safetensors"].sha256 == digest
    assert zoo.list_weights() == [NAME] and zoo.create("mlp", pretrained=True).zoo.weight == NAME  # type: ignore[union-attr]
    assert served.asked == [], "what is locked and in the cache costs no request"
    for other in ("mlp.digits_v2", f"{served.zoo}/mlp.digits_v2", "rnn"):
        with pytest.raises(ZooError, match=r"in the lock .*zoo\.lock"):
            find(other)

    shutil.rmtree(Path(os.environ["ZOO_HOME"]))
    tensors = served.root / "zoo" / NAME / "model.safetensors"
    good = tensors.read_bytes()
    tensors.write_bytes(good[::-1])
    with pytest.raises(ZooError, match="so it was not kept"):
        find("mlp")
    tensors.write_bytes(good)
    monkeypatch.delenv("ZOO_LOCK")
    assert main(["pull", "--lock", str(lock), "--to", str(tmp_path / "image")]) == 0
    assert [path.name for path in (tmp_path / "image").iterdir()] == [NAME]
    assert set(contents(tmp_path / "image" / NAME)) == set(held["weights"][NAME]["files"])


def test_a_lock_of_everything_and_files_that_are_not_locks(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ZOO_SOURCES", str(shelf))
    assert main(["lock", "-o", str(tmp_path / "all.lock")]) == 0
    assert set(read_lock(tmp_path / "all.lock").weights) == {NAME, "mlp.digits_v2", "rnn.imdb_v1"}
    for text in ("{", "[]", '{"schema": 2, "weights": {}}', '{"schema": 1, "weights": {"mlp.digits_v1": 5}}'):
        (tmp_path / "bad.lock").write_text(text)
        monkeypatch.setenv("ZOO_LOCK", str(tmp_path / "bad.lock"))
        with pytest.raises(ZooError, match=r"bad\.lock"):
            find(NAME)
    monkeypatch.setenv("ZOO_LOCK", str(tmp_path / "none.lock"))
    with pytest.raises(ZooError, match="there is no lock"):
        find(NAME)
    assert main(["lock", "-o", str(tmp_path / "x.lock")]) == 2


def test_pull_all_and_pull_nothing(shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setenv("ZOO_SOURCES", str(shelf))
    assert main(["pull", "--all", "--to", str(tmp_path / "mine")]) == 0
    assert sorted(os.listdir(tmp_path / "mine")) == [NAME, "mlp.digits_v2", "rnn.imdb_v1"]
    assert main(["pull"]) == 2 and "nothing to pull" in capsys.readouterr().err


def test_a_mirror_is_whole_and_only_lacks_are_copied(
    served: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("ZOO_SOURCES", served.zoo)
    mine = tmp_path / "mirror"
    assert main(["mirror", NAME, "--to", str(mine)]) == 0
    inode = (mine / NAME / "model.safetensors").stat().st_ino
    assert main(["mirror", "--to", str(mine)]) == 0
    assert (mine / NAME / "model.safetensors").stat().st_ino == inode
    ours, theirs = contents(mine), contents(served.root / "zoo")
    assert json.loads(ours.pop("index.json"))["weights"] == json.loads(theirs.pop("index.json"))["weights"]
    assert ours == theirs
    monkeypatch.setenv("ZOO_SOURCES", str(mine))
    assert find("mlp").name == NAME
    (mine / "mlp.digits_v2" / "log.csv").write_text("mine")
    index = json.loads((mine / "index.json").read_text())
    index["weights"][NAME]["files"]["log.csv"]["sha256"] = "0" * 64
    (mine / "index.json").write_text(json.dumps(index))
    monkeypatch.setenv("ZOO_SOURCES", served.zoo)
    capsys.readouterr()
    assert main(["mirror", "--to", str(mine)]) == 2
    assert f"has a different weight of the name {NAME}; mirror to another place" in capsys.readouterr().err


def test_a_mirror_of_several_sources_has_one_default_for_a_model(
    shelf: Path, make_run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "own").mkdir()
    own = make_run("own/mlp.mine_v1")
    write_index(tmp_path / "own" / "index.json", {"mlp.mine_v1": entry_of(own, "mlp.mine_v1", True)})
    monkeypatch.setenv("ZOO_SOURCES", f"{tmp_path / 'own'},{shelf}")
    assert main(["mirror", "--to", str(tmp_path / "mirror")]) == 0
    monkeypatch.setenv("ZOO_SOURCES", str(tmp_path / "mirror"))
    assert find("mlp").name == "mlp.mine_v1" and find(NAME).name == NAME


def _counted(act: Any, left: Iterator[int]) -> Any:
    return lambda *given: act(*given) if next(left, None) is not None else os._exit(9)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_mirror_that_is_killed_is_readable_and_finished_by_the_same_call(
    served: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Stopped before each of its writes; as a tree, whose parts come before the root, and one weight at a time."""
    monkeypatch.setattr(indexes, "FLAT_LIMIT", 0)
    monkeypatch.setattr(mirrors, "_AT_ONCE", 1)
    monkeypatch.setenv("ZOO_SOURCES", served.zoo)
    mine, whole = tmp_path / "mirror", 0
    for allowed in range(60):
        child = os.fork()
        if child == 0:
            os.replace = _counted(os.replace, left := iter(range(allowed)))  # type: ignore[assignment]
            Path.rename = _counted(Path.rename, left)  # type: ignore[method-assign]
            try:
                list(mirrors.mirror([], mine))
                os._exit(0)
            finally:
                os._exit(1)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status in (0, 9)
        if (mine / "index.json").exists():
            monkeypatch.setenv("ZOO_SOURCES", str(mine))
            for name in (listed := zoo.list_weights()):
                assert find(name).tensors.is_file()
            assert len(listed) >= whole, "what was there stays"
            whole = len(listed)
            monkeypatch.setenv("ZOO_SOURCES", served.zoo)
        if status == 0:
            break
    assert whole == 3
    shutil.rmtree(served.root / "zoo")
    shutil.copytree(mine, served.root / "zoo")
    served.asked.clear()
    shutil.rmtree(Path(os.environ["ZOO_HOME"]))
    assert find("mlp").name == NAME
    assert [path for path in served.asked if path.endswith("index.json")] == ["/zoo/index.json"]


def test_sixteen_processes_that_pull_to_one_folder(shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ZOO_SOURCES", str(shelf))
    children = []
    for _ in range(16):
        child = os.fork()
        if child == 0:
            try:
                pull(NAME, to=tmp_path / "mine")
                os._exit(0)
            finally:
                os._exit(1)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 16
    assert os.listdir(tmp_path / "mine") == [NAME]


def test_the_cache_is_listed_checked_and_pruned(
    served: SimpleNamespace, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("ZOO_SOURCES", served.zoo)
    old, new = find(NAME).folder, find("mlp.digits_v2").folder
    os.utime(old, (1e9, 1e9))
    assert main(["cache"]) == 0
    shown = capsys.readouterr().out
    assert shown.index(NAME) < shown.index("mlp.digits_v2") and "2001-09-09" in shown
    assert main(["cache", "verify"]) == 0 and "2 of 2 are whole" in capsys.readouterr().out
    body = (new / "config.json").read_bytes()
    (new / "config.json").write_bytes(body.swapcase())
    assert main(["cache", "verify"]) == 1 and f"mlp.digits_v2: {new} is damaged" in capsys.readouterr().out
    (home / "tmp" / "left.part").write_bytes(b"x" * 1000)
    os.utime(home / "tmp" / "left.part", (1e9, 1e9))
    (home / "data" / ".fetch-abc").mkdir(parents=True)
    os.utime(home / "data" / ".fetch-abc", (1e9, 1e9))
    assert main(["cache", "prune", "--older-than", "365"]) == 0
    assert not old.exists() and new.exists()
    assert not (home / "tmp" / "left.part").exists() and not (home / "data" / ".fetch-abc").exists()
    assert main(["cache", "prune", "--max-mb", "0"]) == 0
    assert not new.exists()
    assert find(NAME).tensors.is_file()


# --- import


def mlp_state() -> dict[str, torch.Tensor]:
    state = zoo.create("mlp", in_features=64, widths=[8], num_classes=3).state_dict()
    return {key: tensor.clone() for key, tensor in state.items()}


@pytest.mark.parametrize(
    ("form", "prefix"),
    [
        *(("safetensors", prefix) for prefix in ("", "module.", "_orig_mod.module.")),
        ("pth", "module."),
        ("checkpoint", ""),
    ],
)
def test_torchvisions_resnet18_is_imported_by_its_known_map(
    tmp_path: Path, prefix: str, form: str, capsys: pytest.CaptureFixture[str]
):
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(0)
    theirs = torchvision.models.resnet18().eval()
    state = {prefix + key: tensor.clone() for key, tensor in theirs.state_dict().items()}
    file = tmp_path / f"resnet18.{'safetensors' if form == 'safetensors' else 'pth'}"
    if form == "safetensors":
        save_file(state, file)
    else:
        torch.save({"state_dict": state, "epoch": 3} if form == "checkpoint" else state, file)
    bundle = tmp_path / "resnet18.mine_v1"
    assert main(["import", str(file), "--model", "resnet18", "--to", str(bundle)]) == 0
    assert f"{prefix}layer1.0.bn1.weight -> stages.0.0.norm1.weight" in capsys.readouterr().out
    ours = zoo.create(bundle)
    pictures = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(ours(pictures), theirs(pictures), atol=1e-5)
    card = (bundle / "README.md").read_text()
    assert "It has no recipe" in card and "zoo reproduce" not in card and "## Recipe" not in card
    assert ours.zoo.input["mean"] == [0.485, 0.456, 0.406]  # type: ignore[union-attr]


def test_names_are_mapped_and_what_does_not_fit_is_listed(tmp_path: Path, image_bundle: Path):
    state = {key.replace("head.", "classifier."): value for key, value in zoo.create(image_bundle).state_dict().items()}
    save_file(state, tmp_path / "state.safetensors")
    arguments = ["import", str(tmp_path / "state.safetensors"), "--model", "mlp", "--like", str(image_bundle)]
    with pytest.raises(ZooError, match=r"do not fit mlp \(2 missing: .*2 unexpected: .*; rename them with --map"):
        from zoo.publishing.importing import import_weight

        import_weight(tmp_path / "state.safetensors", "mlp", to=tmp_path / "no", like=str(image_bundle))
    assert not (tmp_path / "no").exists()
    assert main([*arguments, "--map", "classifier.=head.", "--to", str(tmp_path / "mlp.mine_v1")]) == 0
    ours, theirs = zoo.create(tmp_path / "mlp.mine_v1"), zoo.create(image_bundle)
    assert all(torch.equal(a, b) for a, b in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True))
    assert ours.zoo.labels == theirs.zoo.labels  # type: ignore[union-attr]


def test_a_sharded_state_dict_is_read_by_its_index(tmp_path: Path, image_bundle: Path):
    state = zoo.create(image_bundle).state_dict()
    for number, key in enumerate(state):
        save_file({key: state[key]}, tmp_path / f"model-{number}.safetensors")
    names = {key: f"model-{number}.safetensors" for number, key in enumerate(state)}
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": names}))
    from zoo.publishing.importing import import_weight

    folder, _ = import_weight(index, "mlp", to=tmp_path / "mlp.mine_v1", like=str(image_bundle))
    assert torch.equal(zoo.create(folder).state_dict()["head.weight"], state["head.weight"])
    index.write_text(json.dumps({"weight_map": {"x": "../elsewhere.safetensors"}}))
    with pytest.raises(ZooError, match="not a plain name"):
        import_weight(index, "mlp", to=tmp_path / "other", like=str(image_bundle))


def test_what_was_imported_is_verified_and_published_without_figures(
    tmp_path: Path, image_bundle: Path, capsys: pytest.CaptureFixture[str]
):
    from zoo.publishing.importing import import_weight

    state = zoo.create(image_bundle).state_dict()
    save_file(state, tmp_path / "state.safetensors")
    own, _ = import_weight(tmp_path / "state.safetensors", "mlp", to=tmp_path / "mine", like=str(image_bundle))
    assert main(["verify", str(own)]) == 0
    assert "no metrics to measure again: the weight was imported" in capsys.readouterr().out
    with pytest.raises(ZooError, match=r"was imported and has no name; give one, --name mlp\.<tag>_v<N>"):
        zoo.publish(own, tmp_path / "place")
    with pytest.raises(ZooError, match="was imported, so it has no figures"):
        zoo.publish(own, tmp_path / "place", name="mlp.mine_v1", baselines={"a": {"value": 1.0}})
    assert not (tmp_path / "place").exists()
    assert zoo.publish(own, tmp_path / "place", name="mlp.mine_v1", notes=["From a friend."]) == "mlp.mine_v1"
    found = tmp_path / "place" / "mlp.mine_v1"
    assert main(["verify", str(found)]) == 0 and "From a friend." in (found / "README.md").read_text()
    assert torch.equal(zoo.create(found).state_dict()["head.weight"], state["head.weight"])
    with pytest.raises(ZooError, match="was imported, so it has no recipe"):
        zoo.evaluate(found)
    metrics = json.loads((own / "metrics.json").read_text())
    metrics["metrics"] = {"accuracy": {"value": 1.0}}
    (own / "metrics.json").write_text(json.dumps(metrics))
    assert main(["verify", str(own)]) == 1 and "where no metric is expected" in capsys.readouterr().out


class Evil:
    def __reduce__(self):
        return os.system, ("touch $HOME/zoo-was-here; echo ran > /tmp/zoo-was-here",)


@pytest.mark.parametrize("kind", ["pickle", "torch.save", "text", "a list"])
def test_what_runs_code_is_refused(tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]):
    file, mark = tmp_path / "evil.pth", Path("/tmp/zoo-was-here")
    mark.unlink(missing_ok=True)
    if kind == "pickle":
        file.write_bytes(pickle.dumps(Evil()))
    elif kind == "torch.save":
        torch.save({"weight": Evil()}, file)
    elif kind == "text":
        file.write_text("hello")
    else:
        torch.save([torch.zeros(3)], file)
    assert main(["import", str(file), "--model", "mlp", "--to", str(tmp_path / "mlp.evil_v1")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1 and "cannot be imported" in said
    assert not mark.exists() and not (tmp_path / "mlp.evil_v1").exists()
