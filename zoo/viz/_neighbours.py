"""The images that a model finds alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from zoo.data import Split
from zoo.viz._figure import bare, new
from zoo.viz._pictures import picture, pixels, seen
from zoo.viz._which import predictor_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from zoo._predictor import Predictor
    from zoo.viz._which import Weight

QUERIES, NEAREST = 5, 7  # rows if no image is given, and neighbours in a row


def neighbours(name: Weight, raw: Any = None) -> Figure:
    """An image and the images of the test split nearest to it in the embedding, each with its label and distance.

    Args:
        name: a weight, a model (its default weight), a bundle or run folder, or a predictor.
        raw: the image, as `zoo.predictor` takes it; by default the first of the test split of each of five labels. If
            the split holds the image itself, it is not shown as its own neighbour.

    The test split of the weight's recipe is fetched if it is not at hand. Raises `ZooError` as `zoo.predictor` does.

        >>> viz.save(viz.neighbours("mnist_embed"), "neighbours.png")
    """
    from zoo.opened import Opened

    read = predictor_of(name, "neighbours")
    opened = Opened(read.bundle)
    found = opened.data
    test, labels = found.test, found.test.targets
    given = None if raw is None else read.prepare([raw])[0]
    embeddings, itself = _embed(read, test, opened.recipe.evaluate.batch_size, given)
    queries: list[int] = []
    if given is None:
        queries = [int((labels == label).nonzero()[0]) for label in labels.unique()[:QUERIES]]
        images, points = pixels(test, torch.tensor(queries), read.input), embeddings[queries]
    else:
        images = seen(given, read.input)
        with torch.inference_mode():
            points = read.model(given).float()
    distances = torch.cdist(points, embeddings)
    distances[:, itself] = torch.inf
    for row, query in enumerate(queries):
        distances[row, query] = torch.inf
    nearest = distances.topk(NEAREST, largest=False)
    title = f"{read.record.weight}: the nearest of {len(labels):,} images of {found.name}'s test split"
    figure = new(8, 0.5 + 1.45 * len(images), title)
    for row, panels in enumerate(figure.subplots(len(images), 1 + NEAREST, squeeze=False)):
        named = f", {found.labels[int(labels[queries[row]])]}" if queries else ""
        bare(panels[0]).imshow(**picture(images[row], found.maximum))
        panels[0].set_title(f"query{named}", fontsize=8, weight="bold", parse_math=False)
        near = pixels(test, nearest.indices[row], read.input)
        told = zip(panels[1:], near, labels[nearest.indices[row]].tolist(), nearest.values[row].tolist(), strict=True)
        for axes, image, label, distance in told:
            bare(axes).imshow(**picture(image, found.maximum))
            # On two lines: an eighth of eight inches holds only one of them.
            axes.set_title(f"{found.labels[label]}\ndistance {distance:.2f}", fontsize=8, parse_math=False)
    return figure


def _embed(read: Predictor, split: Split, size: int, image: Tensor | None) -> tuple[Tensor, Tensor]:
    """The embeddings (N, D) of a split of images, in its order, and which of them are `image` (N,), if any is given."""
    from zoo.training.measure import over

    points, same = [], []
    batches = read.kind.evaluation(split, read.reads, size, torch.device("cpu"))
    for (images,), outputs, targets in over(read.model, batches, read.task):
        points.append(outputs)
        same.append(torch.zeros(len(targets), dtype=torch.bool) if image is None else _same(images, image, read.input))
    return torch.cat(points), torch.cat(same)


def _same(images: Tensor, image: Tensor, input: dict[str, Any]) -> Tensor:
    """Which images of a batch (N, C, H, W) have the pixels of another (1, C, H, W), all normalised: (N,).

    A difference of half of one of 256 levels is allowed, because a picture given in floats is rounded differently.
    """
    apart = seen(images, input) - seen(image, input)
    return apart.abs().flatten(1).amax(1) < input["maximum"] / 512
