"""What every registered model must do, whatever it is: a model that is registered is in this test."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from zoo import init, registry
from zoo._create import create
from zoo.data.text import train_tokenizer
from zoo.errors import ZooError
from zoo.registry import Model
from zoo.training.machine import draws
from zoo.training.machine.dropout import use_fast_dropout

ROOT = Path(__file__).parents[2]
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@pytest.fixture(params=registry.names())
def model(request: pytest.FixtureRequest) -> Model:
    return registry.get(request.param)


def fresh(model: Model, seed: int = 0, **model_args: Any) -> nn.Module:
    torch.manual_seed(seed)
    return create(model.name, **model_args)


def outputs_of(net: nn.Module) -> int:
    """How many numbers the model gives for a sample: those of its linear `head`, or of all its `heads`."""
    several = getattr(net, "heads", None)
    heads = list(several.children()) if isinstance(several, nn.ModuleDict) else [net.head]
    linear = [head for head in heads if isinstance(head, nn.Linear)]
    assert linear and linear == heads, "every model's last layer is a linear `head`"
    return sum(head.out_features for head in linear)


STEPS = 16
"""How long texts are here: a model of them reads any length, step by step."""


def shape_of_sample(model: Model) -> tuple[int, ...]:
    """The model's own input shape, but for what it reads at any size: short texts, and small images of a ResNet."""
    if model.task.startswith(("text", "token", "language")):
        return (STEPS,)
    return (3, 64, 64) if model.name == "resnet18" else model.input_shape


