"""ETTh1 of Zhou et al. 2021, https://github.com/zhouhaoyi/ETDataset: two years of an electricity transformer, hourly.

Six loads (high, middle and low; useful and useless) and the oil's temperature in °C, 17,420 rows. The split is the
one on which forecasts have been compared since (Informer, section 5.1): 12, 4 and 4 months of 30 days; the rest is
unused.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from zoo.data import files, series
from zoo.data.entry import Entry, Raw, Web
from zoo.data.split import Split

CHANNELS = ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT")
MONTH = 30 * 24  # rows

_SHA256 = "f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066"
_RAW = Raw(
    folder="ETT-small",
    files={"ETTh1.csv": _SHA256},
    mirrors=(Web("https://raw.githubusercontent.com/zhouhaoyi/ETDataset/main/ETT-small/", {"ETTh1.csv": _SHA256}),),
)


def read(folder: Path) -> tuple[Split, Split, Split]:
    """(train, test, validation): months 1 to 12, 17 to 20 and 13 to 16, each with all the rows before it."""
    rows = series.parse(files.read(_RAW, folder, "ETTh1.csv").decode(), CHANNELS, "ETTh1.csv")
    return _months(rows, 0, 12), _months(rows, 16, 20), _months(rows, 12, 16)


def _months(rows: Tensor, begin: int, end: int) -> Split:
    return Split(rows[: end * MONTH].clone(), torch.arange(begin * MONTH, end * MONTH))


ETTH1 = Entry(
    name="etth1",
    kind="series",
    labels=[],
    maximum=1.0,
    raw=_RAW,
    read=read,
    fingerprint="c4f5445e63fb063e2bc72c890b9b80da086d4a4b1f6377a4d49b1062864a8a2a",
    channels=CHANNELS,
)
