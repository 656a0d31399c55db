from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from zoo.errors import ZooError
from zoo.kinds import Input
from zoo.kinds.raw_image import prepare

GREY = {"kind": "image", "channels": 1, "size": [6, 4], "maximum": 255, "mean": [0.5], "std": [0.25]}
RGB = {**GREY, "channels": 3, "mean": [0.5, 0.4, 0.3], "std": [0.1, 0.2, 0.3]}


def pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_the_transform_is_the_one_written_in_the_config():
    array = pixels(6, 4, 3)
    (batch,) = prepare([array], Input(RGB))
    want = (array.astype(np.float64) / 255 - RGB["mean"]) / RGB["std"]
    assert batch.shape == (1, 3, 6, 4) and batch.dtype == torch.float32
    np.testing.assert_allclose(batch[0].permute(1, 2, 0), want, atol=2e-6)


def test_every_way_to_give_the_same_image_gives_the_same_tensor(tmp_path):
    array = pixels(6, 4, 3)
    Image.fromarray(array).save(tmp_path / "a.png")
    np.save(tmp_path / "a.npy", array)
    ways = [
        array,
        array.transpose(2, 0, 1),
        array[::-1].copy()[::-1],  # torch itself takes no reversed array
        np.frombuffer(array.tobytes(), np.uint8).reshape(6, 4, 3),  # nor one that cannot be written to
        torch.from_numpy(array),
        torch.from_numpy(array).permute(2, 0, 1).requires_grad_(False),
        torch.from_numpy(array).float().requires_grad_(),
        array.astype(np.float64) / 255,
        array.astype(np.uint16),
        Image.fromarray(array),
        str(tmp_path / "a.png"),
        tmp_path / "a.npy",
    ]
    (batch,) = prepare(ways, Input(RGB))
    for other in batch[1:]:
        torch.testing.assert_close(other, batch[0])


def test_grey_in_every_form_and_colour_turned_grey_as_pillow_does(tmp_path):
    array = pixels(6, 4)
    Image.fromarray(array).save(tmp_path / "a.png")
    (batch,) = prepare([array, array[None], array[..., None], tmp_path / "a.png"], Input(GREY))
    for other in batch[1:]:
        torch.testing.assert_close(other, batch[0])
    colour = pixels(6, 4, 3)
    (ours,) = prepare([colour], Input(GREY))
    (pillows,) = prepare([np.asarray(Image.fromarray(colour).convert("L"))], Input(GREY))
    assert (ours - pillows).abs().max() <= 1 / 255 / 0.25  # Pillow rounds to whole numbers
    (spread,) = prepare([array], Input({**RGB, "mean": [0.5], "std": [0.25]}))
    torch.testing.assert_close(spread[0], batch[0].expand(3, -1, -1))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
def test_pillow_modes_become_grey_or_colour(mode):
    image = Image.fromarray(pixels(6, 4, 3)).convert(mode)
    (batch,) = prepare([image], Input(RGB))
    (want,) = prepare([np.asarray(image.convert("RGB"))], Input(RGB))
    torch.testing.assert_close(batch, want)


def test_sixteen_bits_are_scaled_and_not_clipped(tmp_path):
    deep = (pixels(6, 4).astype(np.uint16) * 257).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    (batch,) = prepare([tmp_path / "deep.png", (deep // 257).astype(np.uint8)], Input(GREY))
    torch.testing.assert_close(batch[0], batch[1])


@pytest.mark.parametrize("mode", ["I", "I;16"])
def test_sixteen_bits_that_hold_eight_are_taken_for_eight(mode):
    """As `image.convert("I")` leaves them."""
    shallow = pixels(6, 4)
    image = Image.fromarray(shallow.astype({"I": np.int32, "I;16": np.uint16}[mode]))
    assert image.mode == mode
    (batch,) = prepare([image, shallow], Input(GREY))
    torch.testing.assert_close(batch[0], batch[1])


def test_exif_rotation_is_honoured(tmp_path):
    upright = np.zeros((6, 4, 3), np.uint8)
    upright[:3] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn clockwise by 90 degrees to view"
    Image.fromarray(np.rot90(upright)).save(tmp_path / "turned.png", exif=exif)
    (batch,) = prepare([tmp_path / "turned.png", upright], Input(GREY))
    torch.testing.assert_close(batch[0], batch[1])


def test_resizing_is_antialiased():
    board = (np.indices((60, 40)).sum(0) % 2 * 255).astype(np.uint8)
    (batch,) = prepare([board], Input(GREY))
    assert batch[..., 1:-1, 1:-1].abs().max() < 0.1  # the mean grey; picking pixels would give ±2


def test_other_maximum_than_255():
    digits = {**GREY, "maximum": 16, "mean": [0.0], "std": [1.0]}
    array = np.full((6, 4), 16, np.uint8)
    (batch,) = prepare([array, array.astype(float), array / 16, Image.new("L", (4, 6), 255)], Input(digits))
    assert torch.equal(batch, torch.ones(4, 1, 6, 4))


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (np.full((6, 4), 300), "outside 0..255"),
        (np.full((6, 4), -0.5), "outside 0..255"),
        (np.full((6, 4), np.nan), "not finite"),
        (np.full((6, 4), np.inf), "not finite"),
        (np.zeros((10, 6, 4)), "HxW, HxWxC or CxHxW"),
        (np.zeros(6), "HxW, HxWxC or CxHxW"),
        (np.zeros((6, 4), complex), "is not an image"),
        (np.zeros((0, 4)), "no pixels"),
        (np.array([[object()]]), "no numbers"),
        (7, "int is not an image"),
        (None, "NoneType is not an image"),
        ("nowhere.png", "no file nowhere.png"),
    ],
)
def test_an_input_that_is_not_an_image_is_refused_in_one_sentence(raw, message):
    with pytest.raises(ZooError, match=message) as error:
        prepare([raw], Input(GREY))
    assert "\n" not in str(error.value)


def test_broken_files_are_refused(tmp_path):
    whole = tmp_path / "whole.png"
    Image.fromarray(pixels(64, 64, 3)).save(whole)
    content = whole.read_bytes()
    np.save(tmp_path / "pickle.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "whole.npy", pixels(6, 4))
    files = {
        "text.png": b"this is not an image",
        "empty.png": b"",
        "half.png": content[: len(content) // 2],
        "half.npy": (tmp_path / "whole.npy").read_bytes()[:-5],
        "text.npy": b"no array",
    }
    for name, broken in files.items():
        (tmp_path / name).write_bytes(broken)
    for name in (*files, "pickle.npy"):
        with pytest.raises(ZooError, match=name) as error:
            prepare([tmp_path / name], Input(GREY))
        assert "\n" not in str(error.value)
    for name in (tmp_path, "x" * 5000):
        with pytest.raises(ZooError, match=r"there is no file|is a folder"):
            prepare([name], Input(GREY))


def test_decompression_bombs_are_refused(tmp_path, monkeypatch):
    Image.new("L", (100, 100)).save(tmp_path / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ZooError, match=r"bomb\.png has too many pixels"):
        prepare([tmp_path / "bomb.png"], Input(GREY))
