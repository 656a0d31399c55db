"""Small recipes of every kind, on one thread: where there is one, the same seed gives the same bits everywhere."""

from __future__ import annotations

import math
import random
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from zoo import data, registry
from zoo.data import Split, fingerprint
from zoo.data.entry import Entry
from zoo.data.table import Columns
from zoo.training import loop


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """interrupt(N): send SIGINT to this process in its N-th step from now on."""
    real, left = loop.set_rate, [0]

    def set_rate(*arguments: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            signal.raise_signal(signal.SIGINT)
        real(*arguments)

    monkeypatch.setattr(loop, "set_rate", set_rate)
    return lambda steps: left.__setitem__(0, steps)


class TinyConv(nn.Module):
    """Images (N, 1, H, W) -> logits (N, num_classes); norm statistics and dropout have something to lose."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.1), nn.Conv2d(8, 8, 3)
        )
        self.head = nn.Linear(8, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).mean((2, 3)))


@pytest.fixture
def tiny_conv(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model `tiny_conv`."""
    registry.names()  # what loads the zoo's own models
    model = registry.Model("tiny_conv", TinyConv, "image-classification", "default", "a test", "this test", (1, 8, 8))
    monkeypatch.setitem(registry._models, "tiny_conv", model)


@pytest.fixture
def tiny_reviews(monkeypatch: pytest.MonkeyPatch) -> None:
    """The data set `tiny_reviews`: texts of 1 to 20 words, good or bad by the word that most of them hold."""
    draw = random.Random(0)

    def split(count: int) -> Split:
        targets = [i % 2 for i in range(count)]
        pools = (["bad", "awful", "film", "plot"], ["good", "great", "film", "plot"])
        return Split([" ".join(draw.choices(pools[t], k=draw.randint(1, 20))) for t in targets], torch.tensor(targets))

    train, test = split(150), split(50)
    found = fingerprint.of(train, test)
    entry = Entry("tiny_reviews", "text", ["bad", "good"], 1.0, None, lambda folder: (train, test), found)
    monkeypatch.setitem(data.ENTRIES, "tiny_reviews", entry)


@pytest.fixture
def tiny_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """The data set `tiny_table`: two numbers and a category, with blanks; the sum of the numbers tells the class."""
    draw = torch.Generator().manual_seed(0)

    def split(count: int) -> Split:
        numbers = torch.randn(count, 2, generator=draw)
        targets = (numbers.sum(1) > 0.5).long()
        category = torch.randint(0, 3, (count, 1), generator=draw)
        numbers = torch.cat([numbers[:, :1], numbers[:, 1:].exp()], 1)
        cells = torch.cat([numbers, category], 1)
        return Split(cells.where(torch.rand(cells.shape, generator=draw) > 0.1, math.nan), targets)

    train, test = split(150), split(50)
    found, table = fingerprint.of(train, test), Columns(("age", "income"), {"town": ("a", "b", "c")})
    entry = Entry("tiny_table", "table", ["no", "yes"], 1.0, None, lambda folder: (train, test), found, table=table)
    monkeypatch.setitem(data.ENTRIES, "tiny_table", entry)


@pytest.fixture
def tiny_series(monkeypatch: pytest.MonkeyPatch) -> None:
    """The data set `tiny_series`: two waves on levels of their own, 200 rows to train on and 60 to test on."""
    time = torch.arange(260.0).unsqueeze(1)
    rows = torch.sin(time / torch.tensor([3.0, 5.0])) * torch.tensor([1.0, 10.0]) + torch.tensor([5.0, -40.0])
    train, test = Split(rows[:200].clone(), torch.arange(200)), Split(rows, torch.arange(200, 260))
    found = fingerprint.of(train, test)
    entry = Entry(
        "tiny_series", "series", [], 1.0, None, lambda folder: (train, test), found, channels=("small", "large")
    )
    monkeypatch.setitem(data.ENTRIES, "tiny_series", entry)


@pytest.fixture
def tiny_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """The data set `tiny_text`: running text of four symbols, in which words repeat."""
    draw, symbols = random.Random(0), "\nabc"

    def split(words: int) -> Split:
        text = "\n".join(draw.choices(["abc", "cab", "b", "aacc"], k=words))
        ids = torch.tensor([symbols.index(character) for character in text])
        return Split(ids[:-1].to(torch.uint8), ids[1:].clone())

    train, test = split(900), split(60)
    found = fingerprint.of(train, test)
    entry = Entry("tiny_text", "characters", list(symbols), 1.0, None, lambda folder: (train, test), found)
    monkeypatch.setitem(data.ENTRIES, "tiny_text", entry)


MLP: dict[str, Any] = {
    "model": "mlp",
    "model_args": {"widths": [32], "dropout": 0.2},
    "init": "kaiming_normal",
    "data": {"name": "digits", "batch_size": 64, "validation": 0.2, "augment": {"affine": {"degrees": 10.0}}},
    "loss": {"label_smoothing": 0.05},
    "optimizer": {"name": "adamw", "lr": 0.003, "weight_decay": 0.01},
    "schedule": {"name": "one_cycle", "warmup": 0.2},
    "train": {"epochs": 4, "clip": 1.0, "average": {"decay": 0.9}},
}
CONV: dict[str, Any] = {
    "model": "tiny_conv",
    "init": "default",
    "data": {
        "name": "digits",
        "batch_size": 64,
        "augment": {"crop": {"padding": 1}, "cutout": {"size": 2}, "progressive": {"size": 6, "step": 1}},
    },
    "optimizer": {"name": "sgd", "lr": 0.1, "weight_decay": 5e-4},
    "schedule": {"name": "linear", "warmup": 0.2},
    "train": {
        "steps": 80,
        "channels_last": True,
        "precision": "bf16",
        "save_precision": "fp16",
        "average": {"decay": 0.9},
    },
}
MIXED: dict[str, Any] = {
    **CONV,
    "data": {"name": "digits", "batch_size": 100, "augment": {"mixup": {"alpha": 0.2}, "elastic": {"alpha": 1.0}}},
    "train": {"epochs": 4},
}
TEXT: dict[str, Any] = {
    "model": "bilstm_attn",
    "model_args": {"embedding_dim": 8, "hidden": 6, "attention": 4, "dropout": 0.2, "word_dropout": 0.1},
    "init": "recurrent",
    "data": {"name": "tiny_reviews", "batch_size": 16, "text": {"vocab_size": 20, "max_length": 12}},
    "optimizer": {"name": "adam", "lr": 0.01},
    "schedule": {"name": "cosine"},
    "train": {"epochs": 6, "clip": 1.0, "adversarial": {"match": ["embedding.weight"], "epsilon": 1.0}},
}

SERIES: dict[str, Any] = {
    "model": "gru_forecast",
    "model_args": {"segment": 4, "hidden": 6, "dropout": 0.2},
    "init": "recurrent",
    "data": {"name": "tiny_series", "batch_size": 8, "series": {"context": 8, "horizon": 4}},
    "loss": {"name": "huber"},
    "optimizer": {"name": "adamw", "lr": 0.01},
    "train": {"epochs": 3, "average": {"decay": 0.9}},
}

TABLE: dict[str, Any] = {
    "model": "churn_mlp",
    "model_args": {"widths": [16], "dropout": 0.1, "blanks": 0.1},
    "init": "kaiming_normal",
    "data": {"name": "tiny_table", "batch_size": 16, "validation": 0.2, "table": {"log": ["income"]}},
    "loss": {"class_weight": "balanced"},
    "optimizer": {"name": "adamw", "lr": 0.01},
    "train": {"epochs": 10},
}

CHARACTERS: dict[str, Any] = {
    "model": "charlstm",
    "model_args": {"embedding_dim": 4, "hidden": 8, "dropout": 0.1},
    "init": "recurrent",
    "data": {"name": "tiny_text", "batch_size": 8, "characters": {"length": 12}},
    "optimizer": {"name": "adamw", "lr": 0.02},
    "train": {"epochs": 2, "clip": 1.0, "average": {"decay": 0.9}},
}
RECIPES = {
    "mlp": MLP,
    "conv": CONV,
    "mixed": MIXED,
    "text": TEXT,
    "series": SERIES,
    "characters": CHARACTERS,
    "table": TABLE,
}


@pytest.fixture(params=RECIPES.values(), ids=RECIPES.keys())  # type: ignore
def recipe(
    request: pytest.FixtureRequest,
    tiny_conv: None,
    tiny_reviews: None,
    tiny_series: None,
    tiny_text: None,
    tiny_table: None,
) -> dict[str, Any]:
    """One recipe after another of those above."""
    return request.param


@pytest.fixture(scope="session")
def mlp() -> dict[str, Any]:
    """The recipe of a small perceptron: dropout, augmentation, averaging, clipping, a held-out part."""
    return MLP


@pytest.fixture(scope="session")
def text() -> dict[str, Any]:
    """The recipe of a small text classifier."""
    return TEXT


@pytest.fixture(scope="session")
def table() -> dict[str, Any]:
    """The recipe of a small classifier of rows."""
    return TABLE


@pytest.fixture(scope="session")
def series() -> dict[str, Any]:
    """The recipe of a small forecaster."""
    return SERIES


@pytest.fixture(scope="session")
def characters() -> dict[str, Any]:
    """The recipe of a small language model."""
    return CHARACTERS
