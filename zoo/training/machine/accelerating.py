"""Mixed precision and several processes by accelerate. Its state is global to the process and may be the caller's."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from zoo.recipes import Recipe

_lock = threading.Lock()


def accelerator(recipe: Recipe, device: torch.device) -> Any:
    """An accelerator for one run, with its own state; the state of another run or of the caller stays as it is."""
    from accelerate import Accelerator, DistributedDataParallelKwargs
    from accelerate.utils import GradientAccumulationPlugin

    if device.type == "cuda":
        torch.cuda.set_device(device)
    # Processes wait for the gradient of every parameter, unless we declare that some have none for some time.
    frozen = any(group.frozen_epochs for group in recipe.optimizer.groups)
    with _blank_state():
        # Set explicitly what the recipe leaves open: accelerate would take it from environment variables that no run
        # records.
        made = Accelerator(
            gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),
            dynamo_backend="no",
            mixed_precision={"fp32": "no"}.get(recipe.train.precision, recipe.train.precision),
            cpu=device.type == "cpu",
            kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=frozen)],
        )
        _part(made.state)
        _part(made.gradient_state)
    return made


def prepared(accelerator: Any, model: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[Any, Any]:
    """Model and optimizer as accelerate wraps them."""
    with _blank_state() as shared:
        for mine, theirs in zip((accelerator.state, accelerator.gradient_state), shared[1:], strict=True):
            theirs.update(vars(mine))
        shared[0].update({k: v for k, v in shared[1].items() if k in _known()})
        model, stepper = accelerator.prepare(model, optimizer)
        _part(stepper.accelerator_state)
        _part(stepper.gradient_state)
    return model, stepper


def _part(state: Any) -> None:
    """Make a state that is global to the process a copy instead."""
    object.__setattr__(state, "__dict__", dict(vars(state)))


def _known() -> list[str]:
    from accelerate.state import PartialState

    return PartialState._known_attrs


@contextmanager
def _blank_state() -> Iterator[list[dict[str, Any]]]:
    """Inside this context accelerate has no state; at the end its former state and the environment are restored."""
    from accelerate.state import AcceleratorState, GradientState, PartialState

    shared = [PartialState._shared_state, AcceleratorState._shared_state, GradientState._shared_state]
    with _lock:
        before, variables = [dict(each) for each in shared], dict(os.environ)
        for each in shared:
            each.clear()
        for name in variables:
            if name.startswith("ACCELERATE_"):  # settings of the caller's own accelerator
                del os.environ[name]
        try:
            yield shared
        finally:
            for each, content in zip(shared, before, strict=True):
                each.clear()
                each.update(content)
            for name in os.environ.keys() - variables.keys():
                del os.environ[name]
            os.environ.update({k: v for k, v in variables.items() if os.environ.get(k) != v})
