"""Files and tiles."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest
import torch

from zoo import ZooError
from zoo.viz._figure import new, save
from zoo.viz._pictures import scale, tiled


def size(path: Path) -> tuple[int, int]:
    """Width and height in pixels, as the PNG's head says."""
    head = path.read_bytes()[:24]
    assert head.startswith(b"\x89PNG\r\n\x1a\n") and head[12:16] == b"IHDR"
    return struct.unpack(">II", head[16:24])


def test_a_picture_is_a_png_of_100_pixels_an_inch_and_the_same_every_time(tmp_path: Path) -> None:
    for name in ("a.png", "b.PNG"):
        save(new(4, 2.5, "costs $5 and $6_"), tmp_path / name)
    assert size(tmp_path / "a.png") == (400, 250)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.PNG").read_bytes()


def test_a_picture_takes_the_place_of_an_older_one(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"old")
    save(new(1, 1, ""), tmp_path / "a.png")
    assert size(tmp_path / "a.png") == (100, 100) and list(tmp_path.iterdir()) == [tmp_path / "a.png"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.pdf", r"a\.pdf is not the name of a PNG file; give one that ends in \.png"),
        ("a", "is not the name of a PNG file"),
        ("nowhere/a.png", r"a\.png cannot be written \(No such file or directory\); choose another file"),
        ("folder.png", r"folder\.png cannot be written \(Is a directory\)"),
    ],
)
def test_a_place_that_cannot_be_written_is_named_and_nothing_left(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ZooError, match=message):
        save(new(1, 1, ""), tmp_path / name)
    assert list(tmp_path.iterdir()) == [tmp_path / "folder.png"] and not list((tmp_path / "folder.png").iterdir())


def test_a_full_disk_leaves_nothing(small_disk: Path) -> None:
    (small_disk / "filler").write_bytes(bytes(1 << 20))
    with pytest.raises(ZooError, match="No space left on device"):
        save(new(8, 8, "much"), small_disk / "a.png")
    assert [path.name for path in small_disk.iterdir()] == ["filler"]


def test_without_matplotlib_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ZooError, match=r"pip install 'reprozoo\[viz\]'"):
        new(1, 1, "")


def test_tiles_stand_in_rows_with_gaps_between_them() -> None:
    board = tiled(torch.arange(1.0, 4).view(3, 1, 1).expand(3, 1, 2), columns=2)
    nan = -1.0
    assert board.nan_to_num(nan).tolist() == [[1, 1, nan, 2, 2], [nan] * 5, [3, 3, nan, nan, nan]]


def test_zero_is_the_middle_of_a_scale_that_goes_below_it() -> None:
    assert scale(torch.tensor([-1.0, 3.0])) == {"cmap": "RdBu_r", "vmin": -3.0, "vmax": 3.0}
    assert scale(torch.tensor([90.0] + [-1.0] * 2000))["vmax"] == 1.0, "one far outside would leave the others pale"
    assert scale(torch.tensor([0.0, 3.0])) == {"cmap": "Reds", "vmin": 0.0, "vmax": 3.0}
    assert scale(torch.zeros(2))["vmax"] == 1.0
