"""The process belongs to its caller: no call changes what is global, and no result depends on what the caller set."""

from __future__ import annotations

import json
import os
import random
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import zoo
from zoo import caller

RECIPE: dict[str, Any] = {
    "model": "mlp",
    "model_args": {"widths": [16], "dropout": 0.2},
    "init": "kaiming_normal",
    "data": {"name": "digits", "batch_size": 128},
    "optimizer": {"name": "adamw", "lr": 0.003},
    "train": {"epochs": 1},
}
DIGITS = [[float(i % 16) for i in range(start, start + 64)] for start in range(3)]


def pixels() -> list[Any]:
    return [np.asarray(row, dtype="float32").reshape(8, 8) for row in DIGITS]


@contextmanager
def set_to(read: Callable[[], Any], write: Callable[[Any], object], value: Any) -> Iterator[None]:
    before = read()
    write(value)
    try:
        yield
    finally:
        write(before)


@contextmanager
def default_device(name: str) -> Iterator[None]:
    torch.set_default_device(name)
    try:
        yield
    finally:
        torch.set_default_device(None)


@contextmanager
def an_accelerator() -> Iterator[None]:
    """The caller has one of their own, in another precision, in the midst of accumulating."""
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState, GradientState

    own = Accelerator(cpu=True, mixed_precision="bf16", gradient_accumulation_steps=4)
    own.gradient_state._set_sync_gradients(False)
    try:
        yield
    finally:
        assert AcceleratorState().mixed_precision == "bf16" and GradientState().num_steps == 4
        AcceleratorState._reset_state(reset_partial_state=True)
        GradientState._reset_state()


def in_table(name: str, value: Any) -> Callable[[], AbstractContextManager[None]]:
    each = next(each for each in caller.TABLE if each.name == name)
    return lambda: set_to(each.read, each.write, value)


SETTINGS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "no_grad": torch.no_grad,
    "grad mode": lambda: torch.set_grad_enabled(False),
    "inference_mode": torch.inference_mode,
    "float64": in_table("default dtype", torch.float64),
    "bfloat16": in_table("default dtype", torch.bfloat16),
    "device meta": lambda: default_device("meta"),
    "within meta": lambda: torch.device("meta"),
    "matmul precision": in_table("precision of float32 products", "medium"),
    "deterministic": in_table("deterministic algorithms", (True, True)),
    "cudnn.benchmark": in_table("backends.cudnn.benchmark", True),
    "mkldnn": in_table("backends.mkldnn.enabled", False),
    "threads": lambda: set_to(torch.get_num_threads, torch.set_num_threads, 1),
    "torch's generator": lambda: set_to(torch.get_rng_state, torch.set_rng_state, torch.Generator().get_state()),
    "random": lambda: set_to(random.getstate, random.setstate, random.Random(7).getstate()),
    "numpy": lambda: set_to(np.random.get_state, np.random.set_state, np.random.RandomState(7).get_state()),
    "accelerate": an_accelerator,
    "accelerate's variables": lambda: pytest.MonkeyPatch.context(),
}


def found_in_table() -> Iterator[tuple[str, Any]]:
    for each in caller.TABLE:
        with suppress(AttributeError):  # older versions of torch lack some
            yield each.name, each.read()


def observed() -> dict[str, Any]:
    """All that a call might leave changed."""
    import signal

    from accelerate.state import AcceleratorState, GradientState, PartialState

    return {
        **dict(found_in_table()),
        "grad": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "autocast": [torch.is_autocast_enabled(kind) for kind in caller.AUTOCAST],
        "device": str(torch.empty(0).device),
        "torch": torch.get_rng_state().tolist(),
        "random": random.getstate(),
        "numpy": str(np.random.get_state()),
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "warnings": list(warnings.filters),
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "environment": dict(os.environ),
        "accelerate": [str(dict(s._shared_state)) for s in (PartialState, AcceleratorState, GradientState)],
        "folder": os.getcwd(),
    }


def tensors(bundle: Path) -> dict[str, Any]:
    with torch.device("cpu"):  # of the clients in use, older ones read onto the default device
        return {k: v.tolist() for k, v in load_file(bundle / "model.safetensors").items()}


def trained(bundle: Path, folder: Path) -> Any:
    run = zoo.train(RECIPE, out=folder / "run", device="cpu")
    return tensors(run.folder), run.metrics


def created(bundle: Path, folder: Path) -> Any:
    model = zoo.create(str(bundle), device="cpu")
    assert all(p.requires_grad and not p.is_inference() for p in model.parameters())
    return {k: (str(v.dtype), v.tolist()) for k, v in model.state_dict().items()}


def answered(bundle: Path, folder: Path) -> Any:
    return [answer.to_dict() for answer in zoo.predictor(str(bundle))(pixels())]


def verified(bundle: Path, folder: Path) -> Any:
    return zoo.verify(str(bundle)).to_dict()


def reproduced(bundle: Path, folder: Path) -> Any:
    report = zoo.reproduce(bundle, device="cpu").to_dict()
    return {key: value for key, value in report.items() if key not in ("seconds", "environment")}


def told(inputs: Any) -> Any:
    tensors = inputs if isinstance(inputs, tuple) else (inputs,)
    return [(str(tensor.dtype), str(tensor.device), tensor.tolist()) for tensor in tensors]


def published(bundle: Path, folder: Path) -> Any:
    name = zoo.publish(bundle, folder / "shelf", name="mlp.mine_v1")
    return tensors(folder / "shelf" / name)


