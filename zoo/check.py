"""Whether a bundle's facts about itself are complete, of the right types, and true for its model.

`verify` reports the result and publishing requires it. Answering and measuring need a right config.json, and
reproducing needs the figures; loading does not check them.
"""

from __future__ import annotations

import hashlib
import math
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from zoo import kinds, registry, tasks
from zoo.bundles.format import Bundle
from zoo.bundles.load import load_model
from zoo.bundles.plugged import ANSWERS, require
from zoo.construct import Budget, check_arguments, skeleton
from zoo.errors import ZooError
from zoo.kinds.holds import is_count, is_number, is_numbers


def check_schema(bundle: Bundle) -> None:
    """Raise `ZooError`, naming the file, if config.json or metrics.json is not right or log.csv is not there."""
    check_config(bundle)
    if "imported" in bundle.metrics:  # nobody trained or measured it here, and so it says nothing of that
        where = f"{bundle.folder / 'metrics.json'}"
        told = bundle.metrics["imported"]
        _expect(_has(file=_is_text, sha256=_is_text)(told), where, "imported", told, "an object with file and sha256")
        _expect(bundle.metrics.get("metrics") == {}, where, "metrics", bundle.metrics.get("metrics"), "no metric")
    else:
        check_figures(bundle)
        _check_sums(bundle)
    bundle.path("log.csv")  # the curve, which loading does not need


def check_parameters(bundle: Bundle, model: nn.Module | None = None) -> None:
    """Raise `ZooError` if the tensors do not fit the model, or are not as many as config.json says.

    `model` is the bundle's, if it is loaded already.
    """
    model = model or load_model(bundle, device="cpu")
    count, said = sum(p.numel() for p in model.parameters()), bundle.config["num_parameters"]
    if count != said:
        raise ZooError(f"the model has {count} parameters, but config.json says {said}; publish the weight again.")


def spread(values: Sequence[float]) -> float:
    """The standard deviation of a sample (ddof 1); 0.0 for one value."""
    return statistics.stdev(values) if len(values) > 1 else 0.0


def check_config(bundle: Bundle) -> None:
    """Raise `ZooError`, naming the key, if config.json is not what it has to be."""
    config, where = bundle.config, f"{bundle.folder / 'config.json'}"
    require(bundle, ANSWERS)
    entry = registry.get(config["model"])
    _expect(config["task"] == entry.task, where, "task", config["task"], f"{entry.task!r}, the task of {entry.name},")
    temperature = config.get("temperature")
    warm = temperature is None or (is_number(temperature) and 1e-3 <= temperature <= 1e3)
    _expect(warm, where, "temperature", temperature, "a number from 0.001 to 1000")
    _expect(is_count(config.get("num_parameters")), where, "num_parameters", config.get("num_parameters"), "a count")
    labels = config["labels"]
    named = bool(labels) or not tasks.get(entry.task).classes
    _expect(named and all(isinstance(label, str) for label in labels), where, "labels", labels, "a list of text")
    check_arguments(entry, config["model_args"])
    head = getattr(skeleton(entry.name, config["model_args"], _budget(bundle)), "head", None)
    if labels and isinstance(head, nn.Linear):
        _expect(
            len(labels) == head.out_features, where, "labels", labels, f"one for each of {head.out_features} outputs"
        )
    described = config["input"]
    kind, known = described.get("kind"), kinds.names()
    _expect(isinstance(kind, str) and kind in known, where, "input.kind", kind, f"one of {', '.join(known)}")
    for key, right, expected in kinds.get(str(kind)).holds:
        _expect(right(described), where, f"input.{key}", described.get(key), expected)
    bundle.tokenizer  # noqa: B018  raises if a named file is missing or damaged
    if tasks.get(entry.task).several:
        targets = described.get("tasks")
        _expect(_is_tasks(targets), where, "input.tasks", targets, '{NAME: {"kind": KIND, "outputs": COUNT}}')


def _budget(bundle: Bundle) -> Budget:
    """The budget for making the model, by the sizes in the head of its tensors' file."""
    from safetensors import SafetensorError

    from zoo.tensors import read_shapes

    try:
        shapes = bundle.read_tensors(lambda path, file: read_shapes(path))
        budget = Budget.of({name: torch.empty(shape, device="meta") for name, shape in shapes.items()})
    except (SafetensorError, OSError, RuntimeError) as error:
        raise ZooError(
            f"{bundle.folder / bundle.whole} is not a whole safetensors file ({error}); fetch or publish the bundle "
            "again."
        ) from error
    return budget


