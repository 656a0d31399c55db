"""What the zoo keeps on this machine, as `zoo cache` shows and clears it."""

from __future__ import annotations

import shutil
from pathlib import Path

from zoo.errors import ZooError
from zoo.home import home

# Cleared by name: ZOO_HOME may point at a folder that holds other things too.
PARTS = {
    "weights": "fetched weights",
    "indexes": "indexes last read",
    "verified": "hashes of files checked before",
    "data": "data sets, fetched and decoded",
    "tmp": "files on their way in",
}


def usage() -> dict[str, int]:
    """Bytes in each part of the cache."""
    return {part: sum(file.lstat().st_size for file in _files(home() / part)) for part in PARTS}


def clear() -> None:
    """Delete the cache; what lies in ZOO_HOME beside it stays. Raises `ZooError` where that is not allowed."""
    for part in PARTS:
        try:
            shutil.rmtree(home() / part)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ZooError(f"{home() / part} cannot be deleted ({error.strerror}); delete it by hand.") from error


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_symlink() or path.is_file()]