def sample(model: Model, n: int) -> tuple[Tensor, ...]:
    """Inputs for n samples: images (n, C, H, W), series (n, T, C), or tokens (n, T) and lengths (n,) from T down.

    Between those two stand the tokens' characters (n, T, 9) for a tagger; running text is tokens alone. Of a table they
    are numbers and codes.
    """
    generator = torch.Generator().manual_seed(n)
    if model.task in ("image-classification", "metric-learning", "multi-task"):
        return (torch.randn(n, *shape_of_sample(model), generator=generator),)
    if model.task.startswith(("text", "token")):
        lengths = STEPS - torch.arange(n) * (STEPS // (2 * n))
        within = torch.arange(STEPS) < lengths[:, None]
        tokens = torch.randint(2, 1000, (n, STEPS), generator=generator).where(within, 0)
        if model.task.startswith("text"):
            return tokens, lengths
        characters = torch.randint(2, 100, (n, STEPS, 9), generator=generator)
        sizes = torch.randint(1, 10, (n, STEPS, 1), generator=generator).where(within[..., None], 0)
        return tokens, characters.where(torch.arange(9) < sizes, 0), lengths
    if model.task in ("regression", "tabular-classification"):
        arguments = inspect.signature(model.constructor).parameters
        numbers = torch.randn(n, arguments["numbers"].default, generator=generator)
        numbers[0, 0] = torch.nan
        codes = [torch.randint(0, 1 + known, (n,), generator=generator) for known in arguments["categories"].default]
        assert model.input_shape == (numbers.shape[1] + len(codes),)
        return numbers, torch.stack(codes, 1)
    if model.task == "language-modelling":
        return (torch.randint(len(model.constructor().symbols), (n, STEPS), generator=generator),)
    if model.task == "forecasting":
        return (torch.randn(n, *model.input_shape, generator=generator),)
    raise AssertionError(f"say here what a sample for {model.task} is")


def shape_of_outputs(model: Model, net: nn.Module, n: int) -> tuple[int, ...]:
    """What the model gives for n samples: a row of the head's outputs each, or one for every step or channel."""
    width = outputs_of(net)
    steps = dict.fromkeys(("token-classification", "language-modelling"), (n, STEPS, width))
    shapes = {"forecasting": (n, width, model.input_shape[-1]), **steps}
    return shapes.get(model.task, (n, width))


@pytest.mark.parametrize("wrong", [-0.1, 1.5, "x", None])
def test_a_rate_that_is_not_a_share_is_refused(model: Model, wrong: Any) -> None:
    rates = [name for name in inspect.signature(model.constructor).parameters if name.endswith("dropout")]
    for name in rates:
        with pytest.raises(ZooError, match="model_args"):
            create(model.name, **{name: wrong})


@pytest.mark.parametrize("n", [1, 7])
def test_every_parameter_gets_a_gradient(model: Model, n: int) -> None:
    net = fresh(model)
    assert net.training
    for layer in net.modules():
        if n == 1 and isinstance(layer, BATCH_NORMS):
            layer.eval()  # one sample may be one value a channel, which has no variance
    logits = net(*sample(model, n))
    assert logits.shape == shape_of_outputs(model, net, n)
    # Each output counts in its own way: the length of an embedding is 1, whatever the parameters are.
    (logits * torch.arange(1, logits.numel() + 1).view_as(logits)).square().mean().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, f"{name} has no gradient"
        assert parameter.grad.isfinite().all(), f"{name} has a gradient that is not finite"
        assert parameter.grad.any(), f"{name} has a gradient of zero"


def test_parameters_are_what_the_init_scheme_of_the_entry_draws(model: Model) -> None:
    made = fresh(model, seed=3)
    torch.manual_seed(3)
    drawn = model.constructor()
    init.apply(drawn, model.init)
    for (name, ours), theirs in zip(made.named_parameters(), drawn.parameters(), strict=True):
        assert torch.equal(ours, theirs), name
    torch.manual_seed(3)
    init.apply(drawn, "xavier_normal" if model.init != "xavier_normal" else "xavier_uniform")
    assert not all(map(torch.equal, made.parameters(), drawn.parameters())), "another scheme draws the same"


def test_a_sample_does_not_depend_on_its_batch(model: Model) -> None:
    net = fresh(model).eval()
    inputs = sample(model, 3)
    with torch.no_grad():
        together = net(*inputs)
        alone = torch.cat([net(*(x[i : i + 1] for x in inputs)) for i in range(3)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(together[0], together[1]), "the output depends on the input"


def test_a_seed_fixes_weights_and_outputs(model: Model) -> None:
    def run(seed: int) -> tuple[dict[str, Tensor], Tensor]:
        net = fresh(model, seed)
        return net.state_dict(), net(*sample(model, 3)).detach()  # in training mode: dropout is drawn too

    (weights, logits), (same_weights, same_logits), (_, other_logits) = run(0), run(0), run(1)
    assert all(torch.equal(weights[key], same_weights[key]) for key in weights)
    assert torch.equal(logits, same_logits)
    assert not torch.equal(logits, other_logits)


@pytest.mark.parametrize(("size", "fast"), [(1, False), (4, False), (4, True)])
def test_parts_of_a_batch_drop_out_what_the_whole_does(model: Model, size: int, fast: bool) -> None:
    named = inspect.signature(model.constructor).parameters
    rates = [name for name in named if name.endswith("dropout") or name == "blanks"]
    rated: dict[str, Any] = dict.fromkeys(rates, 0.3)
    net, inputs = fresh(model, **rated), sample(model, 7)
    for layer in net.modules():
        if isinstance(layer, BATCH_NORMS):
            layer.eval()
    if fast:
        use_fast_dropout(net)

    def part(start: int, end: int, seed: int) -> Tensor:
        torch.manual_seed(100 + start)
        draws.seed(seed)
        with torch.no_grad(), draws.of_the_whole(7, start, end, torch.device("cpu")):
            return net(*(x[start:end] for x in inputs))

    torch.manual_seed(11)
    with torch.no_grad():
        whole = net(*inputs)
    parts = [part(start, min(7, start + size), 11) for start in range(0, 7, size)]
    torch.testing.assert_close(torch.cat(parts), whole, rtol=1e-4, atol=1e-5)
    if rates:
        assert not torch.allclose(part(0, size, 12), parts[0]), "nothing was dropped"


def test_a_state_dict_goes_through_safetensors_into_a_model_without_memory(model: Model) -> None:
    """The road of a pretrained load: the constructor on meta, then the file's tensors, buffers included."""
    net = fresh(model)
    net(*sample(model, 2))  # moves the running statistics
    state = load(save(net.state_dict()))
    with torch.device("meta"):
        empty = model.constructor()
    empty.load_state_dict(state, strict=True, assign=True)
    assert not any(tensor.is_meta for tensor in (*empty.parameters(), *empty.buffers())), "not in the state dict"
    with torch.no_grad():
        assert torch.equal(net.eval()(*sample(model, 2)), empty.eval()(*sample(model, 2)))


def described(model: Model) -> dict[str, Any]:
    """What config.json says of a model's input, such that its constructor's defaults fit."""
    if model.task in ("image-classification", "metric-learning", "multi-task"):
        channels, *size = model.input_shape
        tasks = {name: {"kind": "classification", "outputs": 2} for name in ("a", "b")}
        about = {"kind": "image", "channels": channels, "size": size, "maximum": 255, "mean": [0.5], "std": [0.5]}
        return {**about, "tasks": tasks} if model.task == "multi-task" else about
    if model.task.startswith(("text", "token")):
        about = {"tokenizer": "tokenizer.json"}
        if model.task.startswith("text"):
            return {**about, "kind": "text", "max_length": 9, "truncate": "head"}
        return {**about, "kind": "tagged", "alphabet": "ab", "max_characters": 9}
    if model.task in ("regression", "tabular-classification"):
        arguments = inspect.signature(model.constructor).parameters
        column = {"log": False, "mean": 0.0, "std": 1.0}
        numbers = {f"n{i}": column for i in range(arguments["numbers"].default)}
        categories = {
            f"c{i}": [str(place) for place in range(known)] for i, known in enumerate(arguments["categories"].default)
        }
        return {"kind": "table", "numbers": numbers, "categories": categories, "unit": "m"}
    if model.task == "language-modelling":
        return {"kind": "characters", "symbols": model.constructor().symbols, "length": 9}
    assert model.task == "forecasting", f"say here what the input for {model.task} is"
    context, channels = model.input_shape
    scale = {"mean": [0.0] * channels, "std": [1.0] * channels}
    horizon = inspect.signature(model.constructor).parameters["horizon"].default
    return {"kind": "series", "context": context, "horizon": horizon, "channels": list("abcdefg")[:channels], **scale}


def test_a_bundle_gives_back_every_bit(model: Model, make_bundle: Callable[..., Path], tmp_path: Path) -> None:
    net, about = fresh(model), described(model)
    net(*sample(model, 2))  # moves the running statistics
    folder = make_bundle(
        tmp_path / f"{model.name}.round_v1",
        net.state_dict(),
        train_tokenizer(["a b"], 9).to_str() if "tokenizer" in about else None,
        model=model.name,
        model_args={},
        task=model.task,
        labels=[str(i) for i in range(outputs_of(net))],
        input=about,
        data="digits",
    )
    back = create(str(folder))
    assert not back.training
    state, expected = back.state_dict(), net.state_dict()
    assert list(state) == list(expected)
    assert all(torch.equal(state[key], tensor) and state[key].dtype == tensor.dtype for key, tensor in expected.items())
    with torch.no_grad():
        # To rounding: where in memory a tensor begins decides in which order a kernel adds.
        torch.testing.assert_close(back(*sample(model, 2)), net.eval()(*sample(model, 2)), rtol=1e-5, atol=1e-6)


def test_compiled_it_gives_the_same(model: Model) -> None:
    """Captured by torch.compile; the kernels are torch's own, and not what is tested here."""
    torch.compiler.reset()
    net = fresh(model).eval()
    with torch.no_grad():
        compiled = torch.compile(net, backend="aot_eager")(*sample(model, 2))
        torch.testing.assert_close(compiled, net(*sample(model, 2)), rtol=1e-5, atol=1e-5)


def test_torch_hub_makes_the_same_as_create(model: Model) -> None:
    torch.manual_seed(0)
    hub = torch.hub.load(str(ROOT), model.name, source="local")
    assert type(hub) is type(made := fresh(model)) and hub.training
    assert all(torch.equal(tensor, made.state_dict()[name]) for name, tensor in hub.state_dict().items())


def test_meta_gives_shapes_without_memory(model: Model) -> None:
    net = create(model.name, device="meta")
    assert all(tensor.is_meta for tensor in (*net.parameters(), *net.buffers())), "something was made elsewhere"
    logits = net(*(x.to("meta") for x in sample(model, 2)))
    assert logits.is_meta and logits.shape == shape_of_outputs(model, net, 2)


def test_the_head_comes_last_and_has_as_many_outputs_as_asked(model: Model) -> None:
    classifies = model.task.endswith("classification")
    assert classifies == ("num_classes" in inspect.signature(model.constructor).parameters)
    net = fresh(model, num_classes=17) if classifies else fresh(model)
    assert outputs_of(net) == 17 or not classifies
    for name, kind in zip(list(net.state_dict())[-2:], ("weight", "bias"), strict=True):
        assert name.startswith("head") and name.endswith(kind), "the head is registered last"


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_features_and_head_are_what_forward_is_made_of(model: Model) -> None:
    net: Any = fresh(model).eval()
    inputs = sample(model, 3)
    features = net.forward_features(*inputs)
    close(net.forward_head(features), net(*inputs))
    before_head = net.forward_head(features, pre_logits=True)
    assert before_head.shape[0] == 3 and before_head.shape[-1] == net.num_features
    classifier = net.get_classifier()
    assert isinstance(classifier, (nn.Linear, nn.ModuleDict)) or model.task == "metric-learning"
    for head in classifier.values() if isinstance(classifier, nn.ModuleDict) else [classifier]:
        assert getattr(head, "in_features", net.num_features) == net.num_features


@torch.no_grad()
def test_without_classes_it_gives_its_features(model: Model) -> None:
    whole: Any = fresh(model).eval()
    bare: Any = fresh(model, num_classes=0).eval()
    bare.load_state_dict(whole.state_dict(), strict=False)  # a head that is left out draws nothing from torch's RNG
    inputs = sample(model, 3)
    close(bare(*inputs), whole.forward_head(whole.forward_features(*inputs), pre_logits=True))
    assert len(list(bare.parameters())) < len(list(whole.parameters())) or model.task == "metric-learning"
    assert not any(True for _ in bare.get_classifier().parameters())


@torch.no_grad()
def test_a_head_is_replaced_and_left_out_by_timms_name_for_it(model: Model) -> None:
    net: Any = fresh(model, dtype=torch.float64).eval()
    # Running text is ids, and everything else that floats has the model's dtype.
    inputs = [x.double() if x.is_floating_point() else x for x in sample(model, 2)]
    net.reset_classifier(5)
    outputs = net(*inputs)
    assert 5 in outputs.shape and outputs.dtype == torch.float64
    assert not any(layer.training for layer in net.modules())
    net.reset_classifier(0)
    assert net(*inputs).shape[-1] == net.num_features


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_an_image_model_takes_any_number_of_channels(model: Model, channels: int) -> None:
    if len(model.input_shape) != 3:
        with pytest.raises(ZooError, match="in_chans"):
            create(model.name, in_chans=channels)
        return
    net = fresh(model, in_chans=channels).eval()
    assert net(torch.randn(2, channels, *shape_of_sample(model)[1:])).shape == shape_of_outputs(model, net, 2)


def test_forward_names_its_inputs(model: Model) -> None:
    """So that they can be given by keyword, and torch.export can name their dimensions."""
    net, inputs = fresh(model).eval(), sample(model, 2)
    parameters = list(inspect.signature(net.forward).parameters.values())
    assert not any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters)
    named = {parameter.name: x for parameter, x in zip(parameters, inputs, strict=False)}
    with torch.no_grad():
        assert torch.equal(net(**named), net(*inputs))
