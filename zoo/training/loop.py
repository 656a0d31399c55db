"""The loop: one plain pass over batches, checkpointed so that a killed run ends as if it had never stopped.

Whatever is random in a step is drawn from generators seeded by (seed, step) alone; there is no random state to save.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from zoo import kinds, tasks
from zoo.errors import ZooError
from zoo.kinds.feed import Inputs, mix
from zoo.nn.start import start
from zoo.recipes import Recipe
from zoo.tasks import measures
from zoo.training import checkpoint, selection
from zoo.training.machine import accelerating, draws, memory, processes, signals
from zoo.training.machine.dropout import use_fast_dropout
from zoo.training.machine.norms import has_batch_norm
from zoo.training.measure import measure
from zoo.training.pairs import check_pairs
from zoo.training.progress import bar
from zoo.training.run import Run, write_log
from zoo.training.setup import Setup, fresh_model
from zoo.training.step import backward
from zoo.training.track import tracker
from zoo.training.update import losses
from zoo.training.update.adversarial import perturbed, tables
from zoo.training.update.averaging import average_of
from zoo.training.update.build import optimizer as build_optimizer
from zoo.training.update.build import set_rate
from zoo.training.update.fused import updater
from zoo.training.update.groups import rest
from zoo.training.update.schedule import factor, watched

LOOK_EVERY = 16
"""Steps between looks at the loss: often enough to stop soon, seldom enough that a GPU is not kept waiting."""

SAVE_EVERY = 20.0
"""Seconds between checkpoints at the least, so that short epochs do not spend their time on the disk."""

SAVE_WITHIN = 60.0
"""Seconds after which a checkpoint is written within an epoch too, so that no more than these are lost to a kill."""


BEST = Path("checkpoints", "best")
"""Where the weights of the best epoch are kept, as a checkpoint of the model alone."""


@dataclass(frozen=True)
class Trained:
    """The state dict to publish, and the seconds that training took over all its sittings."""

    state: dict[str, Tensor]
    seconds: float


@dataclass
class Place:
    """Where a run is: what a checkpoint holds beside tensors. `loss` and `metric` are sums since the epoch's start."""

    epoch: int = 0
    position: int = 0
    step: int = 0
    loss: float = 0.0
    looked: int = 0
    metric: float = 0.0
    metrics: int = 0
    epoch_seconds: float = 0.0
    seconds: float = 0.0


