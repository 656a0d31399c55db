"""The plain convolutional networks, held to what they are said to be."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.models.cnn import CNN, cnn_cifar, cnn_fashion, stages
from zoo.models.embed import mnist_embed
from zoo.models.multitask import mnist_multitask

MODELS = pytest.mark.parametrize("model", [cnn_cifar, cnn_fashion, mnist_embed, mnist_multitask])


def layers(model: nn.Module, kind: type) -> list:
    return [layer for layer in model.modules() if isinstance(layer, kind)]


def test_cnn_cifar_has_three_stages_two_pools_and_256_hidden_units() -> None:
    model = cnn_cifar()
    assert [(c.in_channels, c.out_channels) for c in layers(model, nn.Conv2d)] == [
        *((3, 32), (32, 32)),
        *((32, 64), (64, 64)),
        *((64, 128), (128, 128)),
    ]
    assert {c.kernel_size for c in layers(model, nn.Conv2d)} == {(3, 3)}
    assert [type(layer) for layer in model.body] == [
        *[nn.Conv2d, nn.BatchNorm2d, nn.ReLU] * 2,
        nn.MaxPool2d,
        *[nn.Conv2d, nn.BatchNorm2d, nn.ReLU] * 2,
        nn.MaxPool2d,
        *[nn.Conv2d, nn.BatchNorm2d, nn.ReLU] * 2,
    ]
    assert [(x.in_features, x.out_features) for x in layers(model, nn.Linear)] == [(128, 256), (256, 10)]
    assert [x.p for x in layers(model, nn.Dropout)] == [0.5]


def test_cnn_fashion_is_the_same_for_one_channel() -> None:
    colour, grey = cnn_cifar().state_dict(), cnn_fashion().state_dict()
    different = {name for name in colour if colour[name].shape != grey[name].shape}
    assert colour.keys() == grey.keys() and different == {"body.0.weight"}
    assert grey["body.0.weight"].shape == (32, 1, 3, 3)


def sees(model: nn.Module, side: int) -> int:
    """How many columns of the image reach one pixel of the model's last map, at its centre."""
    x = torch.zeros(1, 1, side, side, requires_grad=True)
    maps: Tensor = model.eval()(x)
    maps[0, 0, maps.shape[2] // 2, maps.shape[3] // 2].backward()
    assert x.grad is not None
    return int((x.grad[0, 0] != 0).any(0).sum())


def test_a_last_pixel_sees_as_much_as_the_docstring_says() -> None:
    # Averages in place of maxima, which let one pixel of four through; positive weights, so that no ReLU is shut.
    for depth, pixels in ((1, 18), (2, 32)):
        model = stages(1, (4, 4, 4), depth)
        for i, layer in enumerate(model):
            if isinstance(layer, nn.MaxPool2d):
                model[i] = nn.AvgPool2d(2)
            elif isinstance(layer, nn.Conv2d):
                nn.init.constant_(layer.weight, 0.1)
            elif isinstance(layer, nn.BatchNorm2d):
                nn.init.constant_(layer.bias, 0.1)
        assert sees(model, 64) == pixels


def test_it_computes_what_its_formula_says() -> None:
    torch.manual_seed(0)
    model = CNN(1, num_classes=3)
    x = torch.randn(4, 1, 12, 9)
    model(x)  # moves the running statistics
    model.eval()
    h, (convolutions, norms) = x, (layers(model, nn.Conv2d), layers(model, nn.BatchNorm2d))
    for place, (conv, norm) in enumerate(zip(convolutions, norms, strict=True)):
        if place in (2, 4):
            h = h[:, :, : h.shape[2] // 2 * 2, : h.shape[3] // 2 * 2].unfold(2, 2, 2).unfold(3, 2, 2).amax((-2, -1))
        h = F.conv2d(F.pad(h, (1, 1, 1, 1)), conv.weight)
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        h = ((h - norm.running_mean.view(-1, 1, 1)) * scale.view(-1, 1, 1) + norm.bias.view(-1, 1, 1)).clamp(min=0)
    hidden, head = layers(model, nn.Linear)
    h = (h.flatten(2).mean(2) @ hidden.weight.T + hidden.bias).clamp(min=0)
    torch.testing.assert_close(model(x), h @ head.weight.T + head.bias)


@MODELS
def test_takes_images_of_any_size_from_four_pixels_on(model: type[nn.Module]) -> None:
    net = model().eval()
    channels = layers(net, nn.Conv2d)[0].in_channels
    for height, width in ((4, 4), (16, 16), (33, 50)):
        assert net(torch.randn(2, channels, height, width)).isfinite().all()


def test_embeddings_have_length_one() -> None:
    embeddings = mnist_embed(dimensions=5)(torch.randn(7, 1, 28, 28))
    assert embeddings.shape == (7, 5)
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(7))


def test_the_output_is_that_of_the_heads_in_their_order() -> None:
    model = mnist_multitask({"b": 2, "a": 3}).eval()
    x = torch.randn(4, 1, 28, 28)
    shared = model.hidden(model.body(x).mean((2, 3)))
    outputs = model(x)
    torch.testing.assert_close(outputs[:, :2], model.heads["b"](shared))
    torch.testing.assert_close(outputs[:, 2:], model.heads["a"](shared))


def test_every_task_shapes_the_whole_trunk() -> None:
    model = mnist_multitask()
    outputs = model(torch.randn(8, 1, 28, 28))
    for columns in outputs.split([10, 1, 1], 1):
        model.zero_grad()
        columns.square().sum().backward(retain_graph=True)
        for part in (model.body, model.hidden):
            assert all(p.grad is not None and p.grad.any() for p in part.parameters())
