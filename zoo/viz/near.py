"""Which images a model finds alike."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from zoo.data import Split
from zoo.viz.figure import bare, new
from zoo.viz.having import check
from zoo.viz.images import picture, pixels, seen

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUERIES, NEAREST = 5, 7  # rows where no image is given, and neighbours in a row


def neighbours(name: str | os.PathLike[str], raw: Any = None) -> Figure:
    """An image and those of the test split that lie nearest to it in the embedding, each with its label and distance.

    Args:
        name: a weight, a model (its default weight), a bundle or run folder.
        raw: the image, as `zoo.predictor` takes it; by default the first of the test split of each of five labels,
            among all others.

    The test split of the weight's recipe is fetched where it is not at hand. Raises `ZooError` as `zoo.predictor` does.
    """
    from zoo import data, sources
    from zoo.predictor import predictor
    from zoo.recipes import load_recipe

    read = predictor(name)
    check(name, read.task.name, "neighbours")
    recipe = load_recipe(sources.find(name).path("recipe.yaml"))
    found = data.load(recipe.data.name)
    test, labels = found.test, found.test.targets
    embeddings = _embed(read.model, test, read.config, recipe.evaluate.batch_size)
    queries: list[int] = []
    if raw is None:
        queries = [int((labels == label).nonzero()[0]) for label in labels.unique()[:QUERIES]]
        images, points = pixels(test, torch.tensor(queries), read.input), embeddings[queries]
    else:
        (inputs,) = read.task.prepare([raw], read.input, None)
        images = seen(inputs, read.input)
        with torch.inference_mode():
            points = read.model(inputs).float()
    distances = torch.cdist(points, embeddings)
    for row, query in enumerate(queries):
        distances[row, query] = torch.inf  # itself
    nearest = distances.topk(NEAREST, largest=False)
    title = f"{read.model.zoo.weight}: the nearest of {len(labels):,} images of {found.name}'s test split"  # type: ignore[union-attr]
    figure = new(8, 0.5 + 1.3 * len(images), title)
    for row, panels in enumerate(figure.subplots(len(images), 1 + NEAREST, squeeze=False)):
        named = f", {found.labels[int(labels[queries[row]])]}" if queries else ""
        bare(panels[0]).imshow(**picture(images[row], found.maximum))
        panels[0].set_title(f"query{named}", fontsize=8, weight="bold", parse_math=False)
        near = pixels(test, nearest.indices[row], read.input)
        told = zip(panels[1:], near, labels[nearest.indices[row]].tolist(), nearest.values[row].tolist(), strict=True)
        for axes, image, label, distance in told:
            bare(axes).imshow(**picture(image, found.maximum))
            axes.set_title(f"{found.labels[label]}, at {distance:.2f}", fontsize=8, parse_math=False)
    return figure


def _embed(model: torch.nn.Module, split: Split, config: dict[str, Any], batch_size: int) -> Tensor:
    """The embeddings (N, D) of a split of images, in its order."""
    from zoo.training import kinds

    batches = kinds.get("image").evaluation(split, config, None, batch_size, torch.device("cpu"))
    with torch.inference_mode():
        return torch.cat([model(*inputs).float() for inputs, _ in batches])
