"""`zoo.create`: fresh models, and every way to name a weight."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

import zoo
from zoo import init, registry
from zoo.bundles.index import entry_of, write_index

create: Any = zoo.create  # every model is an nn.Module, and each has other attributes

OWN = [name for name in registry.names() if registry.get(name).constructor.__module__.startswith("zoo.models.")]
DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")),
]


@pytest.fixture
def published(image_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source that holds mlp.tiny_v1 as the default of `mlp`."""
    root = image_bundle.parent
    write_index(root / "index.json", {"mlp.tiny_v1": entry_of(image_bundle, "mlp.tiny_v1", True)})
    monkeypatch.setenv("ZOO_SOURCES", str(root))
    return root


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", OWN)
def test_the_same_seed_gives_the_same_model(name: str, device: str) -> None:
    states = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        states.append(create(name, device=device).state_dict())
    assert all(tensor.device.type == device for tensor in states[0].values())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert not all(torch.equal(states[0][key], states[2][key]) for key in states[0])


def test_a_fresh_model_is_filled_by_its_scheme_and_in_training_mode() -> None:
    torch.manual_seed(0)
    model = create("mnist_mlp")
    assert model.training and all(module.training for module in model.modules())
    torch.manual_seed(0)
    expected = registry.get("mnist_mlp").constructor()
    init.apply(expected, "kaiming_normal")
    for key, tensor in expected.state_dict().items():
        assert torch.equal(model.state_dict()[key], tensor)
    assert (model.head.bias == 0).all()
    assert model.zoo == zoo.Record("mnist_mlp", None, "image-classification")


def test_a_fresh_model_takes_arguments_classes_and_dtype() -> None:
    model = create("mlp", widths=[5], num_classes=3, dtype=torch.bfloat16)
    assert [tuple(p.shape) for p in model.parameters()] == [(5, 64), (5,), (3, 5), (3,)]
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}


def test_rounding_comes_after_drawing() -> None:
    """A dtype does not change which numbers are drawn."""
    torch.manual_seed(0)
    whole = create("mlp")
    torch.manual_seed(0)
    assert torch.equal(create("mlp", dtype=torch.float16).head.weight, whole.head.weight.half())


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("mlp", {"pretrained": True}),
        ("mlp", {"weights": "tiny_v1"}),
        ("mlp", {"weights": "mlp.tiny_v1"}),
        ("mlp", {"weights": "DEFAULT"}),
        ("mlp.tiny_v1", {}),
        ("mlp.tiny_v1", {"pretrained": True}),
    ],
)
def test_every_name_of_a_weight(name: str, options: dict, published: Path) -> None:
    model = create(name, **options)
    assert model.zoo.weight == "mlp.tiny_v1" and not model.training
    assert model(torch.eye(64)[:10].view(10, 1, 8, 8)).argmax(1).tolist() == list(range(10))


