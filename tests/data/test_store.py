"""The kept tensors: what was saved comes back, and nothing else does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from zoo.data import Split, store

TEXTS = Split(["good", "bad – só só", ""], torch.tensor([1, 0, 0]), torch.tensor([4, 5, 5]))
IMAGES = Split(torch.arange(8, dtype=torch.uint8).reshape(2, 1, 2, 2), torch.tensor([0, 1]))
OTHERS = Split(torch.ones(3, 1, 2, 2, dtype=torch.uint8), torch.tensor([0, 1, 1]))


def test_texts_images_and_groups_come_back(tmp_path: Path):
    store.save(tmp_path / "new" / "set.safetensors", (TEXTS, IMAGES), "print", "stamp")
    splits = store.load(tmp_path / "new" / "set.safetensors", "print", "stamp")
    assert splits is not None
    train, test = splits
    assert train.inputs == TEXTS.inputs and train.groups is not None and TEXTS.groups is not None
    assert torch.equal(train.groups, TEXTS.groups) and torch.equal(train.targets, TEXTS.targets)
    assert isinstance(test.inputs, torch.Tensor) and isinstance(IMAGES.inputs, torch.Tensor)
    assert torch.equal(test.inputs, IMAGES.inputs) and test.groups is None
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["set.safetensors", "set.sha256"]


def test_other_data_and_other_raw_files_are_not_confused(tmp_path: Path):
    path = tmp_path / "set.safetensors"
    store.save(path, (IMAGES, OTHERS), "print", "stamp")
    assert store.load(path, "print", None) is not None  # no raw files at hand to compare with
    assert store.load(path, "print", "another stamp") is None
    assert store.load(path, "another print", "stamp") is None


def test_a_damaged_or_absent_file_is_as_none(tmp_path: Path):
    path = tmp_path / "set.safetensors"
    assert store.load(path, "print", None) is None
    store.save(path, (IMAGES, OTHERS), "print", "stamp")
    for damage in (path.read_bytes()[:-1], b"", b"not tensors"):
        path.write_bytes(damage)
        assert store.load(path, "print", None) is None


def test_writing_into_loaded_tensors_leaves_the_file_as_it_is(tmp_path: Path):
    path = tmp_path / "set.safetensors"
    store.save(path, (IMAGES, OTHERS), "print", "stamp")
    before, splits = path.read_bytes(), store.load(path, "print", None)
    assert splits is not None and isinstance(splits[0].inputs, torch.Tensor)
    splits[0].inputs.fill_(7)
    assert path.read_bytes() == before


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files to set")
def test_a_full_disk_leaves_nothing(tmp_path: Path):
    # A limit on the size of files stops the write where a full disk would; in a process of its own, to be rid of it.
    script = f"""
import resource, signal, torch
from pathlib import Path
from zoo import ZooError
from zoo.data import Split, store
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
train, test = (Split(torch.zeros(20_000, 1, 1, 1, dtype=torch.uint8), torch.zeros(20_000).long()) for _ in range(2))
try:
    store.save(Path({str(tmp_path)!r}) / "set.safetensors", (train, test), "print", "stamp")
except ZooError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "set.safetensors" in done.stdout and "set ZOO_HOME" in done.stdout
    assert list(tmp_path.iterdir()) == []
