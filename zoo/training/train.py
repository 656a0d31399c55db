"""`zoo.train`: a recipe becomes a run."""

from __future__ import annotations

import copy
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo import caller, streams, tasks
from zoo.bundles.write import write_tensors
from zoo.construct import in_full
from zoo.data import DataSet
from zoo.data.checking import worst
from zoo.environment import environment
from zoo.errors import ZooError
from zoo.home import expanded, json_text, replacing
from zoo.integrity import sha256
from zoo.kinds.pictures import readers
from zoo.recipes import Recipe, load_recipe, parse
from zoo.tensors import read_tensors
from zoo.training.begin import origin
from zoo.training.fitted import fitted
from zoo.training.loop import Trained, fit
from zoo.training.machine import processes
from zoo.training.machine.determinism import deterministic
from zoo.training.measure import computed, measure, of_run
from zoo.training.own import resolved
from zoo.training.run import Run, claimed, named, write_text
from zoo.training.setup import Setup, prepare
from zoo.training.track import check as check_tracker


@caller.own(threads=True)
def train(
    recipe: Recipe | str | os.PathLike[str] | dict[str, Any],
    overrides: Mapping[str, Any] | None = None,
    *,
    data: Any = None,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    device: torch.device | str | None = None,
    track: str | None = None,
    progress: bool | None = None,
    callbacks: Sequence[Callable[[int, dict[str, Any]], object]] = (),
    baseline: bool | None = None,
    **more: Any,
) -> Run:
    """Execute a recipe and return its run, whose `metrics` are those of the saved bytes.

    Args:
        recipe: a recipe's name or path, a run or bundle folder, a `Recipe`, or a dict of the same keys.
        overrides: key paths of the recipe to values, such as {"train.epochs": 1}. A value takes the place of all that
            was there: {"train": {"epochs": 1}} leaves the other keys of `train` at their defaults.
        data: your own data: a path (a file, or a folder with train and test files), a frame, or (inputs, targets). With
            a model's name, its recipe is fitted to them (`zoo.training.rules`), and the choices are printed; with a
            recipe of such data, `data` says where they lie.
        out: the run's folder; by default `runs/<recipe's name>`, and with `resume` the run that `recipe` names.
        resume: continue the run in `out` from its newest checkpoint, to the same weights as if it had never stopped.
            With more `train.epochs` than before it continues to that number, if no learning rate so far depended on
            it. Another number of `data.workers` does not count as another recipe.
        device: by default CUDA or MPS if there is one, else the CPU.
        track: "tensorboard" to also write its curves, into the run's folder.
        progress: False shows nothing on standard error; by default one live display on a terminal, and a line every ten
            seconds elsewhere.
        callbacks: functions of (epoch, figures), called after each epoch, counted from 1, with its row of log.csv. A
            callback stops the run by raising; the error goes to the caller, and the run can be resumed.
        baseline: whether plain methods (`zoo.baselines`: such as TF-IDF with a linear model) are measured on the same
            test rows after training; a line then says which is better, and metrics.json and the card hold their
            figures. By default for a first run on your own data: the zoo's recipes have published baselines.
        more: overrides as keyword arguments, such as `**{"train.epochs": 1}`.

    The process belongs to its caller: torch's settings there (autocast, default dtype and device, grad mode,
    precision, threads and so on) change no number and are restored at the end, and no generator of torch, numpy or
    Python is touched. The number of threads is torch's default; set `OMP_NUM_THREADS` before Python starts for fewer.
    Runs in several threads give the same numbers as runs one after another.

    Started by `torchrun` or `accelerate launch`, several processes train one model and give the same result; the run's
    folder must be visible to all of them. Metrics are measured on the test split, or on the held-out part if the
    recipe has `data.validation` above 0. A run that chooses its epoch on that part (`train.keep_best`,
    `train.early_stopping`) is measured on the test split once, at its end: that is its figure.
    Raises `ZooError` for a bad recipe, missing data or device, a folder in use, a loss that is not finite, and if
    another process of the launch has ended.

        >>> run = zoo.train("mlp.digits", {"train.epochs": 1}, out="runs/digits", progress=False)
        >>> run.metrics["accuracy"] > 0.5
        True
    """
    if out is None and resume:
        out = named(recipe)
    recipe, dataset, first = _prepared(recipe, {**(overrides or {}), **more}, data, progress is not False, resume)
    plainly = first if baseline is None else baseline
    folder = expanded(out) if out is not None else Path("runs") / recipe.name
    where = _device(device, recipe)
    check_tracker(track)
    processes.join(where)
    with processes.others(), ExitStack() as held:
        if processes.is_main():
            held.enter_context(claimed(folder, recipe, resume))
            own = folder
        else:
            own = Path(held.enter_context(tempfile.TemporaryDirectory()))
        (finished,) = processes.told_by_main([resume and Run(folder).finished], where)
        if not finished:
            setup = prepare(recipe, own, dataset)
            begun = _unmeasured(recipe, setup, where)
            if processes.is_main():
                begun = _continued(folder, begun)
            write_text(own / "metrics.json", json_text(begun, "metrics.json"))
            with deterministic(recipe.train.deterministic), readers():
                trained = fit(recipe, setup, folder, where, track, callbacks, progress is not False)
            if processes.is_main():
                said = _finish(trained, recipe, setup, folder, where, begun, plainly)
                _tell(said if progress is not False else [])
        processes.wait()
    return Run(folder)


