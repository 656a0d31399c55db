"""Damaged and hostile bundles: one sentence that says what is wrong and where, and no model."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import zoo
from zoo.bundles.format import open_bundle
from zoo.bundles.index import FileRecord, entry_of
from zoo.bundles.load import load_model
from zoo.errors import ZooError


def complaint(folder: Path) -> str:
    """What is said of a bundle that must not load."""
    with pytest.raises(ZooError) as error:
        load_model(open_bundle(folder))
    message = str(error.value)
    assert "\n" not in message and message.endswith(".") and ";" in message, message
    return message


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "recipe.yaml", "metrics.json"])
def test_a_missing_file(file: str, folder: Path) -> None:
    (folder / file).unlink()
    assert f"has no file {file}" in complaint(folder)


def test_no_folder(tmp_path: Path) -> None:
    assert "there is no bundle at" in complaint(tmp_path / "nothing")


def test_a_truncated_file(folder: Path, rehash: Callable[[Path], None]) -> None:
    tensors = folder / "model.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:-100])
    assert "is damaged or was changed" in complaint(folder)
    rehash(folder)
    assert "is not a whole safetensors file" in complaint(folder)


def test_an_empty_file(folder: Path, rehash: Callable[[Path], None]) -> None:
    (folder / "model.safetensors").write_bytes(b"")
    rehash(folder)
    assert "is not a whole safetensors file" in complaint(folder)


def test_one_flipped_bit_after_the_file_was_loaded_once(folder: Path) -> None:
    load_model(open_bundle(folder))
    tensors = folder / "model.safetensors"
    content = bytearray(tensors.read_bytes())
    content[-5] ^= 1
    tensors.write_bytes(content)
    assert "model.safetensors is damaged or was changed" in complaint(folder)


def test_a_hash_that_differs(folder: Path) -> None:
    edit(folder / "metrics.json", sha256="0" * 64)
    assert "model.safetensors is damaged or was changed" in complaint(folder)
    edit(folder / "metrics.json", sha256=None)
    assert "lacks the sha256" in complaint(folder)


def test_a_header_that_claims_more_than_the_file_holds(folder: Path, rehash: Callable[[Path], None]) -> None:
    header = json.dumps({"head.bias": {"dtype": "F32", "shape": [10**9], "data_offsets": [0, 4 * 10**9]}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(400))
    rehash(folder)
    assert "is not a whole safetensors file" in complaint(folder)


def test_a_header_longer_than_the_file(folder: Path, rehash: Callable[[Path], None]) -> None:
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", 2**62) + b"{}")
    rehash(folder)
    assert "is not a whole safetensors file" in complaint(folder)


def test_tensors_that_overlap(folder: Path, rehash: Callable[[Path], None]) -> None:
    one = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    header = json.dumps({"a": one, "b": one}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    rehash(folder)
    assert "is not a whole safetensors file" in complaint(folder)


class Touch:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("writer", ["torch", "pickle"])
def test_a_pickle_by_another_name(writer: str, folder: Path, rehash: Callable[[Path], None], tmp_path: Path) -> None:
    with open(folder / "model.safetensors", "wb") as file:
        payload = {"head.weight": torch.zeros(1), "x": Touch(tmp_path / "run")}
        torch.save(payload, file) if writer == "torch" else pickle.dump(payload, file)
    rehash(folder)
    assert "is not a whole safetensors file" in complaint(folder)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "text", ["{", "", "[]", "null", '"text"', "{'a': 1}", '{"schema": 1,}', "[" * 100_000, '{"schema": 2}', "\x00"]
)
@pytest.mark.parametrize("file", ["config.json", "metrics.json"])
def test_text_that_is_not_json_or_another_kind_of_json(file: str, text: str, folder: Path) -> None:
    (folder / file).write_text(text)
    assert file in complaint(folder)


def test_bytes_that_are_not_text(folder: Path) -> None:
    (folder / "config.json").write_bytes(b"\xff\xfe\x00")
    assert "config.json is not text" in complaint(folder)


@pytest.mark.parametrize(
    "changes",
    [{"model": 3}, {"model": ["mlp"]}, {"model_args": [1]}, {"labels": "0123"}, {"task": None}, {"input": "image"}],
)
def test_a_value_of_another_type(changes: dict[str, object], folder: Path) -> None:
    edit(folder / "config.json", **changes)
    assert f"{next(iter(changes))} is " in complaint(folder)


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "..", "a/b", "a\\b", ".hidden", "", "C:x", "a\nb"])
def test_a_file_name_that_leaves_the_folder(name: str, folder: Path) -> None:
    (folder.parent / "secret").write_text("x")
    config = json.loads((folder / "config.json").read_text())
    edit(folder / "config.json", input={**config["input"], "tokenizer": name})
    for use in (lambda: open_bundle(folder).path(name), lambda: open_bundle(folder).tokenizer):
        with pytest.raises(ZooError, match="not a plain name"):
            use()


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "recipe.yaml", "metrics.json"])
def test_a_link_that_leaves_the_folder(file: str, folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    shutil.move(folder / file, outside)
    os.symlink(outside, folder / file)
    assert f"{file} is a link that leaves the bundle" in complaint(folder)


def test_a_link_inside_the_folder_is_fine(folder: Path) -> None:
    shutil.move(folder / "recipe.yaml", folder / "recipe.txt")
    os.symlink("recipe.txt", folder / "recipe.yaml")
    assert open_bundle(folder).recipe.startswith("model: mlp")


@pytest.mark.parametrize("file", ["config.json", "recipe.yaml", "metrics.json", "model.safetensors"])
def test_with_an_index_every_file_is_held_to_it(file: str, folder: Path) -> None:
    entry = entry_of(folder, "mlp.digits_v1", True)
    load_model(open_bundle(folder, name=entry.name, entry=entry))
    content = (folder / file).read_bytes()
    for damaged in (content.replace(b"e", b"E"), content + b" "):
        (folder / file).write_bytes(damaged)
        with pytest.raises(ZooError, match=file):
            load_model(open_bundle(folder, name=entry.name, entry=entry))


def test_with_an_index_an_unlisted_file_is_not_used(folder: Path) -> None:
    entry = entry_of(folder, "mlp.digits_v1", True)
    (folder / "tokenizer.json").write_text("{}")
    edit_input = {"kind": "text", "tokenizer": "tokenizer.json"}
    edit(folder / "config.json", input=edit_input)
    config = folder / "config.json"
    record = entry_of(folder, entry.name, True).files["config.json"]
    entry = type(entry)(entry.name, True, {**entry.files, config.name: FileRecord(record.sha256, record.size)})
    with pytest.raises(ZooError, match=r"tokenizer\.json of mlp\.digits_v1 is not in the index"):
        _ = open_bundle(folder, name=entry.name, entry=entry).tokenizer


def test_create_says_the_same_by_the_front_door(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\x80\x04junk")
    with pytest.raises(zoo.ZooError, match=r"model\.safetensors is damaged or was changed"):
        zoo.create(folder)
