"""From a bundle to a model: the right values in the right place, and nothing else touched."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from zoo import init, registry
from zoo.bundles import load
from zoo.bundles.format import open_bundle
from zoo.construct import construct
from zoo.errors import ZooError
from zoo.integrity import sha256

load_model: Any = load.load_model  # every model is an nn.Module, and each has other attributes

DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")),
    pytest.param("mps", marks=pytest.mark.skipif(not torch.backends.mps.is_available(), reason="no MPS device")),
]

Make = Callable[..., Path]
Register = Callable[[str, Callable[..., nn.Module]], None]


class Positions(nn.Module):
    """Has buffers that are in no state dict, one of them drawn, one made from Python values, one on a fixed device."""

    table: Tensor
    fixed: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 3)
        self.register_buffer("table", torch.arange(8.0).sin(), persistent=False)
        self.register_buffer("drawn", torch.rand(3), persistent=False)
        self.register_buffer("fixed", torch.empty(3, device="cpu").fill_(2.5), persistent=False)
        self.register_buffer("steps", torch.tensor([1, 2, 3]))
        self.scale = torch.tensor(0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x) * self.scale + self.fixed


class Tied(nn.Module):
    """An embedding that is also the output layer, the second one frozen."""

    def __init__(self, num_classes: int = 5) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_classes, 4)
        self.output = nn.Linear(4, num_classes, bias=False)
        self.output.weight = self.embedding.weight
        self.frozen = nn.Parameter(torch.rand(2), requires_grad=False)


class NeedsValues(nn.Module):
    """Reads values while it is constructed, which the meta device does not have."""

    def __init__(self) -> None:
        super().__init__()
        widths = [int(width) for width in torch.linspace(4, 2, 3).tolist()]
        self.head = nn.Linear(widths[0], widths[-1])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", ["mlp", "resnet18_cifar", "bilstm_attn"])
def test_the_model_is_the_one_that_was_written(name: str, device: str, make: Make) -> None:
    arguments = {"vocab_size": 30, "embedding_dim": 6, "hidden": 5} if name == "bilstm_attn" else {}
    torch.manual_seed(0)
    grown = registry.get(name).constructor(**arguments).eval()
    folder = make(grown, f"{name}.tiny_v1", model=name, model_args=arguments)
    model = load_model(open_bundle(folder), device=device)
    assert not model.training and not any(module.training for module in model.modules())
    assert type(model) is type(grown)
    assert {tensor.device.type for tensor in model.state_dict().values()} == {device}
    for key, tensor in grown.state_dict().items():
        assert torch.equal(model.state_dict()[key].cpu(), tensor), key
    if name == "bilstm_attn":
        sample = (torch.randint(1, 30, (3, 7)), torch.tensor([7, 2, 5]))
    else:
        sample = (torch.rand(2, *registry.get(name).input_shape),)
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("error")  # cuDNN warns of recurrent weights that are scattered in memory
        answer = model(*(tensor.to(device) for tensor in sample)).cpu()
        torch.testing.assert_close(
            answer, grown(*sample), rtol=0 if device == "cpu" else 1e-3, atol=1e-6 if device == "cpu" else 1e-3
        )


def test_the_record_says_what_it_is(folder: Path) -> None:
    record = load_model(open_bundle(folder, name="mlp.digits_v1")).zoo
    assert (record.name, record.weight, record.task) == ("mlp", "mlp.digits_v1", "image-classification")
    assert record.labels == tuple("0123456789")
    assert record.input["size"] == [8, 8]
    assert "batch_size: 64" in record.recipe
    assert record.figures["accuracy"]["n"] == 3
    assert record.metrics == {"accuracy": record.figures["accuracy"]["value"]}
    assert hash(record) == hash(load_model(open_bundle(folder, name="mlp.digits_v1")).zoo)
    with pytest.raises(dataclasses.FrozenInstanceError):
        record.name = "other"  # type: ignore[misc]


def test_a_loaded_model_can_be_copied_and_pickled(folder: Path) -> None:
    model = load_model(open_bundle(folder))
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert twin.zoo == model.zoo
        assert torch.equal(twin.head.weight, model.head.weight)


def test_float16_in_the_bundle_is_float32_in_the_model(make: Make) -> None:
    grown = registry.get("resnet18_cifar").constructor()
    half = {key: t.half() if t.is_floating_point() else t + 7 for key, t in grown.state_dict().items()}
    folder = make(grown, "resnet18_cifar.half_v1", model="resnet18_cifar", state_dict=half)
    loaded = load_model(open_bundle(folder)).state_dict()
    for key, stored in half.items():
        wanted = stored.float() if stored.is_floating_point() else stored
        assert loaded[key].dtype == wanted.dtype and torch.equal(loaded[key], wanted), key
    assert any(tensor.dtype == torch.int64 for tensor in loaded.values())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_dtype_is_for_floating_point_alone(dtype: torch.dtype, make: Make, register: Register) -> None:
    register("positions", Positions)
    folder = make(Positions(), "positions.x_v1", model="positions")
    model = load_model(open_bundle(folder), dtype=dtype)
    assert model.head.weight.dtype == model.table.dtype == model.fixed.dtype == dtype
    assert model.steps.dtype == torch.int64


def test_what_no_state_dict_holds_is_rebuilt(make: Make, register: Register) -> None:
    register("positions", Positions)
    grown = Positions()
    folder = make(grown, "positions.x_v1", model="positions")
    assert "table" not in load_file(folder / "model.safetensors")
    state = torch.get_rng_state()
    model = load_model(open_bundle(folder))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(model.table, grown.table) and torch.equal(model.fixed, grown.fixed)
    x = torch.rand(2, 4)
    assert torch.equal(model(x), grown(x))
    assert not any(tensor.is_meta for tensor in (*model.buffers(), *model.parameters(), model.scale))


def test_a_buffer_filled_on_a_fixed_device_is_filled(make: Make, register: Register) -> None:
    """Skipping fills must stop at the meta device: here nothing is left there that would give a mistake away."""

    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(2, 2)
            self.register_buffer("fixed", torch.zeros(64, device="cpu").fill_(2.5), persistent=False)
            self.register_buffer("ones", nn.init.ones_(torch.zeros(64, device="cpu")), persistent=False)

    register("fixed", Fixed)
    model = load_model(open_bundle(make(Fixed(), "fixed.x_v1", model="fixed")))
    assert (model.fixed == 2.5).all() and (model.ones == 1).all()


def test_a_constructor_that_reads_values_is_given_them(make: Make, register: Register) -> None:
    register("needs_values", NeedsValues)
    grown = NeedsValues()
    state = torch.get_rng_state()
    model = load_model(open_bundle(make(grown, "needs_values.x_v1", model="needs_values")))
    assert torch.equal(model.head.weight, grown.head.weight)
    assert torch.equal(torch.get_rng_state(), state)


def test_tied_tensors_are_stored_once_and_stay_tied(make: Make, register: Register) -> None:
    register("tied", Tied)
    grown = Tied()
    folder = make(grown, "tied.x_v1", model="tied")
    assert set(load_file(folder / "model.safetensors")) == {"embedding.weight", "frozen"}
    model = load_model(open_bundle(folder))
    assert model.output.weight is model.embedding.weight
    assert torch.equal(model.output.weight, grown.embedding.weight)
    assert model.output.weight.requires_grad and not model.frozen.requires_grad


def test_nothing_is_drawn_and_nothing_is_filled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a fill was not skipped")

    monkeypatch.setattr(load, "in_full", refuse)
    torch.manual_seed(3)
    state = torch.get_rng_state()
    load_model(open_bundle(folder))
    assert torch.equal(torch.get_rng_state(), state)


def test_training_a_loaded_model_leaves_the_file_alone(folder: Path) -> None:
    before = sha256(folder / "model.safetensors")
    model = load_model(open_bundle(folder)).train()
    model(torch.rand(4, 64)).sum().backward()
    torch.optim.SGD(model.parameters(), lr=1.0).step()
    again = load_model(open_bundle(folder))
    assert not torch.equal(model.head.weight, again.head.weight)
    assert sha256(folder / "model.safetensors") == before


def test_torchs_default_device_is_honoured(folder: Path) -> None:
    with torch.device("cpu"):
        assert load_model(open_bundle(folder)).head.weight.device.type == "cpu"


def test_other_num_classes_replace_the_head_alone(folder: Path) -> None:
    whole = load_model(open_bundle(folder))
    torch.manual_seed(5)
    with pytest.warns(UserWarning, match="head of mlp.digits_v1 for 10 classes .* fresh one for 3") as told:
        model = load_model(open_bundle(folder), num_classes=3)
    assert len(told) == 1
    assert model.head.weight.shape == (3, 64) and not model.head.training
    for key, tensor in whole.body.state_dict().items():
        assert torch.equal(model.body.state_dict()[key], tensor)
    torch.manual_seed(5)
    expected = nn.Linear(64, 3)
    init.apply(expected, registry.get("mlp").init)
    assert torch.equal(model.head.weight, expected.weight)
    assert model.zoo.labels == ("0", "1", "2") and model.zoo.metrics == {}
    assert model(torch.rand(2, 64)).shape == (2, 3)


def test_the_weights_own_num_classes_change_nothing(folder: Path) -> None:
    state = torch.get_rng_state()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = load_model(open_bundle(folder), num_classes=10)
    assert model.zoo.metrics and torch.equal(torch.get_rng_state(), state)


def test_a_replaced_head_has_the_dtype_of_the_rest(folder: Path) -> None:
    with pytest.warns(UserWarning):
        model = load_model(open_bundle(folder), num_classes=3, dtype=torch.float16)
    assert model.head.weight.dtype == torch.float16


def test_a_model_without_a_head_cannot_have_it_replaced(make: Make, register: Register) -> None:
    register("tied", Tied)
    with pytest.raises(ZooError, match="no linear head to replace"):
        load_model(open_bundle(make(Tied(), "tied.x_v1", model="tied")), num_classes=3)


def test_a_weight_without_classes_keeps_its_head(make: Make) -> None:
    bundle = make(construct("gru_forecast", {}), "gru_forecast.x_v1", model="gru_forecast", labels=[])
    with pytest.raises(ZooError, match=r"gru_forecast\.x_v1 holds a gru_forecast, which has no num_classes; leave it"):
        load_model(open_bundle(bundle), num_classes=3)


def test_a_tensor_of_equal_size_and_another_shape_is_refused(make: Make) -> None:
    state = registry.get("mlp").constructor(widths=[8]).state_dict()
    state["head.weight"] = state["head.weight"].t().contiguous()
    folder = make(nn.Module(), "mlp.turned_v1", state_dict=state, model_args={"widths": [8]})
    with pytest.raises(ZooError, match=r"1 of another shape: head\.weight \[8, 10\] instead of \[10, 8\]"):
        load_model(open_bundle(folder))


def test_a_mismatch_lists_a_few_of_each(make: Make) -> None:
    state = registry.get("mlp").constructor(widths=[8] * 8).state_dict()
    kept = {key: tensor for key, tensor in state.items() if not key.startswith(("body.4", "body.6", "body.8"))}
    kept["head.weight"] = torch.zeros(10, 9)
    kept["extra"] = torch.zeros(1)
    folder = make(nn.Module(), "mlp.broken_v1", state_dict=kept, model_args={"widths": [8] * 8})
    with pytest.raises(ZooError) as error:
        load_model(open_bundle(folder))
    message = str(error.value)
    assert "6 missing: body.4.weight, body.4.bias, body.6.weight, …;" in message
    assert "1 unexpected: extra" in message
    assert "1 of another shape: head.weight [10, 9] instead of [10, 8]" in message


@pytest.mark.parametrize(
    ("arguments", "told"),
    [({"wdths": [3]}, "wdths"), ({"widths": [8, 8], "dropout": [0.1]}, "dropout"), ({"widths": [-1]}, "widths")],
)
def test_arguments_the_model_does_not_take(arguments: dict[str, Any], told: str, make: Make) -> None:
    folder = make(registry.get("mlp").constructor(), model_args=arguments)
    with pytest.raises(ZooError, match=told):
        load_model(open_bundle(folder))


def test_arguments_override_those_of_the_bundle(make: Make) -> None:
    folder = make(registry.get("mlp").constructor(dropout=0.1), model_args={"dropout": 0.1})
    model = load_model(open_bundle(folder), model_args={"dropout": 0.4})
    assert {module.p for module in model.modules() if isinstance(module, nn.Dropout)} == {0.4}


@pytest.mark.parametrize("device", ["cuda:99", "mps:7", "cpu:3", "nowhere", "meta:3:4"])
def test_a_device_that_is_not_there(device: str, folder: Path) -> None:
    with pytest.raises(ZooError, match=f"this machine does not have the device '{device}'; choose"):
        load_model(open_bundle(folder), device=device)


def test_the_meta_device_is_refused_not_the_file(folder: Path) -> None:
    with pytest.raises(ZooError, match=r"^a pretrained model on the device 'meta' has no values; choose"):
        load_model(open_bundle(folder), device="meta")
    with torch.device("meta"), pytest.raises(ZooError, match="the device 'meta' has no values"):
        load_model(open_bundle(folder))
    assert load_model(open_bundle(folder), device="cpu:0").head.weight.device.type == "cpu"


@pytest.mark.parametrize(
    "options", [{"dtype": torch.int8}, {"dtype": "half"}, {"num_classes": -1}, {"num_classes": "3"}]
)
def test_options_that_make_no_sense(options: dict[str, Any], folder: Path) -> None:
    with pytest.raises(ZooError, match=next(iter(options))):
        load_model(open_bundle(folder), **options)


def test_an_unknown_model_is_named(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model": "mnist_mpl"}))
    with pytest.raises(ZooError, match="unknown model 'mnist_mpl'; did you mean mnist_mlp"):
        load_model(open_bundle(folder))
