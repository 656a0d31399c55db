"""What counting reaches: the figure that stands beside the character language model on its card.

How often each character followed the last few ones, in the training text alone. Contexts of every length up to N share
one estimate, as Witten & Bell do it (1991, The Zero-Frequency Problem, method C; interpolated: Chen & Goodman 1998, An
Empirical Study of Smoothing Techniques, section 2.4): with T different characters seen behind a context, the next
shorter one has the weight T / (T + times the context was seen). N is chosen on the last tenth of the training text; the
test split is read once, at the end.

    python benchmarks/characters_baseline.py

prints one JSON document, {NAME: {"metric": "nats", "value": mean of -ln p, "validation": {N: …}, "seconds": …}}, which
`zoo publish --baselines` takes.
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter, defaultdict

from torch import Tensor

from zoo.data import Split, load

LENGTHS = (3, 4, 5, 6, 7)
Counts = list[dict[str, Counter[str]]]


def counted(text: str, longest: int) -> Counts:
    """For each length of context from 0 to `longest`: context -> how often each character followed it."""
    counts: Counts = [defaultdict(Counter) for _ in range(longest + 1)]
    for i, character in enumerate(text):
        for length in range(min(i, longest) + 1):
            counts[length][text[i - length : i]][character] += 1
    return counts


def nats(counts: Counts, text: str, symbols: int) -> float:
    """The mean of -ln p over all characters but the first, each given those before it."""
    total = 0.0
    for i in range(1, len(text)):
        p = 1 / symbols
        for length in range(min(i, len(counts) - 1) + 1):
            seen = counts[length].get(text[i - length : i])
            if seen is None:
                break
            p = (seen[text[i]] + len(seen) * p) / (seen.total() + len(seen))
        total -= math.log(p)
    return total / (len(text) - 1)


def main() -> None:
    began = time.perf_counter()
    data = load("tinyshakespeare")
    train, test = (whole(split, data.labels) for split in (data.train, data.test))
    end = len(train) * 9 // 10
    counts = counted(train[:end], max(LENGTHS))
    validation = {n: nats(counts[: n + 1], train[end:], len(data.labels)) for n in LENGTHS}
    best = min(LENGTHS, key=lambda n: validation[n])
    result = {
        "metric": "nats",
        "value": nats(counted(train, best), test, len(data.labels)),
        "length": best,
        "validation": validation,
        "seconds": round(time.perf_counter() - began, 1),
        "command": "python benchmarks/characters_baseline.py",
    }
    print(json.dumps({f"counts of what follows {best} characters": result}, indent=2))


def whole(split: Split, symbols: list[str]) -> str:
    """The text of a split, whose targets are its inputs one further."""
    assert isinstance(split.inputs, Tensor)
    return "".join(symbols[id] for id in [*split.inputs[:1].tolist(), *split.targets.tolist()])


if __name__ == "__main__":
    main()
