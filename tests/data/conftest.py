"""A small data set in the layout of the published ones, and a server on this machine to fetch it from."""

from __future__ import annotations

import gzip
import hashlib
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from torch import Tensor

from zoo.data import fingerprint, idx
from zoo.data.entry import Entry, Mirror, Raw, Web
from zoo.data.split import Split


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def idx_bytes(tensor: Tensor) -> bytes:
    """A uint8 tensor as an idx file."""
    return struct.pack(f">HBB{tensor.dim()}I", 0, 8, tensor.dim(), *tensor.shape) + tensor.numpy().tobytes()


@dataclass(frozen=True)
class Small:
    """6 + 4 images, 3 pixels high and 2 wide, in three classes: the splits, and the same as four idx files."""

    train: Split
    test: Split
    contents: dict[str, bytes]

    def entry(self, *mirrors: Mirror) -> Entry:
        raw = Raw("small-set", {name: sha256(content) for name, content in self.contents.items()}, mirrors)
        known = fingerprint.of(self.train, self.test)
        return Entry("small", "image", ["a", "b", "c"], 255.0, raw, lambda folder: idx.read(raw, folder), known)

    def web(self, base: str) -> Web:
        """The mirror that serves what `write(…, zipped=True)` wrote."""
        return Web(base, {f"{name}.gz": sha256(_zip(content)) for name, content in self.contents.items()})

    def write(self, folder: Path, zipped: bool = False) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.contents.items():
            (folder / (f"{name}.gz" if zipped else name)).write_bytes(_zip(content) if zipped else content)
        return folder


def _zip(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


@pytest.fixture
def small() -> Small:
    draw = torch.Generator().manual_seed(0)

    def split(count: int) -> Split:
        images = torch.randint(0, 256, (count, 1, 3, 2), generator=draw, dtype=torch.uint8)
        return Split(images, torch.arange(count) % 3)

    train, test = split(6), split(4)
    contents = {}
    for part, made in (("train", train), ("t10k", test)):
        assert isinstance(made.inputs, Tensor)
        contents[f"{part}-images-idx3-ubyte"] = idx_bytes(made.inputs[:, 0])
        contents[f"{part}-labels-idx1-ubyte"] = idx_bytes(made.targets.to(torch.uint8))
    return Small(train, test, contents)


@dataclass
class Server:
    """Files served over plain http from this machine: what lies in `folder`, and the paths asked for so far."""

    folder: Path
    url: str
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "served"
    folder.mkdir()
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format, *args) -> None:
            asked.append(self.path)

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as httpd:
        threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True).start()
        yield Server(folder, f"http://127.0.0.1:{httpd.server_address[1]}/", asked)
        httpd.shutdown()


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty ZOO_HOME, no ZOO_DATA; the folder in which the zoo keeps data."""
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ZOO_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")  # the server is here, whatever proxy the machine goes through
    return tmp_path / "home" / "data"