def test_the_path_of_a_bundle_is_a_name(image_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(image_bundle.parent)
    for name in (image_bundle, str(image_bundle), "./mlp.tiny_v1", "mlp.tiny_v1"):
        assert create(name).zoo.weight == "mlp.tiny_v1"
    for weights in (image_bundle, "./mlp.tiny_v1", "mlp.tiny_v1"):
        assert create("mlp", weights=weights).zoo.weight == "mlp.tiny_v1"


def test_a_folder_in_the_way_is_not_a_bundle(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("mlp", "tiny_v1", "mlp.tiny_v1"):
        (tmp_path / name).mkdir()
    assert create("mlp").zoo.weight is None
    assert create("mlp", weights="tiny_v1").zoo.weight == "mlp.tiny_v1"
    assert create("mlp.tiny_v1").zoo.weight == "mlp.tiny_v1"


def test_another_number_of_classes(published: Path) -> None:
    with pytest.warns(UserWarning, match="replaced by a fresh one for 4") as told:
        model = create("mlp", pretrained=True, num_classes=4)
    assert model.head.out_features == 4
    with pytest.warns(UserWarning, match="replaced by a fresh one for 4"):
        create("mlp", pretrained=True, num_classes=numpy.int64(4))  # type: ignore[arg-type]
    assert told[0].filename == __file__  # the warning points at the caller's line


def test_arguments_of_a_weight_can_be_overridden(published: Path) -> None:
    with pytest.raises(zoo.ZooError, match="2 missing"):
        create("mlp", pretrained=True, widths=[3])
    with pytest.raises(zoo.ZooError, match=r"unexpected keyword argument 'depth'; it takes in_features, widths"):
        create("mlp", pretrained=True, depth=3)


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("resnet81", {}, "unknown model 'resnet81'; did you mean resnet18"),
        ("", {}, "unknown model ''"),
        ("mlp.tiny_v2", {}, "unknown weight 'mlp.tiny_v2'; did you mean mlp.tiny_v1"),
        ("mlp", {"weights": "tiny_v3"}, "unknown weight 'mlp.tiny_v3'; did you mean mlp.tiny_v1"),
        ("resnet18", {"pretrained": True}, "'resnet18' has no published weight"),
        ("mlp.tiny_v1", {"weights": "tiny_v1"}, "is a weight already"),
        ("runs/nothing", {}, "runs/nothing"),
        ("mlp", {"depth": 3}, "unexpected keyword argument 'depth'; it takes in_features, widths"),
        ("mlp.tiny_v1", {"weights": "DEFAULT"}, "'mlp.tiny_v1' is a weight already"),
        ("mlp", {"num_classes": True}, "num_classes is True"),
        ("mlp", {"num_classes": -1}, "num_classes is -1"),
        ("mlp", {"dtype": torch.int64}, "dtype is torch.int64"),
        ("mlp", {"device": "cuda:99"}, "this machine does not have the device 'cuda:99'"),
        ("mlp", {"device": "nowhere"}, "this machine does not have the device 'nowhere'"),
        ("mlp", {"device": "cpu:3"}, "this machine does not have the device 'cpu:3'"),
        ("mlp", {"dropout": 7}, r"mlp cannot be built with {'dropout': 7} \(dropout probability .* got 7\); change"),
        (
            "mlp",
            {"widths": "abc"},
            r"mlp cannot be built with {'widths': 'abc'} \(.*(type str|combination of arguments).*\); change",
        ),
        ("bilstm_attn", {"vocab_size": -1}, r"bilstm_attn cannot be built with {'vocab_size': -1} \(.*negative"),
        (
            "mlp",
            {"pretrained": True, "widths": "abc"},
            r"mlp cannot be built with {'in_features': 64, 'widths': 'abc'}",
        ),
        ("mlp", {"pretrained": True, "device": "meta"}, "a pretrained model on the device 'meta' has no values"),
        ("x" * 5000, {}, "unknown model 'xxx"),
        (None, {}, "None names no model or weight"),
        ("mlp", {"weights": 3}, "3 names no model or weight"),
        (
            "mlp",
            {"pretrained": "digits_v1"},
            "pretrained is 'digits_v1' where True or False is expected",
        ),
        (
            "mlp",
            {"widths": [0]},
            r"'mlp' with \{'widths': \[0\]\} has no units in body\.0\.weight; give 1 or more",
        ),
        ("mlp.tiny_v1", {"weights": 3}, "3 names no model or weight"),
    ],
)
def test_what_cannot_be_created(name: Any, options: dict, told: str, published: Path) -> None:
    with pytest.raises(zoo.ZooError, match=told) as error:
        create(name, **options)
    assert "\n" not in str(error.value)


def test_a_bundle_of_another_model(image_bundle: Path, published: Path) -> None:
    for weights in (image_bundle, "mlp.tiny_v1"):
        with pytest.raises(zoo.ZooError, match="holds a 'mlp', not a 'resnet18'"):
            create("resnet18", weights=weights)


def test_the_source_is_held_to_its_index(published: Path) -> None:
    config = published / "mlp.tiny_v1" / "config.json"
    text = config.read_text()
    try:
        config.write_text(json.dumps({**json.loads(text), "labels": ["fooled"] * 10}))
        with pytest.raises(zoo.ZooError, match=r"config\.json"):
            create("mlp", pretrained=True)
    finally:
        config.write_text(text)


def test_a_weight_without_its_head_gives_its_features_without_a_warning() -> None:
    whole: Any = create("mnist_mlp", pretrained=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bare = create("mnist_mlp", pretrained=True, num_classes=0)
    x = torch.randn(2, 1, 28, 28)
    assert torch.equal(bare(x), whole.forward_features(x)) and bare(x).shape == (2, 128)
    assert bare.zoo.labels == () and bare.zoo.metrics == {}


def test_a_weight_for_other_channels_answers_equal_channels_as_it_answered_one() -> None:
    grey = create("cnn_fashion", pretrained=True)
    colour = create("cnn_fashion", pretrained=True, in_chans=3)
    x = torch.randn(2, 1, 28, 28)
    torch.testing.assert_close(colour(x.expand(-1, 3, -1, -1)), grey(x), rtol=1e-4, atol=1e-4)
    assert colour.zoo.input["channels"] == 3 and colour.zoo.metrics == {} and colour.zoo.labels == grey.zoo.labels


def test_a_replaced_head_takes_the_labels_with_it() -> None:
    model: Any = create("mnist_mlp", pretrained=True)
    model.reset_classifier(3)
    assert model.zoo.labels == ("0", "1", "2") and model.zoo.metrics == {} and model.zoo.weight == "mnist_mlp.mnist_v1"
