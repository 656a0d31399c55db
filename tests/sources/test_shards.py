"""Weights whose tensors lie in several files, as the Hub's own tools write them, by every road that a weight goes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hub_server import HubServer
from huggingface_hub import save_torch_state_dict
from safetensors.torch import load_file, save_file

import zoo
from zoo._verify import verify
from zoo.bundles import write
from zoo.bundles.index import SHARDED, TENSORS
from zoo.cli import main
from zoo.errors import ZooError
from zoo.integrity import sha256
from zoo.publishing import publish
from zoo.publishing.importing import import_weight

NAME = "mlp.digits_v1"
FIRST, SECOND = (f"model-0000{number}-of-00002.safetensors" for number in (1, 2))


@pytest.fixture
def state(make_run: Callable[..., Path]) -> dict[str, Any]:
    return load_file(make_run("plain") / TENSORS)


@pytest.fixture
def run(make_run: Callable[..., Path], state: dict[str, Any]) -> Path:
    """A run whose tensors the Hub's library wrote into two files, with the hashes that vouch for them."""
    folder = make_run("several")
    (folder / TENSORS).unlink()
    save_torch_state_dict(state, folder, max_shard_size=2599)
    change(
        folder, lambda about: about["metadata"].update(sha256={file: sha256(folder / file) for file in (FIRST, SECOND)})
    )
    return folder


def change(folder: Path, how: Callable[[dict[str, Any]], Any]) -> None:
    """Change the index of tensors, and have metrics.json vouch for it."""
    about = json.loads((folder / SHARDED).read_text())
    how(about)
    (folder / SHARDED).write_text(json.dumps(about))
    metrics = json.loads((folder / "metrics.json").read_text())
    (folder / "metrics.json").write_text(json.dumps({**metrics, "sha256": sha256(folder / SHARDED)}))


def same(place: object, state: dict[str, Any]) -> bool:
    found = zoo.create(str(place)).state_dict()
    return found.keys() == state.keys() and all(torch.equal(found[name], state[name]) for name in state)


def test_a_folder_loads_answers_and_begins_a_run(run: Path, state: dict[str, Any], tmp_path: Path) -> None:
    assert same(run, state)
    assert zoo.predictor(run)(torch.zeros(8, 8, dtype=torch.uint8).numpy()).label in "0123456789"
    assert verify(run).checks["hashes"]
    assert sorted(path.name for path in zoo.pull(run, to=tmp_path / "pulled").iterdir()) == sorted(
        path.name for path in run.iterdir()
    )


def test_published_it_loads_from_folder_web_and_hub(
    run: Path, state: dict[str, Any], web: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert publish(run, web.root / "zoo") == NAME == publish(run, web.root / "zoo")
    listed = json.loads((web.root / "zoo" / "index.json").read_text())["weights"][NAME]["files"]
    assert {SHARDED, FIRST, SECOND} < set(listed) and TENSORS not in listed
    assert same(web.root / "zoo" / NAME, state)
    assert same(f"{web.url}/zoo/{NAME}", state)
    monkeypatch.setenv("ZOO_SOURCES", f"{web.url}/zoo")
    assert same("mlp.digits_v1", state)
    assert main(["mirror", "--to", str(tmp_path / "mirror")]) == 0
    assert same(tmp_path / "mirror" / NAME, state)
    hub = HubServer()
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)  # read once, at import
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    try:
        publish(run, "hf://someone/mlp-digits")
        assert same("hf://someone/mlp-digits", state)
    finally:
        hub.shutdown()
        hub.server_close()


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("file", [FIRST, SECOND, SHARDED])
def test_other_bytes_are_not_loaded(run: Path, tmp_path: Path, file: str, listed: bool) -> None:
    if listed:
        publish(run, tmp_path / "shelf")
    folder = tmp_path / "shelf" / NAME if listed else run
    content = bytearray((folder / file).read_bytes())
    content[-3] ^= 1
    (folder / file).write_bytes(content)
    with pytest.raises(ZooError, match=f"{file} is damaged or was changed"):
        zoo.create(folder)
    (folder / file).unlink()
    with pytest.raises(ZooError, match=f"has no file {file}|is not finished"):
        zoo.create(folder)


def swapped(about: dict[str, Any]) -> None:
    names = about["weight_map"]
    names["head.bias"], names["head.weight"] = names["head.weight"], names["head.bias"]


