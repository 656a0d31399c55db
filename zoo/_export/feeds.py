"""A split of a data set -> batches of the arrays that an ONNX file takes, with their targets. Needs only numpy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

Arrays = dict[str, Any]
Batches = Iterator[tuple[Arrays, Any]]

IGNORED = -100
"""The target of a step that is padding, as in `zoo.data.split`."""
LUMA = (0.299, 0.587, 0.114)


def batches(inputs: Any, targets: Any, config: dict[str, Any], tokenizer: Any, size: int) -> Batches:
    """Every sample of a split once, `size` at a time: (arrays by the names of the graph's inputs, targets).

    `inputs` and `targets` are numpy arrays as in `zoo.data.Split`, texts a list of str.
    """
    return _FEEDS[config["input"]["kind"]](inputs, targets, config["input"], tokenizer, size)


def _images(inputs: Any, targets: Any, input: dict[str, Any], tokenizer: Any, size: int) -> Batches:
    for start in range(0, len(targets), size):
        chosen = slice(start, start + size)
        if isinstance(inputs, list):
            from zoo._export.raw import pixels

            images = np.stack([pixels(path, input) for path in inputs[chosen]])
        else:
            images = in_channels(inputs[chosen], input["channels"])
        yield {"pixels": images}, targets[chosen]


def in_channels(images: Any, channels: int) -> Any:
    """(N, C, H, W) -> (N, channels, H, W): grey shown as equal channels, colours as grey."""
    if images.shape[1] == channels:
        return images
    if images.shape[1] == 1:
        return images.repeat(channels, 1)
    grey = (images.astype(np.float32) * np.array(LUMA, np.float32).reshape(3, 1, 1)).sum(1, keepdims=True)
    return grey.round().astype(images.dtype)


def _texts(inputs: list[str], targets: Any, input: dict[str, Any], tokenizer: Any, size: int) -> Batches:
    rows = token_ids(tokenizer, inputs, input)
    # Neighbours in length share a batch, so that little is padded.
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        tokens, lengths = pad([rows[i] for i in chosen])
        yield {"tokens": tokens, "lengths": lengths}, targets[chosen]


def token_ids(tokenizer: Any, texts: Sequence[str], input: dict[str, Any]) -> list[list[int]]:
    """Token ids of each text, cut to `max_length` as `truncate` says."""
    return [shorten(row.ids, input["max_length"], input["truncate"]) for row in tokenizer.encode_batch(list(texts))]


def shorten(items: list[Any], most: int, truncate: str) -> list[Any]:
    """At most `most` items, from the ends that `truncate` names. If `most` is odd, the head gets one more than the
    tail."""
    head = {"head": most, "tail": 0, "head_tail": most - most // 2}[truncate]
    return items if len(items) <= most else items[:head] + items[len(items) - (most - head) :]


def pad(rows: Sequence[Sequence[int]]) -> tuple[Any, Any]:
    """Rows of ids -> int64 (N, T), zeros after each row's end, T the longest and at least 1, and lengths (N,)."""
    lengths = np.array([len(row) for row in rows], np.int64)
    ids = np.zeros((len(rows), max([1, *lengths.tolist()])), np.int64)
    for row, given in zip(ids, rows, strict=True):
        row[: len(given)] = given
    return ids, lengths


def _tables(inputs: Any, targets: Any, input: dict[str, Any], tokenizer: Any, size: int) -> Batches:
    for start in range(0, len(targets), size):
        yield columns(inputs[start : start + size], input), targets[start : start + size]


def columns(rows: Any, input: dict[str, Any]) -> Arrays:
    """Rows float32 (N, columns), the place of each category and NaN for a blank -> numbers and categories."""
    numbers, places = np.split(rows, [len(input["numbers"])], axis=1)
    return {"numbers": np.ascontiguousarray(numbers), "categories": np.nan_to_num(places + 1, nan=0).astype(np.int64)}


def _series(inputs: Any, targets: Any, input: dict[str, Any], tokenizer: Any, size: int) -> Batches:
    before, after = np.arange(-input["context"], 0), np.arange(input["horizon"])
    starts = targets[(targets >= input["context"]) & (targets + input["horizon"] <= len(inputs))]
    for start in range(0, len(starts), size):
        chosen = starts[start : start + size, None]
        yield {"values": inputs[chosen + before]}, inputs[chosen + after]


def _characters(inputs: Any, targets: Any, input: dict[str, Any], tokenizer: Any, size: int) -> Batches:
    """Windows that overlap by half, so that each character except the first is predicted from many before it."""
    length, total = input["length"], len(targets)
    span = min(2 * length, total)
    ends = np.minimum(np.arange(span, total + length, length), total)
    counted = np.concatenate([[0], ends[:-1]])
    for start in range(0, len(ends), size):
        places = ends[start : start + size, None] - span + np.arange(span)
        again = places < counted[start : start + size, None]
        yield {"tokens": inputs[places].astype(np.int64)}, np.where(again, IGNORED, targets[places])


def _tagged(inputs: list[str], targets: Any, input: dict[str, Any], tokenizer: Any, size: int) -> Batches:
    sentences = [sentence.split("\t") for sentence in inputs]
    order = sorted(range(len(sentences)), key=lambda i: len(sentences[i]))
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        arrays = spelt([sentences[i] for i in chosen], tokenizer, input)
        yield arrays, targets[chosen, : arrays["words"].shape[1]]


def spelt(sentences: list[list[str]], tokenizer: Any, input: dict[str, Any]) -> Arrays:
    """Sentences of words -> words (N, T), their characters (N, T, C) and lengths (N,), int64, zeros for padding."""
    rows = tokenizer.encode_batch(["\t".join(sentence) for sentence in sentences])
    words, lengths = pad([row.ids for row in rows])
    known = {character: place for place, character in enumerate(input["alphabet"], start=2)}
    spellings = [
        [[known.get(c, 1) for c in shorten(list(word), input["max_characters"], "head_tail")] for word in sentence]
        for sentence in sentences
    ]
    longest = max([1, *(len(ids) for sentence in spellings for ids in sentence)])
    characters = np.zeros((*words.shape, longest), np.int64)
    for i, sentence in enumerate(spellings):
        for j, ids in enumerate(sentence):
            characters[i, j, : len(ids)] = ids
    return {"words": words, "characters": characters, "lengths": lengths}


_FEEDS: dict[str, Callable[[Any, Any, dict[str, Any], Any, int], Batches]] = {
    "image": _images,
    "text": _texts,
    "table": _tables,
    "series": _series,
    "characters": _characters,
    "tagged": _tagged,
}
