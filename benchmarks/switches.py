"""What the switches of a recipe are worth: its training with each of them turned off, beside it as it stands.

    python benchmarks/switches.py RECIPE [--steps N] [--rounds N]

Switches are `train.precision`, `channels_last`, `compile`, `matmul_conv` and `fast_dropout`, and `optimizer.fused`.
Each contender trains for N steps through `zoo.train`, without the test split; a round runs each once, every other round
backwards, and a first round warms up and is not counted. Compared are samples a second, as log.csv has them; a ratio is
the median of the rounds' ratios.

Prints a sentence a switch, such as `zoo publish --note` takes for the card. Where a switch is worth nothing on the
processor at hand, the sentence says so too.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import statistics
import tempfile
from typing import Any

import torch

import zoo
from zoo import process
from zoo.environment import environment
from zoo.recipes import Recipe, load_recipe

OFF: dict[str, Any] = {
    "train.precision": "fp32",
    "train.channels_last": False,
    "train.compile": False,
    "train.matmul_conv": False,
    "train.fast_dropout": False,
    "optimizer.fused": False,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="A recipe with each of its switches turned off.")
    parser.add_argument("recipe")
    parser.add_argument("--steps", type=int, default=24, help="of each training")
    parser.add_argument("--rounds", type=int, default=3, help="times that each contender trains")
    arguments = parser.parse_args()
    recipe = load_recipe(arguments.recipe)
    content = recipe.model_dump()
    set_to = {key: content[section].get(name) for key in OFF for section, name in [key.split(".")]}
    used = {key: value for key, value in set_to.items() if value not in (OFF[key], None)}
    ways: list[dict[str, Any]] = [{}, *({key: OFF[key]} for key in used)]
    speeds: list[list[float]] = [[] for _ in ways]
    for turn in range(arguments.rounds + 1):
        for i in range(len(ways))[:: -1 if turn % 2 else 1]:
            speed = trained(recipe, arguments.steps, ways[i])
            if turn:
                speeds[i].append(speed)
    place = environment(torch.device("cpu"))
    for (key, value), slower in zip(used.items(), speeds[1:], strict=True):
        ratio = statistics.median(a / b for a, b in zip(speeds[0], slower, strict=True))
        named = key + ("" if value is True else f": {value}")
        print(
            f"With {named} training is {ratio:.2f} times as fast as without "
            f"({statistics.median(speeds[0]):.0f} and {statistics.median(slower):.0f} samples a second; "
            f"{place['cpu']}, {place['threads']} threads; benchmarks/switches.py)."
        )


def trained(recipe: Recipe, steps: int, changes: dict[str, Any]) -> float:
    """Samples a second over a short training."""
    short = {"train.epochs": None, "train.steps": steps, "data.validation": 0.01, "init_from": None}
    with tempfile.TemporaryDirectory() as out, contextlib.redirect_stderr(io.StringIO()):
        return float(zoo.train(recipe, out=out, device="cpu", **short, **changes).log[-1]["samples_per_second"])


if __name__ == "__main__":
    process.ours = True
    main()
