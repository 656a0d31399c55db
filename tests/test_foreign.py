"""Pictures and arrays of strangers: nothing is started, and nothing large is decoded before it is refused."""

from __future__ import annotations

import json
import os
import resource
import struct
import threading
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

import zoo
from zoo import data, foreign
from zoo._export import raw

INPUT = {"maximum": 255.0, "channels": 3, "size": [8, 8]}
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n(pwned) print\n%%EOF\n"


@pytest.fixture
def ghostscript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that Pillow takes for Ghostscript; the file that it writes if anybody starts it."""
    started = tmp_path / "started"
    program = tmp_path / "bin" / "gs"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch {started}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    from PIL import EpsImagePlugin

    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)
    return started


def test_a_program_that_is_called_a_picture_is_not_run(ghostscript: Path, tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(EPS)
    for read in (zoo.predictor("mlp.digits_v1"), lambda path: raw.pixels(path, INPUT)):
        with pytest.raises(zoo.ZooError, match="cannot be read as an image"):
            read(tmp_path / "cat.png")
    for label in "ab":
        (tmp_path / "folder" / label).mkdir(parents=True)
        Image.new("L", (8, 8)).save(tmp_path / "folder" / label / "0.png")
    (tmp_path / "folder" / "a" / "cat.png").write_bytes(EPS)
    with pytest.raises(zoo.ZooError, match=r"a/cat\.png"):
        data.load(f"imagefolder:{tmp_path / 'folder'}")
    assert not ghostscript.exists()


@pytest.mark.parametrize("ending", sorted({endings[0] for endings in foreign.FORMATS.values()} - {".avif"}))
def test_every_format_that_the_docs_list_is_read(ending: str, tmp_path: Path) -> None:
    Image.new("RGB", (9, 7), "red").save(tmp_path / f"red{ending}")
    assert raw.pixels(tmp_path / f"red{ending}", INPUT)[0].min() > 240
    made: Any = zoo.transform("resnet18_cifar.cifar10_v1")(tmp_path / f"red{ending}")
    assert made.shape[-3:] == (3, 32, 32)


def _png(path: Path, width: int, height: int) -> Path:
    """A valid PNG in a single grey. Each of its rows takes only a few bytes in the file."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    packer = zlib.compressobj(9)
    row = bytes(1 + width)
    body = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b""))
    return path


@pytest.mark.parametrize("size", [(9_460, 9_460), (13_000, 13_000), (20_000, 20_000)])
def test_a_bomb_is_refused_before_it_is_decoded(size: tuple[int, int], tmp_path: Path) -> None:
    path = _png(tmp_path / "bomb.png", size[0], 3)
    content = bytearray(path.read_bytes())
    content[16:24] = struct.pack(">II", *size)
    content[29:33] = struct.pack(">I", zlib.crc32(bytes(content[12:29])))
    path.write_bytes(content)
    for read in (zoo.predictor("mlp.digits_v1"), lambda path: raw.pixels(path, INPUT)):
        with pytest.raises(zoo.ZooError, match="too many pixels"), warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            read(path)


def _npy(path: Path, head: str, size: int = 0) -> Path:
    """A .npy file with this head, and `size` bytes that take no room on the disk."""
    text = head.encode()
    text += b" " * (-(10 + len(text) + 1) % 64) + b"\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text)
        file.truncate(file.tell() + size)
    return path


HEADS = {
    "sparse": ("{'descr': '<f8', 'fortran_order': False, 'shape': (20000, 20000)}", 3_200_000_000),
    "huge": (f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({2**70},)}}", 10),
    "none of it": (f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({2**70}, 0)}}", 10),
    "negative": ("{'descr': '<f4', 'fortran_order': False, 'shape': (-8, -8)}", 256),
    "flags": ("{'descr': '|b1', 'fortran_order': False, 'shape': (True, 8)}", 4),
    "objects": ("{'descr': '|O', 'fortran_order': False, 'shape': (2,)}", 50),
    "records": ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}", 8),
    "deep": ("[" * 900, 10),
    "code": ("__import__('os').system('touch owned')", 10),
    "no type": ("{'descr': 'xyz', 'fortran_order': False, 'shape': (2,)}", 8),
    "no shape": ("{'descr': '<f4', 'fortran_order': False, 'shape': 3}", 8),
    "keys": ("{'descr': '<f4'}", 8),
    "nothing": ("", 0),
}


@pytest.mark.parametrize("head", HEADS)
def test_an_array_is_judged_by_its_head(head: str, tmp_path: Path) -> None:
    path = _npy(tmp_path / "x.npy", *HEADS[head])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for read in (foreign.array, zoo.predictor("mlp.digits_v1"), lambda path: raw.pixels(path, INPUT)):
        with pytest.raises(zoo.ZooError, match=r"x\.npy"):
            read(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kB


def test_damaged_arrays_and_archives_are_sentences(tmp_path: Path) -> None:
    np.savez(tmp_path / "archive.npz", a=np.zeros(3))
    np.save(tmp_path / "whole.npy", np.zeros((8, 8)))
    whole = (tmp_path / "whole.npy").read_bytes()
    for place in range(0, 128, 3):
        for content in (
            whole[:place],
            whole[:place] + b"\xff" + whole[place + 1 :],
            whole[:place] + whole[place + 2 :],
        ):
            (tmp_path / "x.npy").write_bytes(content)
            try:
                foreign.array(tmp_path / "x.npy")
            except zoo.ZooError as error:
                assert "\n" not in str(error)
    with pytest.raises(zoo.ZooError, match=r"not a readable \.npy"):
        foreign.array((tmp_path / "archive.npz").rename(tmp_path / "archive.npy"))


@pytest.mark.parametrize("what", ["pipe", "device"])
def test_a_folder_with_what_is_not_a_file_does_not_hang(what: str, tmp_path: Path) -> None:
    for label in "ab":
        (tmp_path / label).mkdir()
        Image.new("L", (8, 8)).save(tmp_path / label / "0.png")
    strange = tmp_path / "a" / "1.png"
    os.mkfifo(strange) if what == "pipe" else strange.symlink_to("/dev/zero")
    raised: list[Exception] = []

    def load() -> None:
        try:
            data.load(f"imagefolder:{tmp_path}")
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=load, daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    assert isinstance(raised[0], zoo.ZooError) and "not a file" in str(raised[0])


@pytest.mark.parametrize("compression", ["zstd", "none"])
def test_pictures_of_zeros_in_a_small_parquet_file_are_refused(
    compression: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    content: Any = {"bytes": bytes(3_000_000), "path": None}
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["a", "b"]}}
    table = pa.table(
        {"image": pa.chunked_array([pa.array([content], kind)] * 50), "label": [0, 1] * 25},
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
    (tmp_path / "data").mkdir()
    # Without compression the picture stands in a dictionary once, and all rows point to it.
    options: Any = {"dictionary_pagesize_limit": 1 << 30} if compression == "none" else {}
    parquet.write_table(table, tmp_path / "data" / "train-0.parquet", compression=compression, **options)
    assert (tmp_path / "data" / "train-0.parquet").stat().st_size < 4_000_000
    with pytest.raises(zoo.ZooError, match="unpacks to more than 20 times its size"):
        data.load(f"imagefolder:{tmp_path / 'data'}")
    assert not list((tmp_path / "home").rglob("*.png"))