def _prepared(
    recipe: Recipe | str | os.PathLike[str] | dict[str, Any],
    changes: dict[str, Any],
    data: Any,
    tell: bool,
    resume: bool,
) -> tuple[Recipe, DataSet | None, bool]:
    """The recipe with all choices written out, the data set if it had to be read for them, and whether this is a
    first run on the user's own data and not a repeated one."""
    if data is not None and isinstance(recipe, str) and not _of_one_s_own(recipe, changes):
        made, own, told = fitted(recipe, changes, data)
        _tell([*told, *worst(own.data)] if tell else [])
        return made, own.data, True
    asked = _resolve(recipe, changes)
    made, own = resolved(asked, data)
    if own is None:
        return made, None, False
    first = asked.data.files is None
    if tell and first:
        _tell([*own.told, *worst(own.data)])
    return made, own.data, first or resume


def _of_one_s_own(recipe: str, changes: dict[str, Any]) -> bool:
    """Whether a recipe is not one of the zoo's but a user's file or folder."""
    path = Path(recipe)
    return path.is_dir() or path.suffix in (".yaml", ".yml") or "data.name" in changes


def _tell(told: list[str]) -> None:
    """Print on standard error what was found in the data and chosen for them."""
    if processes.is_main():
        for line in told:
            streams.say(line)


def _resolve(recipe: Recipe | str | os.PathLike[str] | dict[str, Any], overrides: dict[str, Any]) -> Recipe:
    from zoo.recipes import override

    if isinstance(recipe, (str, os.PathLike)):
        return load_recipe(Path(recipe) if isinstance(recipe, os.PathLike) else recipe, overrides)
    if not isinstance(recipe, (Recipe, dict)):
        raise ZooError(f"{recipe!r} is not a recipe; give its name, its path, or a dict of its keys.")
    name = recipe.name if isinstance(recipe, Recipe) else ""
    content = recipe.model_dump() if isinstance(recipe, Recipe) else copy.deepcopy(recipe)
    for key, value in overrides.items():
        override(content, key, value)
    return parse(content, name=name)


def _device(device: torch.device | str | None, recipe: Recipe) -> torch.device:
    from zoo.construct import device_of

    if device is None:
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if device == "cuda" and "LOCAL_RANK" in os.environ:  # one of several processes on this machine
        device = f"cuda:{os.environ['LOCAL_RANK']}"
    found = device_of(device)
    if recipe.train.precision == "fp16" and found.type == "cpu":
        raise ZooError("train.precision fp16 needs a GPU, and this run is on the CPU; take bf16 or fp32.")
    return found


