"""What a weight has beyond a run: calibration, cost, a golden input, pictures, the terms of its data.

Publishing writes it, and so does whoever brings older bundles into today's form.
"""

from __future__ import annotations

import io
import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from zoo import tasks
from zoo.bundles.format import Bundle, open_bundle
from zoo.bundles.load import load_model
from zoo.calibration import calibration, confusion, fit_temperature
from zoo.data.terms import terms
from zoo.environment import environment
from zoo.errors import ZooError
from zoo.home import home, write_text
from zoo.publishing.card import card
from zoo.publishing.for_timm import for_timm
from zoo.recipes.of_bundle import differences, recipe_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from zoo.data import Split

CURVES, CONFUSION = "curves.png", "confusion.png"
DPI, COLOURS = 60, 8
"""Of the pictures in a bundle: a few kilobytes each, so that a shelf of small weights does not double in size."""
MOST_CLASSES = 20


def complete(folder: Path, *, held: Bundle | None = None, evaluate: bool = True) -> None:
    """Bring the bundle in `folder` to the full form of a weight, in place; its tensors are read and not written.

    Config.json gets the `temperature` and what timm reads, metrics.json `calibration`, `cost` and the terms of the
    data; golden.json and the pictures are written. Parts that need the test split are left out if these data are not
    at hand, pictures if matplotlib is not installed. `held` is a run of the same recipe with a part of the training
    data held out, on which the temperature is fitted; without it probabilities stay as config.json has them. With
    `evaluate` false nothing is measured on the test split, which takes minutes for the largest.
    """
    bundle = open_bundle(folder)
    config, metrics = dict(bundle.config), dict(bundle.metrics)
    metrics["data"] = {**metrics["data"], **terms(metrics["data"].get("name", ""))}
    if "cost" not in metrics:
        metrics["cost"] = cost_of(bundle)
    counts = None
    wanted = evaluate and is_classifier(config) and metrics["split"] == "test"
    if wanted and (test := _at_hand(bundle)) is not None:
        logits, targets = outputs_of(bundle, test)
        if held is not None:
            config["temperature"] = temperature_of(held, bundle)
        metrics["calibration"] = calibration(logits, targets, config.get("temperature"))
        counts = confusion(logits, targets)
    _write(folder / "config.json", {**config, **for_timm(config)})
    _write(folder / "metrics.json", metrics)
    _golden(folder)
    _draw(folder, counts)


def card_of(bundle: Bundle, name: str, metrics: dict[str, Any] | None = None) -> str:
    """The card of a bundle under a name, with the recipe in its short form and the existing pictures."""
    metrics = dict(bundle.metrics) if metrics is None else metrics
    pictures = [picture for picture in (CURVES, CONFUSION) if (bundle.folder / picture).is_file()]
    recipe = "" if "imported" in metrics else recipe_of(bundle).short()
    return card(bundle.config, metrics, recipe, metrics.get("notes", []), name=name, pictures=pictures)


def is_classifier(config: dict[str, Any]) -> bool:
    """Whether the outputs are logits over the labels."""
    return bool(config["labels"]) and tasks.get(config["task"]).classes


def cost_of(bundle: Bundle) -> dict[str, Any]:
    """What metrics.json has under `cost`, measured here on the golden input.

    The first measurement of a weight's tensors counts: it is kept in ZOO_HOME, so that publishing a run a second time
    makes the same bytes.
    """
    from zoo.cost import measure_cost
    from zoo.golden import inputs_of

    here = environment()
    place = {"processor": here["cpu"], "threads": 1, "torch": here["torch"]}
    kept = home() / "costs" / f"{bundle.metrics['sha256']}.json"
    with suppress(OSError, ValueError):
        known = json.loads(kept.read_text(encoding="utf-8"))
        if place.items() <= known.items():
            return known
    found = {**measure_cost(load_model(bundle, device="cpu"), inputs_of(bundle)), **place}
    with suppress(OSError):  # then a later run measures again; this one loses nothing
        write_text(kept, json.dumps(found) + "\n")
    return found


