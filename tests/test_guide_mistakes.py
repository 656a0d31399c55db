"""Mistakes of the guide that the models come from. Each test is named after one, and shows it where it can."""

from __future__ import annotations

import ast
import builtins
import dis
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import zoo.nn
from zoo import registry
from zoo._create import create
from zoo.errors import ZooError
from zoo.nn import AttentionPooling, ContrastiveLoss, FocalLoss, Recurrent, bias_relu, length_mask
from zoo.nn.recurrent import CELLS

NAMES = registry.names()
TEXT = [name for name in NAMES if registry.get(name).task == "text-classification"]
ATTENTIVE = [
    name for name in TEXT if "return_attention" in inspect.signature(create(name, device="meta").forward).parameters
]
SOURCES = sorted(Path(zoo.nn.__file__).parents[1].rglob("*.py"))

LENGTHS = torch.tensor([9, 1, 4, 7, 2])
TEXTS = {
    "empty": [],
    "one word": [5],
    "words": [7, 3, 3, 41, 12, 9],
    "all unknown": [1] * 4,
    "400 words": [*range(2, 42)] * 10,
}


def batch(*texts: list[int], steps: int) -> tuple[Tensor, Tensor]:
    """Texts as token ids -> tokens (N, steps), padded by 0, and lengths (N,)."""
    tokens = torch.zeros(len(texts), steps, dtype=torch.int64)
    for row, ids in zip(tokens, texts, strict=True):
        row[: len(ids)] = torch.tensor(ids, dtype=torch.int64)
    return tokens, torch.tensor([len(ids) for ids in texts])


