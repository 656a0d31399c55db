"""Bad input at the command line, kind by kind: one line, the right exit status, and nothing half-written.

Names, recipes, overrides, devices and Ctrl-C stand in test_cli.py; what Python raises, beside the code that raises it.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from zoo.cli import main
from zoo.integrity import sha256


@pytest.fixture
def refused(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """refused(WORDS, ARGUMENT…): the command ends with 2 and one line that holds the words, and leaves no file here."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)

    def refused(words: str, *arguments: str | Path) -> None:
        capfd.readouterr()
        assert main([*map(str, arguments)]) == 2, arguments
        out, err = capfd.readouterr()
        assert out == "" and err.startswith("error: ") and err.count("\n") == 1, (out, err)
        assert words in err and "unexpected" not in err
        assert list(here.rglob("*")) == []

    return refused


def rewrite(folder: Path, content: bytes) -> None:
    """Give the bundle these bytes for its tensors, and the hash that belongs to them."""
    tensors = folder / "model.safetensors"
    tensors.write_bytes(content)
    edit(folder / "metrics.json", sha256=sha256(tensors))


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def truncate(folder: Path) -> None:
    os.truncate(folder / "model.safetensors", (folder / "model.safetensors").stat().st_size - 10)


def flip(folder: Path) -> None:
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "model.safetensors").write_bytes(content)


def leave(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        shutil.copy(folder / "tokenizer.json", folder.parent)
        config = json.loads((folder / "config.json").read_text())
        edit(folder / "config.json", input={**config["input"], "tokenizer": name})

    return change


def link(folder: Path) -> None:
    shutil.move(folder / "tokenizer.json", folder.parent)
    (folder / "tokenizer.json").symlink_to(folder.parent / "tokenizer.json")


def claim(folder: Path) -> None:
    header = json.dumps({"head.bias": {"dtype": "F32", "shape": [10**9], "data_offsets": [0, 4 * 10**9]}}).encode()
    rewrite(folder, struct.pack("<Q", len(header)) + header + bytes(400))


DAMAGE = {
    "a missing file": (lambda folder: (folder / "recipe.yaml").unlink(), "has no file recipe.yaml"),
    "no tokenizer": (lambda folder: (folder / "tokenizer.json").unlink(), "has no file tokenizer.json"),
    "truncated tensors": (truncate, "model.safetensors is damaged or was changed"),
    "a flipped bit": (flip, "model.safetensors is damaged or was changed"),
    "another hash": (lambda folder: edit(folder / "metrics.json", sha256="0" * 64), "is damaged or was changed"),
    "no JSON": (lambda folder: (folder / "config.json").write_text("{'schema': 1}"), "config.json is not JSON"),
    "a name that leaves": (leave("../tokenizer.json"), "input.tokenizer is '../tokenizer.json' where 'tokenizer.json'"),
    "an absolute name": (leave("/etc/hostname"), "input.tokenizer is '/etc/hostname' where 'tokenizer.json'"),
    "a link that leaves": (link, "tokenizer.json is a link that leaves the bundle"),
    "a header that claims more": (claim, "is not a whole safetensors file"),
    "a pickle": (lambda folder: rewrite(folder, pickle.dumps({"head.bias": [0.0]})), "is not a whole safetensors file"),
}


@pytest.mark.parametrize(("damage", "words"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_bundle(
    damage: Callable[[Path], None], words: str, text_bundle: Path, tmp_path: Path, refused, capfd
) -> None:
    bundle = Path(shutil.copytree(text_bundle, tmp_path / text_bundle.name))
    damage(bundle)
    refused(words, "predict", bundle, "a good film", "--json")
    refused(words, "evaluate", bundle)
    refused(words, "publish", bundle, "--to", "shelf")
    if "config" in words:
        refused(words, "pull", bundle, "--to", "shelf")
    assert main(["verify", str(bundle), "--json"]) == 1
    out, err = capfd.readouterr()
    assert err == "" and json.loads(out)[0]["ok"] is False and words in json.loads(out)[0]["message"]


@pytest.fixture
def no_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without a network and without a data set; the folder that ZOO_DATA names."""
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ZOO_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


TAKE_DATA = (
    ("data", "get", "mnist"),
    ("train", "mnist_mlp.mnist", "--out", "run", "--device", "cpu"),
    ("evaluate", "mnist_mlp.mnist_v1"),
    ("reproduce", "mnist_mlp.mnist_v1", "--out", "runs", "--device", "cpu"),
)


@pytest.mark.parametrize("arguments", TAKE_DATA, ids=lambda arguments: arguments[0])
def test_no_network_and_no_data(arguments: tuple[str, ...], no_data: Path, refused) -> None:
    refused("the data set 'mnist' is not here: looked for train-images-idx3-ubyte", *arguments)


@pytest.mark.parametrize("arguments", TAKE_DATA, ids=lambda arguments: arguments[0])
def test_data_with_a_wrong_checksum(arguments: tuple[str, ...], no_data: Path, refused) -> None:
    (no_data / "mnist").mkdir(parents=True)
    for part in ("train", "t10k"):
        for name in ("images-idx3-ubyte", "labels-idx1-ubyte"):
            (no_data / "mnist" / f"{part}-{name}").write_bytes(b"\0\0\x08\x01\0\0\0\x01\x07")
    refused("is not the published file (SHA-256", *arguments)


def test_a_run_folder_in_use(tmp_path: Path, refused) -> None:
    (tmp_path / "run").mkdir()
    with FileLock(tmp_path / "run" / ".lock"):
        refused("run is in use by another process; wait", "train", "mlp.digits", "--out", tmp_path / "run")


def test_a_full_disk(image_bundle: Path, small_disk: Path, refused) -> None:
    (small_disk / "filler").write_bytes(bytes(1 << 20))
    for arguments in (
        ("train", "mlp.digits", "--device", "cpu", "--out"),
        ("reproduce", "mlp.digits_v1", "--device", "cpu", "--out"),
        ("publish", image_bundle, "--to"),
        ("pull", "mlp.digits_v1", "--to"),
    ):
        refused("No space left on device", *arguments, small_disk / "out")
        assert [path for path in small_disk.rglob("*") if path.is_file()] == [small_disk / "filler"], arguments
