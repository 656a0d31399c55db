"""A weight ready for use: raw input in, answer out."""

from __future__ import annotations

import dataclasses
import inspect
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from zoo import caller, display, sources, tasks
from zoo.bundles.load import load_model
from zoo.bundles.record import Record, record
from zoo.check import check_config
from zoo.construct import device_of
from zoo.data.text import read_tokenizer
from zoo.tasks import Task

BATCH = 64  # inputs in one forward: enough to fill a CPU's cores, little enough for any device's memory


@dataclass(frozen=True)
class Predictor:
    """Model, input transform and labels of one weight, made by `zoo.predictor`.

    `predictor(raw)` gives one answer, `predictor([raw, ...])` a list in the order given. What a raw input is, the task
    says: a text; a path, Pillow image, array or tensor for an image; a dict, or a JSON object as text, for the row of a
    table. An array or tensor with a batch dimension is a list, and so is the path of a CSV file with rows.
    """

    model: nn.Module
    task: Task
    config: dict[str, Any]
    tokenizer: Any = None

    def __repr__(self) -> str:
        return display.screen(self._title(), self._rows())

    def _repr_html_(self) -> str:
        return display.markup(self._title(), self._rows())

    def _title(self) -> str:
        return f"Predictor of {self.record.weight}"

    def _rows(self) -> dict[str, str]:
        return {
            "task": self.task.name,
            "labels": display.some(self.labels),
            "input": display.settings(self.input),
            "figures": display.figures(self.record.metrics, self.record.figures),
            "device": str(next(self.model.parameters()).device),
        }

    @property
    def record(self) -> Record:
        """Where the model comes from, and its figures: `predictor.model.zoo`."""
        return record(self.model)

    @property
    def labels(self) -> list[str]:
        """The classes in the order of the outputs; none where the answer is no class."""
        return self.config["labels"]

    @property
    def input(self) -> dict[str, Any]:
        """The input transform as data."""
        return self.config["input"]

    def __call__(self, raw: Any) -> Any:
        """The answer to one raw input, or the list of answers to a list, a tuple or a batch of them.

        Raises `ZooError` for an input that the task cannot read; nothing is answered then.
        """
        if isinstance(raw, (list, tuple)) or getattr(raw, "ndim", None) == (self.task.batch_ndim or -1):
            return self._answers(self.unpack(raw))
        held = self.task.unpack(raw)
        return self._answers([raw])[0] if held is None else self._answers(held)

    def unpack(self, several: Iterable[Any]) -> list[Any]:
        """Each raw input by itself, where some of `several` are files that hold more than one."""
        found = []
        for raw in several:
            held = self.task.unpack(raw)
            found += [raw] if held is None else held
        return found

    def _answers(self, raw: list[Any]) -> list[Any]:
        answers: list[Any] = [None] * len(raw)
        order = sorted(range(len(raw)), key=lambda index: self.task.cost(raw[index]))
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            for index, answer in zip(chosen, self._batch([raw[index] for index in chosen]), strict=True):
                answers[index] = answer
        return answers

    @caller.own(gradients=False)
    @torch.inference_mode()
    def _batch(self, raw: list[Any]) -> list[Any]:
        device = next(self.model.parameters()).device
        inputs = [tensor.to(device) for tensor in self.task.prepare(raw, self.input, self.tokenizer)]
        if self.task.explain is None or "return_attention" not in inspect.signature(self.model.forward).parameters:
            return self.task.answer(self.task.run(self.model, inputs, raw), raw, self.config)
        logits, weights = self.model(*inputs, return_attention=True)
        explained = self.task.explain(raw, self.input, self.tokenizer, weights)
        answers = self.task.answer(logits, raw, self.config)
        return [dataclasses.replace(a, attention=words) for a, words in zip(answers, explained, strict=True)]


def predictor(name: str | os.PathLike[str], *, device: str | torch.device | None = None) -> Predictor:
    """The predictor of a weight.

    `name` is a weight (`bilstm_attn.imdb_v1`), a model (its default weight), a bundle or run folder, or a source URL;
    `device` is where to compute, the CPU unless given. Raises `ZooError` where there is no such weight or device, or
    the bundle is not intact.
    """
    where = device_of("cpu" if device is None else device)
    bundle = sources.find(name)
    check_config(bundle)
    tokenizer = None if bundle.tokenizer is None else read_tokenizer(bundle.tokenizer)
    model = load_model(bundle, device=where)
    return Predictor(model, tasks.get(bundle.config["task"]), bundle.config, tokenizer)