def fit(
    recipe: Recipe,
    setup: Setup,
    folder: Path,
    device: torch.device,
    track: str | None = None,
    callbacks: Sequence[Callable[[int, dict[str, Any]], object]] = (),
    progress: bool = True,
) -> Trained:
    """Train a recipe in its claimed folder, from its newest checkpoint where there is one.

    Where several processes train together (`zoo.training.machine.processes`), each calls this; the main one alone
    writes.
    Raises `ZooError` where the loss is not a number, memory runs out, or a checkpoint belongs to other data;
    `KeyboardInterrupt` on SIGINT and `SystemExit(143)` on SIGTERM, each after a checkpoint.
    """
    kind = kinds.get(setup.input.kind)
    feed = kind.training(recipe, setup.train, setup.input, device)
    check_pairs(recipe, setup.train.targets, feed)
    total = recipe.train.steps or feed.size * (recipe.train.epochs or 0)
    no_room = f"out of memory on {device} before the first step; make the model smaller, or leave out train.average."
    with memory.enough(lambda: no_room):
        raw = fresh_model(recipe, setup.config, device)
        start(raw, lambda: iter(kind.evaluation(setup.train, setup.input, 500, device)))
        if recipe.train.channels_last:
            raw = raw.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        # Copied before anything is patched or compiled, so that the average is a plain model of its own.
        averaged = average_of(raw, recipe.train.average.decay) if recipe.train.average else None
        if recipe.train.compile and processes.count() > 1:  # what `norms.WholeBatchNorm` does, in a compiled model
            raw = nn.SyncBatchNorm.convert_sync_batchnorm(raw)
        if recipe.train.matmul_conv:
            from zoo.nn.matmul_conv import use_matmul_conv

            use_matmul_conv(raw)
        if recipe.train.fast_dropout:
            use_fast_dropout(raw)
        criterion = losses.build(recipe, setup.train, setup.config).to(device)
        trained = nn.ModuleDict({"model": raw, "loss": criterion})
        optimizer = build_optimizer(raw, criterion, recipe.optimizer)
        accelerator = accelerating.accelerator(recipe, device)
        place = _restore(folder, setup, trained, averaged, optimizer, accelerator.scaler)
        model: Any = torch.compile(raw) if recipe.train.compile else raw
        model, stepper = accelerating.prepared(accelerator, model, optimizer)
    # Without a scaler accelerate's step adds a search for another package, and its backward a division by one.
    update = updater(optimizer if accelerator.scaler is None else stepper)
    descend = Tensor.backward if accelerator.scaler is None else accelerator.backward
    current = averaged.module if averaged is not None else raw  # what would be published
    task = tasks.get(setup.config["task"])
    own = measures.own(task, setup.input.settings)
    metric = measures.of(task, setup.input.settings)[recipe.evaluate.metric]
    parameters = list(trained.parameters())
    moved = tables(raw, recipe.train.adversarial) if recipe.train.adversarial else []
    generator = torch.Generator(device)
    rows = _logged(folder, place.epoch)
    pending: list[Tensor] = []
    validates = setup.held_name == "validation"
    held = setup.batches(recipe, device) if validates and processes.is_main() else None
    saved_at = time.monotonic() if place.step else -math.inf
    began = time.monotonic()

    def add_gradient(inputs: Inputs, targets: Tensor) -> tuple[Tensor, Tensor]:
        return backward(model, criterion, descend, inputs, targets, recipe.train.accumulate)

    def leaving(*, agree: bool) -> int:
        """The signal to leave for, 0 for none. Several processes leave together, so they have to agree."""
        number = received[0] if received else 0
        return number if processes.count() == 1 else processes.largest(number, device) if agree else 0

    def validated() -> dict[str, Any]:
        """The metrics on the validation split, measured by one process."""
        asked = recipe.evaluate.metric
        values = dict.fromkeys([*own, asked], 0.0)
        if processes.is_main():
            assert held is not None
            values = measure(current, held, task, {**own, asked: metric})
        told = processes.told_by_main(list(values.values()), device)
        # What cannot be computed in this epoch is an empty cell of the log.
        return {
            f"validation_{name}": value if math.isfinite(value) else ""
            for name, value in zip(values, told, strict=True)
        }

    def stopped() -> bool:
        stop = recipe.train.early_stopping
        if stop is None:
            return False
        values = selection.measured(rows, recipe.evaluate.metric, metric)
        return selection.is_exhausted(values, stop.patience, stop.min_delta)

    def too_large() -> str:
        pieces = f", or set train.accumulate={2 * recipe.train.accumulate}"
        return (
            f"out of memory on {device} with data.batch_size {recipe.data.batch_size}, in step {place.step + 1} of "
            f"{total}; {_left(folder)}: lower data.batch_size{'' if has_batch_norm(raw) else pieces}."
        )

    def look() -> None:
        """Read the losses since the last look."""
        values = torch.stack(pending).tolist() if pending else []
        for step, value in enumerate(values, place.step - len(values) + 1):
            if not math.isfinite(value):
                raise _diverged(f"the loss is {value} in step {step}", total, folder)
            place.loss += value  # one by one: where the looks fall must not change how the sum is rounded
        place.looked += len(values)
        pending.clear()

    def save() -> None:
        nonlocal saved_at
        look()
        if not all(bool(p.isfinite().all()) for p in parameters):  # a good loss may have had a bad gradient
            raise _diverged(f"the weights are not finite after step {place.step}", total, folder)
        saved_at = time.monotonic()
        if not processes.is_main():
            return
        parts = {name: part.state_dict() for name, part in trained.items()}
        parts["optimizer"] = checkpoint.optimizer_tensors(optimizer)
        if averaged is not None:
            parts["average"] = averaged.state_dict()
        if accelerator.scaler is not None:
            parts["scaler"] = {k: torch.as_tensor(v) for k, v in accelerator.scaler.state_dict().items()}
        _write(folder / "checkpoints", place.step, parts, {**vars(place), "data": setup.fingerprint})

    with (
        memory.kept() as trim,
        bar(f"{recipe.name}, seed {recipe.train.seed}", total, place.step, shown=progress) as (move, tell),
        tracker(track, folder, place.step) as note,
        signals.noted() as received,
    ):
        done = place.step >= total or stopped()
        while not done:
            raw.train()
            rest(raw, recipe.optimizer, place.epoch)
            batches, history = feed.plan(place.epoch), watched(recipe, rows, metric)
            clock, rate, number = time.perf_counter(), 0.0, 0
            while (
                place.position < len(batches)
                and place.step < total
                and not (number := leaving(agree=place.step % LOOK_EVERY == 0))
            ):
                rate = recipe.optimizer.lr * factor(recipe.schedule, place.step, total, place.epoch, history)
                set_rate(optimizer, rate, place.epoch)
                mine = mix(recipe.train.seed, 1 + 2 * processes.rank(), place.step)
                draws.seed(mix(recipe.train.seed, 1, place.step), mine, device)
                generator.manual_seed(mix(recipe.train.seed, 2, place.step))
                with memory.enough(too_large):
                    inputs, targets = feed.load(batches[place.position], generator, place.step / total)
                    if isinstance(criterion, losses.Weighted):
                        criterion.at = batches[place.position]
                    if recipe.train.channels_last:
                        inputs = tuple(
                            x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x for x in inputs
                        )
                    outputs, loss = add_gradient(inputs, targets)
                    if recipe.train.adversarial is not None:
                        with perturbed(moved, recipe.train.adversarial.epsilon):
                            add_gradient(inputs, targets)
                    if recipe.train.clip is not None:
                        accelerator.clip_grad_norm_(parameters, recipe.train.clip)
                    update()
                    if averaged is not None:
                        averaged.update_parameters(raw)
                pending.append(loss)
                place.position += 1
                place.step += 1
                if place.step % LOOK_EVERY == 0:
                    look()
                    trim()
                    if recipe.data.augment.mixup is None and recipe.data.augment.cutmix is None:
                        value = metric(*task.rows(outputs, targets))
                        if math.isfinite(value):  # a small batch may hold one class alone
                            place.metric += value
                            place.metrics += 1
                    now = time.perf_counter()
                    place.epoch_seconds += now - clock
                    place.seconds += now - clock
                    clock = now
                    move(place.step, {"epoch": place.epoch + 1, **_figures(recipe, place, rate)})
                    late = time.monotonic() - max(saved_at, began) > SAVE_WITHIN
                    if late and place.position < len(batches) and place.step < total:
                        save()
            now = time.perf_counter()
            place.epoch_seconds += now - clock
            place.seconds += now - clock
            if number and place.position < len(batches) and place.step < total:
                save()
                signals.leave(number)
            look()
            row = {
                "epoch": place.epoch + 1,
                "step": place.step,
                **_figures(recipe, place, rate),
                "seconds": round(place.seconds, 2),
            }
            if validates:
                started = time.perf_counter()
                row |= validated()
                place.seconds += time.perf_counter() - started
            rows.append(row)
            best = recipe.train.keep_best and selection.is_best(
                selection.measured(rows, recipe.evaluate.metric, metric)
            )
            if best and processes.is_main():
                _write(folder / BEST, place.step, {"model": current.state_dict()}, {})
            if processes.is_main():
                write_log(folder, rows)
            tell(place.step, {k: v for k, v in row.items() if k != "step"})
            note(place.step, row)
            for call in callbacks if processes.is_main() else ():
                call(place.epoch + 1, dict(row))
            place = Place(epoch=place.epoch + 1, step=place.step, seconds=place.seconds)
            done = place.step >= total or stopped()
            number = leaving(agree=True)
            # Behind a best epoch too: done again it may end otherwise where the run is not deterministic, and weights
            # that were the best before it are gone by then.
            if number or done or best or time.monotonic() - saved_at > SAVE_EVERY:
                save()
            if number:
                signals.leave(number)
    if recipe.train.keep_best:
        state = _best(
            folder, selection.measured(rows, recipe.evaluate.metric, metric), [int(row["step"]) for row in rows]
        )
    else:
        state = current.state_dict()
    return Trained({k: v.detach().cpu().contiguous() for k, v in state.items()}, place.seconds)


