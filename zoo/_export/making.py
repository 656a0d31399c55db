"""A bundle -> the bytes of an ONNX model, by the first exporter whose file agrees with the model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo._export.exporters import EXPORTERS, operator, quiet
from zoo._export.feeds import Arrays, batches
from zoo._export.graph import INPUTS, Graph
from zoo._export.onnx_file import session_of
from zoo._export.proof import TRACED, Agreement, example, prove
from zoo.bundles.format import Bundle
from zoo.bundles.load import load_model
from zoo.errors import ZooError

if TYPE_CHECKING:
    from zoo.data import DataSet, Split
    from zoo.recipes import Recipe

DTYPES = {"tensor(uint8)": "uint8", "tensor(int64)": "int64", "tensor(float)": "float32"}


@dataclass(frozen=True)
class Made:
    """An ONNX model, its exporter, its agreement with the model, its inputs and outputs."""

    content: bytes
    exporter: str
    agreement: Agreement
    inputs: dict[str, dict[str, Any]]
    outputs: dict[str, dict[str, Any]]


def exported(bundle: Bundle, weight: str) -> Made:
    """The first exporter's file that agrees, or the nearest one if none does.

    Raises `ZooError`, naming the operator if it is known, if no exporter makes a file at all.
    """
    import onnx
    import torch

    config = bundle.config
    graph = Graph(load_model(bundle, device="cpu", dtype=torch.float32), config).eval()
    free = INPUTS[config["input"]["kind"]]
    free_length = any("T" in letters for letters in free.values())
    rows = {key: config["model_args"].get(key, 2) for key in ("vocab_size", "characters")}
    inputs, found, errors = example(config, rows, *TRACED), [], []
    for name, exporter in EXPORTERS.items():
        try:
            with quiet():
                content = exporter(graph, inputs, free)
            session = session_of(content)
        except Exception as error:  # exporters may raise anything for a model that they cannot export
            errors.append(error)
            continue
        agreement = prove(graph, lambda arrays, session=session: session.run(None, arrays), config, free_length)
        takes, gives = session.get_inputs(), session.get_outputs()
        taken, given = ({one.name: _described(one) for one in several} for several in (takes, gives))
        found.append(Made(content, name, agreement, taken, given))
        if agreement.ok:
            break
    if not found:
        named = next(filter(None, map(operator, errors)), None)
        why = " ".join(str(errors[-1]).split())[:200]
        what = f"its operator {named} has no ONNX form" if named else why
        raise ZooError(f"{weight} cannot be exported ({what}); replace that part of the model.")
    best = min(found, key=lambda made: (not made.agreement.ok, made.agreement.largest))
    onnx.checker.check_model(best.content)
    return best


def _described(value: Any) -> dict[str, Any]:
    """Type and shape of an input or output; the free dimensions have names."""
    return {"dtype": DTYPES.get(value.type, value.type), "shape": list(value.shape)}


def dataset(recipe: Recipe) -> DataSet | None:
    """The recipe's data set if it is at hand."""
    from zoo.training import own

    return own.load(recipe) if own.at_hand(recipe) else None


def arrays(split: Split) -> tuple[Any, Any]:
    """Inputs and targets of a split as numpy arrays; texts stay a list."""
    inputs: Any = split.inputs
    return inputs if isinstance(inputs, list) else inputs.numpy(), split.targets.numpy()


def samples(split: Split, config: dict[str, Any], tokenizer: bytes | None, size: int) -> Iterator[Arrays]:
    """Batches of a split's inputs in an order that mixes its classes, the same every time."""
    import numpy as np

    inputs, targets = arrays(split)
    order = np.random.default_rng(0).permutation(len(targets))[:1024] if not isinstance(inputs, list) else None
    if config["input"]["kind"] in ("image", "table") and order is not None:
        inputs, targets = inputs[order], targets[order]
    return (given for given, _ in batches(inputs, targets, config, read(tokenizer), size))


def read(tokenizer: bytes | None) -> Any:
    """The tokenizer in these bytes of a tokenizer.json; None if there are no bytes."""
    if tokenizer is None:
        return None
    from tokenizers import Tokenizer

    return Tokenizer.from_str(tokenizer.decode())
