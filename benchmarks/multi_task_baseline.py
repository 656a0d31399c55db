"""What equal weights reach where `mnist_multitask` learns its own: the figure that stands beside it on its card.

    for seed in 0 1 2; do zoo train mnist_multitask.mnist_tasks_equal train.seed=$seed --out runs/equal.$seed; done
    python benchmarks/multi_task_baseline.py runs/equal.*

prints one JSON document, {NAME: {"metric": "sum_of_losses", "value": mean, "std": …, "values": […], …}}, which
`zoo publish --baselines` takes. Both recipes differ in the weighting alone, and the sum is the unweighted one that
equal weights minimise.
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path

from zoo.training import Run

METRIC = "sum_of_losses"


def main() -> None:
    runs = [Run(Path(folder)) for folder in sys.argv[1:]]
    if not runs or any(run.recipe.model_dump()["loss"] != {"name": "multi_task", "weighting": "equal"} for run in runs):
        sys.exit("give the folders of finished runs of mnist_multitask.mnist_tasks_equal")
    figures = {name: [run.metrics[name] for run in runs] for name in runs[0].metrics}
    result = {
        "metric": METRIC,
        "value": statistics.fmean(figures[METRIC]),
        "std": statistics.stdev(figures[METRIC]) if len(runs) > 1 else 0.0,
        "seeds": [run.recipe.train.seed for run in runs],
        "values": figures[METRIC],
        "others": {name: statistics.fmean(values) for name, values in figures.items() if name != METRIC},
        "command": "python benchmarks/multi_task_baseline.py RUN...",
    }
    print(json.dumps({"equal weights": result}, indent=2))


if __name__ == "__main__":
    main()
