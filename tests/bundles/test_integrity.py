"""A file is hashed once, and again when it changes."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from io import FileIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from zoo import integrity
from zoo.errors import ZooError
from zoo.home import home
from zoo.integrity import check_file, checked, read_checked, sha256

CONTENT = bytes(range(256)) * 5000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of some size that was not written just now, and a cache that never saw it."""
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(integrity, "_memo", {})
    monkeypatch.setattr(integrity, "_SETTLED_NS", -1)
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every file that was read whole."""
    seen: list[Path] = []

    hash_of = integrity._hash_of

    def spy(opened: FileIO) -> str:
        seen.append(Path(str(opened.name)))
        return hash_of(opened)

    monkeypatch.setattr(integrity, "_hash_of", spy)
    return seen


def test_the_hash_is_that_of_the_bytes(file: Path, tmp_path: Path) -> None:
    assert sha256(file) == DIGEST
    (tmp_path / "empty").touch()
    assert sha256(tmp_path / "empty") == hashlib.sha256(b"").hexdigest()


def test_a_file_is_hashed_once(file: Path, hashed: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        check_file(file, DIGEST, len(CONTENT))
    monkeypatch.setattr(integrity, "_memo", {})  # as in another process
    check_file(file, DIGEST, len(CONTENT))
    assert hashed == [file]


def test_a_remembered_hash_does_not_vouch_for_another(file: Path, hashed: list[Path]) -> None:
    check_file(file, DIGEST)
    with pytest.raises(ZooError, match="SHA-256 is not the published one"):
        check_file(file, "0" * 64)
    assert hashed == [file]


def test_another_process_remembers(file: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from zoo import integrity\n"
        "integrity._SETTLED_NS = -1; path, digest = Path(sys.argv[1]), sys.argv[2]\n"
        "if sys.argv[3] == 'again': integrity._hash_of = None\n"
        "integrity.check_file(path, digest)"
    )
    for turn in ("first", "again"):
        subprocess.run([sys.executable, "-c", code, str(file), DIGEST, turn], check=True)


def test_a_changed_file_is_noticed_though_size_and_mtime_are_as_before(file: Path, hashed: list[Path]) -> None:
    check_file(file, DIGEST, len(CONTENT))
    status = file.stat()
    with open(file, "r+b") as out:
        out.seek(1000)
        out.write(b"\xff")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(ZooError, match="damaged or was changed"):
        check_file(file, DIGEST, len(CONTENT))
    assert len(hashed) == 2


def test_another_file_in_its_place_is_noticed(file: Path, tmp_path: Path) -> None:
    check_file(file, DIGEST)
    other = tmp_path / "other"
    other.write_bytes(CONTENT[::-1])
    os.replace(other, file)
    with pytest.raises(ZooError, match="damaged or was changed"):
        check_file(file, DIGEST)


def test_what_was_written_just_now_is_not_remembered(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within one tick of the file system's clock a change leaves every time as it was."""
    monkeypatch.setattr(integrity, "_SETTLED_NS", 60_000_000_000)
    check_file(file, DIGEST)
    assert not integrity._memo and not (home() / "verified").exists()


def test_a_file_that_changes_while_it_is_hashed_is_not_remembered(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hash_of = integrity._hash_of

    def slow(opened: FileIO) -> str:
        digest = hash_of(opened)
        with file.open("ab") as other:
            other.write(b"more")
        return digest

    monkeypatch.setattr(integrity, "_hash_of", slow)
    check_file(file, DIGEST)
    assert not integrity._memo and not (home() / "verified").exists()
    monkeypatch.setattr(integrity, "_hash_of", hash_of)
    with pytest.raises(ZooError, match="is damaged or was changed"):
        check_file(file, DIGEST)


def test_the_size_is_compared_before_anything_is_read(file: Path, hashed: list[Path]) -> None:
    with pytest.raises(ZooError, match="1,280,000 bytes long where 1,280,001 were published"):
        check_file(file, DIGEST, len(CONTENT) + 1)
    assert hashed == []


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ZooError, match="cannot be read"):
        check_file(tmp_path / "nothing", DIGEST)


@pytest.mark.parametrize("junk", [b"", b"one line", b"\xff\xff\n\xff", b"a\nb\nc\n"])
def test_a_note_that_is_junk_is_as_none(junk: bytes, file: Path, hashed: list[Path]) -> None:
    note = integrity._note(os.path.abspath(file))
    note.parent.mkdir(parents=True)
    note.write_bytes(junk)
    check_file(file, DIGEST)
    assert hashed == [file]


