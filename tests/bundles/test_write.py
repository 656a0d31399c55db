"""Writing a bundle: the same bytes for the same tensors, and all of it or nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import nn

from zoo.bundles.format import open_bundle
from zoo.bundles.write import write_tensors
from zoo.errors import ZooError
from zoo.integrity import sha256


def test_a_bundle_holds_every_file(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {
        "model.safetensors", "config.json", "recipe.yaml", "metrics.json", "log.csv", "README.md",
    }  # fmt: skip
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["sha256"] == sha256(folder / "model.safetensors")
    assert metrics["recipe_sha256"] == sha256(folder / "recipe.yaml")
    with safe_open(folder / "model.safetensors", "pt") as file:
        assert file.metadata() == {
            "format": "pt",
            "name": "mlp.digits_v1",
            "seed": "0",
            "recipe_sha256": metrics["recipe_sha256"],
        }
    assert list(folder.parent.iterdir()) == [folder]


def test_the_same_tensors_give_the_same_bytes(tmp_path: Path) -> None:
    """The library alone writes the metadata in another order each time."""
    state = nn.Linear(3, 2).state_dict()
    metadata = {f"key {index}": "ä" * index for index in range(12)}
    for index in range(6):
        write_tensors(tmp_path / str(index), state, dict(sorted(metadata.items(), reverse=index % 2 == 1)))
    assert len({sha256(path) for path in tmp_path.iterdir()}) == 1
    with safe_open(tmp_path / "0", "pt") as file:
        assert file.metadata() == {"format": "pt", **metadata}
    assert torch.equal(load_file(tmp_path / "0")["weight"], state["weight"])


def test_a_file_is_what_the_library_makes(tmp_path: Path) -> None:
    """Every type, in the library's order; without metadata but one, which it cannot shuffle."""
    types = ("bool", "uint8", "int8", "int16", "float16", "bfloat16", "int32", "float32", "float64", "int64")
    numbers = torch.tensor([[1, 0, 3], [2, 7, 0]])
    state = {f"{letter}.{kind}": numbers.to(getattr(torch, kind), copy=True) for letter in "bä.a" for kind in types}
    state |= {"one": torch.tensor(5.0), "none": torch.zeros(0, 3), "half": torch.ones(3, dtype=torch.float16)}
    write_tensors(tmp_path / "ours", state, {})
    assert (tmp_path / "ours").read_bytes() == save(state, {"format": "pt"})


def test_what_cannot_be_stored_is_named(tmp_path: Path) -> None:
    for tensor in (torch.eye(2).to_sparse(), torch.zeros(2, dtype=torch.complex64)):
        with pytest.raises(ZooError, match="cannot be written: odd is torch"):
            write_tensors(tmp_path / "t", {"odd": tensor}, {})


def test_views_are_stored_without_what_they_view(tmp_path: Path) -> None:
    large = torch.arange(100_000.0)
    state = {"head": large[:5], "tail": large[5:10], "across": torch.arange(6.0).view(2, 3).t(), "none": large[:0]}
    write_tensors(tmp_path / "t", state, {})
    assert (tmp_path / "t").stat().st_size < 1000
    assert all(torch.equal(tensor, state[key]) for key, tensor in load_file(tmp_path / "t").items())


def test_a_bundle_is_never_written_over(folder: Path, make: Callable[..., Path]) -> None:
    before = sha256(folder / "model.safetensors")
    with pytest.raises(ZooError, match="exists already and a bundle never changes"):
        make(nn.Linear(2, 2))
    assert sha256(folder / "model.safetensors") == before


@pytest.mark.skipif(sys.platform == "win32", reason="no file size limit there")
def test_a_full_disk_leaves_nothing_half_written(make: Callable[..., Path], tmp_path: Path) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
    try:
        with pytest.raises(ZooError, match=r"cannot be written \(File too large\); free some space"):
            make(nn.Linear(100, 100))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_is_not_a_folder_is_left_alone(make: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "mlp.digits_v1").write_text("mine")
    with pytest.raises(ZooError, match="exists already"):
        make(nn.Linear(2, 2))
    assert (tmp_path / "mlp.digits_v1").read_text() == "mine"


def test_the_folder_has_the_usual_permissions(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "usual").mkdir()
    assert folder.stat().st_mode == (tmp_path / "usual").stat().st_mode
    assert open_bundle(folder).config["model"] == "mlp"
