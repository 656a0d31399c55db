"""What it costs to run the published weights: time, work and memory of each on one thread of this machine's processor.

    python benchmarks/latency.py [PATTERN] [--json]

One input is the golden one of the weight's bundle, whose shape is given; `zoo.cost` says what the columns are.
Publishing measures with the same function, and metrics.json and the card have what it measured.
"""

from __future__ import annotations

import argparse
import json

import zoo
from zoo import sources
from zoo.bundles.load import load_model
from zoo.cost import measure_cost
from zoo.environment import environment
from zoo.golden import inputs_of


def main() -> None:
    parser = argparse.ArgumentParser(description="What it costs to run the published weights.")
    parser.add_argument("pattern", nargs="?", default="*", help="a glob over weights")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    given = parser.parse_args()
    here = environment()
    found = {}
    if not given.json:
        print(f"{here['cpu']}, one thread, torch {here['torch']}")
        print(f"{'weight':38} {'ms':>8} {'inputs/s':>10} {'multiply-adds':>14} {'MB':>7}  input")
    for name in zoo.list_weights(given.pattern):
        bundle = sources.find(name)
        cost = found[name] = measure_cost(load_model(bundle, device="cpu"), inputs_of(bundle))
        if not given.json:
            shapes = ", ".join(" x ".join(map(str, shape)) for shape in cost["shapes"])
            print(
                f"{name:38} {cost['latency_ms']:8g} {cost['throughput']:10,.0f} {cost['multiply_adds']:14,} "
                f"{cost['memory_mb']:7g}  {shapes}",
                flush=True,
            )
    if given.json:
        print(json.dumps({"environment": here, "weights": found}, indent=1))


if __name__ == "__main__":
    main()
