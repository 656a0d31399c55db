"""From a recipe to what the loop needs: data, configuration, a fresh model."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zoo import data, init, registry
from zoo.data import DataSet, Split
from zoo.errors import ZooError
from zoo.recipes import Recipe
from zoo.training.feed import check_data
from zoo.training.run import write_text

KINDS = {"image-classification": "image", "text-classification": "text"}
"""What kind of data a task reads."""


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
    Raises `ZooError` where model, model_args and data do not fit together.
    """
    dataset = data.load(recipe.data.name)
    task = registry.get(recipe.model).task
    if task in KINDS and dataset.kind != KINDS[task]:
        raise ZooError(
            f"model {recipe.model} is for {task}, but data.name {dataset.name} is {dataset.kind} data; "
            "change one of them."
        )
    check_data(dataset, recipe)
    train, held, held_name = dataset.train, dataset.test, "test"
    if recipe.data.validation:
        # The split does not move with the seed of the run: seeds are compared on the same samples.
        train, held = data.hold_out(dataset.train, recipe.data.validation, seed=0)
        held_name = "validation"
        for part, purpose in ((train, "to train on"), (held, "to measure on")):
            if not len(part.targets):
                raise ZooError(
                    f"data.validation {recipe.data.validation} leaves none of the {len(dataset.train.targets)} samples "
                    f"of {dataset.name} {purpose}; choose another part, such as 0.1."
                )
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
    config = {
        "schema": 1,
        "model": recipe.model,
        "model_args": arguments,
        "task": task,
        "labels": list(dataset.labels),
        "input": transform,
        "num_parameters": _parameters(recipe, arguments, dataset),
        "data": recipe.data.name,
        "recipe": recipe.name,
    }
    write_text(folder / "config.json", json.dumps(config, indent=2) + "\n")
    return Setup(config, train, held, held_name, dataset.fingerprint, tokenizer)


def fresh_model(recipe: Recipe, config: dict[str, Any], device: torch.device) -> nn.Module:
    """The model as the recipe's init scheme and seed make it, drawn on the CPU: the same on every device."""
    torch.manual_seed(recipe.train.seed)
    model = registry.construct(recipe.model, config["model_args"])
    init.apply(model, recipe.init)
    return model.to(device)


def _parameters(recipe: Recipe, arguments: dict[str, Any], dataset: DataSet) -> int:
    """Try the model on two blank samples of the data, and count its parameters.

    On the CPU, not on the meta device: a model may look at values, as at the lengths of texts, which has none there.
    """
    if dataset.kind == "text":
        what, inputs = "token ids", (torch.ones(2, 3, dtype=torch.int64), torch.tensor([3, 2]))
    else:
        size = dataset.train.inputs.shape[1:]  # type: ignore[union-attr]
        what, inputs = f"images of {' x '.join(map(str, size))}", (torch.zeros(2, *size),)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch only warns of layers without units; below they are refused
        model = registry.construct(recipe.model, arguments).eval()
        try:
            with torch.no_grad():
                outputs = model(*inputs).shape[1]
        except Exception as error:  # whatever a model may raise for inputs that it is not made for
            why = " ".join(str(error).split())
            raise ZooError(
                f"model {recipe.model} with model_args {arguments} cannot take the samples of {dataset.name}, which "
                f"are {what} ({why}); change model, model_args or data.name."
            ) from error
    if outputs < len(dataset.labels):
        raise ZooError(
            f"model_args.num_classes is {outputs}, but {dataset.name} has {len(dataset.labels)} labels; leave it out."
        )
    for name, parameter in model.named_parameters():
        if not parameter.numel():
            raise ZooError(f"model_args: {recipe.model} with {arguments} has no units in {name}; give 1 or more.")
    return sum(parameter.numel() for parameter in model.parameters())


def _tokenizer(recipe: Recipe, train: Split, folder: Path) -> tuple[Path, int]:
    from zoo.data import text

    tokenizer = text.train_tokenizer(train.inputs, recipe.data.text.vocab_size)  # type: ignore[arg-type]
    path = folder / "tokenizer.json"
    write_text(path, tokenizer.to_str(pretty=False))
    return path, tokenizer.get_vocab_size()