@pytest.fixture(scope="module", params=TEXT)
def text_model(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    return create(request.param).eval()


@torch.no_grad()
@pytest.mark.parametrize("ids", TEXTS.values(), ids=TEXTS.keys())
@pytest.mark.parametrize("padding", [1, 400])
def test_reading_the_last_step_of_a_padded_batch(text_model: nn.Module, ids: list[int], padding: int) -> None:
    alone = text_model(*batch(ids, steps=max(1, len(ids))))
    padded = text_model(*batch(ids, steps=len(ids) + padding))
    mates = ([], [8], [4, 8, 9] * 3, [*range(2, 50)] * 20)
    beside = text_model(*batch(ids, *(mate[: len(ids) + padding] for mate in mates), steps=len(ids) + padding))
    assert alone.isfinite().all()
    torch.testing.assert_close(padded, alone, atol=1e-5, rtol=0)
    torch.testing.assert_close(beside[:1], alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("cell", CELLS)
def test_reading_the_last_step_of_a_padded_batch_by_an_encoder(cell: str) -> None:
    """`output[:, -1]` is the state after a row's end: it depends on how far the row was padded."""
    torch.manual_seed(0)
    naive, honest = CELLS[cell](5, 8, batch_first=True), Recurrent(cell, 5, 8, bidirectional=True)
    x = torch.randn(5, 9, 5) * length_mask(LENGTHS, 9).unsqueeze(-1)
    padded = F.pad(x, (0, 0, 0, 30))
    assert (naive(x)[0][:, -1] - naive(padded)[0][:, -1]).abs().max() > 1e-2
    ends = [honest.last_states(honest(x, LENGTHS), LENGTHS) for x in (x, padded)]
    torch.testing.assert_close(*ends, atol=1e-6, rtol=0)


def test_attention_that_gives_weight_to_padding() -> None:
    """A softmax over all steps leaks weight to the padding after a row's end."""
    torch.manual_seed(0)
    pool, states, mask = AttentionPooling(6, 5), torch.randn(3, 50, 6), length_mask(torch.tensor([50, 2, 9]), 50)
    pooled, weights = pool(states, mask)
    assert (weights[~mask] == 0).all() and (weights[mask] > 0).all()
    torch.testing.assert_close(weights.sum(1), torch.ones(3))
    loud = states.masked_fill(~mask.unsqueeze(-1), 1e4)
    torch.testing.assert_close(pool(loud, mask)[0], pooled)


@torch.no_grad()
@pytest.mark.parametrize("name", ATTENTIVE)
def test_attention_that_gives_weight_to_padding_in_a_model(name: str) -> None:
    torch.manual_seed(0)
    model, texts = create(name).eval(), list(TEXTS.values())
    tokens, lengths = batch(*texts, steps=401)
    _, weights = model(tokens, lengths, return_attention=True)
    assert (weights[~length_mask(lengths, 401)] == 0).all()
    torch.testing.assert_close(weights.sum(1), (lengths > 0).float())


@pytest.mark.parametrize("cell", CELLS)
def test_a_bidirectional_model_that_ignores_lengths(cell: str) -> None:
    """The backward half of `nn.LSTM(bidirectional=True)` on a padded batch begins in the padding."""
    torch.manual_seed(0)
    x, naive = torch.randn(5, 9, 5), CELLS[cell](5, 8, batch_first=True, bidirectional=True)
    honest = Recurrent(cell, 5, 8, bidirectional=True)
    states, careless = honest(x, LENGTHS), naive(x)[0]
    for row, length in enumerate(LENGTHS.tolist()):
        alone = x[row : row + 1, :length]
        torch.testing.assert_close(states[row, :length], honest(alone, LENGTHS[row : row + 1])[0], atol=1e-6, rtol=0)
        assert length == 9 or (careless[row, :length, 8:] - naive(alone)[0][0, :, 8:]).abs().max() > 1e-2


def functions() -> list[type[torch.autograd.Function]]:
    """Every autograd function of the zoo's layers."""
    for module in pkgutil.iter_modules(zoo.nn.__path__, "zoo.nn."):
        importlib.import_module(module.name)
    return [found for found in torch.autograd.Function.__subclasses__() if found.__module__.startswith("zoo.")]


def never_saved(function: type[torch.autograd.Function]) -> set[str]:
    """What the function's backward reads though nothing gave it: names of nowhere, and of `ctx` what was not set."""
    backward = inspect.unwrap(function.backward)
    known = backward.__globals__.keys() | vars(builtins).keys()
    of_ctx = [
        node
        for node in ast.walk(ast.parse(inspect.getsource(function)))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ctx"
    ]
    given = {node.attr for node in of_ctx if isinstance(node.ctx, ast.Store)}
    given |= {"saved_tensors", "needs_input_grad", *dir(torch.autograd.function.FunctionCtx)}
    read = {f"ctx.{node.attr}" for node in of_ctx if node.attr not in given}
    return {name for name in global_names(backward.__code__) if name not in known} | read


def global_names(code: CodeType) -> Iterator[str]:
    """The names that a function looks up outside itself."""
    yield from (i.argval for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL")
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from global_names(constant)


class Broken(torch.autograd.Function):
    """As the guide has it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(bias)
        return F.relu(x + bias)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (bias,) = ctx.saved_tensors
        return grads[0] * (x + bias > ctx.threshold), None  # type: ignore[name-defined]  # noqa: F821


def test_a_fused_backward_that_uses_a_variable_it_never_saved() -> None:
    assert never_saved(Broken) == {"x", "ctx.threshold"}
    assert len(functions()) >= 3
    for function in functions():
        assert not never_saved(function), function
    # What it does save is its own: x may be overwritten before the backward pass, and the gradient stays right.
    x, bias = torch.tensor([[1.0, -1.0]]), torch.zeros(2, requires_grad=True)
    y = bias_relu(x, bias)
    x.fill_(-9)
    y.sum().backward()
    assert bias.grad is not None and bias.grad.tolist() == [1.0, 0.0]


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def torch_names(tree: ast.AST) -> set[str]:
    """Every dotted name of torch's that a program uses, `F.relu` written in full."""
    homes = {"torch": "torch", "nn": "torch.nn", "F": "torch.nn.functional"}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "torch":
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if parts and isinstance(node, ast.Name) and node.id in homes:
            found.add(".".join([homes[node.id], *reversed(parts)]))
    return found


def exists(name: str) -> bool:
    """Whether torch has it, as far as modules lead; what an object in one has is the object's own affair."""
    found: Any = torch
    for part in name.split(".")[1:]:
        if not isinstance(found, ModuleType):
            return True
        if not hasattr(found, part):
            return False
        found = getattr(found, part)
    return True


def test_a_contrastive_loss_that_torch_does_not_have() -> None:
    assert not exists("torch.nn.ContrastiveLoss") and exists("torch.nn.functional.triplet_margin_loss")
    for path in SOURCES:
        missing = {name for name in torch_names(parsed(path)) if name.startswith("torch.nn.") and not exists(name)}
        assert not missing, path
    # Two at distance 1 with one label, and each at distance 2 and 5 ** 0.5 from a third with another.
    x, labels = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]]), torch.tensor([0, 0, 1])
    expected = (1**2 + (3 - 2) ** 2 + (3 - 5**0.5) ** 2) / 2 / 3
    assert ContrastiveLoss(margin=3.0)(x, labels).item() == pytest.approx(expected)


