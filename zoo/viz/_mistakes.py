"""The worst mistakes of a classifier."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

from torch import Tensor

from zoo.data.words import SEPARATOR
from zoo.errors import ZooError
from zoo.viz._figure import bare, new, percent
from zoo.viz._pictures import picture, pixels
from zoo.viz._verdicts import verdicts
from zoo.viz._which import name_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from zoo.viz._which import Weight

IMAGES, TEXTS = 20, 10  # mistakes shown: as many as one page holds
WIDTH = 100  # characters a line: as many letters of 9 points as eight inches hold, unless most are capitals
PANEL = 22  # letters of 8 points that fit into a title of a fifth of eight inches
AROUND = 9  # words of a sentence shown on either side of the mistaken one


def mistakes(name: Weight) -> Figure:
    """The worst mistakes on the test split: those that gave the truth the lowest probability, the worst first.

    Images are shown with the truth and the answer, each with its probability; texts by their beginning and end; words
    with the words around them. `name` is a weight, a model (its default weight), a bundle or run
    folder, or a predictor. Raises `ZooError` as `verdicts` does, and if there is no mistake to show.

        >>> viz.save(viz.mistakes("mlp.digits_v1"), "mistakes.png")
    """
    found = verdicts(name, "mistakes")
    test, labels, answers = found.data.test, found.data.labels, found.probabilities.argmax(1)
    of_images = found.data.kind == "image"
    wrong = (answers != found.truth).nonzero().squeeze(1)
    if not len(wrong):
        raise ZooError(
            f"{name_of(name)} makes no mistake on the test split of {found.data.name}; there is none to show."
        )
    order = found.probabilities[wrong, found.truth[wrong]].argsort(stable=True)
    worst = wrong[order][: IMAGES if of_images else TEXTS]

    def given(row: int, label: int) -> str:
        return f"{labels[label]} ({percent(float(found.probabilities[row, label]))})"

    # The truth has its probability too, because it orders the mistakes.
    said = [
        (f"{given(row, int(found.truth[row]))},", f"read as {given(row, int(answers[row]))}") for row in worst.tolist()
    ]
    title = (
        f"{found.weight} on {found.data.name}'s test split: {len(worst)} of {len(wrong):,} mistakes, the worst first"
    )
    places = found.places[worst]
    if of_images:
        return _images(title, said, pixels(test, places, found.input), found.data.maximum)
    return _texts(title, said, [_excerpt(test.inputs, test.targets, place) for place in places.tolist()])


def _images(title: str, said: list[tuple[str, str]], images: Tensor, maximum: float) -> Figure:
    rows = math.ceil(len(images) / 5)
    figure = new(8, 0.5 + 2.0 * rows, title)
    panels = list(figure.subplots(rows, 5, squeeze=False).flat)
    for axes, parts, image in zip(panels, said, images, strict=False):
        bare(axes).imshow(**picture(image, maximum))
        # A number stays on the line of its sign: textwrap does not break at a no-break space.
        lines = [line for part in parts for line in textwrap.wrap(part.replace(" %", "\u00a0%"), PANEL)]
        axes.set_title("\n".join(lines), fontsize=8, parse_math=False)
    for axes in panels[len(images) :]:
        axes.set_axis_off()
    return figure


def _texts(title: str, said: list[tuple[str, str]], excerpts: list[str]) -> Figure:
    wrapped = [textwrap.wrap(excerpt, WIDTH) for excerpt in excerpts]
    height = sum(1.6 + len(lines) for lines in wrapped)
    figure = new(8, 0.5 + 0.19 * height, title)
    axes = figure.subplots()
    axes.set(xlim=(0, 1), ylim=(height, 0))
    axes.set_axis_off()
    top = 0.0
    for parts, lines in zip(said, wrapped, strict=True):
        for place, line in enumerate([" ".join(parts), *lines]):
            weight = "normal" if place else "bold"
            axes.text(0, top + place, line, fontsize=9, weight=weight, va="top", parse_math=False)
        top += 1.6 + len(lines)
    return figure


def _excerpt(inputs: list[str], targets: Tensor, place: int) -> str:
    """The row at this place among the targets: the ends of a text, or a word in brackets between its neighbours."""
    if targets.ndim == 1:
        text = " ".join(inputs[place].split())
        return text if len(text) <= 3 * WIDTH else f"{text[: 2 * WIDTH - 20]} … {text[-WIDTH + 20 :]}"
    sentence, at = divmod(place, targets.shape[1])
    words = inputs[sentence].split(SEPARATOR)
    before, after = words[max(0, at - AROUND) : at], words[at + 1 : at + 1 + AROUND]
    return " ".join([*before, f"[{words[at]}]", *after])
