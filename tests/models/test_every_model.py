"""What every registered model must do, whatever it is: a model that is registered is in this test."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from zoo import registry
from zoo.create import create
from zoo.errors import ZooError
from zoo.registry import Model

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


def sample(model: Model, n: int) -> tuple[Tensor, ...]:
    """Inputs for n samples: images (n, C, H, W), series (n, T, C), or tokens (n, T) and lengths (n,) from T down.

    Between those two stand the tokens' characters (n, T, 9) for a tagger; running text is tokens alone. Of a table they
    are numbers and codes.
    """
    generator = torch.Generator().manual_seed(n)
    if model.task in ("image-classification", "metric-learning", "multi-task"):
        return (torch.randn(n, *model.input_shape, generator=generator),)
    if model.task.startswith(("text", "token")):
        (steps,) = model.input_shape
        lengths = steps - torch.arange(n) * (steps // (2 * n))
        within = torch.arange(steps) < lengths[:, None]
        tokens = torch.randint(2, 1000, (n, steps), generator=generator).where(within, 0)
        if model.task.startswith("text"):
            return tokens, lengths
        characters = torch.randint(2, 100, (n, steps, 9), generator=generator)
        sizes = torch.randint(1, 10, (n, steps, 1), generator=generator).where(within[..., None], 0)
        return tokens, characters.where(torch.arange(9) < sizes, 0), lengths
    if model.task in ("regression", "tabular-classification"):
        arguments = inspect.signature(model.constructor).parameters
        numbers = torch.randn(n, arguments["numbers"].default, generator=generator)
        numbers[0, 0] = torch.nan
        codes = [torch.randint(0, 1 + known, (n,), generator=generator) for known in arguments["categories"].default]
        assert model.input_shape == (numbers.shape[1] + len(codes),)
        return numbers, torch.stack(codes, 1)
    if model.task == "language-modelling":
        return (torch.randint(len(model.constructor().symbols), (n, *model.input_shape), generator=generator),)
    if model.task == "forecasting":
        return (torch.randn(n, *model.input_shape, generator=generator),)
    raise AssertionError(f"say here what a sample for {model.task} is")


def shape_of_outputs(model: Model, net: nn.Module, n: int) -> tuple[int, ...]:
    """What the model gives for n samples: a row of the head's outputs each, or one for every step or channel."""
    width = outputs_of(net)
    steps = dict.fromkeys(("token-classification", "language-modelling"), (n, *model.input_shape, width))
    shapes = {"forecasting": (n, width, model.input_shape[-1]), **steps}
    return shapes.get(model.task, (n, width))


@pytest.mark.parametrize("wrong", [-0.1, 1.5, "x", None])
def test_a_rate_that_is_no_share_is_refused(model: Model, wrong: Any) -> None:
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
