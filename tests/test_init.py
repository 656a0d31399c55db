"""What each init scheme draws, measured layer by layer on every registered model."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from zoo import init, plugins, registry
from zoo.errors import ZooError
from zoo.models.rnn import WordVectors

DRAWN = [
    "kaiming_normal",
    "kaiming_uniform",
    "xavier_normal",
    "xavier_uniform",
    "orthogonal",
    "trunc_normal",
    "recurrent",
]
RELU = math.sqrt(2)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm)
# The standard deviation of a normal cut at two of its own: sqrt(1 - 4 phi(2) / (2 Phi(2) - 1)).
CUT = math.sqrt(1 - 4 * math.exp(-2) / math.sqrt(2 * math.pi) / math.erf(math.sqrt(2)))


@pytest.mark.parametrize("name", registry.names())
@pytest.mark.parametrize("scheme", DRAWN)
def test_every_layer_of_every_model(name: str, scheme: str) -> None:
    model = registry.get(name).constructor()
    if name == "resnet18":
        del model.stages[1:]  # type: ignore[union-attr, operator]  # resnet18_cifar has the same
    spoil(model)
    torch.manual_seed(0)
    init.apply(model, scheme)
    gains = init.gains(model)
    measured = 0
    for where, layer in model.named_modules():
        for part, weight, fan_mode in weights_of(layer):
            of = "orthogonal" if scheme == "recurrent" and "_hh" in part else scheme
            check_weight(weight, of, gains[layer], fan_mode, f"{where}.{part}")
            measured += 1
        if isinstance(layer, nn.Embedding):
            own = 0.3 if isinstance(layer, WordVectors) else 1.0  # what the layer's reset_parameters draws
            check_normal(layer, 0.02 * CUT if scheme == "trunc_normal" else own)
        check_constants(layer, scheme, where)
    assert measured, "nothing was measured"
    assert_all_filled(model)


@pytest.mark.parametrize("name", registry.names())
def test_default_draws_what_pytorch_draws(name: str) -> None:
    torch.manual_seed(3)
    model = registry.get(name).constructor()
    spoil(again := registry.get(name).constructor())
    torch.manual_seed(3)
    init.apply(again, "default")
    wrong = [key for key, value in model.state_dict().items() if not torch.equal(again.state_dict()[key], value)]
    assert not wrong


@pytest.mark.parametrize("scheme", ["default", *DRAWN])
def test_a_seed_fixes_the_weights(scheme: str) -> None:
    model = nn.Sequential(nn.Embedding(50, 8), nn.LSTM(8, 6, bidirectional=True), nn.Conv2d(3, 4, 3), nn.Linear(6, 5))
    drawn = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        init.apply(model, scheme)
        drawn.append(nn.utils.parameters_to_vector(model.parameters()).detach().clone())
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


# ---- gains and fans, written out by hand


def test_the_gain_is_that_of_the_activation_that_follows() -> None:
    relu = nn.ReLU()
    layers = [nn.Linear(4, 4) for _ in range(6)]
    convolutions = [nn.Conv2d(3, 3, 1) for _ in range(3)]
    model = nn.Sequential(
        *(layers[0], nn.LayerNorm(4), relu, layers[1], nn.Dropout(), relu),  # one module, registered twice
        *(layers[2], nn.Tanh(), layers[3], nn.LeakyReLU(0.5), layers[4]),
        *(convolutions[0], nn.Sigmoid(), convolutions[1], nn.BatchNorm2d(3), convolutions[2], nn.SELU(), layers[5]),
    )
    gain = init.gains(model)
    assert [gain[layer] for layer in layers] == pytest.approx([RELU, RELU, 5 / 3, math.sqrt(2 / 1.25), 1, 1])
    assert [gain[layer] for layer in convolutions] == pytest.approx([1, RELU, 3 / 4])


def test_the_last_layer_the_head_and_recurrent_layers_are_linear() -> None:
    first, last = nn.Linear(2, 2), nn.Conv1d(2, 2, 1)
    assert init.gains(nn.Sequential(first, nn.ReLU(), last)) == {first: RELU, last: 1}
    headed = nn.Module()
    headed.head, headed.rnn, headed.act = nn.Linear(2, 2), nn.LSTM(2, 2), nn.ReLU()
    assert init.gains(headed) == {headed.head: 1, headed.rnn: 1}


def test_the_gains_of_the_image_models() -> None:
    gain = init.gains(model := registry.get("mnist_mlp").constructor())
    assert [gain[layer] for layer in model.modules() if isinstance(layer, nn.Linear)] == [RELU, RELU, RELU, 1]
    gain = init.gains(model := registry.get("resnet18").constructor())
    assert {gain[layer] for layer in model.modules() if isinstance(layer, nn.Conv2d)} == {RELU}
    assert gain[model.head] == 1


def test_fans_count_groups_and_axes() -> None:
    def std(layer: nn.Conv2d | nn.ConvTranspose2d | nn.Linear) -> float:
        init.apply(nn.Sequential(layer, nn.ReLU(), nn.Linear(1, 1)), "kaiming_normal")
        return layer.weight.std().item()

    assert std(nn.Linear(100, 400)) == pytest.approx(math.sqrt(2 / 100), rel=0.02)
    assert std(nn.Conv2d(20, 80, 5)) == pytest.approx(math.sqrt(2 / (80 * 25)), rel=0.02)
    assert std(nn.Conv2d(20, 80, 5, groups=4)) == pytest.approx(math.sqrt(2 / (20 * 25)), rel=0.02)
    assert std(nn.ConvTranspose2d(20, 80, 5)) == pytest.approx(math.sqrt(2 / (80 * 25)), rel=0.02)


def test_kaiming_keeps_the_signal_through_thirty_layers() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(*(part for _ in range(30) for part in (nn.Linear(256, 256), nn.ReLU())))
    x = torch.randn(512, 256)
    init.apply(model, "kaiming_normal")
    kept = model[:-1](x).std().item()
    init.apply(model, "default")
    lost = model[:-1](x).std().item()
    assert 0.4 < kept < 2.5
    assert lost < 0.05


# ---- particular layers


@pytest.mark.parametrize("layer", [nn.LSTM(7, 9, 2, bidirectional=True), nn.LSTMCell(7, 9), nn.LSTM(7, 9, bias=False)])
def test_the_forget_gate_starts_at_one_counted_once(layer: nn.LSTM | nn.LSTMCell) -> None:
    init.apply(layer, "recurrent")
    parameters = dict(layer.named_parameters())
    for name in [name for name in parameters if name.startswith("bias_ih")]:
        total = parameters[name] + parameters[name.replace("_ih", "_hh")]
        assert total.view(4, 9).tolist() == [[0] * 9, [1] * 9, [0] * 9, [0] * 9]


@pytest.mark.parametrize("layer", [nn.LSTM(7, 500, 2), nn.LSTMCell(7, 500), nn.GRU(7, 500), nn.GRUCell(7, 500)])
def test_chrono_lets_units_remember_for_two_to_two_hundred_steps(layer: nn.Module) -> None:
    torch.manual_seed(0)
    init.apply(layer, "chrono")
    for name in [name for name, _ in layer.named_parameters() if name.startswith("bias_ih")]:
        gates = layer.get_parameter(name).detach().split(500)
        kept = torch.sigmoid(gates[1])  # of the state, a step; it is gone to 1/e after about 1 / (1 - kept) steps
        steps = 1 / (1 - kept)
        assert (
            2 <= steps.min() < 4 and 197 < steps.max() <= 200.1 and steps.mean().item() == pytest.approx(101, rel=0.1)
        )
        if isinstance(layer, (nn.LSTM, nn.LSTMCell)):
            assert torch.equal(gates[0], -gates[1]), "what is forgotten makes room for as much"
        for gate in gates[2:]:
            assert gate.count_nonzero() == 0
        assert layer.get_parameter(name.replace("_ih", "_hh")).count_nonzero() == 0


@pytest.mark.parametrize("layer", [nn.GRU(7, 9), nn.GRUCell(7, 9), nn.RNN(7, 9), nn.LSTM(7, 9, proj_size=5)])
def test_other_recurrent_layers(layer: nn.Module) -> None:
    spoil(layer)
    init.apply(layer, "recurrent")
    assert_all_filled(layer)
    gates = [gate for name, weight in layer.named_parameters() if "weight_hh" in name for gate in weight.split(9)]
    assert len(gates) == {nn.GRU: 3, nn.GRUCell: 3, nn.RNN: 1, nn.LSTM: 4}[type(layer)]
    for gate in gates:
        check_orthonormal(gate, 1.0, "weight_hh")


def test_attention_projections_are_three_weights() -> None:
    layer = nn.MultiheadAttention(64, 4)
    spoil(layer)
    init.apply(layer, "xavier_normal")
    assert layer.in_proj_weight.std().item() == pytest.approx(math.sqrt(2 / 128), rel=0.03)
    assert layer.in_proj_bias.count_nonzero() == 0
    init.apply(layer, "orthogonal")
    for projection in layer.in_proj_weight.chunk(3):
        check_orthonormal(projection, 1.0, "in_proj")


def test_default_matches_a_transformer_too() -> None:
    torch.manual_seed(5)
    model = nn.TransformerEncoderLayer(16, 2, 32)
    spoil(again := nn.TransformerEncoderLayer(16, 2, 32))
    torch.manual_seed(5)
    init.apply(again, "default")
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


def test_a_weight_normed_layer_computes_what_was_drawn() -> None:
    layer, plain = weight_norm(nn.Conv1d(32, 64, 3)), nn.Conv1d(32, 64, 3)
    for each in (layer, plain):
        torch.manual_seed(0)
        init.apply(each, "kaiming_normal")
    torch.testing.assert_close(layer.weight, plain.weight)


def test_tied_weights_are_drawn_once() -> None:
    embedding, out = nn.Embedding(40, 8), nn.Linear(8, 40)
    out.weight = embedding.weight
    torch.manual_seed(0)
    init.apply(nn.Sequential(embedding, out), "xavier_uniform")
    torch.manual_seed(0)
    assert torch.equal(out.weight, torch.randn(40, 8))


def test_layers_of_unknown_kind_keep_what_their_constructor_drew() -> None:
    class Scale(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.full((3,), 0.1))

    init.apply(layer := Scale(), "kaiming_normal")
    assert layer.scale.tolist() == pytest.approx([0.1] * 3)


@pytest.mark.parametrize("scheme", ["default", *DRAWN])
def test_half_precision_and_meta(scheme: str) -> None:
    model = nn.Sequential(nn.Conv2d(3, 64, 3), nn.BatchNorm2d(64), nn.ReLU(), nn.Linear(64, 64))
    init.apply(model.to(torch.bfloat16), scheme)
    assert all(p.dtype == torch.bfloat16 and p.requires_grad and p.isfinite().all() for p in model.parameters())
    init.apply(model.to("meta"), scheme)
    assert all(p.is_meta for p in model.parameters())


# ---- the names


def test_names_and_errors() -> None:
    assert init.names() == sorted(["chrono", "constructor", "default", *DRAWN])
    with pytest.raises(ZooError, match="unknown init scheme 'kaiming'; did you mean kaiming_normal, kaiming_uniform"):
        init.apply(nn.Linear(1, 1), "kaiming")
    with pytest.raises(ZooError, match="'orthogonal' is already registered"):
        init.register_init("orthogonal")(lambda layer, gain: None)

    with plugins.temporary():

        @init.register_init()
        def sevens(layer: nn.Module, gain: float) -> None:
            for parameter in layer.parameters(recurse=False):
                parameter.fill_(7)

        init.apply(layer := nn.Linear(2, 2), "sevens")
        assert layer.weight.unique().tolist() == [7]
    assert "sevens" not in init.names()


# ---- measuring


def spoil(model: nn.Module) -> None:
    """Fill everything with NaN, so that what a scheme leaves out is seen."""
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.is_floating_point():
            tensor.data.fill_(math.nan)


def assert_all_filled(model: nn.Module) -> None:
    left = [name for name, tensor in model.state_dict().items() if tensor.isnan().any()]
    assert not left, f"not filled: {left}"


def weights_of(layer: nn.Module) -> Iterator[tuple[str, Tensor, str]]:
    """(name, weight, fan mode) of each weight matrix that the layer itself holds; recurrent layers gate by gate."""
    if isinstance(layer, nn.Linear):
        yield "weight", layer.weight.detach(), "fan_in"
    elif isinstance(layer, (nn.Conv1d, nn.Conv2d)):
        yield "weight", layer.weight.detach(), "fan_out"
    elif isinstance(layer, nn.RNNBase):
        for name, parameter in layer.named_parameters():
            if name.startswith("weight"):
                for gate in parameter.detach().split(layer.hidden_size):
                    yield name, gate, "fan_in"


def check_weight(weight: Tensor, scheme: str, gain: float, fan_mode: str, where: str) -> None:
    outputs, inputs = weight.shape[0] * weight[0][0].numel(), weight[0].numel()
    kind, _, shape = scheme.partition("_")
    if scheme == "orthogonal":
        return check_orthonormal(weight, gain, where)
    if scheme == "recurrent":
        kind, shape = "xavier", "uniform"
    std = {
        "kaiming": gain / math.sqrt(inputs if fan_mode == "fan_in" else outputs),
        "xavier": gain * math.sqrt(2 / (inputs + outputs)),
        "trunc": 0.02 * CUT,
    }[kind]
    check_moments(weight, std, where)
    largest = weight.abs().max().item()
    if kind == "trunc":
        assert largest <= 0.04, where
    elif shape == "uniform":
        assert largest <= math.sqrt(3) * std * 1.0001, where
    elif weight.numel() >= 1000:  # a normal of so many draws does not stay within the uniform's bounds
        assert largest > 2 * std, where


def check_moments(values: Tensor, std: float, where: str) -> None:
    """Mean and standard deviation within five standard errors."""
    n = values.numel()
    assert abs(values.mean().item()) < 5 * std / math.sqrt(n), where
    assert values.std().item() == pytest.approx(std, rel=5 / math.sqrt(2 * n)), where


def check_orthonormal(weight: Tensor, gain: float, where: str) -> None:
    q = weight.detach().flatten(1)
    q = q if q.shape[0] <= q.shape[1] else q.T
    assert torch.allclose(q @ q.T, gain**2 * torch.eye(len(q)), atol=1e-4), where


def check_normal(layer: nn.Embedding, std: float) -> None:
    padding = layer.padding_idx
    if padding is not None:
        assert layer.weight[padding].count_nonzero() == 0
    rows = [row for row in range(layer.num_embeddings) if row != padding]
    check_moments(layer.weight.detach()[rows], std, "embedding")


def check_constants(layer: nn.Module, scheme: str, where: str) -> None:
    """Norm layers one and zero; biases zero, but for the forget gate."""
    if isinstance(layer, NORMS):
        assert layer.weight.unique().tolist() == [1], where
    if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)) and layer.running_mean is not None:
        assert layer.running_mean.count_nonzero() == 0, where
        assert layer.running_var is not None and layer.running_var.unique().tolist() == [1], where
    for name, bias in layer.named_parameters(recurse=False):
        if "bias" in name:
            expected = torch.zeros_like(bias)
            if scheme == "recurrent" and name.startswith("bias_ih") and isinstance(layer, nn.LSTM):
                expected[layer.hidden_size : 2 * layer.hidden_size] = 1
            assert torch.equal(bias, expected), f"{where}.{name}"
