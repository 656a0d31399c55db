"""Each batched augmentation against a slow reference: one image, one pixel at a time, from the same draws."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable

import pytest
import torch
from torch import Generator, Tensor

from zoo.kinds import augment

SIZES = [(5, 3, 8, 8), (4, 1, 7, 11), (1, 2, 6, 5)]  # (N, C, H, W), not square too


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def pictures(*size: int) -> Tensor:
    return torch.rand(size, generator=seeded(99))


def pixelwise(images: Tensor, value: Callable[[int, int, int, int], float]) -> Tensor:
    """The batch whose pixel (n, c, y, x) is `value(n, c, y, x)`."""
    out = torch.empty_like(images)
    for place in itertools.product(*map(range, images.shape)):
        out[place] = value(*place)
    return out


# ---- crop and flip


@pytest.mark.parametrize("mode", ["constant", "reflect"])
@pytest.mark.parametrize("padding", [0, 1, 4])
@pytest.mark.parametrize("size", SIZES)
def test_crop(size: tuple[int, ...], padding: int, mode: str) -> None:
    images = pictures(*size)
    n, _, height, width = size
    draws = seeded()
    top, left = (torch.randint(2 * padding + 1, (n,), generator=draws).tolist() for _ in range(2))

    def mirrored(i: int, side: int) -> int:
        return -i if i < 0 else 2 * (side - 1) - i if i >= side else i

    def value(i: int, c: int, y: int, x: int) -> float:
        y, x = y + top[i] - padding, x + left[i] - padding
        if mode == "reflect":
            return images[i, c, mirrored(y, height), mirrored(x, width)].item()
        return images[i, c, y, x].item() if 0 <= y < height and 0 <= x < width else 0.0

    assert torch.equal(augment.crop(images, seeded(), padding=padding, mode=mode), pixelwise(images, value))


def test_crop_reaches_every_place() -> None:
    one = torch.zeros(400, 1, 3, 3)
    one[:, :, 1, 1] = 1
    places = {tuple(place) for place in augment.crop(one, seeded(), padding=1).nonzero()[:, 2:].tolist()}
    assert places == set(itertools.product(range(3), range(3)))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("p", [0.0, 0.5, 1.0])
def test_flip(size: tuple[int, ...], p: float) -> None:
    images = pictures(*size)
    chosen = [u < p for u in torch.rand(size[0], generator=seeded(1)).tolist()]
    expected = pixelwise(images, lambda n, c, y, x: images[n, c, y, size[3] - 1 - x if chosen[n] else x].item())
    assert torch.equal(augment.flip(images, seeded(1), p=p), expected)


def test_flip_mirrors_the_share_asked_for() -> None:
    images = torch.tensor([0.0, 1.0]).expand(10_000, 1, 1, 2)
    share = augment.flip(images, seeded(), p=0.3)[:, 0, 0, 0].mean().item()
    assert share == pytest.approx(0.3, abs=5 * math.sqrt(0.3 * 0.7 / 10_000))


def test_alternating_flips_show_each_image_both_ways_in_two_epochs() -> None:
    first = augment.alternating(10_000, seed=4, p=0.3)
    assert first.float().mean().item() == pytest.approx(0.3, abs=5 * math.sqrt(0.3 * 0.7 / 10_000))
    assert torch.equal(first, augment.alternating(10_000, seed=4, p=0.3))
    assert not torch.equal(first, augment.alternating(10_000, seed=5, p=0.3))
    images = pictures(4, 3, 5, 6)
    chosen = torch.tensor([True, False, False, True])
    even, odd = augment.mirror(images, chosen), augment.mirror(images, ~chosen)
    assert torch.equal(even[chosen], images[chosen].flip(-1)) and torch.equal(even[~chosen], images[~chosen])
    assert torch.equal(odd, even.flip(-1))


@pytest.mark.parametrize("function", [augment.crop, augment.flip])
def test_crop_and_flip_take_the_stored_bytes(function: Callable[..., Tensor]) -> None:
    stored = (pictures(6, 3, 8, 8) * 255).to(torch.uint8)
    out = function(stored, seeded())
    assert out.dtype == torch.uint8
    assert torch.equal(out.float(), function(stored.float(), seeded()))


# ---- affine and elastic


@pytest.mark.parametrize("size", SIZES)
def test_affine_matrices(size: tuple[int, ...]) -> None:
    n, _, height, width = size
    asked = {"degrees": 30.0, "translate": 0.2, "scale": 0.25, "shear": 10.0}
    draws = seeded()

    def uniform(low: float, high: float) -> list[float]:
        return [low + (high - low) * u for u in torch.rand(n, generator=draws).tolist()]

    angle, shear, zoom = uniform(-30, 30), uniform(-10, 10), uniform(0.75, 1.25)
    x, y = uniform(-0.2, 0.2), uniform(-0.2, 0.2)
    matrices = augment.affine_matrices(pictures(*size), seeded(), **asked)
    assert matrices.shape == (n, 2, 3)
    for i in range(n):
        a, s = math.radians(angle[i]), math.tan(math.radians(shear[i]))
        rotation = torch.tensor([[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]])
        linear = rotation @ torch.tensor([[1.0, s], [0.0, 1.0]]) / zoom[i]
        torch.testing.assert_close(matrices[i, :, :2], linear, rtol=1e-5, atol=1e-5)
        assert matrices[i, :, 2].tolist() == pytest.approx([x[i] * width, y[i] * height], abs=1e-5)


def test_affine_of_nothing_is_the_image() -> None:
    images = pictures(3, 2, 7, 9)
    matrices = augment.affine_matrices(images, seeded())
    assert torch.equal(matrices, torch.eye(2, 3).expand(3, 2, 3))
    torch.testing.assert_close(augment.warp(images, matrices=matrices), images, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("sigma", [0.5, 2.0])
def test_displacements(sigma: float) -> None:
    n, height, width = 2, 6, 5
    noise = torch.randn(n, 2, height, width, generator=seeded())

    def bell(distance: int) -> float:
        return math.exp(-0.5 * (distance / sigma) ** 2)

    def norm(place: int, side: int) -> float:
        return math.sqrt(sum(bell(place - other) ** 2 for other in range(side)))

    expected = torch.empty(n, height, width, 2)
    for i, axis, y, x in itertools.product(range(n), range(2), range(height), range(width)):
        total = sum(
            bell(y - v) * bell(x - u) * noise[i, axis, v, u].item() for v in range(height) for u in range(width)
        )
        expected[i, y, x, axis] = 1.5 * total / (norm(y, height) * norm(x, width))
    fields = augment.displacements(torch.empty(n, 3, height, width), seeded(), alpha=1.5, sigma=sigma)
    torch.testing.assert_close(fields, expected, rtol=1e-4, atol=1e-5)


def test_displacements_are_alpha_pixels_everywhere_and_smooth() -> None:
    fields = augment.displacements(torch.empty(5000, 1, 9, 9), seeded(), alpha=2.0, sigma=3.0)
    spread = fields.std(0)
    assert spread.min().item() > 2 * 0.95 and spread.max().item() < 2 * 1.05
    step = (fields[:, :, 1:] - fields[:, :, :-1]).std().item()
    assert step < 0.3 * 2, "neighbours move together"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("affine", "elastic"), [(True, False), (False, True), (True, True)])
def test_warp(size: tuple[int, ...], affine: bool, elastic: bool) -> None:
    images = pictures(*size)
    n, channels, height, width = size
    asked = {"degrees": 40.0, "translate": 0.3, "scale": 0.3, "shear": 15.0}
    matrices = augment.affine_matrices(images, seeded(1), **asked) if affine else None
    fields = augment.displacements(images, seeded(2), alpha=1.5, sigma=2.0) if elastic else None

    def pixel(i: int, c: int, y: int, x: int) -> float:
        return images[i, c, y, x].item() if 0 <= y < height and 0 <= x < width else 0.0

    def value(i: int, c: int, row: int, column: int) -> float:
        middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
        x, y = column - middle_x, row - middle_y
        if matrices is not None:
            (a, b, tx), (d, e, ty) = matrices[i].tolist()
            x, y = a * x + b * y + tx, d * x + e * y + ty
        if fields is not None:
            dx, dy = fields[i, row, column].tolist()
            x, y = x + dx, y + dy
        x, y = x + middle_x, y + middle_y
        left, top = math.floor(x), math.floor(y)
        across, down = x - left, y - top
        upper = (1 - across) * pixel(i, c, top, left) + across * pixel(i, c, top, left + 1)
        lower = (1 - across) * pixel(i, c, top + 1, left) + across * pixel(i, c, top + 1, left + 1)
        return (1 - down) * upper + down * lower

    warped = augment.warp(images, matrices=matrices, fields=fields)
    assert warped.shape == (n, channels, height, width)
    torch.testing.assert_close(warped, pixelwise(images, value), rtol=1e-4, atol=1e-5)


def test_a_quarter_turn_is_exact() -> None:
    images = pictures(2, 1, 6, 6)
    quarter = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0]]).expand(2, 2, 3)
    torch.testing.assert_close(augment.warp(images, matrices=quarter), images.rot90(1, (2, 3)), rtol=1e-5, atol=1e-5)


# ---- cut-out and mix-up


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("side", [1, 3, 4, 50])
def test_cutout(size: tuple[int, ...], side: int) -> None:
    images = pictures(*size)
    n, _, height, width = size
    draws = seeded()
    rows, columns = (torch.randint(length, (n, 1), generator=draws)[:, 0].tolist() for length in (height, width))

    def value(i: int, c: int, y: int, x: int) -> float:
        inside = 0 <= y - (rows[i] - side // 2) < side and 0 <= x - (columns[i] - side // 2) < side
        return 0.25 if inside else images[i, c, y, x].item()

    assert torch.equal(augment.cutout(images, seeded(), size=side, fill=0.25), pixelwise(images, value))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("p", [0.0, 0.5, 1.0])
def test_erase(size: tuple[int, ...], p: float) -> None:
    images, (n, _, height, width) = pictures(*size), size
    low, high, ratio = 0.1, 0.5, 2.0
    draws = seeded(2)
    u, part, shape, y, x = (torch.rand(n, generator=draws).tolist() for _ in range(5))
    noise = torch.randn(size, generator=draws)

    def inside(i: int, row: int, column: int) -> bool:
        area = (low + (high - low) * part[i]) * height * width
        tall = math.exp(math.log(ratio) * (2 * shape[i] - 1))
        rows = min(max(round(math.sqrt(area * tall)), 1), height)
        columns = min(max(round(math.sqrt(area / tall)), 1), width)
        top, left = int(y[i] * (height - rows + 1)), int(x[i] * (width - columns + 1))
        return u[i] < p and top <= row < top + rows and left <= column < left + columns

    expected = pixelwise(images, lambda i, c, r, k: (noise if inside(i, r, k) else images)[i, c, r, k].item())
    assert torch.equal(augment.erase(images, seeded(2), p=p, area=(low, high), ratio=ratio), expected)


def test_erased_rectangles_cover_the_area_asked_for_and_reach_every_corner() -> None:
    images = torch.full((2000, 1, 20, 20), 99.0)
    hole = augment.erase(images, seeded(), p=1.0, area=(0.1, 0.3), ratio=1.0) != 99
    assert hole.float().mean((1, 2, 3)).mean().item() == pytest.approx(0.2, abs=0.01)
    assert hole[:, 0].any(0).all()


@pytest.mark.parametrize("size", SIZES)
def test_mixup(size: tuple[int, ...]) -> None:
    images, n = pictures(*size), size[0]
    targets = torch.arange(n) % 3
    draws = seeded()
    weight = random.Random(int(torch.randint(2**62, (), generator=draws))).betavariate(0.4, 0.4)
    other = torch.randperm(n, generator=draws).tolist()
    mixed, labels = augment.mixup(images, targets, seeded(), num_classes=3, alpha=0.4)
    expected = pixelwise(
        images, lambda i, c, y, x: weight * images[i, c, y, x].item() + (1 - weight) * images[other[i], c, y, x].item()
    )
    torch.testing.assert_close(mixed, expected, rtol=1e-5, atol=1e-6)
    for i, k in itertools.product(range(n), range(3)):
        share = weight * (targets[i] == k).item() + (1 - weight) * (targets[other[i]] == k).item()
        assert labels[i, k].item() == pytest.approx(share, abs=1e-6)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 8.0, 100.0])
def test_mixup_weighs_by_a_beta(alpha: float) -> None:
    """Mean 1/2 and variance 1 / (4 (2 alpha + 1)), read from the share that a sample keeps of its own label."""
    generator, images, targets = seeded(), torch.arange(20.0).view(20, 1, 1, 1), torch.arange(20)
    weights = []
    for _ in range(2000):
        mixed, labels = augment.mixup(images, targets, generator, num_classes=20, alpha=alpha)
        torch.testing.assert_close(mixed.flatten(), labels @ images.flatten())  # image and label are mixed alike
        weights.append(labels.diagonal().min())  # a sample that is paired with itself keeps all of it
    weight, variance = torch.stack(weights), 1 / (4 * (2 * alpha + 1))
    assert weight.mean().item() == pytest.approx(0.5, abs=5 * math.sqrt(variance / 2000))
    assert weight.var().item() == pytest.approx(variance, rel=0.15)


def test_mixup_with_a_tiny_alpha_keeps_one_of_the_two() -> None:
    for seed in range(50):
        mixed, labels = augment.mixup(pictures(4, 1, 2, 2), torch.arange(4), seeded(seed), num_classes=4, alpha=1e-3)
        assert mixed.isfinite().all() and labels.isfinite().all()


# ---- what all share


@pytest.mark.parametrize("name", ["crop", "flip", "affine", "elastic", "cutout", "erase", "mixup"])
def test_a_generator_fixes_the_outcome_and_the_input_stays(name: str) -> None:
    images = pictures(8, 3, 12, 12)
    before = images.clone()

    def run(seed: int) -> Tensor:
        generator = seeded(seed)
        if name == "affine":
            return augment.warp(images, matrices=augment.affine_matrices(images, generator, degrees=20))
        if name == "elastic":
            return augment.warp(images, fields=augment.displacements(images, generator))
        if name == "mixup":
            return augment.mixup(images, torch.arange(8), generator, num_classes=8)[0]
        return getattr(augment, name)(images, generator)

    state = torch.get_rng_state()
    first, second, other = run(0), run(0), run(1)
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert torch.equal(images, before)
    assert torch.equal(torch.get_rng_state(), state), "the global generator is left alone"
    assert first.shape == images.shape
