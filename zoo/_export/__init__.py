"""`zoo.export`: a weight as an ONNX file that is proved to answer as the weight does.

graph       the model with its input transform inside
exporters   the ways from that graph to a file; they are tried in order
proof       whether a file answers as its weight does, over a grid of batch sizes and lengths
int8        eight-bit weights
onnx_file   a file's facts about itself, and whether it is unchanged
feeds, metrics, raw, predictor     using such a file without torch
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import display
from zoo.errors import ZooError, unknown

if TYPE_CHECKING:
    from zoo.bundles.format import Bundle

FORMATS, QUANTIZE = ("onnx",), ("int8",)
SAME = 1e-3
"""How far a float32 file's metric may be from the weight's, the same as between platforms."""

EXTRA = 'exporting needs onnx, onnxscript and onnxruntime; install them with: pip install "reprozoo[export]"'


@dataclass(frozen=True)
class Export:
    """What `zoo.export` did. `ok` says whether the files were written; if not, `message` says why.

    Attributes:
        weight: the weight's name.
        format: "onnx".
        quantize: "int8", or None for float32.
        files: name -> its `sha256` and `size`; none if the proof failed.
        inputs, outputs: name -> its `dtype` and `shape`, in which N, T and C stand for any number.
        exporter: which of torch's exporters made the file.
        agreement: the grid of (N, T) that was compared, the largest difference as a share of the scale, the share of
            equal labels, and what failed.
        metric: the recipe's.
        published: its value for the weight.
        measured: its value for the file, by onnxruntime on the test split; None if the data are not at hand.
        ok: whether it agrees.
        message: one sentence.

        >>> made = zoo.export("mlp.digits_v1", "digits.onnx")
        >>> made.ok, list(made.files), made.metric
        (True, ['digits.onnx'], 'accuracy')
    """

    weight: str
    format: str
    quantize: str | None
    files: dict[str, dict[str, Any]]
    inputs: dict[str, dict[str, Any]]
    outputs: dict[str, dict[str, Any]]
    exporter: str
    agreement: dict[str, Any]
    metric: str
    published: float | None
    measured: float | None
    ok: bool
    message: str
    figures: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def _repr_html_(self) -> str:
        return display.answer(f"{self.weight}: {'exported' if self.ok else 'not exported'}", self.to_dict())


def export(
    name: str | os.PathLike[str], to: str | os.PathLike[str], *, format: str = "onnx", quantize: str | None = None
) -> Export:
    """Write a weight as an ONNX file with its input transform inside, and prove that it answers as the weight does.

    Args:
        name: a weight, a model (its default weight), or the folder of a bundle or a run.
        to: the file to write, `FILE.onnx`. A text model's `tokenizer.json` is written beside it.
        format: "onnx".
        quantize: "int8" for eight-bit weights, calibrated on training samples; None for float32.

    Returns an `Export`. The file is written only if its outputs agree with the model's on a grid of batch sizes and
    lengths (to 1e-4 of their scale, with the same labels) and, if the data set is at hand, its metric agrees with the
    published one (to 1e-3; in int8 to the recipe's `evaluate.margin`). Otherwise `ok` is False, nothing is written,
    and `message` has the figures.

        >>> zoo.export("mlp.digits_v1", "digits.onnx").ok
        True

    Raises `ZooError` for an unknown weight, format or quantisation, a file that cannot be written, a model with an
    operator that no exporter knows, packages that are not installed, and int8 without the data set at hand.
    """
    from zoo import caller, sources

    if format not in FORMATS:
        raise unknown("format", str(format), FORMATS)
    if quantize is not None and quantize not in QUANTIZE:
        raise unknown("quantisation", str(quantize), QUANTIZE)
    path = _writable(to)
    for package in ("onnx", "onnxscript", "onnxruntime"):
        _need(package)
    bundle = sources.find(name)
    with caller.own():
        return _export(bundle, path, quantize)


def _export(bundle: Bundle, path: Path, quantize: str | None) -> Export:
    from zoo._export.int8 import BATCH, quantized
    from zoo._export.making import dataset, exported, samples
    from zoo._export.measuring import measured_by
    from zoo._export.onnx_file import session_of, signed
    from zoo.check import check_config
    from zoo.compare import margin_of
    from zoo.recipes.of_bundle import recipe_of
    from zoo.tasks import get, measures

    check_config(bundle)
    weight, recipe = bundle.name or bundle.folder.resolve().name, recipe_of(bundle)
    data = dataset(recipe)
    tokenizer = None if bundle.tokenizer is None else bundle.content(bundle.tokenizer.name)
    beside = path.with_name("tokenizer.json")
    if tokenizer is not None and beside.exists() and beside.read_bytes() != tokenizer:
        raise ZooError(f"{beside} is another model's tokenizer; export {weight} into a folder of its own.")
    if quantize is not None and data is None:
        raise ZooError(f"int8 is measured on {recipe.data.name}, which is not at hand; `zoo data get` fetches it.")
    made = exported(bundle, weight)
    metric, value = recipe.evaluate.metric, bundle.metrics["metrics"][recipe.evaluate.metric]["value"]
    report: dict[str, Any] = {
        "weight": weight,
        "format": "onnx",
        "quantize": quantize,
        "exporter": made.exporter,
        "agreement": asdict(made.agreement),
        "metric": metric,
        "published": value,
        "inputs": made.inputs,
        "outputs": made.outputs,
    }
    content, figures, message = made.content, {}, ""
    if not made.agreement.ok:
        message = f"{weight} was not exported: {made.agreement.failed}."
    else:
        if quantize is not None:
            assert data is not None
            kind = bundle.config["input"]["kind"]
            content = quantized(content, kind, partial(samples, data.train, bundle.config, tokenizer, BATCH))
        if data is not None:
            figures = measured_by(session_of(content), data.test, bundle.config, tokenizer)
            lost, allowed = abs(figures[metric] - value), SAME
            if quantize is not None:
                known = measures.of(get(bundle.config["task"]), bundle.config["input"])
                allowed, _ = margin_of(metric, recipe.evaluate.margin, value, len(data.test), known)
                lost = (value - figures[metric]) * (1 if known[metric].more_is_better else -1)
            if not lost <= allowed:
                message = (
                    f"{weight} was not exported: {metric} is {figures[metric]:.4f} where {value:.4f} is published, "
                    f"and {allowed:g} is the most that may be lost."
                )
    report |= {"measured": figures.get(metric), "figures": figures, "ok": not message, "message": message}
    if message:
        return Export(**report, files={})
    about = {
        "zoo.weight": weight,
        "zoo.sha256": hashlib.sha256(bundle.tensors.read_bytes()).hexdigest(),
        "zoo.config": json.dumps(bundle.config),
        "zoo.recipe": bundle.recipe,
        "zoo.labels": json.dumps(bundle.config["labels"]),
        "zoo.export": json.dumps(
            {**{key: report[key] for key in _KEPT}, "fingerprint": bundle.metrics["data"]["fingerprint"]}
        ),
        **({} if tokenizer is None else {"zoo.tokenizer": hashlib.sha256(tokenizer).hexdigest()}),
    }
    files = {path: signed(content, about)} | ({} if tokenizer is None else {beside: tokenizer})
    written: list[Path] = []
    for place, held in reversed(files.items()):  # the file itself comes last
        new = not place.exists()
        try:
            _write(place, held)
        except ZooError:
            for one in written:  # a tokenizer is of no use without its file
                one.unlink(missing_ok=True)
            raise
        if new:
            written.append(place)
    report["message"] = f"{weight} was exported and agrees with its model."
    return Export(**report, files={place.name: _facts(held) for place, held in files.items()})


_KEPT = ("quantize", "exporter", "agreement", "metric", "published", "measured", "figures")


def _facts(content: bytes) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}


def _need(package: str) -> None:
    from importlib.util import find_spec

    if find_spec(package) is None:
        raise ZooError(f"{EXTRA} ({package} is missing).")


def _writable(to: str | os.PathLike[str]) -> Path:
    """The path to write; `ZooError` if it is not one, before any work is done for it."""
    path = Path(os.path.expanduser(to))
    if path.is_dir() or path.suffix != ".onnx":
        raise ZooError(f"{path} is not the name of an ONNX file; give one that ends in .onnx.")
    place = next(folder for folder in path.absolute().parents if folder.exists())
    if not place.is_dir() or not os.access(place, os.W_OK):
        raise ZooError(f"{path} cannot be written, because {place} cannot be written to; choose another folder.")
    return path


def _write(path: Path, content: bytes) -> None:
    from zoo.home import replacing

    try:
        with replacing(path) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise ZooError(f"{path} cannot be written ({error.strerror}); choose another place.") from error
