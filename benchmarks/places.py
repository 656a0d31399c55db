"""Whether block groups that share a place with the training part flatter `housing_mlp`: split by rows, and by place.

    python benchmarks/places.py [--seeds 5]

Of the 4,128 rows that california_housing holds out, 2,265 have the coordinates of a row that is trained on. Here the
same rows are split twice, a fifth each time: at random, and so that all rows of one pair of coordinates are on the same
side. The weight's recipe trains on both, seed after seed; the split is that of seed 0 each time. Needs the data under
ZOO_DATA.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pandas

import zoo
from zoo.data import california_housing, files

RECIPE = "housing_mlp.california_housing"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    seeds = parser.parse_args().seeds
    raw = california_housing.CALIFORNIA_HOUSING.raw
    home = files.in_zoo_data(raw) if raw else None
    if home is None:
        raise SystemExit("california_housing is not there; set ZOO_DATA to the folder that holds california-housing/.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "housing.csv")
        rows = pandas.read_csv(home / california_housing.FILE)
        rows["place"] = rows["longitude"].astype(str) + " " + rows["latitude"].astype(str)
        rows["median_house_value"] /= 100_000
        rows.to_csv(path, index=False)
        print(f"RMSE in 100,000 $, {seeds} seeds, {rows['place'].nunique():,} places of {len(rows):,} rows\n")
        print("| split | mean ± std |\n| --- | --- |")
        for name, split in (
            ("at random", {"test": 0.2, "by": "random"}),
            ("by place", {"test": 0.2, "by": "group", "column": "place"}),
        ):
            ignored = [] if "column" in split else ["place"]
            found = [run(path, split, ignored, seed, Path(folder, f"{name} {seed}")) for seed in range(seeds)]
            print(f"| {name} | {fmean(found):.4f} ± {stdev(found):.4f} |", flush=True)


def run(path: Path, split: dict[str, Any], ignored: list[str], seed: int, out: Path) -> float:
    changes = {
        "data.name": f"file:{path}",
        "data.columns": {"target": "median_house_value", "ignore": ignored},
        "data.split": split,
        "train.seed": seed,
    }
    return zoo.train(RECIPE, changes, out=out, device="cpu", progress=False, baseline=False).metrics["rmse"]


if __name__ == "__main__":
    main()
