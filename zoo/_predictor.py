"""A weight ready for use: raw input in, answer out."""

from __future__ import annotations

import dataclasses
import inspect
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar, overload

import torch
from torch import Tensor, nn

from zoo import caller, display, kinds, sources, tasks
from zoo.answering import progress
from zoo.bundles.format import Bundle
from zoo.bundles.load import load_model
from zoo.bundles.record import Record, record
from zoo.check import check_config
from zoo.construct import device_of
from zoo.errors import ZooError, needing
from zoo.kinds import Input, Kind
from zoo.tasks import Task
from zoo.tasks.classification import TOP

AHEAD = 16
"""Batches that a stream reads ahead. Their inputs are sorted by length first, so they have almost no padding."""
BATCH = 64  # inputs in one forward: enough for all of a CPU's cores, and they fit any device's memory


A = TypeVar("A")


@dataclass(frozen=True, repr=False)
class Predictor(Generic[A]):
    """Model, input transform and labels of one weight, made by `zoo.predictor`.

    `predictor(raw)` gives one answer, `predictor([raw, ...])` a list in the order given. The task decides what a raw
    input is: a text; a path, Pillow image, array or tensor for an image; a dict, or a JSON object as text, for the
    row of a table. An array or tensor with a batch dimension counts as a list, and so do the path of a CSV file with
    rows, a folder of pictures, and a glob of them (`"photos/*.jpg"`), sorted by name. `predictor.stream(raws)` answers
    a generator. After two seconds a line on the terminal shows the progress.

    For a type checker an answer may be anything, unless you declare the predictor with its task's type:

        read: zoo.Predictor[zoo.Classification] = zoo.predictor("bilstm_attn.imdb_v1")

        >>> read = zoo.predictor("rnn_text")
        >>> [answer.label for answer in read(["Who wrote Hamlet?", "How many people live in Rome?"])]
        ['human', 'numeric value']
    """

    model: nn.Module
    task: Task
    config: dict[str, Any]
    reads: Input
    bundle: Bundle
    batch_size: int = BATCH
    explains: bool = True  # finding the words that a model attends to takes as long as the answer itself

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
        """The classes in the order of the outputs; none if the answer is not a class."""
        return self.config["labels"]

    @property
    def input(self) -> dict[str, Any]:
        """The input transform as data."""
        return self.reads.settings

    @property
    def tokenizer(self) -> Any:
        """The tokenizer, None if the model needs none."""
        return self.reads.tokenizer

    @property
    def kind(self) -> Kind:
        """The way from raw input to the model's inputs."""
        return kinds.get(self.reads.kind)

    @overload
    def __call__(self, raw: list[Any] | tuple[Any, ...]) -> list[A]: ...
    @overload
    def __call__(self, raw: str | Mapping[str, Any]) -> A: ...  # one answer, unless it is the path of a file with rows
    @overload
    def __call__(self, raw: Any) -> Any: ...

    def __call__(self, raw: Any) -> Any:
        """The answer to one raw input, or the list of answers to a list, a tuple or a batch of them.

        Raises `ZooError` for an input that the task cannot read; then no input is answered.
        """
        rows = self._several(raw)
        held = self.kind.unpack(raw) if rows is None else self.unpack(rows)
        if held is None:
            return self._answers([raw])[0]
        with progress.counted() as tell:
            return self._answers(held, tell)

    def stream(self, raws: Iterable[Any] | os.PathLike[str]) -> Iterator[A]:
        """The answer to each of many raw inputs, in order, as they come: `raws` may be a generator without an end.

        `AHEAD` batches are read at a time, so that inputs of similar length share a batch; memory never holds more.

            >>> for answer in read.stream(line for line in open("reviews.txt")):
            ...     print(answer.label)

        Raises `ZooError` at an input that the task cannot read, after the answers to those before it.
        """
        rows = self._several(raws)
        rows = self.kind.unpack(raws) if rows is None else rows
        if rows is None:
            raise ZooError(f"{type(raws).__name__} is one input, but stream takes many; give an iterable of them.")
        return self._stream(iter(rows))

    def _stream(self, rows: Iterator[Any]) -> Iterator[A]:
        from zoo.answering.answers import each

        count = 0
        with progress.counted() as tell:
            while several := list(islice(rows, AHEAD * self.batch_size)):
                raws: list[Any] = []
                fault = None
                for one in several:
                    try:
                        raws += self.unpack([one])
                    except ZooError as error:
                        fault = error
                        break
                for answer in each(raws, self._answers):
                    if isinstance(answer, ZooError):
                        raise answer
                    count += 1
                    tell(count)
                    yield answer
                if fault is not None:
                    raise fault

    def _several(self, raw: Any) -> Iterable[Any] | None:
        """The raw inputs that a list, any other iterable, a batch or a frame holds; None for one raw input."""
        if getattr(raw, "ndim", None) == (self.kind.batch_ndim or -1):
            return raw
        if hasattr(raw, "columns") and hasattr(raw, "shape"):  # a frame of pandas or polars
            return None if self.task.kind == "series" else _rows(raw)
        if hasattr(raw, "shape") or isinstance(raw, (str, bytes, Mapping, os.PathLike, io.IOBase)):
            return None
        return raw if isinstance(raw, Iterable) else None

    def unpack(self, several: Iterable[Any]) -> list[Any]:
        """Each single raw input; some of `several` may be files that hold more than one."""
        found = []
        for raw in several:
            held = self.kind.unpack(raw)
            found += [raw] if held is None else held
        return found

    def _answers(self, raw: list[Any], tell: Callable[[int], None] = lambda count: None) -> list[Any]:
        answers: list[Any] = [None] * len(raw)
        order = sorted(range(len(raw)), key=lambda index: self.kind.cost(raw[index]))
        for start in range(0, len(order), self.batch_size):
            chosen = order[start : start + self.batch_size]
            for index, answer in zip(chosen, self._batch([raw[index] for index in chosen]), strict=True):
                answers[index] = answer
            tell(start + len(chosen))
        return answers

    def prepare(self, raw: list[Any]) -> tuple[Tensor, ...]:
        """The arguments of the model's `forward` for these raw inputs, as one batch on its device."""
        device = next(self.model.parameters()).device
        return tuple(tensor.to(device) for tensor in self.kind.prepare(raw, self.reads))

    @caller.own(gradients=False)
    @torch.inference_mode()
    def _batch(self, raw: list[Any]) -> list[Any]:
        inputs, explain = self.prepare(raw), self.kind.explain if self.explains else None
        if explain is None or "return_attention" not in inspect.signature(self.model.forward).parameters:
            return self.task.answer(self._calibrated(self.task.run(self.model, inputs, raw)), raw, self.config)
        logits, weights = self.model(*inputs, return_attention=True)
        explained = explain(raw, self.reads, weights)
        answers = self.task.answer(self._calibrated(logits), raw, self.config)
        return [dataclasses.replace(a, attention=words) for a, words in zip(answers, explained, strict=True)]

    def _calibrated(self, outputs: Any) -> Any:
        """A classifier's logits divided by the weight's temperature, so that its probabilities are calibrated.

        The order of the classes stays; the model's own outputs are not touched.
        """
        outputs, temperature = _finite(outputs), self.config.get("temperature")
        return outputs / temperature if temperature and isinstance(outputs, torch.Tensor) else outputs


