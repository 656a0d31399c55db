"""Small recipes of every kind, on one thread: with one thread, the same seed gives the same bits everywhere."""

from __future__ import annotations

import math
import random
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor, nn

from zoo import data, registry
from zoo.data import DataSet, Split, fingerprint
from zoo.data.entry import Entry
from zoo.data.mnist_tasks import TASKS
from zoo.data.split import IGNORED
from zoo.data.table import Columns
from zoo.training import epoch


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """interrupt(N): send SIGINT to this process in its N-th step from now on."""
    real, left = epoch.set_rate, [0]

    def set_rate(*arguments: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            signal.raise_signal(signal.SIGINT)
        real(*arguments)

    monkeypatch.setattr(epoch, "set_rate", set_rate)
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
def tiny_conv(own_models: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """The model `tiny_conv`."""
    model = registry.Model("tiny_conv", TinyConv, "image-classification", "default", "a test", "this test", (1, 8, 8))
    own_models(model)


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
    """The data set `tiny_table`: two numbers and a category, with blanks; the sum of the numbers decides the class."""
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


@pytest.fixture
def tiny_prices(tiny_table: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The data set `tiny_prices`: the rows of `tiny_table`, each with a price between 0 and 1."""
    whole = data.load_entry(data.ENTRIES["tiny_table"])
    assert whole.table is not None
    draw = torch.Generator().manual_seed(1)
    train, test = (
        replace(split, targets=torch.rand(len(split), generator=draw)) for split in (whole.train, whole.test)
    )
    found, table = fingerprint.of(train, test), replace(whole.table, unit="coins")
    entry = Entry("tiny_prices", "table", [], 1.0, None, lambda folder: (train, test), found, table=table)
    monkeypatch.setitem(data.ENTRIES, "tiny_prices", entry)


@pytest.fixture
def tiny_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The data set `tiny_tasks`: bars of 1 to 3 rows from the second to the fifth row of 8 x 8 images."""
    draw = torch.Generator().manual_seed(0)

    def split(count: int) -> Split:
        digit, rows = (torch.randint(low, high, (count,), generator=draw) for low, high in ((0, 4), (1, 4)))
        row = torch.arange(8)[None, :, None]
        bars = (row > digit[:, None, None]) & (row <= (digit + rows)[:, None, None])
        images = (bars.expand(count, 8, 8) * 255).to(torch.uint8).unsqueeze(1).contiguous()
        return Split(images, torch.stack([digit, digit % 2, rows], 1).float())

    train, test = split(200), split(50)
    found = fingerprint.of(train, test)
    entry = Entry("tiny_tasks", "image", [], 255.0, None, lambda folder: (train, test), found, tasks=TASKS)
    monkeypatch.setitem(data.ENTRIES, "tiny_tasks", entry)


@pytest.fixture
def tiny_sentences(monkeypatch: pytest.MonkeyPatch) -> DataSet:
    """Sentences of 1 to 9 words, adverbs if they end in -ly, else nouns; the words differ from split to split."""
    draw = random.Random(0)

    def split(count: int) -> Split:
        stems = ["".join(draw.choices("abcdefgh", k=4)) for _ in range(count)]
        rows = [[draw.choice(stems) + draw.choice(["", "ly"]) for _ in range(1 + i % 9)] for i in range(count)]
        targets = torch.full((count, 9), IGNORED)
        for target, row in zip(targets, rows, strict=True):
            target[: len(row)] = torch.tensor([int(word.endswith("ly")) for word in row])
        return Split(["\t".join(row) for row in rows], targets)

    splits = split(150), split(20), split(30)
    entry = Entry("tiny_sentences", "tagged", ["NOUN", "ADV"], 1.0, None, lambda _: splits, fingerprint.of(*splits))
    monkeypatch.setitem(data.ENTRIES, "tiny_sentences", entry)
    return data.load_entry(entry)


RECIPES: dict[str, dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("recipes.yaml").read_text("utf-8"))


@pytest.fixture(params=RECIPES.values(), ids=list(RECIPES))
def recipe(
    request: pytest.FixtureRequest,
    tiny_conv: None,
    tiny_reviews: None,
    tiny_sentences: None,
    tiny_series: None,
    tiny_text: None,
    tiny_prices: None,
    tiny_tasks: None,
) -> dict[str, Any]:
    """One recipe after another of those in recipes.yaml."""
    return request.param


@pytest.fixture(scope="session")
def mlp() -> dict[str, Any]:
    """The recipe of a small perceptron: dropout, augmentation, averaging, clipping, a held-out part."""
    return RECIPES["mlp"]


@pytest.fixture(scope="session")
def text() -> dict[str, Any]:
    """The recipe of a small text classifier."""
    return RECIPES["text"]


@pytest.fixture(scope="session")
def tagged() -> dict[str, Any]:
    """The recipe of a small tagger."""
    return RECIPES["tagged"]


@pytest.fixture(scope="session")
def table() -> dict[str, Any]:
    """The recipe of a small classifier of rows."""
    return RECIPES["table"]


@pytest.fixture(scope="session")
def series() -> dict[str, Any]:
    """The recipe of a small forecaster."""
    return RECIPES["series"]


@pytest.fixture(scope="session")
def characters() -> dict[str, Any]:
    """The recipe of a small language model."""
    return RECIPES["characters"]
