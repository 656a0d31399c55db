"""The bytes of a text file, unzipped and checked to be UTF-8, and the error messages for other files."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from zoo.errors import ZooError
from zoo.limits import bomb, unpacked

BOM = b"\xef\xbb\xbf"
OTHER = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
"""The first bytes of files in other encodings."""


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The file's bytes as a stream, unzipped if its name ends in .gz.

    Raises `ZooError` for a file that does not exist, is empty, may not be read, is damaged gzip, or unpacks to more
    than `zoo.limits.unpacked`.
    """
    try:
        if path.stat().st_size == 0:
            raise ZooError(f"{path} is empty (0 bytes); give a file with data.")
        with path.open("rb") as file:
            yield io.BufferedReader(_Unzipped(path, file), 1 << 20) if path.suffix == ".gz" else file
    except FileNotFoundError as error:
        raise ZooError(f"there is no file {path}; check the path.") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ZooError(f"{path} is not a whole gzip file ({error}); compress it or fetch it again.") from error
    except OSError as error:
        raise ZooError(f"{path} cannot be read ({error.strerror or error}); check its permissions.") from error


class _Unzipped(io.RawIOBase):
    """The bytes in a gzip file, up to the most that it may hold."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self._path, self._file, self._left = path, gzip.GzipFile(fileobj=file), unpacked(path)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._file.readinto(buffer)
        self._left -= count
        if self._left < 0:
            raise bomb(self._path)
        return count

    def readall(self) -> bytes:
        return b"".join(iter(lambda: self.read(1 << 20) or b"", b""))


def content(path: Path) -> str:
    """The whole text of a file, without a byte order mark; line ends as they are. Raises `ZooError` as `opened` and
    `decoded` do."""
    with opened(path) as file:
        return decoded(file.read(), path)


def decoded(data: bytes, path: Path, whole: bool = True) -> str:
    """UTF-8 bytes as text; if `whole` is false, a character that is cut off at the end is left out.

    Raises `ZooError` for a file that is empty or not text, and for other bytes, naming the line and the likely
    encoding.
    """
    if not data:
        raise ZooError(f"{path} is empty; give a file with data.")
    if name := OTHER.get(data[:2]):
        raise ZooError(f"{path} is in {name}, not UTF-8; save it as UTF-8, or run: {_convert(path, name)}.")
    if b"\0" in data[:100_000]:
        raise ZooError(f"{path}:{_line(data, data.index(0))} is not text (it holds a zero byte); give a text file.")
    data = data.removeprefix(BOM)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        if not whole and error.end == len(data) and error.reason == "unexpected end of data":
            return data[: error.start].decode()
        name = "windows-1252" if any(0x80 <= b <= 0x9F for b in data[error.start : error.start + 1]) else "latin-1"
        raise ZooError(
            f"{path}:{_line(data, error.start)} is not UTF-8 (it looks like {name}); save it as UTF-8, or run: "
            f"{_convert(path, name)}."
        ) from error


def refuse_bytes(path: Path) -> None:
    """Raise `ZooError` for the first place in the file that is not UTF-8, if there is one."""
    content(path)


def _line(data: bytes, place: int) -> int:
    return data.count(b"\n", 0, place) + 1


def _convert(path: Path, encoding: str) -> str:
    return f"iconv -f {encoding} -t utf-8 {path.name} > new.{path.name}"


def lines(path: Path) -> list[str]:
    """The lines of a text file, without their ends (CRLF too)."""
    return [line.removesuffix("\r") for line in io.StringIO(content(path), newline="\n").read().split("\n")]