def temperature_of(held: Bundle, bundle: Bundle) -> float:
    """The temperature fitted on samples that `held` has not learned from.

    `held` has the recipe of `bundle` except for train.seed and a part of the training data held out
    (`data.validation`); it may be the bundle itself if its data set has a validation split that nobody trained on.
    Raises `ZooError` otherwise.
    """
    recipe, own = recipe_of(held), recipe_of(bundle)
    for key, ours, theirs in differences(own.model_dump(), recipe.model_dump()):
        if key not in ("data.validation", "train.seed") and not key.startswith("evaluate."):
            raise ZooError(
                f"{held.folder} is not of the same recipe ({key} is {theirs!r} there and {ours!r} here), so no "
                "temperature can be fitted on it; train the recipe with data.validation=0.1 for that."
            )
    logits, targets = outputs_of(held, _held_out(held))
    return fit_temperature(logits, targets)


def _held_out(held: Bundle) -> Split:
    from zoo import kinds
    from zoo.training import own

    recipe = recipe_of(held)
    found = own.load(recipe)
    if found.fingerprint != held.metrics["data"]["fingerprint"]:
        raise ZooError(f"{recipe.data.name} at hand has another fingerprint than the data of {held.folder}.")
    if found.validation is not None:
        return found.validation
    if not recipe.data.validation:
        raise ZooError(
            f"{held.folder} has seen all of its training data, so no temperature can be fitted on any of them; "
            "train the recipe with data.validation=0.1 for that."
        )
    return kinds.get(held.config["input"]["kind"]).hold_out(found.train, recipe.data.validation)[1]


def outputs_of(bundle: Bundle, split: Split) -> tuple[Tensor, Tensor]:
    """The model's outputs for every sample of a split, and the targets; one row for each word if words have targets."""
    from zoo import kinds
    from zoo.training import measure

    reads, size = kinds.input_of(bundle), recipe_of(bundle).evaluate.batch_size
    batches = kinds.get(reads.kind).evaluation(split, reads, size, torch.device("cpu"))
    outputs, targets = measure.outputs_of(load_model(bundle, device="cpu"), batches, tasks.get(bundle.config["task"]))
    return outputs.clone(), targets.clone()  # inference tensors cannot be used in a fit


def _at_hand(bundle: Bundle) -> Split | None:
    """The test split, None if the data that the bundle was measured on are not at hand."""
    from zoo.training import own

    recipe = recipe_of(bundle)
    try:
        if not own.at_hand(recipe):
            return None
        found = own.load(recipe)
    except ZooError:  # damaged data are not the weight's fault
        return None
    return found.test if found.fingerprint == bundle.metrics["data"]["fingerprint"] else None


def _golden(folder: Path) -> None:
    from zoo.golden import FILE, golden

    bundle = open_bundle(folder)
    try:
        content = golden(bundle)
    except ZooError:  # a kind of input that somebody else registered
        return
    text = json.dumps(content, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    (folder / FILE).write_text(text + "\n", encoding="utf-8", newline="\n")


def _draw(folder: Path, counts: Tensor | None) -> None:
    from zoo.viz import _confusion, _curves

    bundle = open_bundle(folder)
    labels, name = bundle.config["labels"], str(bundle.metrics["data"].get("name", "data"))
    with suppress(ZooError):  # matplotlib is not installed, or there is nothing to draw
        title, task = str(bundle.config.get("recipe") or name), bundle.config["task"]
        _save(_curves.draw(title, bundle.log, bundle.metrics, task), folder / CURVES)
    if counts is not None and len(labels) <= MOST_CLASSES:
        with suppress(ZooError):
            _save(_confusion.draw(counts, labels, f"{name}, test split"), folder / CONFUSION)


def _save(figure: Figure, path: Path) -> None:
    from PIL import Image

    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI, metadata={"Software": None})
    Image.open(drawn).convert("RGB").quantize(COLOURS).save(small, "PNG", optimize=True)
    path.write_bytes(small.getvalue())


def _write(path: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")
