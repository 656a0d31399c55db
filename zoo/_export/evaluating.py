"""The metrics of an ONNX file, as its weight's: on its test split, with only numpy, onnxruntime and tokenizers."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo._export.feeds import batches
from zoo._export.metrics import metrics, rows
from zoo._export.onnx_file import OnnxFile, open_file
from zoo.errors import ZooError
from zoo.home import home

if TYPE_CHECKING:
    from zoo.recipes import Recipe
    from zoo.tasks.measures import OfClass

SIZE = 250


def evaluate(path: str | os.PathLike[str]) -> dict[str, float]:
    """Metric -> value of the file at `path` on the test split of the data set that its weight was measured on.

    The data set is read in its decoded form in ZOO_HOME; if torch is installed it is decoded if
    necessary. Raises `ZooError` for a file that is not the zoo's or was changed, and for data that are not at hand.
    """
    file = open_file(path)
    kept = _kept(file.config.get("data", ""), file.report.get("fingerprint"))
    return metrics(file.outputs[0], *_outputs(file, *(kept or _decoded(file))), file.config)


def on_own(
    path: str | os.PathLike[str], place: Any, columns: Mapping[str, Any] | None = None
) -> tuple[dict[str, float], list[OfClass]]:
    """(all metrics of its task, the results for each class) of the file on the user's labelled data.

    The data are read and checked as for the weight itself, which needs torch. Raises `ZooError` as `evaluate` does, and
    for data that the weight cannot read.
    """
    file = open_file(path)
    try:
        import torch
    except ImportError as error:
        raise ZooError(
            "reading labelled data needs torch; install it, or answer your rows with `zoo predict FILE.onnx`."
        ) from error
    from zoo import tasks
    from zoo._export.making import arrays
    from zoo.tasks import measures
    from zoo.training import own
    from zoo.training.measure import computed

    task = tasks.get(file.config["task"])
    given = rows(*_outputs(file, *arrays(own.whole(_recipe(file), place, file.config, columns))), file.config)
    outputs, truth = map(torch.from_numpy, given)
    known = measures.of(task, file.config["input"])
    values, _ = computed({name: metric(outputs, truth) for name, metric in known.items()}, "", "these data")
    labels = file.config["labels"]
    return values, measures.of_classes(outputs, truth, labels) if task.classes else []


def _outputs(file: OnnxFile, inputs: Any, targets: Any) -> tuple[list[Any], list[Any]]:
    """(first output, targets) of every batch."""
    outputs, truth = [], []
    for arrays, expected in batches(inputs, targets, file.config, file.tokenizer(), SIZE):
        outputs.append(file.run(arrays)[0])
        truth.append(expected)
    return outputs, truth


def _kept(name: str, fingerprint: str | None) -> tuple[Any, Any] | None:
    """Inputs and targets of the test split as `zoo.data.store` keeps them; None if they are not stored."""
    from safetensors import SafetensorError, safe_open
    from safetensors.numpy import load

    path = home() / "data" / f"{name}.safetensors"
    try:
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != path.with_suffix(".sha256").read_text(encoding="utf-8").strip():
            return None
        with safe_open(path, framework="numpy") as file:
            about = file.metadata() or {}
        tensors = load(content)
    except (OSError, ValueError, SafetensorError):
        return None
    if fingerprint is None or about.get("fingerprint") != fingerprint or "test.targets" not in tensors:
        return None
    if "test.inputs" in tensors:
        return tensors["test.inputs"], tensors["test.targets"]
    ends = np.cumsum(tensors["test.lengths"]).tolist()
    text = tensors["test.text"].tobytes()
    return [text[start:end].decode() for start, end in zip([0, *ends], ends)], tensors["test.targets"]  # noqa: B905


def _decoded(file: OnnxFile) -> tuple[Any, Any]:
    name = file.config.get("data", "")
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise ZooError(
            f"{name} is not yet decoded in {home() / 'data'}, and decoding needs torch; run `zoo data get {name}` "
            "where "
            "torch is installed, with the same ZOO_HOME."
        ) from error
    from zoo._export.making import arrays
    from zoo.training import own

    return arrays(own.load(_recipe(file)).test)


def _recipe(file: OnnxFile) -> Recipe:
    """The recipe of the weight that the file was made from."""
    from zoo.recipes import parse
    from zoo.recipes.reading import read_yaml

    text = file.about.get("zoo.recipe")
    if text is None:
        raise ZooError(f"{file.path} lacks its weight's recipe, as an older zoo wrote it; export {file.weight} again.")
    return parse(read_yaml(text), name=file.weight, where=f"the recipe of {file.weight}")
