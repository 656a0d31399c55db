"""The IMDB movie reviews of Maas et al. 2011, https://ai.stanford.edu/~amaas/data/sentiment.

25,000 reviews to train on and 25,000 to test on, half of each positive; no film is in both. Nevertheless 123 texts
are in both splits, word for word: they are left where the authors put them.
"""

from __future__ import annotations

from pathlib import Path

import torch

from zoo.data.entry import Archive, Entry, Raw
from zoo.data.split import Split
from zoo.errors import ZooError

LABELS = ["negative", "positive"]
BLOCKS = 250  # groups a class


def read(folder: Path) -> tuple[Split, Split]:
    """(train, test); the texts ordered by label, then by the number in their file's name.

    Reviews of one film have neighbouring numbers within a class, and the files do not say where a film ends. So the
    groups are 250 equal runs of neighbours a class (50 reviews each, and a film has 30 at most): few films are cut,
    and `hold_out` comes near a split by film.

    Raises ZooError for a file that is not UTF-8.
    """
    return _split(folder / "train"), _split(folder / "test")


def _split(folder: Path) -> Split:
    texts: list[str] = []
    targets: list[int] = []
    groups: list[int] = []
    for label, name in enumerate(("neg", "pos")):
        paths = sorted((folder / name).glob("[0-9]*_*.txt"), key=lambda path: int(path.name.partition("_")[0]))
        texts += map(_text, paths)
        targets += [label] * len(paths)
        groups += [label * BLOCKS + place * BLOCKS // len(paths) for place in range(len(paths))]
    return Split(texts, torch.tensor(targets), torch.tensor(groups))


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise ZooError(f"{path} is not UTF-8 text; replace it by the published file") from error


IMDB = Entry(
    name="imdb",
    kind="text",
    labels=LABELS,
    maximum=1.0,
    raw=Raw(
        folder="aclImdb",
        # The authors publish no checksum of a single review; the fingerprint of all of them is compared instead.
        files={f"{split}/{name}": None for split in ("train", "test") for name in ("neg", "pos")},
        mirrors=(
            Archive(
                "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
                "md5:7c2ac02c03563afcf9b574c7e56c153a",  # as the authors' mirrors state it; no SHA-256 is published
            ),
        ),
    ),
    read=read,
    fingerprint="9dd0c98fec39139a45dc0227c8166f994a814fe4f5bfa929f9eee3c07abf9029",
)
