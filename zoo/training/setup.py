"""Prepares what the loop needs from a recipe: data, configuration, a fresh model."""

from __future__ import annotations

import inspect
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zoo import caller, init, kinds, parts, registry, tasks
from zoo.construct import check_units, construct, skeleton
from zoo.data import ENTRIES, DataSet, Split
from zoo.draws import Drawn
from zoo.errors import ZooError
from zoo.home import json_text
from zoo.kinds.feed import Batches
from zoo.plugins import Origin
from zoo.recipes import Recipe
from zoo.training.begin import begin, check_unchanged, reader
from zoo.training.machine.norms import check_pieces
from zoo.training.own import load
from zoo.training.run import write_text


@dataclass(frozen=True)
class Setup:
    """`config` is the bundle's config.json, `input` what the model reads; `train` is trained on, `held` is measured and
    called `held_name`.

    `test` is measured once, at the end of a run that chooses its epoch on `held`; None for other runs.

    `notes` are sentences for the card.
    """

    config: dict[str, Any]
    input: kinds.Input
    train: Split
    held: Split
    held_name: str
    fingerprint: str
    notes: list[str]
    test: Split | None = None

    @property
    def validates(self) -> bool:
        """Whether each epoch is measured on `held`; the test split is measured once, at the end."""
        return self.held_name == "validation"

    def batches(self, recipe: Recipe, device: torch.device, split: Split | None = None) -> Batches:
        """The samples to measure, encoded once: of the held split, or of another."""
        measured = self.held if split is None else split
        return kinds.get(self.input.kind).evaluation(measured, self.input, recipe.evaluate.batch_size, device)


def prepare(recipe: Recipe, folder: Path, dataset: DataSet | None = None) -> Setup:
    """Load the data, split them as the recipe says, train the tokenizer, and write config.json into the run's folder.

    A run with `init_from` takes the tokenizer of that weight instead, since the embedding's rows belong to its words.
    With `data.validation` above 0 the metrics come from that part of the training split, or from the validation split
    of a data set that has one; the test split stays unseen; only a run that chose its epoch is measured on it, once,
    at its end. `dataset` is the recipe's, if it was read already.
    Raises `ZooError` if model, model_args and data do not fit together.
    """
    dataset = dataset or load(recipe)
    model = registry.get(recipe.model)
    task = tasks.get(model.task)
    if dataset.kind != task.kind:
        raise ZooError(
            f"model {recipe.model} is for {task.name}, but data.name {dataset.name} is {dataset.kind} data; "
            "change one of them."
        )
    kind = kinds.get(task.kind)
    kind.check(recipe, dataset)
    if bool(dataset.tasks) != task.several:
        has = "several targets" if dataset.tasks else "one target"
        raise ZooError(
            f"model {recipe.model} is for {task.name}, but data.name {dataset.name} has {has} for each sample; "
            "change one of them."
        )
    if recipe.init_from is not None:
        check_unchanged(recipe.init_from, folder)
    train, held, held_name = _parts(recipe, dataset, kind)
    begun = None if recipe.init_from is None else partial(reader, recipe.init_from, task.kind)
    described = kind.describe(recipe, dataset, train, begun)
    if described.tokenizer is not None:
        write_text(folder / "tokenizer.json", described.tokenizer.to_str(pretty=False))
    arguments = {**recipe.model_args, **described.model_args}
    if dataset.labels and "num_classes" in inspect.signature(model.constructor).parameters:
        arguments.setdefault("num_classes", len(dataset.labels))
    config = {
        "schema": 1,
        "model": recipe.model,
        "model_args": arguments,
        "task": task.name,
        "labels": list(dataset.labels) if task.labelled else [],
        "input": described.input,
        "num_parameters": 0,
        "data": recipe.data.name,
        "recipe": recipe.name,
    }
    if brought := plug_ins(recipe, task):
        config["plug_ins"] = [asdict(one) for one in brought]
    config["num_parameters"] = _parameters(config, kind)
    check_pieces(skeleton(recipe.model, arguments), recipe.train.accumulate)
    if recipe.data.augment.progressive:
        _try_smaller(config, kind, recipe.data.augment.progressive.size)
    write_text(folder / "config.json", json_text(config, "config.json"))
    notes = [dataset.note] if dataset.note else []
    if recipe.init_from is not None and described.tokenizer is not None:
        notes.append(f"The tokenizer is that of {recipe.init_from}; the recipe's vocab_size was not used.")
    chooses = recipe.train.keep_best or recipe.train.early_stopping is not None
    if chooses:
        notes.append("The epoch was chosen on the validation split; the test split was measured once, after that.")
    test = dataset.test if chooses else None
    input = kinds.Input(described.input, described.tokenizer, len(config["labels"]))
    return Setup(config, input, train, held, held_name, dataset.fingerprint, notes, test)