def check_figures(bundle: Bundle) -> None:
    """Raise `ZooError`, naming the key, if a figure in metrics.json is missing or of the wrong type."""
    content, where = bundle.metrics, f"{bundle.folder / 'metrics.json'}"
    for key, kind in {"metrics": dict, "data": dict, "environment": dict, "split": str}.items():
        _expect(isinstance(content.get(key), kind), where, key, content.get(key), _KINDS[kind])
    fingerprint = content["data"].get("fingerprint")
    _expect(isinstance(fingerprint, str), where, "data.fingerprint", fingerprint, "text")
    _expect(bool(content["metrics"]), where, "metrics", content["metrics"], "at least one metric")
    for name, figures in content["metrics"].items():
        _expect(isinstance(figures, dict), where, name, figures, "an object")
        for key in ("value", "mean", "std"):
            _expect(is_number(figures.get(key)), where, f"{name}.{key}", figures.get(key), "a number")
        values, seeds = figures.get("values"), figures.get("seeds")
        _expect(is_numbers(values), where, f"{name}.values", values, "a list of numbers")
        _expect(is_count(figures.get("n")), where, f"{name}.n", figures.get("n"), "a count")
        _expect(
            isinstance(seeds, list) and all(type(seed) is int for seed in seeds) and len(seeds) == len(values),
            where, f"{name}.seeds", seeds, f"{len(values)} seeds",
        )  # fmt: skip
        _expect(figures["n"] == len(values), where, f"{name}.n", figures["n"], f"{len(values)}, as many as values,")
    for key, (right, expected) in _OPTIONAL.items():
        _expect(key not in content or right(content[key]), where, key, content.get(key), expected)
    for name, baseline in content.get("baselines", {}).items():
        metric = baseline.get("metric") if isinstance(baseline, dict) else None
        told = f"one of {', '.join(content['metrics'])}"
        _expect(metric is None or metric in content["metrics"], where, f"baselines.{name}.metric", metric, told)


def _check_sums(bundle: Bundle) -> None:
    content, where = bundle.metrics, f"{bundle.folder / 'metrics.json'}"
    for name, figures in content["metrics"].items():
        values = figures["values"]
        sums = {"n": len(values), "value": values[0], "mean": statistics.fmean(values), "std": spread(values)}
        for key, right in sums.items():
            if not math.isclose(figures[key], right, abs_tol=1e-9):
                raise ZooError(
                    f"{where}: the {key} of {name} is not that of its {len(values)} values; publish the weight again."
                )
    if content.get("recipe_sha256") != hashlib.sha256(bundle.recipe.encode()).hexdigest():
        raise ZooError("recipe.yaml is not the recipe that metrics.json was measured for; publish the weight again.")


def _expect(right: bool, where: str, key: str, found: Any, expected: str) -> None:
    if not right:
        shown = repr(found)
        shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
        raise ZooError(f"{where}: {key} is {shown} where {expected} is expected; publish the weight again.")


def _is_tasks(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and bool(value)
        and all(
            isinstance(task, dict) and isinstance(task.get("kind"), str) and is_count(task.get("outputs"))
            for task in value.values()
        )
    )


def _holds(**tests: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """The test for an object in which each of these keys is right, missing or null."""

    def right(value: Any) -> bool:
        return isinstance(value, dict) and all(
            test(value[key]) for key, test in tests.items() if value.get(key) is not None
        )

    return right


def _has(**tests: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """The test for an object that has each of these keys with a right value."""
    return lambda value: (
        isinstance(value, dict) and all(key in value and test(value[key]) for key, test in tests.items())
    )


def _each(test: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(map(test, value.values()))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_short(value: Any) -> bool:
    return value is None or isinstance(value, (str, bool)) or is_number(value)


def _are_reports(value: Any) -> bool:
    needed = _has(n=is_count, mean=is_number, verdict=_is_text)
    more = _holds(std=is_number, hardware=_is_text, versions=_is_text, platform=_is_text)
    return isinstance(value, list) and all(needed(one) and more(one) and _each(_is_short)(one) for one in value)


_ERRORS = {"nll": is_number, "ece": is_number}
_OPTIONAL: dict[str, tuple[Callable[[Any], bool], str]] = {
    "data": (
        _holds(name=_is_text, fingerprint=_is_text, language=_is_text, license=_is_text, source=_is_text),
        "an object of text",
    ),
    "environment": (_each(_is_short), "an object of text and numbers"),
    "license": (_is_text, "text"),
    "sha256": (_is_text, "text"),
    "seconds": (is_number, "a number"),
    "notes": (lambda v: isinstance(v, list) and all(map(_is_text, v)), "a list of text"),
    "reports": (_are_reports, "a list of reports, each with n, mean and verdict"),
    "baselines": (
        _each(lambda v: _has(value=is_number)(v) and _holds(metric=_is_text, command=_is_text)(v)),
        '{NAME: {"value": NUMBER}}',
    ),
    "init_from": (_has(name=_is_text, sha256=_is_text), "an object with name and sha256"),
    "calibration": (
        lambda v: (
            _has(**_ERRORS, samples=is_count, bins=is_count)(v)
            and _holds(temperature=is_number, raw=_has(**_ERRORS))(v)
        ),
        "an object with nll, ece, samples and bins",
    ),
    "cost": (
        lambda v: (
            _has(latency_ms=is_number, throughput=is_number, memory_mb=is_number, multiply_adds=is_number)(v)
            and _has(batch=is_number, shapes=lambda shapes: isinstance(shapes, list) and all(map(_is_shape, shapes)))(v)
            and _holds(processor=_is_text, torch=_is_text)(v)
        ),
        "an object with shapes, latency_ms, throughput, batch, multiply_adds and memory_mb",
    ),
}
"""The optional keys of metrics.json, each with a test and its words."""


def _is_shape(value: Any) -> bool:
    return isinstance(value, list) and all(map(is_number, value))


_KINDS = {dict: "an object", str: "text"}