def test_a_home_that_cannot_be_written_costs_time_alone(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "not_a_folder").touch()
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "not_a_folder"))
    check_file(file, DIGEST)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="files have no owner here")
@pytest.mark.parametrize("doctored", ["another user's", "writable by all"])
def test_a_note_of_another_user_is_not_believed(
    file: Path, hashed: list[Path], doctored: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_file(file, DIGEST)
    note = integrity._note(os.path.abspath(file))
    state, _ = note.read_text().splitlines()
    note.write_text(f"{state}\n{'0' * 64}\n")  # vouches for other bytes
    monkeypatch.setattr(integrity, "_memo", {})
    if doctored == "writable by all":
        note.chmod(0o666)
    elif os.geteuid() == 0:
        os.chown(note, 65534, 65534)
    else:
        pytest.skip("needs root to give a file away")
    with pytest.raises(ZooError, match="SHA-256 is not the published one"):
        check_file(file, "0" * 64)
    check_file(file, DIGEST)
    assert hashed == [file] * 2


def test_a_clock_of_whole_seconds_is_given_two_of_them(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integrity, "_SETTLED_NS", 100_000_000)

    def status(seconds_ago: float, part: int) -> os.stat_result:
        at = (10**18 - int(seconds_ago * 10**9)) // 10**9 * 10**9 + part
        return os.stat_result(tuple(file.stat())[:10], {"st_mtime_ns": at, "st_ctime_ns": at})

    assert integrity._is_settled(status(1, 7), 10**18)
    assert not integrity._is_settled(status(1, 0), 10**18)
    assert integrity._is_settled(status(3, 0), 10**18)


def test_what_was_checked_is_what_is_used(file: Path, tmp_path: Path) -> None:
    """Files are swapped by rename as fast as possible, and only checked files are read."""
    other, spare, done = tmp_path / "other", tmp_path / "spare", threading.Event()
    other.write_bytes(CONTENT[::-1])
    good = file.read_bytes()

    def swap() -> None:
        while not done.is_set():
            for content in (CONTENT[::-1], good):
                spare.write_bytes(content)
                os.replace(spare, file)

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        used = 0
        for _ in range(300):
            try:
                with checked(file, DIGEST) as path:
                    content = path.read_bytes()
            except ZooError:
                continue
            used += 1
            assert content == CONTENT
    finally:
        done.set()
        swapping.join()
    assert used


def test_a_small_file_is_its_bytes_if_they_are_the_published_ones(tmp_path: Path) -> None:
    path, digest = tmp_path / "small.json", hashlib.sha256(b"{}").hexdigest()
    path.write_bytes(b"{}")
    assert read_checked(path, digest, 2) == read_checked(path, digest) == read_checked(path, None) == b"{}"
    with pytest.raises(ZooError, match="is 2 bytes long where 3 were published"):
        read_checked(path, digest, 3)
    with pytest.raises(ZooError, match="is damaged or was changed"):
        read_checked(path, DIGEST, 2)
    with pytest.raises(ZooError, match="cannot be read"):
        read_checked(tmp_path / "nothing", None)


SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("changed", "written", "passed", "settled"),
    [
        (0.5, 0.5, 0.2, True),
        (0.5, 0.5, 0.1, False),  # exactly one tick
        (0.5, 0.5, -5.0, True),  # the clock was set back
        (0.0, 0.0, 0.2, False),  # a file system without parts of a second
        (0.0, 0.0, 2.2, True),
        (0.0, 0.5, 0.8, True),  # one of the two times has parts: the clock knows them
        (0.5, 0.0, 0.2, True),
    ],
)
def test_a_file_is_settled_once_a_change_would_show(
    changed: float, written: float, passed: float, settled: bool
) -> None:
    times: Any = SimpleNamespace(
        st_ctime_ns=1_000 * SECOND + round(changed * SECOND), st_mtime_ns=1_000 * SECOND + round(written * SECOND)
    )
    now = max(times.st_ctime_ns, times.st_mtime_ns) + round(passed * SECOND)
    assert integrity._is_settled(times, now) == settled


@pytest.mark.skipif(sys.platform != "linux", reason="Linux can name an open file")
def test_what_was_checked_is_read_whatever_takes_its_place(file: Path, tmp_path: Path) -> None:
    with checked(file, DIGEST) as opened:
        (tmp_path / "other").write_bytes(b"other")
        os.replace(tmp_path / "other", file)
        assert opened.read_bytes() == CONTENT
