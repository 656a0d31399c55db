"""How long a short recipe trains until the test split has a stated accuracy, from the call to the measured run.

    python benchmarks/time_to_accuracy.py [MODEL]

MODEL is mnist_mlp (98 % within 20 seconds, nothing augmented) or cnn_cifar (85 % within 5 minutes), by default both.
The targets are for two CPU cores with nothing beside; the data sets must be in ZOO_DATA or the cache. What is timed is
`zoo.train` as a whole, with reading the data and measuring. The recipes are the files `MODEL.fast.yaml` in this folder,
chosen on held-out training images alone:

    zoo train benchmarks/cnn_cifar.fast.yaml data.validation=0.1 --out DIR

Prints a Markdown table; exits 1 where a target is missed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from load import Row, report

import zoo
from zoo import process

TARGETS = {"mnist_mlp": (0.98, 20), "cnn_cifar": (0.85, 300)}  # accuracy, seconds


def main() -> int:
    parser = argparse.ArgumentParser(description="Seconds that short recipes take to a stated accuracy.")
    parser.add_argument("model", nargs="?", choices=list(TARGETS), help="by default both, one after the other")
    chosen = parser.parse_args().model
    rows = [row for model in ([chosen] if chosen else TARGETS) for row in reached(model)]
    report(rows)
    return 0 if all(row.met for row in rows) else 1


def reached(model: str) -> list[Row]:
    least, limit = TARGETS[model]
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        accuracy = zoo.train(Path(__file__).with_name(f"{model}.fast.yaml"), out=folder).metrics["accuracy"]
        seconds = time.perf_counter() - began
    return [
        Row(f"{model}, accuracy", f"{100 * accuracy:.2f} %", f"≥ {100 * least:.0f} %", accuracy >= least),
        Row(f"{model}, whole training", f"{seconds:.1f} s", f"≤ {limit} s", seconds <= limit),
    ]


if __name__ == "__main__":
    process.ours = True
    sys.exit(main())
