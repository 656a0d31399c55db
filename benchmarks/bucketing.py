"""Batches of like length, as the engine makes them for texts, beside those that a plain shuffle leaves.

    python benchmarks/bucketing.py RECIPE… [--batches N] [--processor]

Needs the recipes' data sets. Both plans hold the same texts in batches of the recipe's size; the share of padding is
that of a whole epoch. Timed are the forward and backward passes of the recipe's model in float32 over batches drawn
from either plan in turns; what counts is how many tokens of text they read in a second, padding left out.

`--processor` compares processor seconds in place of those on the clock, for a machine that others use too.
Prints a Markdown table; exits 1 where the plain shuffle is as fast.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from load import Row, report
from torch import Tensor, nn

from zoo import process
from zoo.kinds import text
from zoo.recipes import load_recipe
from zoo.training.setup import fresh_model, prepare

CPU = torch.device("cpu")


def main() -> int:
    parser = argparse.ArgumentParser(description="Batches of like length beside those of a plain shuffle.")
    parser.add_argument("recipes", nargs="+", metavar="RECIPE", help="of a model for texts")
    parser.add_argument("--batches", type=int, default=30, help="how many of each plan are timed")
    parser.add_argument("--processor", action="store_true", help="compare processor seconds, not those on the clock")
    arguments = parser.parse_args()
    clock = time.process_time if arguments.processor else time.perf_counter
    rows = [row for name in arguments.recipes for row in compared(name, arguments.batches, clock)]
    print(f"Times {'of the processor' if arguments.processor else 'on the clock'}.")
    report(rows)
    return 0 if all(row.met for row in rows) else 1


def compared(name: str, count: int, clock: Callable[[], float]) -> list[Row]:
    recipe = load_recipe(name)
    with tempfile.TemporaryDirectory() as folder:
        setup = prepare(recipe, Path(folder))
        feed = text.training(recipe, setup.train, setup.input, CPU)
        lengths = torch.tensor([len(row) for row in text.encode(setup.train, setup.input)])
    model = fresh_model(recipe, setup.config, CPU)
    plans = [feed.plan(0), list(torch.randperm(len(lengths)).split(recipe.data.batch_size))]
    like, mixed = (padding(plan, lengths) for plan in plans)

    def taken(indices: Tensor) -> float:
        inputs, targets = feed.load(indices, torch.Generator(), 0.0)
        began = clock()
        nn.functional.cross_entropy(model(*inputs), targets).backward()
        return clock() - began

    taken(plans[1][0])  # what is made in the first pass is no batch's to pay for
    tokens, seconds = [0, 0], [0.0, 0.0]
    chosen = [[plan[place] for place in torch.randperm(len(plan))[:count].tolist()] for plan in plans]
    for pair in zip(*chosen, strict=True):
        for which, indices in enumerate(pair):
            seconds[which] += taken(indices)
            tokens[which] += int(lengths[indices].sum())
    speed, slower = (read / spent for read, spent in zip(tokens, seconds, strict=True))
    return [
        Row(f"{name}: padding, like lengths / shuffled", f"{100 * like:.1f} % / {100 * mixed:.1f} %"),
        Row(
            f"{name}: tokens a second, like lengths / shuffled",
            f"{speed:,.0f} / {slower:,.0f} = {speed / slower:.1f}×",
            "> 1×",
            speed > slower,
        ),
    ]


def padding(plan: list[Tensor], lengths: Tensor) -> float:
    """The share of an epoch's tokens that are padding."""
    return 1 - int(lengths.sum()) / sum(len(batch) * int(lengths[batch].max()) for batch in plan)


if __name__ == "__main__":
    process.ours = True
    torch.manual_seed(0)
    sys.exit(main())
