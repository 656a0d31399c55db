"""What plain methods reach on a table: the figures that stand beside `housing_mlp` and `churn_mlp` on their cards.

A linear model (ridge or logistic regression) on the numbers and categories as the network reads them, and gradient
boosting of trees on the columns as they are. Their settings are chosen on the fifth of the training split on which the
network's were chosen; the test split is read once by each, at the end.

    python benchmarks/table_baselines.py housing_mlp.california_housing
    python benchmarks/table_baselines.py churn_mlp.telco_churn --beside "weighted cross-entropy" RUN...

prints one JSON document, {NAME: {"value": the recipe's metric, "settings": ..., "validation": ..., "seconds": ...}},
which `zoo publish --baselines` takes. `--beside` adds what runs of another recipe on the same data have measured.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from torch import Tensor

from zoo import registry, tasks
from zoo.data import DataSet, Split, hold_out, load, table
from zoo.recipes import Recipe, load_recipe
from zoo.tasks import Metric
from zoo.training import Run

STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0)
LEAVES, TREES = (8, 31, 127), (50, 100, 200, 400, 800)


def linear(data: DataSet, strength: float) -> BaseEstimator:
    """Unfitted; `strength` is that of the penalty on squared weights."""
    return LogisticRegression(C=1 / strength, max_iter=5000) if data.labels else Ridge(strength)


def boosting(data: DataSet, leaves: int, trees: int) -> BaseEstimator:
    """Unfitted; as deep and as long as asked, at half of scikit-learn's own rate."""
    assert data.table is not None
    model = HistGradientBoostingClassifier if data.labels else HistGradientBoostingRegressor
    first, count = len(data.table.numbers), len(data.table.categories)
    return model(
        learning_rate=0.05,
        max_leaf_nodes=leaves,
        max_iter=trees,
        early_stopping=False,  # type: ignore
        categorical_features=[*range(first, first + count)],  # type: ignore
    )


def indicators(split: Split, input: dict[str, Any]) -> np.ndarray:
    """The numbers, a mark for each blank, and one column a category."""
    assert isinstance(split.inputs, Tensor)
    numbers, codes = table.normalize(split.inputs, input)
    known = [len(names) for names in input["categories"].values()]
    columns = [F.one_hot(code, 1 + k) for code, k in zip(codes.unbind(1), known, strict=True)]
    return torch.cat([numbers.nan_to_num(0), numbers.isnan(), *columns], 1).numpy()


def untouched(split: Split, input: dict[str, Any]) -> np.ndarray:
    """The columns as they are: trees need no scale, and know what to do with a blank."""
    assert isinstance(split.inputs, Tensor)
    return split.inputs.numpy()


METHODS: dict[str, tuple[Callable[..., BaseEstimator], Callable[..., np.ndarray], list[dict[str, Any]]]] = {
    "linear model": (linear, indicators, [{"strength": strength} for strength in STRENGTHS]),
    "gradient boosting": (boosting, untouched, [{"leaves": x, "trees": n} for x in LEAVES for n in TREES]),
}


def measured(model: Any, train: tuple[np.ndarray, Tensor], test: tuple[np.ndarray, Tensor], recipe: Recipe) -> float:
    """The recipe's metric on `test` of the model fitted to `train`."""
    model.fit(train[0], train[1].numpy())
    if hasattr(model, "predict_proba"):
        outputs = np.log(model.predict_proba(test[0]).clip(1e-12))
    else:
        outputs = model.predict(test[0])[:, None]
    return metric_of(recipe)(torch.from_numpy(outputs), test[1])


def metric_of(recipe: Recipe) -> Metric:
    """The metric that the recipe is measured by."""
    return tasks.get(registry.get(recipe.model).task).metrics[recipe.evaluate.metric]


def best_of(name: str, recipe: Recipe, data: DataSet) -> dict[str, Any]:
    """The method's figure on the test split, with the settings that are best on the held-out part."""
    began = time.perf_counter()
    make, features, choices = METHODS[name]
    assert data.table is not None and isinstance(data.train.inputs, Tensor)
    input = table.describe(data.train.inputs, data.table, recipe.data.table.log)
    train, test, rest, held = (
        (features(split, input), split.targets) for split in (data.train, data.test, *hold_out(data.train, 0.2, seed=0))
    )
    tried = [measured(make(data, **choice), rest, held, recipe) for choice in choices]
    best = choices[tried.index((max if metric_of(recipe).more_is_better else min)(tried))]
    return {
        "value": measured(make(data, **best), train, test, recipe),
        "settings": best,
        "validation": {" ".join(f"{k} {v}" for k, v in c.items()): v for c, v in zip(choices, tried, strict=True)},
        "seconds": round(time.perf_counter() - began, 1),
    }


def beside(runs: list[str], metric: str) -> dict[str, Any]:
    """The mean of the runs' metric."""
    values = [Run(Path(folder)).metrics[metric] for folder in runs]
    return {"value": statistics.fmean(values), "values": values}


def main() -> None:
    parser = argparse.ArgumentParser(description="A linear model and gradient boosting on a recipe's table.")
    parser.add_argument("recipe", help="of a model for tables")
    parser.add_argument("--beside", nargs="+", metavar=("NAME", "RUN"), help="finished runs of another recipe")
    arguments = parser.parse_args()
    recipe = load_recipe(arguments.recipe)
    data = load(recipe.data.name)
    results = {name: best_of(name, recipe, data) for name in METHODS}
    if arguments.beside:
        name, *runs = arguments.beside
        results[name] = beside(runs, recipe.evaluate.metric)
    command = f"python benchmarks/table_baselines.py {arguments.recipe}"
    command += f' --beside "{arguments.beside[0]}" RUN...' if arguments.beside else ""
    print(json.dumps({name: {**result, "command": command} for name, result in results.items()}, indent=2))


if __name__ == "__main__":
    main()
