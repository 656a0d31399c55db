"""The hash of a file, computed once for as long as the file stays as it is.

Hashing 47 MB takes 30 ms, several times what loading them takes. So the hash is remembered under ZOO_HOME/verified/
with the size, times and inode of the file that it was computed from; if any of these differs, the hash is computed
again.

What this guarantees: every change through the file system is noticed, because it changes the file's ctime, which no
program can set. Not noticed are changes that leave the ctime: a write through a memory mapping that was already dirty
when the hash was computed, a change below the file system (a failing disk, a raw device), and changes on a network
file system while it reports old times. `zoo cache verify` reads everything again. A remembered hash is used only if
its file belongs to the current user and only this user can write it.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from zoo.errors import ZooError
from zoo.home import home, make_folder

# Within one tick of the file system's clock a file can change and keep its times, so the hash of a file that was
# written so shortly before is not remembered. A clock with fractions of a second ticks every few milliseconds; one
# without may tick every two seconds.
_SETTLED_NS = 100_000_000
_SETTLED_COARSE_NS = 2_100_000_000

_memo: dict[str, tuple[str, str]] = {}  # path -> (state of the file, its SHA-256)


def sha256(path: Path) -> str:
    """The SHA-256 of the file's bytes as they are now, 64 hex digits."""
    with open(path, "rb", buffering=0) as file:
        return _hash_of(file)


def check_file(path: Path, expected: str, size: int | None = None) -> None:
    """Raise `ZooError` unless the file has this SHA-256 and, if given, this size in bytes.

    The whole file is read the first time; later checks of an unchanged file cost one `stat`.
    """
    with checked(path, expected, size):
        pass


@contextmanager
def checked(path: Path, expected: str, size: int | None = None) -> Iterator[Path]:
    """The path of the checked file itself, while the body runs, even if `path` is replaced meanwhile.

    Raises `ZooError` as `check_file` does. On a system that cannot name an open file it is `path` itself, and the
    same error is raised after the body if `path` was replaced.
    """
    try:
        with open(path, "rb", buffering=0) as file:
            found = os.fstat(file.fileno()).st_size
            if size is not None and found != size:
                raise ZooError(
                    f"{path} is {found:,} bytes long where {size:,} were published; fetch or publish it again."
                )
            if _known_hash(path, file) != expected:
                raise _changed(path)
            named = Path(f"/proc/self/fd/{file.fileno()}")
            if sys.platform == "linux" and named.exists():
                yield named
                return
            yield path
            if not os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                raise _changed(path)
    except OSError as error:
        raise ZooError(f"{path} cannot be read ({error.strerror}); fetch or publish the bundle again.") from error


def read_checked(path: Path, expected: str | None, size: int | None = None) -> bytes:
    """The bytes of a small file, if they have this SHA-256; these bytes are hashed at each call."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ZooError(f"{path} cannot be read ({error.strerror}); fetch or publish the bundle again.") from error
    if size is not None and len(content) != size:
        raise ZooError(
            f"{path} is {len(content):,} bytes long where {size:,} were published; fetch or publish it again."
        )
    if expected is not None and hashlib.sha256(content).hexdigest() != expected:
        raise _changed(path)
    return content


def _changed(path: Path) -> ZooError:
    return ZooError(
        f"{path} is damaged or was changed: its SHA-256 is not the published one; fetch or publish it again."
    )


def _hash_of(file: FileIO) -> str:
    digest, buffer = hashlib.sha256(), bytearray(1 << 20)
    view = memoryview(buffer)
    while count := file.readinto(buffer):
        digest.update(view[:count])
    return digest.hexdigest()


def _known_hash(path: Path, file: FileIO) -> str:
    """The hash of the open file, which is at `path`."""
    key, status = os.path.abspath(path), os.fstat(file.fileno())
    state = _state(status)
    known, digest = _memo.get(key) or _recall(key)
    if known == state:
        _memo[key] = (state, digest)
        return digest
    now = time.time_ns()
    digest = _hash_of(file)
    if _is_settled(status, now) and _state(os.fstat(file.fileno())) == state:
        _memo[key] = (state, digest)
        _remember(key, state, digest)
    return digest


def _is_settled(status: os.stat_result, now: int) -> bool:
    """Whether any later change would show in the file's times."""
    fine = status.st_ctime_ns % 1_000_000_000 or status.st_mtime_ns % 1_000_000_000
    wait = _SETTLED_NS if fine else max(_SETTLED_NS, _SETTLED_COARSE_NS)
    return _SETTLED_NS < 0 or abs(now - max(status.st_mtime_ns, status.st_ctime_ns)) > wait


def _state(status: os.stat_result) -> str:
    """Facts that change if the file changes."""
    kept = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev)
    return " ".join(map(str, kept))


def _note(key: str) -> Path:
    """Where this user keeps the hash of the file at `key`."""
    user = os.geteuid() if hasattr(os, "geteuid") else 0
    return home() / "verified" / f"{hashlib.sha256(key.encode(errors='surrogateescape')).hexdigest()[:32]}.{user}"


def _recall(key: str) -> tuple[str, str]:
    with suppress(OSError, ValueError), open(_note(key), encoding="ascii") as note:
        status = os.fstat(note.fileno())
        if not hasattr(os, "geteuid") or (status.st_uid == os.geteuid() and not status.st_mode & 0o022):
            state, digest = note.read(1000).splitlines()
            return state, digest
    return "", ""


def _remember(key: str, state: str, digest: str) -> None:
    """Store the hash for other processes; if it cannot be written, each process hashes once."""
    note = _note(key)
    temporary = note.with_name(f".{uuid.uuid4().hex[:16]}.tmp")
    with suppress(OSError):
        make_folder(note.parent)
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "w", encoding="ascii") as out:
                out.write(f"{state}\n{digest}\n")
            os.replace(temporary, note)
        finally:
            temporary.unlink(missing_ok=True)