def _figures(recipe: Recipe, place: Place, rate: float) -> dict[str, Any]:
    """The loss and metric of the epoch so far; the metric is that of every sixteenth batch, under augmentation."""
    figures: dict[str, Any] = {"lr": rate, "train_loss": place.loss / max(1, place.looked)}
    figures[f"train_{recipe.evaluate.metric}"] = place.metric / place.metrics if place.metrics else ""
    figures["samples_per_second"] = round(place.position * recipe.data.batch_size / max(place.epoch_seconds, 1e-9))
    return figures


def _best(folder: Path, values: list[float], steps: list[int]) -> dict[str, Tensor]:
    """The weights of the first epoch that no other is better than. Raises `ZooError` where they are damaged or gone."""
    if max(values) == -math.inf:
        raise ZooError(
            f"train.keep_best has no epoch to keep: the metric on the held-out part was not a number in any of "
            f"{len(values)}; choose another evaluate.metric, or hold out a larger data.validation."
        )
    step = steps[values.index(max(values))]
    found = checkpoint.read(folder / BEST, step)
    if found is None:
        raise ZooError(
            f"the weights of the best epoch, after step {step}, are damaged or gone from {folder / BEST}; "
            "train again in another folder with --out."
        )
    return found[0]["model"]


def _write(folder: Path, step: int, parts: dict[str, dict[str, Tensor]], state: dict[str, Any]) -> None:
    try:
        checkpoint.save(folder, step, parts, state)
    except (OSError, SafetensorError) as error:
        raise ZooError(
            f"a checkpoint cannot be written to {folder} ({error}); make room and go on with --resume."
        ) from error


