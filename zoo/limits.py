"""Limits of settings beyond their types, and of the size of files.

pydantic reads the limits of settings; the files that declare them do not import it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from zoo.errors import ZooError

SPARE, RATIO = 256 << 20, 200
"""A compressed file of the user's own data may unpack to `SPARE` bytes plus `RATIO` times its own size.

Tables of real data pack to at best a hundredth; zeros pack to a thousandth with gzip, and to nearly nothing in Parquet.
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
