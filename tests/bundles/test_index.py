"""The index: written and read back the same, and believed in nothing that it may not say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from zoo.bundles.index import REQUIRED, Entry, entry_of, is_weight_name, read_index, write_index
from zoo.errors import ZooError
from zoo.integrity import sha256

FILES = {file: {"sha256": "a" * 64, "size": 3} for file in REQUIRED}


def index(name: str = "mlp.digits_v1", default: Any = True, files: Any = FILES) -> str:
    return json.dumps({"schema": 1, "weights": {name: {"default": default, "files": files}}})


def test_written_and_read_back(folder: Path, tmp_path: Path) -> None:
    entries = {"b.x_v1": entry_of(folder, "b.x_v1", False), "a.x_v2": entry_of(folder, "a.x_v2", True)}
    write_index(tmp_path / "new" / "index.json", entries)
    assert read_index(tmp_path / "new" / "index.json") == entries
    assert read_index((tmp_path / "new" / "index.json").read_text()) == entries
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["index.json"]


def test_an_entry_holds_the_files_of_a_bundle_and_no_others(folder: Path) -> None:
    (folder / "checkpoints").mkdir()
    (folder / "stray.txt").write_text("x")
    entry = entry_of(folder, "mlp.digits_v1", True)
    assert set(entry.files) == {*REQUIRED, "log.csv", "README.md"}
    tensors = folder / "model.safetensors"
    assert (entry.files[tensors.name].sha256, entry.files[tensors.name].size) == (
        sha256(tensors),
        tensors.stat().st_size,
    )


def test_unknown_keys_are_left_to_later_versions() -> None:
    text = json.loads(index())
    text["comment"] = text["weights"]["mlp.digits_v1"]["since"] = "later"
    assert isinstance(read_index(json.dumps(text))["mlp.digits_v1"], Entry)


@pytest.mark.parametrize(
    "name", ["../x.y_v1", "/a.b_v1", "mlp", "mlp.digits", "a.b/c_v1", "a b.c_v1", "", ".a_v1", "a.b_v1\n"]
)
def test_a_name_that_no_weight_can_have(name: str) -> None:
    assert not is_weight_name(name)
    with pytest.raises(ZooError, match="does not have the form <model>"):
        read_index(index(name))


@pytest.mark.parametrize("file", ["../x", "/etc/passwd", "a/b", "a\\b", "..", ".git", "", "x\n"])
def test_a_file_name_that_leaves_the_folder(file: str) -> None:
    with pytest.raises(ZooError, match="not a plain name inside the bundle"):
        read_index(index(files={**FILES, file: FILES["config.json"]}))


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ({"sha256": "a" * 63, "size": 3}, "sha256 of config.json"),
        ({"sha256": "G" * 64, "size": 3}, "sha256 of config.json"),
        ({"sha256": None, "size": 3}, "sha256 of config.json"),
        ({"size": 3}, "sha256 of config.json"),
        ({"sha256": "a" * 64, "size": -1}, "size of config.json"),
        ({"sha256": "a" * 64, "size": "3"}, "size of config.json"),
        ({"sha256": "a" * 64, "size": True}, "size of config.json"),
        ([], "JSON object"),
    ],
)
def test_a_record_that_vouches_for_nothing(record: Any, told: str) -> None:
    with pytest.raises(ZooError, match=told):
        read_index(index(files={**FILES, "config.json": record}))


def test_a_weight_that_lacks_a_file_of_every_bundle() -> None:
    with pytest.raises(ZooError, match=r"without model\.safetensors"):
        read_index(index(files={file: FILES[file] for file in REQUIRED[1:]}))


def test_a_model_has_one_default_at_most() -> None:
    weights = {
        f"{name}_v1": {"default": default, "files": FILES}
        for name, default in (("mlp.digits", True), ("mlp.mnist", False), ("cnn.digits", True))
    }
    assert len(read_index(json.dumps({"schema": 1, "weights": weights}))) == 3
    weights["mlp.mnist_v1"]["default"] = True
    with pytest.raises(
        ZooError, match=r"two defaults for one model, mlp\.digits_v1 and mlp\.mnist_v1; ask its publisher"
    ):
        read_index(json.dumps({"schema": 1, "weights": weights}))


@pytest.mark.parametrize(
    "text", ["", "no json", "[]", '{"schema": 1}', '{"schema": 2, "weights": {}}', index(default=1)]
)
def test_content_that_is_not_an_index(text: str, tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text(text)
    with pytest.raises(ZooError, match=r"index\.json"):
        read_index(tmp_path / "index.json")
