"""Builds the parts of a run before its first step: the batches, the learner, and the function for one step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zoo import kinds, tasks
from zoo.kinds.feed import Inputs
from zoo.nn.start import start
from zoo.recipes import Recipe
from zoo.training.machine import accelerating, processes
from zoo.training.machine.dropout import use_fast_dropout
from zoo.training.measure import of_run
from zoo.training.pairs import check_pairs
from zoo.training.setup import Setup, fresh_model
from zoo.training.state import Fixed, Learner
from zoo.training.step import backward
from zoo.training.update import losses
from zoo.training.update.adversarial import perturbed, tables
from zoo.training.update.averaging import average_of
from zoo.training.update.build import optimizer as build_optimizer
from zoo.training.update.fused import updater

Step = Callable[[Inputs, Tensor, Tensor], tuple[Tensor, Tensor]]
"""(inputs, targets, indices of the samples) -> (outputs, loss), after the weights were updated."""


def fixed_of(recipe: Recipe, setup: Setup, folder: Path, device: torch.device) -> Fixed:
    kind, task = kinds.get(setup.input.kind), tasks.get(setup.config["task"])
    feed = kind.training(recipe, setup.train, setup.input, device)
    check_pairs(recipe, setup.train.targets, feed)
    total = recipe.train.steps or feed.size * (recipe.train.epochs or 0)
    metrics = of_run(task, setup.input.settings, recipe.evaluate.metric)
    held = setup.batches(recipe, device) if setup.validates and processes.is_main() else None
    return Fixed(recipe, setup, folder, device, task, metrics, feed, total, held)


def learner_of(fixed: Fixed) -> Learner:
    recipe, setup, device = fixed.recipe, fixed.setup, fixed.device
    model = fresh_model(recipe, setup.config, device)
    start(model, lambda: iter(kinds.get(setup.input.kind).evaluation(setup.train, setup.input, 500, device)))
    if recipe.train.channels_last:
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    # Copied before anything is patched or compiled, so that the average is a separate, plain model.
    average = average_of(model, recipe.train.average.decay) if recipe.train.average else None
    if recipe.train.compile and processes.count() > 1:  # the same as `norms.WholeBatchNorm`, for a compiled model
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    if recipe.train.matmul_conv:
        from zoo.nn.matmul_conv import use_matmul_conv

        use_matmul_conv(model)
    if recipe.train.fast_dropout:
        use_fast_dropout(model)
    loss = losses.build(recipe, setup.train, setup.config).to(device)
    optimizer = build_optimizer(model, loss, recipe.optimizer)
    return Learner(model, average, loss, optimizer, accelerating.accelerator(recipe, device))


def step_of(fixed: Fixed, learner: Learner) -> Step:
    """One step of training. Load a checkpoint into the learner before this call, which prepares its optimizer."""
    settings, raw, average, criterion = fixed.recipe.train, learner.model, learner.average, learner.loss
    accelerator, parameters = learner.accelerator, learner.parameters
    model: Any = torch.compile(raw) if settings.compile else raw
    model, stepper = accelerating.prepared(accelerator, model, learner.optimizer)
    # Without a scaler accelerate's step only adds a search for another package, and its backward a division by one.
    update = updater(learner.optimizer if learner.scaler is None else stepper)
    descend = Tensor.backward if learner.scaler is None else accelerator.backward
    moved = tables(raw, settings.adversarial) if settings.adversarial else []

    def add_gradient(inputs: Inputs, targets: Tensor) -> tuple[Tensor, Tensor]:
        return backward(model, criterion, descend, inputs, targets, settings.accumulate)

    def step(inputs: Inputs, targets: Tensor, indices: Tensor) -> tuple[Tensor, Tensor]:
        if isinstance(criterion, losses.Weighted):
            criterion.at = indices
        if settings.channels_last:
            inputs = tuple(x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x for x in inputs)
        outputs, loss = add_gradient(inputs, targets)
        if settings.adversarial is not None:
            with perturbed(moved, settings.adversarial.epsilon):
                add_gradient(inputs, targets)
        if settings.clip is not None:
            accelerator.clip_grad_norm_(parameters, settings.clip)
        update()
        if average is not None:
            average.update_parameters(raw)
        return outputs, loss

    return step
