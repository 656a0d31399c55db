"""How each kind of data becomes batches.

One file a kind, named like it; its `KIND` is all that the engine knows of it.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo.data import DataSet, Split, hold_out
from zoo.errors import unknown
from zoo.kinds.feed import Feed, Inputs
from zoo.recipes import Recipe


@dataclass(frozen=True)
class Described:
    """What a data set decides of a bundle: `input` of its config.json, arguments of the model, and the tokenizer."""

    input: dict[str, Any]
    model_args: dict[str, Any]
    tokenizer: Path | None = None


@dataclass(frozen=True)
class Kind:
    """A kind of data as a handful of functions.

    Attributes:
        describe: (recipe, data set, training split, the run's folder) -> `Described`. A tokenizer is trained on that
            split alone, or is that of the weight to begin from, and is written into the folder.
        blank: (config.json) -> what the model's `forward` takes for two samples that say nothing, on the CPU.
        training: (recipe, split, config, tokenizer, device) -> the run's batches.
        evaluation: (split, config, tokenizer, batch size, device) -> every sample exactly once, without augmentation,
            as (inputs, targets) on the device.
        shape: (config.json) -> the shape of one sample, without the batch, as `ModelInfo.input_shape` has it; () if it
            is not fixed.
        samples: what one sample is, for messages.
        check: (recipe, data set) -> None; raises `ZooError` with the key path for settings that the data refuse.
        hold_out: (split, fraction) -> (rest, held), for data sets without a validation split of their own.
    """

    describe: Callable[[Recipe, DataSet, Split, Path], Described]
    blank: Callable[[dict[str, Any]], Inputs]
    training: Callable[[Recipe, Split, dict[str, Any], Path | None, torch.device], Feed]
    evaluation: Callable[[Split, dict[str, Any], Path | None, int, torch.device], Iterator[tuple[Inputs, Tensor]]]
    samples: Callable[[dict[str, Any]], str]
    shape: Callable[[dict[str, Any]], tuple[int, ...]] = lambda config: ()
    check: Callable[[Recipe, DataSet], None] = lambda recipe, data: None
    # The split does not move with the seed of the run: seeds are compared on the same samples.
    hold_out: Callable[[Split, float], tuple[Split, Split]] = lambda split, fraction: hold_out(split, fraction, seed=0)


def names() -> list[str]:
    """The kinds that are there."""
    files = (module.name for module in pkgutil.iter_modules(__path__))
    return [file for file in files if hasattr(import_module(f"{__name__}.{file}"), "KIND")]


def get(name: str) -> Kind:
    """The kind of that name; `ZooError` with the nearest names where there is none."""
    if name not in names():
        raise unknown("kind of data", name, names())
    return import_module(f"{__name__}.{name}").KIND
