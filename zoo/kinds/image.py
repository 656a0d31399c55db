"""Images: uint8 (N, C, H, W), in memory or read from files as batches need them, augmented a batch at a time."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Generator, Tensor

from zoo.data import DataSet, Split
from zoo.errors import ZooError
from zoo.foreign import pictures
from zoo.kinds import Described, Input, Kind, holds
from zoo.kinds.augment import alternating
from zoo.kinds.feed import Batches, Feed, Inputs, mix, shuffled_batches
from zoo.kinds.pictures import read_batches, stream
from zoo.kinds.raw_image import channels_of, prepare
from zoo.kinds.transforms import augmented, check_augment, normalize

if TYPE_CHECKING:
    from zoo.recipes import Recipe


def describe(recipe: Recipe, data: DataSet, train: Split, begun: Callable[[], Input] | None) -> Described:
    channels, *size = _shape(recipe, data)
    return Described(
        {
            "kind": "image",
            "channels": channels,
            "size": size,
            **({"fit": "crop"} if recipe.data.fit == "crop" else {}),
            "maximum": data.maximum,
            "mean": recipe.data.mean,
            "std": recipe.data.std,
            **({"tasks": data.tasks} if data.tasks else {}),
        },
        {"heads": {name: task["outputs"] for name, task in data.tasks.items()}} if data.tasks else {},
    )


def blank(settings: dict[str, Any]) -> Inputs:
    return (torch.zeros(2, settings["channels"], *settings["size"]),)


def training(recipe: Recipe, split: Split, input: Input, device: torch.device) -> Feed:
    targets, settings = split.targets.to(device), input.settings
    flip = recipe.data.augment.flip
    first = None
    if flip and flip.alternate:
        first = alternating(len(targets), mix(recipe.train.seed, 3), p=flip.p).to(device)
    batches = max(1, len(targets) // recipe.data.batch_size)
    total = recipe.train.steps or batches * (recipe.train.epochs or 0)

    def augment(images: Tensor, indices: Tensor, generator: Generator, progress: float) -> tuple[Inputs, Tensor]:
        truth = targets.index_select(0, indices)
        mirrored = None
        if first is not None:
            odd = round(progress * total) // batches % 2 == 1
            mirrored = first.index_select(0, indices) ^ odd
        x, y = augmented(images, truth, settings, recipe.data.augment, generator, progress, input.classes, mirrored)
        return (x,), y

    if isinstance(split.inputs, list):
        return stream(recipe, split.inputs, settings, device, augment)
    images = in_channels(split.inputs, settings["channels"]).to(device)
    return shuffled_batches(
        recipe, len(targets), device, lambda indices, *more: augment(images.index_select(0, indices), indices, *more)
    )


def evaluation(split: Split, input: Input, size: int, device: torch.device) -> Batches:
    settings = input.settings

    def begin() -> Iterator[tuple[Inputs, Tensor]]:
        if isinstance(split.inputs, list):
            batches: Iterator[Tensor] = read_batches(split.inputs, torch.arange(len(split)).split(size), settings)
        else:
            batches = (in_channels(images, settings["channels"]) for images in split.inputs.split(size))
        for images, targets in zip(batches, split.targets.split(size), strict=True):
            yield (normalize(images.to(device), settings),), targets.to(device)

    return Batches(size, begin)


def in_channels(images: Tensor, channels: int) -> Tensor:
    """(N, C, H, W) -> (N, channels, H, W): grey shown as three equal channels, colours as grey."""
    if images.shape[1] == channels:
        return images
    return torch.stack([channels_of(image, channels) for image in images.float()]).round().to(images.dtype)


def check(recipe: Recipe, data: DataSet) -> None:
    if isinstance(data.train.inputs, list) != (recipe.data.size is not None):
        said = (
            "is missing; give [height, width]" if recipe.data.size is None else "is for folders of pictures; remove it"
        )
        raise ZooError(f"data.size {said}.")
    if isinstance(data.train.inputs, list) and data.validation is not None and not recipe.data.validation:
        warnings.warn(
            f"the {len(data.validation)} pictures of the validation split of {data.name} are not used; set "
            "data.validation above 0 to measure on them, and on the test split no more.",
            stacklevel=5,
        )
    channels, height, width = _shape(recipe, data)
    check_augment(recipe.data.augment, height, width)
    for key in ("mean", "std"):
        values = getattr(recipe.data, key)
        if len(values) not in (1, channels):
            raise ZooError(f"data.{key} has {len(values)} values; give one, or one for each channel ({channels}).")
    for key in ("mixup", "cutmix"):
        if getattr(recipe.data.augment, key) and recipe.loss.name != "cross_entropy":
            raise ZooError(f"data.augment.{key} blends classes, which loss.name {recipe.loss.name} cannot; remove it.")
    if recipe.data.augment.mixup and recipe.data.augment.cutmix:
        raise ZooError("data.augment.mixup and cutmix both blend the classes of a batch; leave one of them out.")


def _shape(recipe: Recipe, data: DataSet) -> tuple[int, int, int]:
    """Channels, height and width of what the model reads."""
    stored = [3, *(recipe.data.size or ())] if isinstance(data.train.inputs, list) else data.train.inputs.shape[1:]
    return recipe.data.channels or stored[0], stored[1], stored[2]


PIXELS = 1 << 20
"""The most pixels of an image as a model reads it; 1,024 x 1,024 is more than any model here takes."""


def _is_size(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(holds.is_count, value))


def golden(settings: dict[str, Any]) -> Any:
    """Stripes on a small picture, so that resizing is tested too."""
    channels, height, width = settings["channels"], *(min(side, 8) for side in settings["size"])
    white = int(settings["maximum"])
    c, y, x = torch.meshgrid(torch.arange(channels), torch.arange(height), torch.arange(width), indexing="ij")
    return {"array": ((7 * x + 13 * y + 50 * c) % (white + 1)).tolist(), "dtype": "uint8"}


def words(settings: dict[str, Any]) -> str:
    height, width = settings["size"]
    colours = "grey" if settings["channels"] == 1 else "RGB"
    mean, std = (", ".join(f"{value:g}" for value in settings[key]) for key in ("mean", "std"))
    return (
        f"A picture (a path, a Pillow image, an array) becomes {colours}, is resized to {height} x {width} pixels by "
        f"antialiased bilinear interpolation, scaled from 0..{settings['maximum']:g} to 0..1, less {mean} and divided "
        f"by {std}."
    )


KIND = Kind(
    words=words,
    example='answer = {}("picture.png")',
    golden=golden,
    describe=describe,
    blank=blank,
    training=training,
    evaluation=evaluation,
    shape=lambda settings: (settings["channels"], *settings["size"]),
    samples=lambda settings: f"images of {' x '.join(map(str, [settings['channels'], *settings['size']]))}",
    check=check,
    holds=(
        holds.count("channels"),
        holds.key(
            "size", lambda v: _is_size(v) and v[0] * v[1] <= PIXELS, f"[height, width] with {PIXELS:,} pixels at most"
        ),
        holds.key("maximum", lambda v: holds.is_number(v) and v > 0, "a number above 0"),
        *holds.standardised(lambda settings: (1, settings["channels"])),
    ),
    prepare=prepare,
    unpack=pictures,
    batch_ndim=4,
)