CALLS: dict[str, Callable[[Path, Path], Any]] = {
    "train": trained,
    "create": created,
    "evaluate": lambda bundle, folder: zoo.evaluate(bundle, device="cpu"),
    "predict": answered,
    "verify": verified,
    "reproduce": reproduced,
    "embed": lambda bundle, folder: zoo.embed(bundle, pixels()).tolist(),
    "transform": lambda bundle, folder: told(zoo.transform(bundle)(pixels()[0])),
    "publish": published,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of one epoch, used as a weight."""
    return zoo.train(RECIPE, out=tmp_path_factory.mktemp("caller") / "run", device="cpu").folder


@pytest.fixture(scope="module")
def usual(run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each call gives if nothing is set."""
    return {name: call(run, tmp_path_factory.mktemp(name)) for name, call in CALLS.items()}


LONG = {"publish": ("autocast", "float64", "device meta", "inference_mode")}
"""Calls that take seconds, with the settings that they are tried under."""


@pytest.mark.parametrize(("name", "setting"), [(n, s) for n in CALLS for s in SETTINGS if s in LONG.get(n, SETTINGS)])
def test_nothing_that_the_caller_set_bears_on_a_result_or_is_changed(
    name: str, setting: str, run: Path, usual: dict[str, Any], tmp_path: Path
):
    with SETTINGS[setting]() as patch:
        if isinstance(patch, pytest.MonkeyPatch):
            patch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
            patch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4")
        before = observed()
        found = CALLS[name](run, tmp_path)
        after = observed()
    assert after == before
    assert found == usual[name]


@pytest.mark.parametrize("setting", ["autocast", "float64", "inference_mode", "device meta", "accelerate"])
def test_all_is_given_back_after_an_error_too(setting: str, tmp_path: Path):
    recipe = {**RECIPE, "optimizer": {"name": "sgd", "lr": 1e30}}
    with SETTINGS[setting]():
        before = observed()
        with pytest.raises(zoo.ZooError):
            zoo.train(recipe, out=tmp_path / "run", device="cpu")
        assert observed() == before


@pytest.mark.parametrize("deterministic", [False, True])
def test_runs_in_threads_give_the_numbers_of_runs_one_after_another(
    deterministic: bool, run: Path, usual: dict[str, Any], tmp_path: Path
):
    recipe = {**RECIPE, "train": {"epochs": 1, "deterministic": deterministic}}
    found: dict[int, Any] = {}
    drawn: list[float] = []

    def work(number: int) -> None:
        done = zoo.train(recipe, out=tmp_path / str(number), device="cpu")
        found[number] = {k: v.tolist() for k, v in load_file(done.folder / "model.safetensors").items()}

    before = observed()
    torch.manual_seed(0)
    expected = torch.rand(2000).tolist()
    torch.manual_seed(0)
    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    while any(worker.is_alive() for worker in workers):
        if len(drawn) < 2000:
            drawn.append(float(torch.rand(())))
    after = observed()
    assert [found[number] for number in range(4)] == [usual["train"][0]] * 4
    assert drawn == expected[: len(drawn)] and len(drawn) > 10, "what this thread drew meanwhile is its own"
    for key in ("torch", "environment"):
        before.pop(key)
        after.pop(key)
    assert after == before


def test_loading_in_a_thread_rewinds_no_other_threads_generator(run: Path):
    torch.manual_seed(0)
    expected = torch.rand(500).tolist()
    torch.manual_seed(0)
    done = threading.Event()

    def work() -> None:
        for _ in range(30):
            zoo.create(str(run))
        done.set()

    worker, drawn = threading.Thread(target=work), []
    worker.start()
    while not done.is_set() and len(drawn) < 500:
        drawn.append(float(torch.rand(())))
    worker.join()
    assert drawn == expected[: len(drawn)]


def test_a_model_made_within_inference_mode_can_be_trained(run: Path):
    with torch.inference_mode():
        models = zoo.create("mnist_mlp"), zoo.create(str(run))
    for model in models:
        shape = (2, 1, 28, 28) if model is models[0] else (2, 1, 8, 8)
        model.train()(torch.rand(shape)).sum().backward()
        torch.optim.SGD(model.parameters(), lr=0.1).step()


def test_a_transform_is_not_kept_in_the_dtype_of_its_first_caller(image_bundle: Path):
    from zoo.kinds.transforms import normalize

    settings = json.loads((image_bundle / "config.json").read_text())["input"]
    wide = {**settings, "mean": [0.3], "std": [0.7]}
    images = torch.rand(1, 1, 8, 8)
    with in_table("default dtype", torch.float64)():
        first = normalize(images.float(), wide)
    assert first.dtype == torch.float32 and torch.equal(normalize(images, wide), first)


def test_a_silence_in_several_threads_leaves_the_filters_as_they_were():
    before, order = list(warnings.filters), threading.Barrier(2)

    def first() -> None:
        with caller.silent():
            order.wait()
            order.wait()

    worker = threading.Thread(target=first)
    worker.start()
    order.wait()
    with caller.silent("x", UserWarning):
        order.wait()
        worker.join()
        warnings.warn("x", UserWarning, stacklevel=1)
    assert list(warnings.filters) == before


@pytest.mark.parametrize("setting", ["device meta", "float64", "inference_mode"])
def test_a_transform_of_texts_is_on_the_cpu_whatever_is_set(setting: str, text_bundle: Path):
    usual = told(zoo.transform(text_bundle)("a good film"))
    with SETTINGS[setting]():
        made = zoo.transform(text_bundle)
        assert told(made("a good film")) == usual
        assert all(tensor.device.type == "cpu" for tensor in made.batch(["a", "a film"]))
