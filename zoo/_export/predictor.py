"""Answers from an ONNX file of the zoo, as the weight gives them, with only numpy, onnxruntime and tokenizers."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo import foreign, timed, wording
from zoo._export.feeds import Arrays, columns, pad, spelt, token_ids
from zoo._export.onnx_file import OnnxFile
from zoo._export.raw import pixels
from zoo.cells import Columns, encode_rows, refuse_blank, row_of, unpack
from zoo.errors import ZooError

BATCH, TOP = 64, 5
LENGTH, TEMPERATURE = 300, 0.8
"""The characters of the text that a language model writes."""


def answers(file: OnnxFile, raws: Sequence[Any]) -> list[tuple[Any, dict[str, Any]]]:
    """(raw input, answer) of each, in order; a CSV file with rows of a table, a folder or a glob of pictures counts
    as many inputs.

    An answer has the same keys as the weight's: `label`, `probability` and `top` for a classifier, else `answer` and
    the keys that go with it. A language model's text is drawn by numpy's generator, so it differs from the weight's
    text, although the probabilities are the same. Raises `ZooError` for an input that the weight cannot read.
    """
    kind, tokenizer = file.config["input"]["kind"], file.tokenizer()
    if kind in ("table", "image"):
        found = [unpack(raw) if kind == "table" else foreign.pictures(raw) for raw in raws]
        raws = [one for raw, held in zip(raws, found, strict=True) for one in ([raw] if held is None else held)]
    if kind == "characters":
        return [(raw, {"answer": _written(file, raw)}) for raw in raws]
    # Inputs of similar length share a batch, because it takes as long as its longest member.
    order = sorted(range(len(raws)), key=lambda i: len(raws[i]) if isinstance(raws[i], str) else 0)
    given: list[dict[str, Any]] = [{}] * len(raws)
    for start in range(0, len(order), BATCH):
        chosen = [raws[i] for i in order[start : start + BATCH]]
        outputs = dict(
            zip(file.outputs, file.run(_PREPARE[kind](chosen, file.config["input"], tokenizer)), strict=True)
        )
        for i, answer in zip(order[start : start + BATCH], _answers(outputs, chosen, file.config), strict=True):
            given[i] = answer
    return list(zip(raws, given, strict=True))


def _images(raws: Sequence[Any], input: dict[str, Any], tokenizer: None) -> Arrays:
    return {"pixels": np.stack([pixels(raw, input) for raw in raws])}


def _texts(raws: Sequence[Any], input: dict[str, Any], tokenizer: Any) -> Arrays:
    rows = token_ids(tokenizer, list(map(_text, raws)), input)
    for raw, row in zip(raws, rows, strict=True):
        if not row:
            raise ZooError(f"the text {raw[:40]!r} holds no words to classify; give at least one.")
    tokens, lengths = pad(rows)
    return {"tokens": tokens, "lengths": lengths}


def _text(raw: Any) -> str:
    if not isinstance(raw, str):
        raise ZooError(f"{type(raw).__name__} is not a text; give a str.")
    try:
        raw.encode()
    except UnicodeEncodeError as error:
        raise ZooError(f"the text {raw[:40]!r} holds an unpaired surrogate; give valid Unicode.") from error
    return wording.clean(raw)


def _tagged(raws: Sequence[Any], input: dict[str, Any], tokenizer: Any) -> Arrays:
    return spelt([wording.split(_text(raw)) for raw in raws], tokenizer, input)


def _rows(raws: Sequence[Any], input: dict[str, Any], tokenizer: None) -> Arrays:
    more = {"dates": tuple(input.get("dates", ())), "unseen_is_blank": bool(input.get("unseen_is_blank"))}
    about = Columns(tuple(input["numbers"]), input["categories"], **more)
    given = list(map(row_of, raws))
    rows = np.array(encode_rows(given, about), np.float32).reshape(-1, len(about.numbers) + len(about.categories))
    refuse_blank(given, (bool(row.all()) for row in np.isnan(rows)))
    return columns(rows, input)


def _series(raws: Sequence[Any], input: dict[str, Any], tokenizer: None) -> Arrays:
    return {"values": np.stack([_window(raw, input) for raw in raws])}


def _window(raw: Any, input: dict[str, Any]) -> Any:
    """Any raw series -> its last `context` rows, float32 (context, S)."""
    channels, context = input["channels"], input["context"]
    if isinstance(raw, (str, os.PathLike)):
        name, path = str(raw), Path(raw)
        if not path.is_file():
            raise ZooError(f"there is no file {path}; give the path of a series.")
        rows = foreign.array(path) if path.suffix == ".npy" else timed.from_file(path, channels, context)
    elif hasattr(raw, "columns") and hasattr(raw, "shape"):
        name, rows = "the frame", timed.from_frame(raw, channels, context)
    else:
        name, rows = "the array", np.asarray(raw)
    if rows.ndim != 2 or rows.shape[1] != len(channels):
        raise ZooError(f"{name} is not a series; give rows of {len(channels)} numbers: {', '.join(channels)}.")
    if len(rows) < context:
        raise ZooError(f"{name} has {len(rows)} rows, and a forecast looks back at {context}; give at least as many.")
    rows = rows[-context:].astype(np.float32)
    if not np.isfinite(rows).all():
        raise ZooError(f"{name} holds values that are not finite in its last {context} rows; fill them in.")
    return rows


_PREPARE: dict[str, Callable[[Sequence[Any], dict[str, Any], Any], Arrays]] = {
    "image": _images,
    "text": _texts,
    "tagged": _tagged,
    "table": _rows,
    "series": _series,
}


def _answers(outputs: dict[str, Any], raws: Sequence[Any], config: dict[str, Any]) -> list[dict[str, Any]]:
    """One answer for each raw input from the outputs of its batch, by the outputs' names (`Task.exports`)."""
    labels, input = config["labels"], config["input"]
    if "forecast" in outputs:
        return [
            {"answer": {c: [float(f"{v:.6g}") for v in column] for c, column in zip(input["channels"], one.T.tolist())}}  # noqa: B905
            for one in outputs["forecast"]
        ]
    if "value" in outputs:
        return [{"answer": value, "unit": input["unit"]} for value in outputs["value"].ravel().tolist()]
    if "embedding" in outputs:
        return [{"answer": row} for row in outputs["embedding"].tolist()]
    if "probabilities" not in outputs:
        return [_several(row, input["tasks"]) for row in outputs["logits"]]
    if outputs["probabilities"].ndim == 3:  # of each word
        words = [wording.split(raw) for raw in raws]
        return [{"answer": _tags(*pair, labels)} for pair in zip(words, outputs["probabilities"], strict=True)]
    return [_class(row, labels) for row in outputs["probabilities"]]


