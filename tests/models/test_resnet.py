"""ResNet-18 is torchvision's, under other names."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torchvision.models import resnet18 as theirs

from zoo.models.resnet import from_torchvision, resnet18, resnet18_cifar


@pytest.fixture
def pair() -> tuple[nn.Module, nn.Module]:
    """(torchvision's, ours) with the same random weights and running statistics that are neither zero nor one."""
    torch.manual_seed(0)
    reference = theirs(weights=None)
    for layer in reference.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for tensor in (layer.running_mean, layer.running_var, layer.weight.data, layer.bias.data):
                assert tensor is not None
                tensor.uniform_(0.5, 1.5)
    ours = resnet18()
    ours.load_state_dict(from_torchvision(reference.state_dict()), strict=True)
    return reference, ours


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("side", [224, 97])
def test_gives_torchvisions_outputs(pair: tuple[nn.Module, nn.Module], training: bool, side: int) -> None:
    x = torch.randn(3, 3, side, side)
    reference, ours = (model.train(training) for model in pair)
    with torch.no_grad():
        expected, logits = reference(x), ours(x)
    assert expected.std() > 0.01, "nothing to compare"
    torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-5)
    renamed = from_torchvision(reference.state_dict())  # train mode moved the running statistics
    for name, tensor in ours.state_dict().items():
        torch.testing.assert_close(tensor, renamed[name], rtol=1e-5, atol=1e-5)


def test_gives_torchvisions_gradients(pair: tuple[nn.Module, nn.Module]) -> None:
    x, targets = torch.randn(4, 3, 64, 64), torch.tensor([1, 2, 3, 999])
    for model in pair:
        nn.functional.cross_entropy(model.double()(x.double()), targets).backward()
    expected = from_torchvision({name: p.grad for name, p in pair[0].named_parameters() if p.grad is not None})
    gradients = {name: p.grad for name, p in pair[1].named_parameters()}
    assert gradients.keys() == expected.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, expected[name], msg=lambda text, name=name: f"{name}: {text}")


def test_the_key_map_loses_nothing_and_copies_nothing() -> None:
    state = theirs(weights=None).state_dict()
    renamed = from_torchvision(state)
    assert list(renamed) == list(resnet18().state_dict())
    assert all(a is b for a, b in zip(renamed.values(), state.values(), strict=True))


def test_the_cifar_stem_keeps_the_resolution() -> None:
    model = resnet18_cifar()
    assert model.stem(torch.randn(2, 3, 32, 32)).shape == (2, 64, 32, 32)
    assert model.stages(model.stem(torch.randn(2, 3, 32, 32))).shape == (2, 512, 4, 4)
    assert not any(isinstance(layer, nn.MaxPool2d) for layer in model.modules())
    convolution = next(layer for layer in model.modules() if isinstance(layer, nn.Conv2d))
    assert (convolution.kernel_size, convolution.stride) == ((3, 3), (1, 1))
    # The count of the widely used CIFAR ResNet-18 (kuangliu/pytorch-cifar).
    assert sum(p.numel() for p in model.parameters()) == 11_173_962
