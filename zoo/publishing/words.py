"""The sentences of a card about a weight's input, its use and its limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.publishing.markdown import code, plain

EXAMPLES = {
    "image": '"picture.png"',
    "text": '"A slow start, but the last half hour is wonderful."',
    "tagged": '"The quick brown fox jumps over the lazy dog."',
    "characters": '"ROMEO:"',
    "series": '"table.csv"',
    "table": '"rows.csv"',
}
"""What a person may hand to a predictor, as Python."""


def transform(described: Mapping[str, Any]) -> str:
    """The input transform of config.json's `input` in sentences; "" for a kind that somebody else registered."""
    words = _TRANSFORMS.get(str(described.get("kind")))
    return "" if words is None else plain(words(described))


def _image(described: Mapping[str, Any]) -> str:
    height, width = described["size"]
    colours = "grey" if described["channels"] == 1 else "RGB"
    mean, std = (", ".join(f"{value:g}" for value in described[key]) for key in ("mean", "std"))
    return (
        f"A picture (a path, a Pillow image, an array) becomes {colours}, is resized to {height} x {width} pixels by "
        f"antialiased bilinear interpolation, scaled from 0..{described['maximum']:g} to 0..1, less {mean} and divided "
        f"by {std}."
    )


def _text(described: Mapping[str, Any]) -> str:
    cut = {"head": "its beginning", "tail": "its end", "head_tail": "its beginning and its end"}
    return (
        "A text becomes the ids of its tokens by `tokenizer.json`; of one with more than "
        f"{described['max_length']} tokens {cut.get(described['truncate'], described['truncate'])} is read."
    )


def _tagged(described: Mapping[str, Any]) -> str:
    return (
        "A sentence is split into words and punctuation; each word is read by its id in `tokenizer.json` and by at "
        f"most {described['max_characters']} of its characters."
    )


def _characters(described: Mapping[str, Any]) -> str:
    return f"A text is read character by character; {len(described['symbols'])} different ones are known."


def _series(described: Mapping[str, Any]) -> str:
    return (
        f"The last {described['context']} rows of a table of {len(described['channels'])} series, in their own units; "
        f"each series is standardised by its mean and deviation in the training part, and the next "
        f"{described['horizon']} rows are forecast."
    )


def _table(described: Mapping[str, Any]) -> str:
    numbers, categories = described["numbers"], described["categories"]
    logs = [name for name, scale in numbers.items() if scale.get("log")]
    return (
        f"A row with {len(numbers)} numbers and {len(categories)} categories. Numbers are standardised"
        + (f" ({', '.join(logs)} as logarithms)" if logs else "")
        + "; a blank is the mean, and a category that is not known counts as a blank."
    )


_TRANSFORMS = {
    "image": _image,
    "text": _text,
    "tagged": _tagged,
    "characters": _characters,
    "series": _series,
    "table": _table,
}


def limits(config: Mapping[str, Any], metrics: Mapping[str, Any], data: str, classes: bool) -> list[str]:
    """Sentences on what the weight must not be taken for."""
    split = plain(metrics.get("split", "test"))
    said = [f"It is measured on the {split} split of {code(data)} alone; elsewhere it may be worse."]
    if (metrics.get("data") or {}).get("language") == "en":
        said.append("It has read English alone.")
    if config["labels"] and classes:
        said.append("It answers with one of its labels whatever it is shown, an input of another kind too.")
        found = metrics.get("calibration")
        if config.get("temperature"):
            said.append(
                f"Probabilities are calibrated: predictors divide its outputs by {config['temperature']:g}, fitted on "
                "samples that were held out of training; the outputs themselves are as they are."
            )
        elif found:
            said.append("Its probabilities are not calibrated: no temperature was fitted.")
    return said
