"""A stranger's recipe reads no file and asks no address that the owner of the machine did not name."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import zoo
from zoo.bundles.format import open_bundle
from zoo.bundles.index import entry_of, write_index
from zoo.recipes.of_bundle import recipe_of, trusting
from zoo.recipes.reading import read_yaml, write_yaml
from zoo.sources.folder import PACKAGE


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A copy of a shipped bundle that no index vouches for."""
    return Path(shutil.copytree(PACKAGE / "mlp.digits_v1", tmp_path / "mlp.digits_v1"))


def changed(folder: Path, **changes: Any) -> Path:
    """The bundle with key paths of its recipe changed; a dot is written as two underscores."""
    content = read_yaml((folder / "recipe.yaml").read_text())
    for path, value in changes.items():
        *keys, last = path.split("__")
        place = content
        for key in keys:
            place = place[key]
        place[last] = value
    (folder / "recipe.yaml").write_text(write_yaml(content))
    return folder


PLACES = ["file:/etc/passwd", "imagefolder:/sys", "imagefolder:.", "file:../x.csv", "file:~/x.csv", "file:a/../b.csv"]
PLACES += ["file:.env", "imagefolder:pictures"]


@pytest.mark.parametrize("place", PLACES)
def test_data_at_a_place_of_the_machine_are_refused(bundle: Path, place: str) -> None:
    changed(bundle, data__name=place)
    for use in (zoo.evaluate, zoo.reproduce):
        with pytest.raises(zoo.ZooError, match=r"names a place on a machine for its data .*--trust"):
            use(str(bundle))
    report = zoo.verify(str(bundle))
    assert not report.ok and "--trust" in report.message


def test_what_is_trusted_reads_what_it_names(bundle: Path, tmp_path: Path) -> None:
    changed(bundle, data__name=f"file:{tmp_path / 'nowhere.csv'}")
    opened = open_bundle(bundle)
    with trusting(True):
        assert recipe_of(opened).data.name.endswith("nowhere.csv")
    with pytest.raises(zoo.ZooError, match="names a place"):
        recipe_of(opened)


@pytest.fixture
def unasked() -> Any:
    """The address of a server on this machine, to which no client may have connected."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        yield f"http://127.0.0.1:{server.getsockname()[1]}/mlp.digits_v1"
        with pytest.raises(TimeoutError):
            server.accept()


BEGINS: dict[str, Callable[[Path, str], str]] = {
    "a path": lambda folder, url: str(folder / "model.safetensors"),
    "a relative path": lambda folder, url: "./model.safetensors",
    "a folder": lambda folder, url: os.path.relpath(folder),
    "home": lambda folder, url: "~/weights",
    "an address": lambda folder, url: url,
    "a bucket": lambda folder, url: "s3://bucket/mlp.digits_v1",
    "a pipe": lambda folder, url: f"{folder}/pipe.safetensors",
}


@pytest.mark.parametrize("sort", BEGINS)
def test_a_recipe_that_begins_from_a_place_is_refused(bundle: Path, unasked: str, sort: str) -> None:
    begins = BEGINS[sort](bundle, unasked)
    changed(bundle, init_from=begins)
    if sort == "a pipe":
        os.mkfifo(begins)
    with pytest.raises(zoo.ZooError, match=r"begins from a place that it names itself .*--trust"):
        zoo.reproduce(str(bundle))
    # What an index lists was published by somebody else, and no use of it reads that place.
    write_index(bundle.parent / "index.json", {bundle.name: entry_of(bundle, bundle.name, True)})
    for use in (zoo.evaluate, zoo.reproduce):
        with pytest.raises(zoo.ZooError, match="begins from a place that it names itself"):
            use(str(bundle))
    assert not zoo.verify(str(bundle)).ok


@pytest.mark.parametrize("begins", ["mlp.digits_v1", "mlp", "timm/resnet18", "hf://owner/repo"])
def test_names_of_weights_are_not_places(bundle: Path, begins: str) -> None:
    assert recipe_of(open_bundle(changed(bundle, init_from=begins))).init_from == begins


def test_a_recipe_starts_no_more_processes_than_there_are_processors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch.utils import data

    asked: list[int] = []
    loader = data.DataLoader

    def noted(*arguments: Any, num_workers: int, **more: Any) -> Any:
        asked.append(num_workers)
        return loader(*arguments, **{**more, "num_workers": 0, "prefetch_factor": None})

    monkeypatch.setattr("zoo.kinds.pictures.DataLoader", noted)
    for label in "ab":
        (tmp_path / "p" / label).mkdir(parents=True)
        for shade in range(5):
            Image.new("L", (8, 8), shade + 9 * ord(label) % 200).save(tmp_path / "p" / label / f"{shade}.png")
    recipe = {
        **{"model": "mlp", "model_args": {"in_features": 64, "widths": [4], "num_classes": 2}},
        "init": "xavier_uniform",
        "data": {
            "name": f"imagefolder:{tmp_path / 'p'}",
            "size": [8, 8],
            "channels": 1,
            "workers": 150,
            "batch_size": 4,
        },
        **{"optimizer": {"name": "sgd", "lr": 0.1}, "train": {"steps": 1}},
    }
    recipe["data"] |= {"mean": [0.5], "std": [0.5]}
    zoo.train(recipe, out=tmp_path / "run", device="cpu", progress=False)
    assert max(asked) <= (os.cpu_count() or 1)
    for file in ("recipe.yaml", "config.json", "metrics.json"):
        assert str(tmp_path) not in (tmp_path / "run" / file).read_text(), file
