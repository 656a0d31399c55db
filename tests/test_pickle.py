"""A predictor of every task goes to other processes and answers there as here."""

from __future__ import annotations

import copy
import json
import multiprocessing
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import zoo
from zoo import registry

SHIPPED = Path(zoo.__file__).parent / "pretrained"


def smallest(task: str) -> str:
    """The shipped weight of the task with the fewest bytes."""
    names = [name for name in zoo.list_weights() if zoo.info(name).task == task and (SHIPPED / name).is_dir()]
    return min(names, key=lambda name: (SHIPPED / name / "model.safetensors").stat().st_size)


def raw(name: str) -> Any:
    """Something that the weight answers."""
    settings = json.loads((SHIPPED / name / "config.json").read_text(encoding="utf-8"))["input"]
    if settings["kind"] == "image":
        return np.zeros((settings["channels"], *settings["size"]), dtype="float32")
    if settings["kind"] == "table":
        return dict.fromkeys(settings["numbers"], 1.0) | dict.fromkeys(settings["categories"], "")
    if settings["kind"] == "series":
        return np.ones((settings["context"], len(settings["channels"])), dtype="float32")
    return "What is the capital of the yellow coat?"


def answered(work: tuple[Any, Any]) -> str:
    predictor, given = work
    torch.manual_seed(0)
    return repr(told(predictor(given)))


def told(answer: Any) -> Any:
    """The answer with numbers to five digits: a copy's memory lies otherwise, and so do the last bits of a product."""
    if isinstance(answer, float):
        return f"{answer:.5g}"
    if isinstance(answer, dict):
        return {key: told(value) for key, value in answer.items()}
    if isinstance(answer, list | tuple):
        return [told(value) for value in answer]
    return told(answer.to_dict()) if hasattr(answer, "to_dict") else answer


@pytest.fixture(scope="module")
def work() -> dict[str, tuple[Any, Any]]:
    names = {task: smallest(task) for task in registry.TASKS}
    return {task: (zoo.predictor(name), raw(name)) for task, name in names.items()}


@pytest.mark.parametrize("task", registry.TASKS)
def test_a_predictor_is_pickled_and_copied(task: str, work: dict[str, tuple[Any, Any]]):
    predictor, given = work[task]
    here = answered(work[task])
    for other in (pickle.loads(pickle.dumps(predictor)), copy.deepcopy(predictor)):
        assert answered((other, given)) == here
        assert other.task is predictor.task and other.record == predictor.record
        assert all(
            a.data_ptr() != b.data_ptr()
            for a, b in zip(other.model.parameters(), predictor.model.parameters(), strict=True)
        )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no forks")
def test_a_fork_does_not_wait_for_the_threads_of_its_parent():
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        read, many = zoo.predictor("mnist_mlp"), [np.zeros((28, 28), "uint8")] * 64
        here = [told(answer) for answer in read(many)]
        context = multiprocessing.get_context("fork")
        ours, theirs = context.Pipe()
        child = context.Process(target=lambda: theirs.send([told(answer) for answer in read(many)]))
        child.start()
        try:
            assert ours.poll(120) and ours.recv() == here == [told(answer) for answer in read(many)]
        finally:
            child.kill()
            child.join()
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("way", [way for way in ("fork", "spawn") if way in multiprocessing.get_all_start_methods()])
def test_predictors_of_every_task_answer_in_a_pool(way: str, work: dict[str, tuple[Any, Any]]):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a forked process cannot use the threads of its parent
    try:
        here = [answered(each) for each in work.values()]
        with multiprocessing.get_context(way).Pool(1) as pool:
            assert pool.map_async(answered, list(work.values())).get(timeout=240) == here
    finally:
        torch.set_num_threads(threads)


def test_a_copy_does_not_follow_its_file(tmp_path: Path, image_bundle: Path):
    import shutil

    shutil.copytree(image_bundle, tmp_path / image_bundle.name)
    mapped = zoo.create(tmp_path / image_bundle.name)
    own = copy.deepcopy(mapped)
    before = {name: tensor.clone() for name, tensor in own.state_dict().items()}
    path = tmp_path / image_bundle.name / "model.safetensors"
    with open(path, "r+b") as file:  # which users should not do
        file.seek(-8, 2)
        file.write(b"\xff" * 8)
    assert all(torch.equal(tensor, before[name]) for name, tensor in own.state_dict().items())
