"""A golden input: one input and the outputs that a weight's bytes give for it, so that everybody can check that it
loads right.

The input is made from the weight's own description of its input, never taken from data, which a bundle does not
contain. golden.json: {"input": a raw input, "outputs": numbers, "environment": the machine and versions that computed
them}.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from zoo.bundles.format import Bundle
from zoo.bundles.index import parse_json
from zoo.bundles.load import load_model
from zoo.environment import environment
from zoo.errors import ZooError

FILE = "golden.json"
SAME, OTHER = 1e-5, 1e-3
"""Relative and absolute differences of outputs that are accepted: on the same processor and torch, and on others."""
_WHERE = ("platform", "cpu", "torch")
_DTYPES = {"uint8": torch.uint8, "float32": torch.float32, "int64": torch.int64, "bool": torch.bool}


def golden(bundle: Bundle) -> dict[str, Any]:
    """The content of golden.json for a bundle; for a plug-in's kind of data the input is tensors."""
    given = _given(bundle.config["input"])
    outputs = _outputs(bundle, load_model(bundle, device="cpu"), given)
    here = environment()
    return {
        "schema": 1,
        "input": given,
        "outputs": [float(f"{value:.7g}") for value in outputs.flatten().tolist()],
        "environment": {key: here[key] for key in _WHERE},
    }


def check(bundle: Bundle, model: nn.Module | None = None) -> None:
    """Raise `ZooError` if the bundle's tensors do not give the outputs of its golden.json.

    `model` is the bundle's on the CPU, if it was loaded already.
    """
    path = bundle.folder / FILE
    content = parse_json(bundle.content(FILE).decode(errors="replace"), str(path))
    try:
        expected = torch.tensor(content["outputs"], dtype=torch.float32)
        where, given = dict(content["environment"]), raw(content["input"])
    except Exception as error:  # torch raises almost anything for lists that are not numbers
        raise ZooError(f"{path} does not hold an input and its outputs ({error}); publish the weight again.") from error
    here = environment()
    tolerance = SAME if all(where.get(key) == here[key] for key in _WHERE) else OTHER
    found = _outputs(bundle, model or load_model(bundle, device="cpu"), given).flatten()
    if found.shape != expected.shape or not torch.allclose(found, expected, rtol=tolerance, atol=tolerance):
        raise ZooError(
            f"the model's outputs for the input in {path} are not the outputs that were published with the weight."
        )


def raw(given: Any) -> Any:
    """The raw input for a predictor, from the `input` of a golden.json, which has nested lists for arrays."""
    if isinstance(given, Mapping) and set(given) == {"array", "dtype"}:
        return torch.tensor(given["array"], dtype=_DTYPES[given["dtype"]])
    return given


def inputs_of(bundle: Bundle) -> tuple[Tensor, ...]:
    """The golden input as the model's forward takes it, a batch of one on the CPU."""
    return _prepared(bundle, _given(bundle.config["input"]))


def _given(described: dict[str, Any]) -> Any:
    from zoo import kinds

    kind = kinds.get(described["kind"])
    if kind.golden is not None:
        return sample(described)
    tensors = []
    for blank in kind.blank(described):
        one = blank[:1]
        if one.is_floating_point():  # with zeros most of a model would not be tested
            one = torch.linspace(-1, 1, one.numel()).view_as(one)
        tensors.append({"array": one.tolist(), "dtype": str(one.dtype).removeprefix("torch.")})
    return {"tensors": tensors}


@torch.inference_mode()
def _outputs(bundle: Bundle, model: nn.Module, given: Any) -> Tensor:
    return model(*_prepared(bundle, given)).float()


def _prepared(bundle: Bundle, given: Any) -> tuple[Tensor, ...]:
    from zoo import kinds

    if isinstance(given, Mapping) and set(given) == {"tensors"}:
        return tuple(map(raw, given["tensors"]))
    reads = kinds.input_of(bundle)
    return kinds.get(reads.kind).prepare([raw(given)], reads)


def sample(described: Mapping[str, Any]) -> Any:
    """A raw input that fits config.json's `input` and that JSON can hold. Raises `ZooError` if its kind has
    none."""
    from zoo import kinds

    make = kinds.get(described["kind"]).golden
    if make is None:
        raise ZooError(f"there is no golden input for {described['kind']!r} data.")
    return make(dict(described))