def _unmeasured(recipe: Recipe, setup: Setup, device: torch.device) -> dict[str, Any]:
    """metrics.json before there are metrics: the facts about the run."""
    many = processes.count()
    return {
        "schema": 1,
        "split": setup.held_name,
        "metrics": {},
        "recipe_sha256": recipe.sha256(),
        "data": {"name": recipe.data.name, "fingerprint": setup.fingerprint},
        "environment": environment(device) | ({"processes": many} if many > 1 else {}),
        **({"init_from": origin(recipe.init_from)} if recipe.init_from else {}),
        "notes": setup.notes,
    }


def _continued(folder: Path, now: dict[str, Any]) -> dict[str, Any]:
    """metrics.json of a run that may be a resumed one: `now`, with a note if it continues on another machine."""
    path = folder / "metrics.json"
    if not any((folder / "checkpoints").glob("*")) or not path.is_file():
        return now
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:  # damaged; it will be written again
        return now
    old, new = before["environment"], now["environment"]
    moved = [f"{key}: {old.get(key)} -> {new.get(key)}" for key in new if old.get(key) != new[key]]
    notes = [note for note in before["notes"] if note not in now["notes"]]
    return {**now, "notes": [*now["notes"], *notes, *([f"Resumed elsewhere: {', '.join(moved)}."] if moved else [])]}


def _finish(
    trained: Trained,
    recipe: Recipe,
    setup: Setup,
    folder: Path,
    device: torch.device,
    begun: dict[str, Any],
    plainly: bool,
) -> list[str]:
    """Save the weights, measure the saved bytes, and publish both files in one step.

    With `plainly` the plain methods' figures are added to the model's, and the sentences about them are returned.
    """
    started = time.monotonic()
    half = recipe.train.save_precision == "fp16"
    # Vectors (biases, norms and their statistics) weigh next to nothing, and variances suffer in float16.
    state = {k: v.half() if half and v.is_floating_point() and v.ndim > 1 else v for k, v in trained.state.items()}
    place = environment(device)
    metadata = {
        "name": recipe.name,
        "recipe_sha256": recipe.sha256(),
        "data_sha256": setup.fingerprint,
        "seed": str(recipe.train.seed),
        "versions": json.dumps({k: place[k] for k in ("zoo", "torch", "python", "safetensors")}),
    }
    try:
        with replacing(folder / "model.safetensors") as temporary:
            write_tensors(temporary, state, metadata)
            model = in_full(recipe.model, setup.config["model_args"])
            model.load_state_dict(_float32(read_tensors(temporary)))
            task, name = tasks.get(setup.config["task"]), setup.held_name if setup.test is None else "test"
            asked = recipe.evaluate.metric
            measured = of_run(task, setup.input.settings, asked)
            found = measure(model.to(device), setup.batches(recipe, device, setup.test), task, measured)
            values, notes = computed(found, asked, f"the {name} split")
            beside, said = _beside(setup, asked, values[asked]) if plainly else ({}, [])
            seed = recipe.train.seed
            metrics = {
                **begun,
                **({"baselines": beside} if beside else {}),
                "split": name,
                "notes": [*begun["notes"], *notes],
                "metrics": {
                    k: {"value": v, "mean": v, "std": 0.0, "n": 1, "seeds": [seed], "values": [v]}
                    for k, v in values.items()
                },
                "sha256": sha256(temporary),
                "seconds": round(trained.seconds + time.monotonic() - started, 1),
            }
            write_text(folder / "metrics.json", json_text(metrics, "metrics.json"))
    except OSError as error:
        raise ZooError(
            f"the weights cannot be written to {folder} ({error.strerror}); make room and run again with --resume."
        ) from error
    return said


def _beside(setup: Setup, metric: str, ours: float) -> tuple[dict[str, Any], list[str]]:
    """`baselines` of metrics.json, and the sentence that says who is better."""
    from zoo import baselines

    task = tasks.get(setup.config["task"])
    held = setup.held if setup.test is None else setup.test
    try:
        found = baselines.beside(setup.train, held, setup.input, setup.config["labels"], task, metric, ours)
    except (ValueError, MemoryError) as error:  # from scikit-learn; the trained model must not be lost because of it
        return {}, [f"no baseline: it cannot be fitted to these data ({' '.join(str(error).split())})."]
    return ({}, []) if found is None else (found.to_dict(), [found.said()])


def _float32(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