def _class(probabilities: Any, labels: list[str]) -> dict[str, Any]:
    best = np.argsort(-probabilities, kind="stable")[:TOP]
    top = [{"label": labels[i], "probability": float(probabilities[i])} for i in best]
    return {**top[0], "top": top}


def _tags(words: list[str], probabilities: Any, labels: list[str]) -> list[dict[str, Any]]:
    best = probabilities.argmax(-1)
    return [
        {"word": word, "tag": labels[i], "probability": float(row[i])}
        for word, i, row in zip(words, best, probabilities, strict=False)  # padding comes after the last word
    ]


def _several(logits: Any, tasks: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    probabilities: dict[str, float] = {}
    start = 0
    for name, task in tasks.items():
        part = logits[start : start + task["outputs"]].astype(np.float64)
        start += task["outputs"]
        if task["kind"] == "classification":
            shares = np.exp(part - part.max())
            values[name] = int(part.argmax())
            probabilities[name] = float((shares / shares.sum()).max())
        elif task["kind"] == "binary":
            values[name] = bool(part[0] > 0)
            probabilities[name] = float(1 / (1 + np.exp(-abs(part[0]))))
        else:
            values[name] = float(part[0])
    return {"answer": values, "probability": probabilities}


def _written(file: OnnxFile, prompt: Any) -> str:
    """The continuation of the prompt; the graph keeps no memory, so each character reads all characters before it."""
    symbols, text = file.config["input"]["symbols"], _text(prompt)
    unknown = sorted(set(text) - set(symbols))
    if unknown or not text:
        said = f"holds {', '.join(map(repr, unknown))}, which the model has never seen" if unknown else "is empty"
        raise ZooError(f"the prompt {text[:40]!r} {said}; use one or more of {symbols!r}.")
    ids, random = [symbols.index(character) for character in text], np.random.default_rng(0)
    for _ in range(LENGTH):
        logits = file.run({"tokens": np.array([ids], np.int64)})[0][0, -1].astype(np.float64) / TEMPERATURE
        shares = np.exp(logits - logits.max())
        ids.append(int(random.choice(len(symbols), p=shares / shares.sum())))
    return "".join(symbols[i] for i in ids[len(text) :])