def _finite(outputs: Any) -> Any:
    """The outputs; `ZooError` if they are NaN, as from damaged tensors."""
    if isinstance(outputs, torch.Tensor) and not outputs.isfinite().all():
        raise ZooError("the model gives no number for this input: its tensors are damaged, or the input is too large.")
    return outputs


@needing()
def predictor(
    name: str | os.PathLike[str],
    *,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    top: int | None = TOP,
    batch_size: int = BATCH,
) -> Predictor[Any]:
    """The predictor of a weight: raw input in, answer out.

    Args:
        name: a weight (`bilstm_attn.imdb_v1`), a model (its default weight), a bundle or run folder, or a source URL.
        device: where to compute; by default the CPU.
        dtype: of the model's parameters; by default float32.
        top: how many labels a classifier's answer lists, best first; None for all, the whole distribution.
        batch_size: inputs in one pass through the model; 64 fill a CPU's cores and fit any device's memory.

    Raises `ZooError` if there is no such weight or device, and if the bundle is not intact.

    Example:
        >>> import zoo
        >>> read = zoo.predictor("bilstm_attn.imdb_v1")
        >>> read("A wonderful film.").label
        'positive'
    """
    for what, value in (("top", 1 if top is None else top), ("batch_size", batch_size)):
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ZooError(f"{what} is {value!r}; give a whole number of 1 or more.")
    where = device_of("cpu" if device is None else device)
    return of_bundle(sources.find(name), where, dtype, top, batch_size)


def of_bundle(
    bundle: Bundle,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
    top: int | None = TOP,
    batch_size: int = BATCH,
) -> Predictor[Any]:
    """Like `predictor`, for a bundle."""
    check_config(bundle)
    reads, model = kinds.input_of(bundle), load_model(bundle, device=device, dtype=dtype)
    task, config = tasks.get(bundle.config["task"]), {**bundle.config, "top": top}
    return Predictor(model, task, config, reads, bundle, batch_size)


def _rows(frame: Any) -> list[Any]:
    """The rows of a frame as dicts; if it has a single column, its cells, like a list of texts."""
    if len(frame.columns) == 1:
        return list(frame[frame.columns[0]])
    return frame.to_dicts() if hasattr(frame, "to_dicts") else frame.to_dict("records")
