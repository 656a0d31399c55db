"""What a setting may be beyond its type, and how much a file may hold.

pydantic reads the limits of settings, and they stand in files that do not import it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from zoo.errors import ZooError

SPARE, RATIO = 256 << 20, 200
"""Of data of one's own a compressed file may unpack to so many bytes, and to so many times its own size more.

Tables of real data pack to a hundredth at the best; zeros pack to a thousandth by gzip, and to nothing in Parquet.
"""


def unpacked(path: Path) -> int:
    """The bytes that a compressed file of data may unpack to."""
    return SPARE + RATIO * path.stat().st_size


def bomb(path: Path) -> ZooError:
    """The error for a file that unpacks to more."""
    how = "unpack it yourself (gunzip) and give that file" if path.suffix == ".gz" else "write them as CSV"
    return ZooError(
        f"{path} has {path.stat().st_size:,} bytes and unpacks to more than {unpacked(path):,}, like a file that was "
        f"made to fill a machine's memory; if you know what is in it, {how}."
    )


@dataclass(frozen=True)
class AtLeast:
    """A number that is not below `low`."""

    low: int

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        return {**handler(source), "ge": self.low}


Count = Annotated[int, AtLeast(1)]
