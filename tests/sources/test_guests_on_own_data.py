"""`zoo train timm/NAME --data PATH`: a model without a recipe of the zoo's on pictures of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from hub_server import HubServer
from PIL import Image

import zoo
from zoo import ZooError
from zoo.cli import main

NAME = "timm/test_resnet"
SMALL = ["data.size=[32,32]", "train.epochs=2", "data.batch_size=8", "optimizer.lr=0.003"]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two folders of 12 pictures each: dark and light noise."""
    for label, low in (("dark", 0), ("light", 150)):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for i in range(12):
            noise = torch.randint(100, (40, 32, 3), generator=torch.Generator().manual_seed(low + i)) + low
            Image.fromarray(noise.to(torch.uint8).numpy()).save(tmp_path / "photos" / label / f"{i}.png")
    return tmp_path / "photos"


def test_a_guest_begins_from_timms_weight_with_timms_transform(guests: HubServer, photos: Path, tmp_path: Path, capfd):
    assert main(["train", NAME, "--data", str(photos), "--out", str(tmp_path / "run"), "--device", "cpu", *SMALL]) == 0
    assert f"begins from {NAME}; --from-scratch" in capfd.readouterr().err
    recipe = zoo.load_recipe(tmp_path / "run")
    mean = list(timm.get_pretrained_cfg("test_resnet").mean)  # type: ignore[union-attr]
    assert (recipe.model, recipe.init_from, recipe.data.mean) == (NAME, NAME, mean)
    answer = zoo.predictor(tmp_path / "run")(str(photos / "light" / "0.png"))
    assert answer.label in ("dark", "light")
    shelf = tmp_path / "shelf"
    assert zoo.publish(tmp_path / "run", shelf) == "timm-test_resnet.photos_v1"


def test_without_timms_weight_it_begins_from_scratch_and_says_why(photos: Path, tmp_path: Path, monkeypatch, capfd):
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    assert main(["train", NAME, "--data", str(photos), "--out", str(tmp_path / "run"), "--device", "cpu", *SMALL]) == 0
    assert "begins from scratch: model.safetensors of timm/test_resnet.r160_in1k: ZOO_OFFLINE" in capfd.readouterr().err
    assert zoo.load_recipe(tmp_path / "run").init_from is None


def test_a_model_of_the_zoo_without_a_recipe_has_one_too(photos: Path, tmp_path: Path):
    run = zoo.train("resnet18", {"data.size": [32, 32], "train.epochs": 1, "data.batch_size": 8}, data=photos,
                    out=tmp_path / "run", device="cpu", baseline=False, progress=False)  # fmt: skip
    assert run.finished and zoo.load_recipe(run.folder).data.mean == [0.485, 0.456, 0.406]


def test_an_unknown_name_is_reported_with_the_nearest(photos: Path):
    with pytest.raises(ZooError, match=r"unknown model of timm 'timm/test_resnett'; did you mean timm/test_resnet"):
        zoo.train("timm/test_resnett", data=photos)