def plug_ins(recipe: Recipe, task: tasks.Task) -> list[Origin]:
    """The origins of all parts of the recipe's run that other packages bring."""
    augments = recipe.data.augment.model_extra or {}
    named = (
        (registry.TASK_TABLE, task.name),
        (kinds.KINDS, task.kind),
        (ENTRIES, recipe.data.name),
        (init.SCHEMES, recipe.init),
        (parts.LOSSES, recipe.loss.name),
        (parts.OPTIMIZERS, recipe.optimizer.name),
        (parts.SCHEDULES, recipe.schedule.name),
        (parts.METRICS, recipe.evaluate.metric),
        *((parts.AUGMENTS, name) for name in augments),
    )
    found = [registry.origin(recipe.model), *(table.origin(name) for table, name in named)]
    return [one for one in found if one is not None]


def _parts(recipe: Recipe, dataset: DataSet, kind: kinds.Kind) -> tuple[Split, Split, str]:
    """The split to train on, the split to measure on, and the latter's name."""
    if not recipe.data.validation:
        return dataset.train, dataset.test, "test"
    if dataset.validation is not None:
        return dataset.train, dataset.validation, "validation"
    train, held = kind.hold_out(dataset.train, recipe.data.validation)
    for part, purpose in ((train, "to train on"), (held, "to measure on")):
        if not len(part):
            raise ZooError(
                f"data.validation {recipe.data.validation} leaves none of the {len(dataset.train)} samples of "
                f"{dataset.name} {purpose}; choose another share, such as 0.1."
            )
    return train, held, "validation"


def fresh_model(recipe: Recipe, config: dict[str, Any], device: torch.device) -> nn.Module:
    """The model as the recipe's init scheme and seed make it, drawn on the CPU so that it is the same on every
    device."""
    with Drawn(torch.Generator().manual_seed(recipe.train.seed)):
        model = construct(recipe.model, config["model_args"])
        init.apply(model, recipe.init)
    if recipe.init_from is not None:
        begin(model, recipe.init_from, config["labels"])
    return model.to(device)


def _try_smaller(config: dict[str, Any], kind: kinds.Kind, side: int) -> None:
    try:
        _parameters({**config, "input": {**config["input"], "size": [side, side]}}, kind)
    except ZooError as error:
        raise ZooError(f"data.augment.progressive: {error}") from error


def _parameters(config: dict[str, Any], kind: kinds.Kind) -> int:
    """Try the model on two blank samples of the data, and count its parameters.

    On the CPU, not on the meta device, which has no values: a model may need some, such as the lengths of texts.
    """
    name, arguments, labels = config["model"], config["model_args"], config["labels"]
    # torch only warns about layers without units; they are refused below.
    with caller.silent(), Drawn(torch.Generator()):
        model = construct(name, arguments).eval()
        try:
            with torch.no_grad():
                outputs = model(*kind.blank(config["input"])).shape[-1]
        except Exception as error:  # a model may raise anything for inputs that it is not made for
            why = " ".join(str(error).split())
            raise ZooError(
                f"model {name} with model_args {arguments} cannot take the samples of {config['data']}, which "
                f"are {kind.samples(config['input'])} ({why}); change model, model_args or data.name."
            ) from error
    if "num_classes" in arguments and labels and outputs != len(labels):
        raise ZooError(
            f"model_args.num_classes is {outputs}, but {config['data']} has {len(labels)} labels; leave it out."
        )
    try:
        check_units(name, model, arguments)
    except ZooError as error:
        raise ZooError(f"model_args: {error}") from error
    return sum(parameter.numel() for parameter in model.parameters())
