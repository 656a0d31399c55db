"""What every test shares: the rule for tests that need published data, a cache of its own, and a few tiny weights."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))  # for forked and small, which no package holds

# As the command line does, and for the same reason: a busy machine must not make the tests ten times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# A shell starts a background command with SIGINT ignored, but many tests interrupt a run as Ctrl-C does.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):  # and nohup ignores what others end a run with
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests marked `data` where there is no data to read."""
    if os.environ.get("ZOO_DATA"):
        return
    absent = pytest.mark.skip(reason="needs the published data sets: ZOO_DATA is not set")
    for item in items:
        if item.get_closest_marker("data"):  # the keywords hold the folder tests/data too
            item.add_marker(absent)


def pytest_collection_finish() -> None:
    """Objects imported by now live to the end, so garbage collections, which libraries ask for often, need not read
    them."""
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def zoo_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The cache for the whole session, so that the user's own is not read or written."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("ZOO_SOURCES", "ZOO_OFFLINE"):
            patch.delenv(name, raising=False)
        home = tmp_path_factory.mktemp("zoo_home")
        patch.setenv("ZOO_HOME", str(home))
        yield home


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    options = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(options, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small tmpfs")
    try:
        yield disk
    finally:
        subprocess.run(["umount", disk], check=True)


RECIPE = """model: {model}
init: default
data: {{name: {data}}}
optimizer: {{name: adamw, lr: 0.01}}
train: {{epochs: 1}}
"""


def _bundle(folder: Path, state_dict: dict[str, Any], tokenizer: str | None = None, **config: Any) -> Path:
    from zoo.bundles.write import write_bundle
    from zoo.publishing.card import card

    figure = {"value": 0.9, "mean": 0.9, "std": 0.0, "n": 2, "seeds": [0, 1], "values": [0.9, 0.9]}
    write_bundle(
        folder,
        state_dict=state_dict,
        config={"schema": 1, "num_parameters": sum(tensor.numel() for tensor in state_dict.values()), **config},
        recipe_text=(recipe := RECIPE.format(model=config["model"], data=config["data"])),
        card=lambda config, metrics: card(config, metrics, recipe, name=folder.name),
        metrics={
            "schema": 1,
            "split": "test",
            "metrics": {"accuracy": figure},
            "data": {"name": config["data"], "fingerprint": "0" * 64},
            "seconds": 1.0,
            "environment": {"python": "3.11", "torch": "2.6", "zoo": "0.1.0", "platform": "here", "device": "cpu"},
            "notes": [],
        },
        log_csv="epoch,loss\n1,0.5\n",
        tokenizer=tokenizer,
        metadata={"name": folder.name, "seed": 0},
    )
    return folder


@pytest.fixture(scope="session")
def make_bundle() -> Callable[..., Path]:
    """Writes a bundle: (folder, state dict, tokenizer, **config.json) -> the folder; its figures are made up."""
    return _bundle


@pytest.fixture(scope="session")
def image_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A linear classifier of 8 x 8 images that answers which of the first ten pixels is white."""
    import torch

    weight = torch.zeros(10, 64)
    weight[:, :10] = 9 * torch.eye(10)
    return _bundle(
        tmp_path_factory.mktemp("image") / "mlp.tiny_v1",
        {"head.weight": weight, "head.bias": torch.zeros(10)},
        model="mlp",
        model_args={"in_features": 64, "widths": []},
        task="image-classification",
        labels=[f"pixel {index}" for index in range(10)],
        input={"kind": "image", "channels": 1, "size": [8, 8], "maximum": 16, "mean": [0.0], "std": [1.0]},
        data="digits",
    )


@pytest.fixture(scope="session")
def text_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A freshly drawn text classifier with a tokenizer of a dozen words."""
    import torch

    import zoo
    from zoo.data.text import train_tokenizer

    tokenizer = train_tokenizer(["a good film with a plot", "a bad film, not a good one"], vocab_size=20)
    arguments: dict[str, Any] = {"vocab_size": 20, "embedding_dim": 8, "hidden": 6, "attention": 4}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = zoo.create("bilstm_attn", **arguments)
    return _bundle(
        tmp_path_factory.mktemp("text") / "bilstm_attn.tiny_v1",
        model.state_dict(),
        tokenizer.to_str(),
        model="bilstm_attn",
        model_args=arguments,
        task="text-classification",
        labels=["neg", "pos"],
        input={"kind": "text", "tokenizer": "tokenizer.json", "max_length": 6, "truncate": "head_tail"},
        data="imdb",
    )


@pytest.fixture(scope="session")
def table_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A linear regression of rows: its answer is the age in the row, 10 more by the sea, 20 if no age is known."""
    import torch

    return _bundle(
        tmp_path_factory.mktemp("table") / "housing_mlp.tiny_v1",
        {
            "embeddings.0.weight": torch.tensor([[0.0], [0.0], [10.0]]),
            "periodic.frequencies": torch.zeros(1, 1),
            "periodic.weight": torch.zeros(1, 2, 1),
            "periodic.bias": torch.zeros(1, 1),
            "head.weight": torch.tensor([[5.0, 10.0, 1.0, 0.0]]),
            "head.bias": torch.tensor([10.0]),
        },
        model="housing_mlp",
        model_args={"numbers": 1, "categories": [2], "embedding_dim": 1, "frequencies": 1, "dim": 1, "widths": []},
        task="regression",
        labels=[],
        input={
            "kind": "table",
            "numbers": {"age": {"log": False, "mean": 10.0, "std": 5.0}},
            "categories": {"sea": ["far", "near"]},
            "unit": "years",
        },
        data="california_housing",
    )


@pytest.fixture(scope="session")
def series_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A forecaster of two rows that says the mean of the four before them."""
    import torch

    from zoo.construct import construct

    arguments: dict[str, Any] = {"context": 4, "horizon": 2, "segment": 2, "hidden": 3}
    state = construct("gru_forecast", arguments).state_dict()
    return _bundle(
        tmp_path_factory.mktemp("series") / "gru_forecast.tiny_v1",
        {name: torch.zeros_like(tensor) for name, tensor in state.items()},
        model="gru_forecast",
        model_args=arguments,
        task="forecasting",
        labels=[],
        input={
            "kind": "series",
            "context": 4,
            "horizon": 2,
            "channels": ["a", "b"],
            "mean": [5.0, 0.0],
            "std": [2.0, 1.0],
        },
        data="etth1",
    )


@pytest.fixture(scope="session")
def characters_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A language model of three symbols, freshly drawn, with a head that makes more of its small states."""
    import torch

    import zoo

    arguments: dict[str, Any] = {"symbols": "\nab", "embedding_dim": 4, "hidden": 6}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = zoo.create("charlstm", **arguments).state_dict()
    return _bundle(
        tmp_path_factory.mktemp("characters") / "charlstm.tiny_v1",
        {**state, "head.weight": 20 * state["head.weight"]},
        model="charlstm",
        model_args=arguments,
        task="language-modelling",
        labels=["\n", "a", "b"],
        input={"kind": "characters", "symbols": "\nab", "length": 8},
        data="tinyshakespeare",
    )


@pytest.fixture
def own_models() -> Iterator[Callable[..., None]]:
    """own_models(model, …): registered for the duration of one test."""
    from zoo import registry

    with ExitStack() as held:
        yield lambda *models: held.enter_context(registry.temporary(*models))
