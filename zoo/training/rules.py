"""The rules that fit a recipe to the user's own data: each has a reason, and changes only settings that the user left
open.

The rules' choices are printed before training, and written into the run's recipe. They change a recipe of the zoo,
which was made for another data set:

- `data.batch_size`: at least `STEPS` steps an epoch, a power of two, at most the recipe's, at least 8 (or all samples).
- `train.epochs`: as many as give the recipe's number of steps on its own data, but at most those of the kind of data
  (`Kind.passes`).
- settings of the kind of data, such as the size of a vocabulary or the context of a forecast, as the kind says
  (`Kind.fitting`).
- `data.size`, `data.channels`: what the model was made for; `data.mean` and `data.std` stay the recipe's.
- the head has one output for each class; `loss.class_weight` and metrics tied to the zoo's classes are left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from zoo.data import DataSet
from zoo.kinds import Change, Kind

STEPS = 20


def changes(content: dict[str, Any], data: DataSet, kind: Kind, steps: int, begun: bool) -> Iterator[Change]:
    """The changes of the rules to a recipe's content; `steps` is how many its own training takes, `begun` whether it
    begins from a weight, which then keeps its tokenizer, size and window."""
    samples = kind.count(content, data)
    size = content["data"]["batch_size"]
    chosen = min(size, max(min(8, samples), 2 ** int(math.log2(max(1, samples / STEPS)))))
    if chosen != size:
        yield "data.batch_size", chosen, f"{samples:,} samples to train on: {max(1, samples // chosen)} steps an epoch"
    yield from kind.fitting(content, data, begun)
    if content["train"].get("epochs"):
        wanted = min(kind.passes, max(1, round(steps / max(1, samples // chosen))))
        if wanted != content["train"]["epochs"]:
            taken = wanted * max(1, samples // chosen)
            yield (
                "train.epochs",
                wanted,
                f"about {taken:,} steps; {steps:,} are wanted, in at most {kind.passes} epochs",
            )
