"""From a recipe to what the loop needs: data, configuration, a fresh model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zoo import data, init, registry
from zoo.data import Split
from zoo.errors import ZooError
from zoo.recipes import Recipe
from zoo.training.feed import check_data
from zoo.training.run import write_text


@dataclass(frozen=True)
class Setup:
    """`config` is the bundle's config.json; `train` is trained on, `held` is measured and called `held_name`."""

    config: dict[str, Any]
    train: Split
    held: Split
    held_name: str
    fingerprint: str
    tokenizer: Path | None


def prepare(recipe: Recipe, folder: Path) -> Setup:
    """Load the data, part them as the recipe says, train the tokenizer, and write config.json into the run's folder.

    With `data.validation` above 0 the metrics come from that part of the training split; the test split stays unseen.
    """
    dataset = data.load(recipe.data.name)
    check_data(dataset, recipe)
    train, held, held_name = dataset.train, dataset.test, "test"
    if recipe.data.validation:
        # The split does not move with the seed of the run: seeds are compared on the same samples.
        train, held = data.hold_out(dataset.train, recipe.data.validation, seed=0)
        held_name = "validation"
    arguments, tokenizer = dict(recipe.model_args), None
    if dataset.kind == "text":
        tokenizer, arguments["vocab_size"] = _tokenizer(recipe, train, folder)
        settings = recipe.data.text
        transform: dict[str, Any] = {
            "kind": "text",
            "tokenizer": tokenizer.name,
            "max_length": settings.max_length,
            "truncate": settings.truncate,
        }
    else:
        channels, *size = dataset.train.inputs.shape[1:]  # type: ignore[union-attr]
        transform = {
            "kind": "image",
            "channels": channels,
            "size": size,
            "maximum": dataset.maximum,
            "mean": recipe.data.mean,
            "std": recipe.data.std,
        }
    if "num_classes" not in arguments:
        arguments["num_classes"] = len(dataset.labels)
    with torch.device("meta"):
        count = sum(p.numel() for p in construct(recipe, arguments).parameters())
    config = {
        "schema": 1,
        "model": recipe.model,
        "model_args": arguments,
        "task": registry.get(recipe.model).task,
        "labels": list(dataset.labels),
        "input": transform,
        "num_parameters": count,
        "data": recipe.data.name,
        "recipe": recipe.name,
    }
    write_text(folder / "config.json", json.dumps(config, indent=2) + "\n")
    return Setup(config, train, held, held_name, dataset.fingerprint, tokenizer)


def fresh_model(recipe: Recipe, config: dict[str, Any], device: torch.device) -> nn.Module:
    """The model as the recipe's init scheme and seed make it, drawn on the CPU: the same on every device."""
    torch.manual_seed(recipe.train.seed)
    model = construct(recipe, config["model_args"])
    init.apply(model, recipe.init)
    return model.to(device)


def construct(recipe: Recipe, arguments: dict[str, Any]) -> nn.Module:
    try:
        return registry.get(recipe.model).constructor(**arguments)
    except (TypeError, ValueError, RuntimeError) as error:
        why = " ".join(str(error).split())
        raise ZooError(f"model_args: {recipe.model} cannot be built with {arguments} ({why}); change them.") from error


def _tokenizer(recipe: Recipe, train: Split, folder: Path) -> tuple[Path, int]:
    from zoo.data import text

    tokenizer = text.train_tokenizer(train.inputs, recipe.data.text.vocab_size)  # type: ignore[arg-type]
    path = folder / "tokenizer.json"
    write_text(path, tokenizer.to_str(pretty=False))
    return path, tokenizer.get_vocab_size()