def test_a_scalar_alpha_in_a_multi_class_focal_loss_that_weighs_nothing() -> None:
    logits, targets = torch.randn(6, 3, requires_grad=True), torch.arange(6) % 3
    with pytest.raises(ZooError, match="one alpha for 3 classes weighs nothing; give 3 numbers"):
        FocalLoss(alpha=0.25)(logits, targets)

    def direction(alpha: list[float] | None) -> Tensor:
        return F.normalize(torch.autograd.grad(FocalLoss(alpha=alpha)(logits, targets), logits)[0].flatten(), dim=0)

    # A number for all scales the gradient, which the learning rate does too. One a class turns it.
    torch.testing.assert_close(direction([0.25] * 3), direction(None))
    assert direction([0.25, 1.0, 1.0]) @ direction(None) < 0.99


def test_torch_save_of_whole_models() -> None:
    """Pickle holds a model's code by name: it breaks with the next version, and runs whatever a stranger wrote."""
    pickling = {"torch.save", "torch.load", "torch.jit.save", "torch.jit.load"}
    assert torch_names(ast.parse("from torch import save")) & pickling and len(SOURCES) > 50
    for path in SOURCES:
        if path.name == "unpickle.py":  # a process of its own, with limits, that reads tensors alone
            text = path.read_text(encoding="utf-8")
            assert text.count("torch.load(") == text.count("weights_only=True") == 1
            continue
        assert not pickling & torch_names(parsed(path)), path
        imported = [node for node in ast.walk(parsed(path)) if isinstance(node, ast.Import)]
        assert not {"pickle", "dill", "joblib"} & {alias.name for node in imported for alias in node.names}, path


def useless_biases(model: nn.Module) -> list[str]:
    """Convolutions with a bias, which the batch norm after them removes, since it subtracts the mean."""
    layers = [(name, module) for name, module in model.named_modules() if not list(module.children())]
    convolutions = (nn.modules.conv._ConvNd,)
    norms = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm)
    return [
        name
        for (name, layer), (_, behind) in pairwise(layers)
        if isinstance(layer, convolutions) and isinstance(behind, norms) and layer.bias is not None
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_bias_in_a_convolution_before_batch_norm(name: str) -> None:
    assert not useless_biases(create(name, device="meta"))


def test_a_bias_in_a_convolution_before_batch_norm_is_useless() -> None:
    torch.manual_seed(0)
    guides = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU())
    assert useless_biases(guides) == ["0"]
    x = torch.randn(2, 3, 8, 8)
    with_it = guides(x)
    nn.init.zeros_(guides[0].bias)  # type: ignore[arg-type]
    torch.testing.assert_close(guides(x), with_it)


@pytest.mark.parametrize("name", NAMES)
def test_dropout_inside_multi_layer_nn_lstm(name: str) -> None:
    """cuDNN does not repeat it exactly, and it draws a mask a step where `time_dropout` draws one a row."""
    wanted = {"layers": 2, "dropout": 0.5}
    arguments = {
        key: wanted[key] for key in wanted if key in inspect.signature(registry.get(name).constructor).parameters
    }
    if "layers" not in arguments:
        arguments = {}  # elsewhere `dropout` may be one rate a layer
    for layer in create(name, device="meta", **arguments).modules():
        assert not isinstance(layer, nn.RNNBase) or layer.dropout == 0
