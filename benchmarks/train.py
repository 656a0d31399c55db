"""Training steps by the zoo's engine and by its peers: images or tokens a second.

    python benchmarks/train.py [MODEL] [--rounds N] [--processor]

MODEL is mnist_mlp (the default), cnn_cifar, resnet18_cifar or lstm_text. Needs torchvision, timm, lightning (the extra
`bench`) and the model's data set in ZOO_DATA. The contenders are those of `peers.py`: the engine (**zoo**), a **bare**
loop over its batches, **torchvision**'s reference pipeline, **Lightning**'s Trainer and **timm**'s loader. They do the
same arithmetic; where something follows a name's comma, that one trains with these other switches of the recipe. The
bare loop keeps its memory as the engine does (`zoo.training.machine.memory.kept`), and takes turns with it in one
process; each turn of a peer has a process of its own, in which memory is as Python starts with it.

A round runs each for three epochs, of all training samples for `mnist_mlp` and of a fixed number of steps, on as many
samples from all over the training split, for the others. The first epoch pays for what is made once (imports, model,
optimizer) and is not counted. The others count all that they do: the engine's second writes a checkpoint, and loaders
start their workers again. Every other round goes through the contenders backwards. A ratio is the median of the rounds'
ratios, because a machine's speed drifts by more than the few per cent that are looked for; the other figures are
medians over all rounds. The accuracies, on some of the test samples, show that nobody left out the work. Prints a
Markdown table; exits 1 where a target is missed.

`--processor` compares the processor seconds of a contender and its workers in place of those on the clock. On a machine
that others use too they are what can be compared; they credit a peer with nothing for working on two cores at once.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import peers
import torch
from load import Row, report
from peers import Job, Laps

from zoo import process as whose
from zoo import tasks
from zoo.data import Split
from zoo.kinds import text
from zoo.recipes import Recipe, override, parse
from zoo.training.measure import measure
from zoo.training.setup import Setup, prepare

EPOCHS = 3
FLOAT32 = {"train.precision": "fp32", "train.channels_last": False, "train.matmul_conv": False}
BFLOAT16 = {"train.precision": "bf16"}
CONTENDERS = {
    "zoo": (peers.zoo, {}),
    "zoo, bfloat16, fast dropout": (peers.zoo, {**BFLOAT16, "train.fast_dropout": True}),
    "bare": (peers.bare, {}),
    "torchvision": (peers.torchvision, {}),
    "torchvision, bfloat16": (peers.torchvision, BFLOAT16),
    "torchvision, float32": (peers.torchvision, FLOAT32),
    "Lightning": (peers.lightning, {}),
    "Lightning, bfloat16": (peers.lightning, BFLOAT16),
    "timm": (peers.timm, {}),
}
CIFAR10 = {
    "name": "cifar10",
    "mean": [0.4914, 0.4822, 0.4465],
    "std": [0.2470, 0.2435, 0.2616],
    "augment": {"crop": {"padding": 4, "mode": "reflect"}, "flip": {}},
}


@dataclass(frozen=True)
class Case:
    """A model's comparison.

    `targets`: (slower, faster, how many times at the least, 0 for a ratio without a target). `steps` an epoch, None for
    as many as the training split gives; `tested` of the test samples give the accuracy.
    """

    recipe: dict[str, Any]
    targets: tuple[tuple[str, str, int], ...]
    steps: int | None
    tested: int


CASES = {
    "mnist_mlp": Case(
        {
            "init": "kaiming_normal",
            "data": {"name": "mnist", "batch_size": 256, "mean": [0.1307], "std": [0.3081]},
            "optimizer": {"name": "adamw", "lr": 1e-3, "weight_decay": 0.01},
        },
        (
            ("torchvision", "zoo", 0),
            ("Lightning", "zoo", 0),
            ("torchvision", "zoo, bfloat16, fast dropout", 8),
            ("torchvision, bfloat16", "zoo, bfloat16, fast dropout", 0),
            ("Lightning", "zoo, bfloat16, fast dropout", 2),
            ("Lightning, bfloat16", "zoo, bfloat16, fast dropout", 2),
        ),
        steps=None,
        tested=10_000,
    ),
    "cnn_cifar": Case(
        {
            "init": "kaiming_normal",
            "data": {**CIFAR10, "batch_size": 256},
            "optimizer": {"name": "adamw", "lr": 1e-3, "weight_decay": 0.05},
            "train": {"precision": "bf16", "channels_last": True},
        },
        (("torchvision", "zoo", 0), ("torchvision, float32", "zoo", 3), ("Lightning", "zoo", 1), ("timm", "zoo", 1)),
        steps=30,
        tested=1000,
    ),
    "resnet18_cifar": Case(
        {
            "init": "kaiming_normal",
            "data": {**CIFAR10, "batch_size": 128},
            "optimizer": {"name": "sgd", "lr": 0.02, "weight_decay": 5e-4},
            "train": {"precision": "bf16", "channels_last": True, "matmul_conv": True},
        },
        (("torchvision", "zoo", 1), ("torchvision, float32", "zoo", 1), ("Lightning", "zoo", 1), ("timm", "zoo", 1)),
        steps=12,
        tested=500,
    ),
    "lstm_text": Case(
        {
            "init": "recurrent",
            "data": {"name": "imdb", "batch_size": 64},
            "optimizer": {"name": "adamw", "lr": 2e-3, "weight_decay": 0.05},
        },
        (("Lightning", "zoo", 1),),
        steps=30,
        tested=500,
    ),
}


def main() -> int:
    parser = argparse.ArgumentParser(description="Training steps by the zoo's engine and by its peers.")
    parser.add_argument("model", nargs="?", default="mnist_mlp", choices=list(CASES))
    parser.add_argument("--rounds", type=int, default=6, help="times that each contender trains")
    parser.add_argument("--processor", action="store_true", help="compare processor seconds, not those on the clock")
    arguments = parser.parse_args()
    case = CASES[arguments.model]
    names = list(dict.fromkeys(["zoo", "bare", *(name for slow, fast, _ in case.targets for name in (slow, fast))]))
    taken: dict[str, list[float]] = {name: [] for name in names}  # seconds an epoch, one number a round
    accuracies: dict[str, float] = {}
    with process(arguments.model) as ours:
        for turn in range(arguments.rounds):
            for name in names[:: -1 if turn % 2 else 1]:
                if name.startswith(("zoo", "bare")):
                    seconds, accuracies[name] = asked(ours, name, arguments.processor)
                else:
                    with process(arguments.model) as theirs:
                        seconds, accuracies[name] = asked(theirs, name, arguments.processor)
                taken[name].append(seconds)
    with tempfile.TemporaryDirectory() as folder:
        size, unit = work(setup_of(arguments.model, case, Path(folder)))
    rows = []
    for name, times in taken.items():
        seconds = statistics.median(times)
        figure = f"{size / seconds:,.0f} {unit} a second, {seconds:.3f} s an epoch"
        rows.append(Row(name, f"{figure} (accuracy {100 * accuracies[name]:.1f} %)"))
    rows += compared(taken, case)
    print(f"{arguments.model}, seconds {'of the processor' if arguments.processor else 'on the clock'}.")
    report(rows)
    return 0 if all(row.met for row in rows) else 1


def process(model: str) -> subprocess.Popen[str]:
    """A process that answers to `asked` until it is left.

    It is a command: in a process that `multiprocessing` starts, loaders start their workers in another way.
    """
    command = [sys.executable, "-c", f"import train; train.answer({model!r})"]
    folder = Path(__file__).parent
    return subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def asked(process: subprocess.Popen[str], name: str, processor: bool) -> tuple[float, float]:
    """What `contend` gives in that process."""
    assert process.stdin is not None and process.stdout is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(json.dumps([name, processor]) + "\n")
        process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        sys.exit(f"error: {name} ended early; see above.")
    seconds, accuracy = json.loads(line)
    return seconds, accuracy


def answer(model: str) -> None:
    """Train as each contender that is asked for, one a line; in between wait without a turn of the processor."""
    answers, sys.stdout = sys.stdout, sys.stderr  # what the peers print is not an answer
    for line in sys.stdin:
        print(json.dumps(contend(model, *json.loads(line))), file=answers, flush=True)


def contend(model: str, name: str, processor: bool) -> tuple[float, float]:
    """Train as the contender of that name: the seconds of an epoch, and the accuracy."""
    case, (train, switches) = CASES[model], CONTENDERS[name]
    with tempfile.TemporaryDirectory() as folder:
        setup, laps = setup_of(model, case, Path(folder)), Laps()
        recipe = recipe_of(model, case, switches)
        trained = train(Job(recipe, setup), laps)
        task = tasks.get(setup.config["task"])
        measured = measure(trained, setup.batches(recipe, torch.device("cpu")), task, task.metrics)
    return statistics.mean(laps.seconds(processor)), measured["accuracy"]


def compared(taken: dict[str, list[float]], case: Case) -> list[Row]:
    def ratio(one: str, other: str) -> float:
        return statistics.median(a / b for a, b in zip(taken[one], taken[other], strict=True))

    overhead = ratio("zoo", "bare") - 1
    rows = [Row("zoo over bare", f"{100 * overhead:+.1f} %", "≤ 5 %", overhead <= 0.05)]
    for slow, fast, target in case.targets:
        times = ratio(slow, fast)
        aim = f"≥ {target}×" if target else ""
        rows.append(Row(f"({slow}) / ({fast})", f"{times:.2f}×", aim, times >= target))
        if fast == "zoo":
            # What the arithmetic of the model leaves room for: an engine that costs nothing would reach this.
            rows.append(Row(f"({slow}) / (bare)", f"{ratio(slow, 'bare'):.2f}×"))
    return rows


def recipe_of(model: str, case: Case, switches: dict[str, Any]) -> Recipe:
    content = copy.deepcopy({**case.recipe, "model": model})
    for key, value in {"train.epochs": EPOCHS, **switches}.items():
        override(content, key, value)
    return parse(content)


def setup_of(model: str, case: Case, folder: Path) -> Setup:
    """The data of a case, cut to its size; what is kept comes from all over a split, for some are in order of class."""
    recipe = recipe_of(model, case, {})
    setup = prepare(recipe, folder)
    batch = recipe.data.batch_size
    trained = batch * (case.steps or len(setup.train) // batch)
    return replace(setup, train=spread(setup.train, trained), held=spread(setup.held, case.tested))


def spread(split: Split, count: int) -> Split:
    return split.take([len(split) * place // count for place in range(count)])


def work(setup: Setup) -> tuple[int, str]:
    """How much is read in an epoch, and of what; padding is no work."""
    if setup.config["input"]["kind"] == "text":
        return sum(map(len, text.encode(setup.train, setup.input))), "tokens"
    return len(setup.train), "images"


if __name__ == "__main__":
    whose.ours = True
    sys.exit(main())
