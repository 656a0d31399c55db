"""Augmentations for pictures as people have them: another view, other light, a piece of another picture.

As in `zoo.kinds.augment` all random numbers come from the generator, so that a step can be drawn again.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from zoo.draws import Drawn
from zoo.kinds.augment import warp

LUMA = (0.299, 0.587, 0.114)


def resized_crop(images: Tensor, generator: Generator, *, area: tuple[float, float], ratio: float = 4 / 3) -> Tensor:
    """A window of a random area and shape, resized to the whole (Szegedy et al. 2015, section 6).

    Each image's window covers a share of its area drawn from `area`, with an aspect ratio whose logarithm is drawn from
    ±log `ratio`, at a random place. Shapes: (N, C, H, W) float -> the same.
    """
    n, _, height, width = images.shape
    share = _uniform(n, *area, images, generator)
    shape = _uniform(n, -math.log(ratio), math.log(ratio), images, generator).exp()
    across, down = (share * shape).sqrt().clamp(max=1), (share / shape).sqrt().clamp(max=1)
    x = _uniform(n, -0.5, 0.5, images, generator) * (1 - across) * (width - 1)
    y = _uniform(n, -0.5, 0.5, images, generator) * (1 - down) * (height - 1)
    none = torch.zeros_like(x)
    return warp(images, matrices=torch.stack([torch.stack([across, none, x], 1), torch.stack([none, down, y], 1)], 1))


def jitter(
    images: Tensor,
    generator: Generator,
    *,
    brightness: float = 0.0,
    contrast: float = 0.0,
    saturation: float = 0.0,
    maximum: float = 255.0,
) -> Tensor:
    """Other light: each image times 1 ± `brightness`, its contrast times 1 ± `contrast`, its colours 1 ± `saturation`.

    Shapes: (N, C, H, W) float in 0..maximum -> the same, clipped to the range.
    """
    n, channels = images.shape[:2]
    light, range_, colour = (
        _uniform(n, 1 - part, 1 + part, images, generator).view(n, 1, 1, 1)
        for part in (brightness, contrast, saturation)
    )
    images = (images * light).clamp(0, maximum)
    weights = images.new_tensor(LUMA if channels == 3 else (1 / channels,) * channels).view(1, channels, 1, 1)
    grey = (images * weights).sum(1, keepdim=True)
    images = torch.lerp(grey.mean((2, 3), keepdim=True), images, range_).clamp(0, maximum)
    if channels == 3:
        images = torch.lerp((images * weights).sum(1, keepdim=True), images, colour)
    return images.clamp(0, maximum)


def cutmix(
    images: Tensor, targets: Tensor, generator: Generator, *, num_classes: int, alpha: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Put a window of another image of the batch into each, labels blended by area (Yun et al. 2019, section 3.1).

    One window serves the batch; the share that stays is drawn from Beta(alpha, alpha) before the border cuts it.
    Shapes: images (N, C, H, W) float and targets (N,) int64 -> images and class probabilities (N, num_classes).
    """
    height, width = images.shape[2:]
    draw = random.Random(int(torch.randint(2**62, (), generator=generator, device=images.device)))
    side = math.sqrt(1 - draw.betavariate(alpha, alpha))
    row, column = draw.randrange(height), draw.randrange(width)
    top, bottom = (min(max(row + sign * round(side * height / 2), 0), height) for sign in (-1, 1))
    left, right = (min(max(column + sign * round(side * width / 2), 0), width) for sign in (-1, 1))
    other = torch.randperm(len(images), generator=generator, device=images.device)
    images = images.clone()
    images[:, :, top:bottom, left:right] = images[other][:, :, top:bottom, left:right]
    stays = 1 - (bottom - top) * (right - left) / (height * width)
    one_hot = F.one_hot(targets, num_classes).to(images.dtype)
    return images, torch.lerp(one_hot[other], one_hot, stays)


def centred(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (C, H, W) so that it covers `size`, its aspect ratio kept, and cut the middle out."""
    height, width = image.shape[1:]
    zoom = max(size[0] / height, size[1] / width)
    covering = max(size[0], round(height * zoom)), max(size[1], round(width * zoom))
    if covering != (height, width):
        image = F.interpolate(image[None], size=covering, mode="bilinear", antialias=True)[0]
    top, left = (covering[0] - size[0]) // 2, (covering[1] - size[1]) // 2
    return image[:, top : top + size[0], left : left + size[1]]


def _uniform(n: int, low: float, high: float, images: Tensor, generator: Generator) -> Tensor:
    return torch.rand(n, generator=generator, device=images.device) * (high - low) + low


def trivial(images: Tensor, generator: Generator, *, bins: int = 31, maximum: float = 255.0) -> Tensor:
    """One operation for each image (light, colour, sharpness, shear, shift, rotation, …), its strength drawn from
    `bins` (Müller and Hutter 2021, TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation; the wide space).

    By torchvision, on the CPU, an image at a time. Shapes: (N, C, H, W) in 0..maximum -> the same, float32.
    """
    from torchvision.transforms.v2 import TrivialAugmentWide

    return _each(images, generator, TrivialAugmentWide(num_magnitude_bins=bins), maximum)


def rand(
    images: Tensor, generator: Generator, *, operations: int = 2, magnitude: int = 9, maximum: float = 255.0
) -> Tensor:
    """`operations` such operations for each image, all of strength `magnitude` of 0..30 (Cubuk et al. 2020,
    RandAugment: Practical Automated Data Augmentation with a Reduced Search Space). Otherwise as `trivial`."""
    from torchvision.transforms.v2 import RandAugment

    return _each(images, generator, RandAugment(num_ops=operations, magnitude=magnitude), maximum)


def _each(images: Tensor, generator: Generator, change: Callable[[Tensor], Tensor], maximum: float) -> Tensor:
    own = Generator().manual_seed(int(torch.randint(2**62, (), generator=generator, device=images.device)))
    pixels = (images * (255 / maximum)).round().to(torch.uint8).cpu()  # what torchvision's operations are made for
    with Drawn(own):
        changed = torch.stack([change(image) for image in pixels])
    return changed.to(images.device, torch.float32) * (maximum / 255)