def _diverged(what: str, total: int, folder: Path) -> ZooError:
    return ZooError(f"{what} of {total}; {_left(folder)}: lower optimizer.lr, or set train.clip.")


def _left(folder: Path) -> str:
    """What a run that fails leaves behind."""
    kept = checkpoint.saved(folder / "checkpoints")
    left = f"the last good checkpoint, of step {int(kept[-1].stem)}, is kept" if kept else "there is no checkpoint yet"
    return f"{left} in {folder}"


def _restore(
    folder: Path,
    setup: Setup,
    trained: nn.ModuleDict,
    averaged: AveragedModel | None,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler | None,
) -> Place:
    """Load the newest whole checkpoint of the run, if there is one."""
    found = checkpoint.newest(folder / "checkpoints")
    if found is None:
        return Place()
    parts, state = found
    fingerprint = state.pop("data", "")
    if fingerprint != setup.fingerprint:
        raise ZooError(
            f"{folder} was trained on other data (fingerprint {fingerprint[:12]}…) than those at hand "
            f"({setup.fingerprint[:12]}…); bring those back, or start a new run with --out."
        )
    try:
        for name, part in trained.items():
            part.load_state_dict(parts.get(name, {}))
        checkpoint.load_optimizer(optimizer, parts.get("optimizer", {}))
        if averaged is not None:
            averaged.load_state_dict(parts["average"])
        if scaler is not None:
            scaler.load_state_dict({name: value.item() for name, value in parts["scaler"].items()})
        return Place(**state)
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ZooError(f"the checkpoint in {folder} belongs to another model; start a new run with --out.") from error


def _logged(folder: Path, epochs: int) -> list[dict[str, Any]]:
    """The rows of the epochs that the checkpoint holds; later ones will be written again."""
    return list(Run(folder).log[:epochs])
