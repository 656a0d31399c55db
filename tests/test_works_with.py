"""Models in what people put them into, each with the real library."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import zoo
from zoo import registry

HERE = Path(__file__).parent
create: Any = zoo.create
VISION = [name for name in registry.names() if len(registry.get(name).input_shape) == 3]

# Whether torch.export leaves the length free, with torch 2.14: it fixes it to the example's or refuses.
FREE_LENGTH = {"charlstm": False, "lstm_text": False, "gru_text": False, "bilstm_text": False, "bilstm_attn": False}


def texts(n: int, steps: int) -> tuple[Tensor, Tensor]:
    lengths = torch.randint(1, steps + 1, (n,))
    return torch.randint(2, 500, (n, steps)) * (torch.arange(steps) < lengths[:, None]), lengths


@pytest.mark.parametrize("name", VISION)
def test_torch_export_leaves_the_batch_free(name: str) -> None:
    if name == "resnet18":
        pytest.skip("as resnet18_cifar, and larger")
    model, shape = create(name).eval(), registry.get(name).input_shape
    free = ({0: torch.export.Dim("N")},)
    program = torch.export.export(model, (torch.randn(3, *shape),), dynamic_shapes=free)
    x = torch.randn(7, *shape)
    torch.testing.assert_close(program.module()(x), model(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", registry.names())
def test_a_copy_is_a_model_of_its_own(name: str) -> None:
    if name == "resnet18":
        pytest.skip("as resnet18_cifar, and larger")
    model = create(name)
    twin = copy.deepcopy(model)
    assert twin.zoo == model.zoo
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(ours, theirs) and ours.data_ptr() != theirs.data_ptr()


def test_eight_threads_share_one_predictor() -> None:
    predictor = zoo.predictor("rnn_text")
    questions = [f"What is the {word} of {i} ?" for i, word in enumerate(["name", "age", "capital", "cause"] * 10)]
    alone: list[Any] = [predictor(question) for question in questions]
    with ThreadPoolExecutor(8) as pool:
        together: list[Any] = list(pool.map(predictor, questions))
    for ours, theirs in zip(alone, together, strict=True):
        assert ours.label == theirs.label and ours.probability == pytest.approx(theirs.probability, abs=1e-6)


@pytest.mark.parametrize("name", VISION)
def test_torchvision_extracts_features_between_any_layers(name: str) -> None:
    from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

    model = create(name).eval()
    shape = registry.get(name).input_shape if name != "resnet18" else (3, 64, 64)
    nodes = get_graph_node_names(model)[1]
    middle = nodes[len(nodes) // 2]
    extractor = create_feature_extractor(model, {middle: "middle", nodes[-1]: "last"})
    x = torch.randn(2, *shape)
    with torch.no_grad():
        found = extractor(x)
        torch.testing.assert_close(found["last"], model(x))
    assert len(found["middle"]) == 2


def test_lightning_trains_it() -> None:
    lightning = pytest.importorskip("lightning")

    class Digits(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = create("mlp", widths=[16])

        def training_step(self, batch: list[Tensor], index: int) -> Tensor:
            return nn.functional.cross_entropy(self.model(batch[0]), batch[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    torch.manual_seed(0)
    data = TensorDataset(torch.randn(64, 1, 8, 8), torch.randint(10, (64,)))
    module = Digits()
    before = [parameter.clone() for parameter in module.parameters()]
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "accelerator": "cpu"}
    lightning.Trainer(max_epochs=1, enable_model_summary=False, **quiet).fit(module, DataLoader(data, batch_size=32))
    assert not any(map(torch.equal, before, module.parameters()))


def test_captums_integrated_gradients_add_up() -> None:
    captum = pytest.importorskip("captum.attr")
    model, transform = create("mnist_mlp", pretrained=True), zoo.transform("mnist_mlp")
    pixels = transform(np.load(HERE / "samples" / "mnist.npy"))
    assert isinstance(pixels, Tensor)
    x = pixels[None]
    label = int(model(x).argmax())
    attributions = captum.IntegratedGradients(model).attribute(x, torch.zeros_like(x), target=label, n_steps=200)
    with torch.no_grad():
        risen = float((model(x) - model(torch.zeros_like(x)))[0, label])
    # Completeness: the attributions of all pixels are what the logit rose by (Sundararajan et al. 2017, proposition 1).
    assert float(attributions.sum()) == pytest.approx(risen, rel=0.02)


@pytest.mark.parametrize("name", ["cnn_cifar", "mnist_embed", "churn_mlp"])
def test_torchinfo_counts_what_the_zoo_counts(name: str) -> None:
    torchinfo = pytest.importorskip("torchinfo")
    model, shape = create(name), registry.get(name).input_shape
    given = torch.randn(2, *shape) if len(shape) == 3 else [torch.randn(2, 3), torch.zeros(2, 16, dtype=torch.int64)]
    found = torchinfo.summary(model, input_data=given, verbose=0)
    assert found.total_params == sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("name", FREE_LENGTH)
def test_torch_export_and_a_free_length(name: str) -> None:
    """Which models torch.export lets read any length; of the others the file that `zoo export` writes does."""
    model, n, t = create(name).eval(), torch.export.Dim("N"), torch.export.Dim("T")
    text = name != "charlstm"
    free = ({0: n, 1: t}, {0: n}) if text else ({0: n, 1: t},)

    def inputs(rows: int, steps: int) -> tuple[Tensor, ...]:
        return texts(rows, steps) if text else (torch.randint(90, (rows, steps)),)

    try:
        program = torch.export.export(model, inputs(3, 5), dynamic_shapes=free)
        given = inputs(4, 11)
        same = torch.allclose(program.module()(*given), model(*given), atol=1e-4)
    except Exception:
        same = False
    assert same == FREE_LENGTH[name]