HOSTILE: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "a path that leads out": (lambda a: a["weight_map"].update(x="../../etc/passwd"), "not a plain name"),
    "an absolute path": (lambda a: a["weight_map"].update(x="/etc/passwd.safetensors"), "not a plain name"),
    "no safetensors": (lambda a: a["weight_map"].update(x="config.json"), "is not a safetensors file"),
    "a file that is not there": (lambda a: a["weight_map"].update(x="more.safetensors"), "more.safetensors"),
    "a tensor in another file": (swapped, "holds other tensors than"),
    "a tensor that is in none": (lambda a: a["weight_map"].update(x=FIRST), "holds other tensors than"),
    "a tensor that it does not name": (
        lambda a: a["weight_map"].pop("head.bias"),
        "but they have 2,560",
    ),
    "another size": (
        lambda a: a["metadata"].update(total_size=7),
        "says that the tensors have 7 bytes, but they have 2,600",
    ),
    "a size that is text": (lambda a: a["metadata"].update(total_size="1e9"), "total_size is not a number of bytes"),
    "a million tensors": (
        lambda a: a.update(weight_map={str(number): FIRST for number in range(140_000)}),
        "names 140,000 tensors, but at most 131,072 are read",
    ),
    "a thousand files": (
        lambda a: a["weight_map"].update({f"t{n}": f"model-{n}.safetensors" for n in range(1000)}),
        "files, but at most 256 are read",
    ),
    "no map": (lambda a: a.pop("weight_map"), "no weight_map of names"),
    "a map of numbers": (lambda a: a.update(weight_map={"head.bias": 1}), "no weight_map of names"),
    "names that differ in capitals": (
        lambda a: a["weight_map"].update(x=FIRST.upper()[:-12] + ".safetensors"),
        "one file on",
    ),
    "a hash that is too short": (
        lambda a: a["metadata"].update(sha256={FIRST: "abc"}),
        "sha256 is not an object of 64 hex digits",
    ),
    "no hash": (
        lambda a: a["metadata"].pop("sha256"),
        "nothing vouches for it; make a bundle of the tensors with `zoo import`",
    ),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_an_index_that_is_not_right_is_refused_in_a_sentence(run: Path, what: str) -> None:
    how, said = HOSTILE[what]
    change(run, how)
    with pytest.raises(ZooError, match=said) as error:
        zoo.create(run)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("what", [what for what in HOSTILE if "hash" not in what])
def test_import_refuses_it_too(run: Path, what: str, tmp_path: Path) -> None:
    how, said = HOSTILE[what]
    change(run, how)
    with pytest.raises(ZooError, match=said):
        import_weight(run / SHARDED, "mlp", to=tmp_path / "mlp.mine_v1")
    assert not (tmp_path / "mlp.mine_v1").exists()


def test_an_index_of_hundreds_of_megabytes_is_not_read(run: Path) -> None:
    with open(run / SHARDED, "r+b") as file:
        file.truncate(300 << 20)
    with pytest.raises(ZooError, match="has more than 16,777,216 bytes"):
        zoo.create(run)
    with pytest.raises(ZooError, match="has more than 16,777,216 bytes"):
        import_weight(run / SHARDED, "mlp", to=run.parent / "mlp.mine_v1")


def test_what_is_large_is_written_in_several_files(
    run: Path, state: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "MOST", 2599)
    save_file(state, tmp_path / "state.safetensors")
    arguments = {"in_features": 64, "widths": []}
    for number, file in enumerate((tmp_path / "state.safetensors", run / SHARDED), 1):
        folder, _ = import_weight(file, "mlp", to=tmp_path / f"mlp.mine_v{number}", model_args=arguments)
        assert {SHARDED, FIRST, SECOND} < {path.name for path in folder.iterdir()}
        assert same(folder, state) and verify(folder).checks["hashes"]
    about = json.loads((tmp_path / "mlp.mine_v1" / SHARDED).read_text())
    assert about["metadata"]["total_size"] == 2600


def test_a_lone_file_wins_over_shards_beside_it(run: Path, state: dict[str, Any]) -> None:
    other = {name: tensor + 1 for name, tensor in state.items()}
    save_file(other, run / TENSORS)
    metrics = json.loads((run / "metrics.json").read_text())
    (run / "metrics.json").write_text(json.dumps({**metrics, "sha256": sha256(run / TENSORS)}))
    assert same(run, other)
