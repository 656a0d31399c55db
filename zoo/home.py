"""Where files go on this machine, by environment variables that are read only here, and how files are written."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import stat
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from zoo.errors import ZooError


def home() -> Path:
    """The folder for everything the zoo keeps on this machine: ZOO_HOME, by default ~/.cache/zoo.

    If this user has no home, as in some containers, it is a folder of this process, deleted when the process ends.
    """
    said = os.environ.get("ZOO_HOME")
    if said:
        return expanded(said)
    found = os.path.expanduser("~/.cache/zoo")
    return Path(found) if os.path.isabs(found) else _of_this_process()


@cache
def _of_this_process() -> Path:
    folder = tempfile.mkdtemp(prefix="zoo-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    warnings.warn(
        "there is no home folder, so what the zoo fetches is kept until this process ends; set ZOO_HOME to keep it.",
        stacklevel=2,
    )
    return Path(folder)


def expanded(path: str | os.PathLike[str]) -> Path:
    """A path as a person writes it, `~` being their home. Raises `ZooError` if there is no home."""
    text = os.path.expanduser(os.fspath(path))
    if text == "~" or text.startswith(("~/", f"~{os.sep}")):
        raise ZooError(
            f"{os.fspath(path)}: there is no home folder that ~ could mean; set HOME, or give the whole path."
        )
    return Path(text)


def data_folder() -> Path | None:
    """The folder of data sets in their authors' layout: ZOO_DATA; None if that is not set."""
    root = os.environ.get("ZOO_DATA")
    return expanded(root) if root else None


def offline() -> bool:
    """Whether ZOO_OFFLINE forbids the network."""
    return os.environ.get("ZOO_OFFLINE", "") not in ("", "0")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` for a new file or folder, which becomes `path` if the body ends without an error.

    If it ends with an error, the new file is deleted, and `path` stays as it was. Folders above `path` are made. New
    files get the mode that the umask gives, as any new file does.
    """
    make_folder(path.parent)
    # Short, because a name may have at most 255 bytes and the name of `path` may be nearly as long.
    temporary = path.with_name(f".{uuid.uuid4().hex[:16]}.tmp")
    try:
        yield temporary
        if temporary.is_file():
            temporary.chmod(_mode(path.parent))  # some libraries write files that only this user may read
        os.replace(temporary, path)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make a folder and the missing folders above it."""
    if folder.is_dir():
        return
    if folder != folder.parent:
        make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    share(folder)


def share(path: Path) -> None:
    """Let the group read and write new files in a shared folder (of mode 2775, for instance), whatever the umask."""
    shared = stat.S_ISGID | stat.S_IWGRP
    with suppress(OSError):  # another user owns it and has done this
        if path.parent.stat().st_mode & shared == shared:
            path.chmod(path.stat().st_mode | (0o2770 if path.is_dir() else 0o660))


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, with the line ends as given, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def json_text(content: Any, where: str, indent: int | None = 2) -> str:
    """`content` as JSON, with a line's end. Raises `ZooError` that begins with `where` for values that JSON does not
    have.

    Python itself would write NaN and Infinity, which other JSON readers refuse.
    """
    try:
        text = json.dumps(content, indent=indent, ensure_ascii=False, allow_nan=False) + "\n"
        text.encode()
        return text
    except UnicodeEncodeError:  # from a file's name that is not UTF-8
        return json.dumps(content, indent=indent, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise ZooError(f"{where} cannot be written as JSON ({error}); give finite numbers and text.") from error


def _mode(folder: Path) -> int:
    """The mode of a new file there. (Reading the umask itself would mean setting it, for all threads.)"""
    probe = folder / f".{uuid.uuid4().hex[:16]}.tmp"
    probe.touch()
    mode = probe.stat().st_mode & 0o777
    probe.unlink()
    return mode


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path`; wait while another process holds it."""
    from filelock import FileLock

    make_folder(path.parent)
    with FileLock(path, mode=0o664):
        yield
