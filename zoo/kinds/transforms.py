"""From stored pixels to the input of an image model; in training, with augmentation."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from zoo.errors import ZooError
from zoo.kinds import augment as A
from zoo.kinds import augment_views as V
from zoo.parts import AUGMENTS, settings

if TYPE_CHECKING:
    from zoo.recipes import Augment


def normalize(images: Tensor, input: dict[str, Any]) -> Tensor:
    """(values / maximum - mean) / std as float32, with `input` as in a bundle's config.

    Shapes: (N, C, H, W) of any dtype -> the same in float32; mean and std have one value or one a channel.
    """
    scale, shift = _constants(
        tuple(input["mean"]), tuple(input["std"]), input["maximum"], tuple(images.shape[2:]), images.device
    )
    return torch.addcmul(shift, images.to(torch.float32), scale)


@lru_cache(maxsize=4)
@torch.inference_mode(False)  # kept for training too, even if the first caller is in inference mode
def _constants(
    mean: tuple[float, ...], std: tuple[float, ...], maximum: float, size: tuple[int, ...], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Scale and shift; kept, because making them in every step halts a GPU twice.

    Shapes: (1, C, H, W), with C = 1 if one mean is for all channels; `size` is (H, W). One number a pixel: with one
    a channel torch's loop over an image is not vectorised, and a batch that fits the cache takes longer.
    """
    means, stds = (torch.tensor(values, dtype=torch.float32, device=device).view(1, -1, 1, 1) for values in (mean, std))
    scale, shift = 1 / (stds * maximum), -means / stds
    return scale.expand(-1, -1, *size).contiguous(), shift.expand(-1, -1, *size).contiguous()


def augmented(
    images: Tensor,
    targets: Tensor,
    input: dict[str, Any],
    recipe: Augment,
    generator: Generator,
    progress: float,
    num_classes: int,
    mirrored: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """A stored batch as the model sees it in training.

    Order: crop, view and flip on the stored pixels, warp in their own range (outside is black), light, torchvision's
    operations, normalise, shrink, cut out, erase, what plug-ins bring, mix. `progress` in [0, 1) is how much of the
    training is done. `mirrored` (N,) says which images are flipped if flips alternate. Targets come back as class
    probabilities if mix-up is on.
    """
    if recipe.crop:
        images = A.crop(images, generator, padding=recipe.crop.padding, mode=recipe.crop.mode)
    if recipe.resized_crop:
        low, high = recipe.resized_crop.area
        images = V.resized_crop(images.to(torch.float32), generator, area=(low, high), ratio=recipe.resized_crop.ratio)
    if mirrored is not None:
        images = A.mirror(images, mirrored)
    elif recipe.flip:
        images = A.flip(images, generator, p=recipe.flip.p)
    if recipe.affine or recipe.elastic:
        images = images.to(torch.float32)
        matrices = A.affine_matrices(images, generator, **recipe.affine.model_dump()) if recipe.affine else None
        fields = A.displacements(images, generator, **recipe.elastic.model_dump()) if recipe.elastic else None
        images = A.warp(images, matrices=matrices, fields=fields)
    if recipe.jitter:
        light = recipe.jitter.model_dump()
        images = V.jitter(images.to(torch.float32), generator, maximum=input["maximum"], **light)
    if recipe.trivial_augment:
        images = V.trivial(images, generator, maximum=input["maximum"], bins=recipe.trivial_augment.bins)
    if recipe.rand_augment:
        images = V.rand(images, generator, maximum=input["maximum"], **recipe.rand_augment.model_dump())
    images = normalize(images, input)
    if recipe.progressive:
        size = recipe.progressive.size_at(progress, images.shape[-1])
        if size != images.shape[-1]:
            images = F.interpolate(images, size=(size, size), mode="bilinear", antialias=True)
    if recipe.cutout:
        images = A.cutout(images, generator, size=recipe.cutout.size)
    if recipe.erase:
        low, high = recipe.erase.area
        images = A.erase(images, generator, p=recipe.erase.p, area=(low, high), ratio=recipe.erase.ratio)
    for name, section in (recipe.model_extra or {}).items():
        part = AUGMENTS[name]
        images = part.make(images, generator, **settings(part, section))
    if recipe.mixup:
        images, targets = A.mixup(images, targets, generator, num_classes=num_classes, alpha=recipe.mixup.alpha)
    elif recipe.cutmix:
        images, targets = V.cutmix(images, targets, generator, num_classes=num_classes, alpha=recipe.cutmix.alpha)
    return images, targets


def check_augment(recipe: Augment, height: int, width: int) -> None:
    """Raise `ZooError` with the key path for a size that images of `height` x `width` pixels leave no room for."""
    side, images = min(height, width), f"images are {height} x {width} pixels"
    shrunk = min(side, recipe.progressive.size) if recipe.progressive else side
    at_first = f", at first {shrunk} x {shrunk}" if shrunk < side else ""
    for key, size, most, sizes in (
        # A window further out would show nothing of the image.
        ("crop.padding", recipe.crop and recipe.crop.padding, side - 1, images),
        ("progressive.size", recipe.progressive and recipe.progressive.size, side - 1, images),
        ("cutout.size", recipe.cutout and recipe.cutout.size, shrunk, images + at_first),
    ):
        if size and size > most:
            raise ZooError(f"data.augment.{key} is {size}, but {sizes}; give {most} or less.")
