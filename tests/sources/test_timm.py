"""timm's real loader on published weights, from a stand-in for the Hub that speaks its protocol, and from folders."""

from __future__ import annotations

import inspect
import json
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hub_server import HubServer
from PIL import Image
from safetensors.torch import save_file

import zoo
from zoo import registry
from zoo.construct import construct
from zoo.models.in_timm import reads_images
from zoo.publishing import publish
from zoo.publishing.for_timm import for_timm
from zoo.publishing.importing import import_weight

timm = pytest.importorskip("timm")
PAGE = Path(__file__).parents[2] / "docs" / "with.md"
REPO = "someone/digits"
IMAGES = sorted(name for name in registry.names() if reads_images(registry.get(name)))


READS_FOLDERS = "load_state_dict(found_file" in inspect.getsource(timm.models._hub.load_state_dict_from_path)
by_folder = pytest.mark.skipif(not READS_FOLDERS, reason="this timm takes the safetensors of a folder for a pickle")


@pytest.fixture
def hub(make_run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The stand-in with one published weight. The Hub's client reads its address when it is imported."""
    from huggingface_hub import constants

    server = HubServer()
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.url + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    publish(make_run(), f"hf://{REPO}")
    yield server
    server.shutdown()
    server.server_close()


def test_timm_loads_a_published_weight_as_the_zoo_does(hub: HubServer, tmp_path: Path):
    (block,) = PAGE.read_text(encoding="utf-8").split("<!-- timm -->\n```python\n")[1:]
    names: dict = {}
    exec(block.partition("```")[0], names)
    theirs, ours = names["model"], zoo.create(f"hf://{REPO}")
    assert type(theirs) is type(ours) and theirs.num_classes == 10
    assert theirs.pretrained_cfg["label_names"] == list(ours.zoo.labels)  # type: ignore[union-attr]
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    with torch.inference_mode():
        wanted = ours(*zoo.transform(f"hf://{REPO}").batch([tmp_path / "picture.png"]))
        found = theirs(names["transform"](Image.open(tmp_path / "picture.png"))[None])
    torch.testing.assert_close(found, wanted)


def test_the_hubs_client_reads_card_tags_and_metadata_without_a_word(hub: HubServer):
    from huggingface_hub import HfApi, ModelCard, metadata_load

    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())
    logging.getLogger("huggingface_hub").addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            card: Any = ModelCard.load(REPO)
            card.validate()
            about = HfApi(endpoint=hub.url).model_info(REPO)
            path = HfApi(endpoint=hub.url).hf_hub_download(REPO, "README.md")
            front = metadata_load(path)
    finally:
        logging.getLogger("huggingface_hub").removeHandler(handler)
    assert said == []
    assert front and front["library_name"] == "reprozoo" and front["datasets"] == ["digits"]
    (result,) = card.data.eval_results
    assert (result.metric_type, result.metric_value, result.dataset_name) == ("accuracy", 0.98, "digits")
    assert about.card_data and about.card_data.datasets == ["digits"]
    assert about.pipeline_tag == "image-classification" and "pytorch" in (about.tags or [])


@by_folder
@pytest.mark.parametrize("name", IMAGES)
def test_every_image_model_is_made_and_filled_by_timm(name: str, tmp_path: Path):
    torch.manual_seed(0)
    entry = registry.get(name)
    ours = construct(name, {}).eval()
    channels, *size = entry.input_shape
    classes = ours.num_classes if entry.task == "image-classification" else 0
    about = {"kind": "image", "channels": channels, "size": size, "maximum": 255.0, "mean": [0.5], "std": [0.25]}
    config = {"model": name, "model_args": {}, "task": entry.task, "labels": [str(n) for n in range(classes)]}
    told = for_timm({**config, "input": about})
    (tmp_path / "config.json").write_text(json.dumps({**config, "input": about, **told}))
    save_file(ours.state_dict(), tmp_path / "model.safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        theirs = timm.create_model(f"local-dir:{tmp_path}", pretrained=True).eval()
    images = torch.rand(2, *entry.input_shape)
    with torch.inference_mode():
        torch.testing.assert_close(theirs(images), ours(images))


@by_folder
def test_a_guest_that_was_trained_here_is_timms_own_model(tmp_path: Path):
    torch.manual_seed(0)
    name, arguments = "timm/test_resnet.r160_in1k", {"num_classes": 3}
    ours = construct(name, arguments).eval()
    about = {"kind": "image", "channels": 3, "size": [64, 64], "maximum": 255.0, "mean": [0.5] * 3, "std": [0.5] * 3}
    config = {"model": name, "model_args": arguments, "task": "image-classification", "labels": ["a", "b", "c"]}
    told = for_timm({**config, "input": about})
    assert told["architecture"] == "test_resnet"
    (tmp_path / "config.json").write_text(json.dumps({**config, **told}))
    save_file(ours.state_dict(), tmp_path / "model.safetensors")
    theirs = timm.create_model(f"local-dir:{tmp_path}", pretrained=True).eval()
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(theirs(images), ours(images))


@by_folder
def test_timm_changes_channels_and_classes_of_an_imported_weight(tmp_path: Path):
    torch.manual_seed(0)
    save_file(construct("cnn_fashion", {}).state_dict(), tmp_path / "state.safetensors")
    folder, _ = import_weight(tmp_path / "state.safetensors", "cnn_fashion", to=tmp_path / "cnn_fashion.mine_v1")
    model = timm.create_model(f"local-dir:{folder}", pretrained=True, in_chans=3, num_classes=5).eval()
    ours = zoo.create(folder)
    image = torch.rand(1, 1, 28, 28)
    with torch.inference_mode():
        assert model(image.expand(-1, 3, -1, -1)).shape == (1, 5)
        assert torch.equal(model.body[3].weight, ours.body[3].weight)  # type: ignore[union-attr,index]


def test_models_of_ones_own_and_without_a_weight():
    with registry.temporary():

        @zoo.register_model(
            task="image-classification", init="kaiming_normal", description="d", source="s", input_shape=(3, 8, 8)
        )
        def net_of_a_test(num_classes: int = 3, in_chans: int = 3) -> torch.nn.Module:
            return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(in_chans * 64, num_classes))

        assert timm.create_model("zoo_net_of_a_test")(torch.zeros(2, 3, 8, 8)).shape == (2, 3)
    assert timm.create_model("zoo_mnist_mlp").pretrained_cfg["input_size"] == (1, 28, 28)
    with pytest.raises(TypeError, match="drop_rate"):
        timm.create_model("zoo_mnist_mlp", drop_rate=0.1)
