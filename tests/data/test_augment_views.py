"""Another view, other light, a piece of another picture; and pictures that keep their aspect ratio."""

from __future__ import annotations

import pytest
import torch
from torch import Generator

from zoo.kinds import augment_views as V

IMAGES = torch.rand(16, 3, 12, 20, generator=Generator().manual_seed(0)) * 255


def generator(seed: int = 1) -> Generator:
    return Generator().manual_seed(seed)


def test_a_window_of_the_whole_is_the_picture_and_a_smaller_one_shows_a_part() -> None:
    whole = V.resized_crop(IMAGES, generator(), area=(1.0, 1.0), ratio=1.0)
    torch.testing.assert_close(whole, IMAGES, atol=1e-2, rtol=0)
    slope = torch.arange(20.0).expand(16, 1, 12, 20)
    part = V.resized_crop(slope, generator(), area=(0.25, 0.25), ratio=1.0)
    seen = part.amax((1, 2, 3)) - part.amin((1, 2, 3))
    assert ((seen > 8) & (seen < 10)).all(), "half of the columns, at different places"
    assert len(part[:, 0, 0, 0].round().unique()) > 5
    assert torch.equal(part, V.resized_crop(slope, generator(), area=(0.25, 0.25), ratio=1.0))


def test_light_stays_in_range_and_grey_pictures_stay_grey() -> None:
    lit = V.jitter(IMAGES, generator(), brightness=0.5, contrast=0.5, saturation=0.5)
    assert lit.min() >= 0 and lit.max() <= 255 and not torch.equal(lit, IMAGES)
    torch.testing.assert_close(V.jitter(IMAGES, generator()), IMAGES, atol=1e-3, rtol=0)
    grey = V.jitter(IMAGES[:, :1].expand(-1, 3, -1, -1), generator(), saturation=0.9)
    torch.testing.assert_close(grey[:, 0], grey[:, 2], atol=1e-3, rtol=0)


def test_labels_are_blended_by_the_area_that_stays() -> None:
    plain = torch.arange(16.0).view(16, 1, 1, 1).expand(16, 1, 12, 20)
    for seed in range(5):
        images, shares = V.cutmix(plain, torch.arange(16), generator(seed), num_classes=16)
        stays = (images == plain).float().mean((1, 2, 3))
        own = shares[torch.arange(16), torch.arange(16)]
        torch.testing.assert_close(own, stays)
        torch.testing.assert_close(shares.sum(1), torch.ones(16))


def test_a_picture_that_keeps_its_aspect_ratio_is_cut_in_the_middle() -> None:
    wide = torch.arange(40.0).expand(1, 20, 40)
    assert torch.equal(V.centred(wide, (20, 20)), wide[:, :, 10:30])
    assert V.centred(wide, (10, 10)).shape == (1, 10, 10) and V.centred(wide[:, :3, :3], (8, 6)).shape == (1, 8, 6)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("maximum", [16.0, 255.0])
@pytest.mark.parametrize("change", [V.trivial, V.rand])
def test_each_picture_has_operations_of_its_own_that_can_be_drawn_again(change, maximum: float, channels: int) -> None:
    picture = (IMAGES[:1, :channels] * (maximum / 255)).expand(16, -1, -1, -1).round()
    before = torch.get_rng_state()
    seen = change(picture, generator(), maximum=maximum)
    assert torch.equal(seen, change(picture, generator(), maximum=maximum))
    assert not torch.equal(seen, change(picture, generator(2), maximum=maximum))
    assert torch.equal(before, torch.get_rng_state()), "torch's own generator is left alone"
    assert seen.dtype == torch.float32 and seen.shape == picture.shape and 0 <= seen.min() <= seen.max() <= maximum
    assert len({one.numpy().tobytes() for one in seen}) > 4


def test_a_magnitude_of_nothing_shows_the_picture() -> None:
    whole = V.rand(IMAGES.round(), generator(), operations=1, magnitude=0)
    same = [torch.equal(one, other) for one, other in zip(whole, IMAGES.round(), strict=True)]
    assert sum(same) > 8  # all but what has no strength, such as equalizing
