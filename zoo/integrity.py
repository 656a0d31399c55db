"""The hash of a file, computed once for as long as the file stays as it is.

Hashing 47 MB takes 30 ms, several times what loading them takes. So the hash is remembered under ZOO_HOME/verified/
with the size, times and inode of the file that it was computed from; where any of them is another, it is computed anew.
"""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import suppress
from pathlib import Path

from zoo.errors import ZooError
from zoo.home import home, write_text

# A file system's clock ticks every few milliseconds: within one tick a file can change and keep its times. What was
# written this short a while before it was hashed is therefore not remembered.
_SETTLED_NS = 100_000_000

_memo: dict[str, tuple[str, str]] = {}  # path -> (state of the file, its SHA-256)


def sha256(path: Path) -> str:
    """The SHA-256 of the file's bytes as they are now, 64 hex digits."""
    digest, buffer = hashlib.sha256(), bytearray(1 << 20)
    view = memoryview(buffer)
    with open(path, "rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(view[:count])
    return digest.hexdigest()


def check_file(path: Path, expected: str, size: int | None = None) -> None:
    """Raise `ZooError` unless the file has this SHA-256 and, where given, this size in bytes.

    The whole file is read the first time; later checks of an unchanged file cost one `stat`.
    """
    try:
        found = path.stat().st_size
        if size is not None and found != size:
            raise ZooError(f"{path} is {found:,} bytes long where {size:,} were published; fetch or publish it anew.")
        same = _known_hash(path) == expected
    except OSError as error:
        raise ZooError(f"{path} cannot be read ({error.strerror}); fetch or publish the bundle anew.") from error
    if not same:
        raise ZooError(
            f"{path} is damaged or was changed: its SHA-256 is not the published one; fetch or publish it anew."
        )


def _known_hash(path: Path) -> str:
    key, status = os.path.abspath(path), path.stat()
    state = _state(status)
    known, digest = _memo.get(key) or _recall(key)
    if known == state:
        _memo[key] = (state, digest)
        return digest
    now = time.time_ns()
    digest = sha256(path)
    settled = abs(now - max(status.st_mtime_ns, status.st_ctime_ns)) > _SETTLED_NS
    if settled and _state(path.stat()) == state:
        _memo[key] = (state, digest)
        _remember(key, state, digest)
    return digest


def _state(status: os.stat_result) -> str:
    """What changes when the file does."""
    kept = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev)
    return " ".join(map(str, kept))


def _note(key: str) -> Path:
    return home() / "verified" / hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()[:32]


def _recall(key: str) -> tuple[str, str]:
    with suppress(OSError, ValueError):
        state, digest = _note(key).read_text(encoding="ascii").splitlines()
        return state, digest
    return "", ""


def _remember(key: str, state: str, digest: str) -> None:
    """Keep the hash for other processes; where nothing can be written, each process hashes once."""
    with suppress(OSError):
        write_text(_note(key), f"{state}\n{digest}\n")
