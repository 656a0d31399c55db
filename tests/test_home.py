"""A file is there whole or not at all, and has the mode that the umask gives."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from zoo.home import data_folder, home, offline, replacing, write_text

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(params=[0o022, 0o002, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_a_file_takes_its_place_and_nothing_else_stays(tmp_path: Path):
    write_text(tmp_path / "deep" / "file", "one\n")
    write_text(tmp_path / "deep" / "file", "two\r\n")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["file"]
    assert (tmp_path / "deep" / "file").read_bytes() == b"two\r\n"


@pytest.mark.parametrize("folder", [False, True])
def test_what_fails_midway_leaves_all_as_it_was(tmp_path: Path, folder: bool):
    target = tmp_path / "target"
    target.write_text("before")
    with pytest.raises(ValueError, match="midway"), replacing(target) as temporary:
        if folder:
            temporary.mkdir()
        (temporary / "part" if folder else temporary).write_text("half")
        raise ValueError("midway")
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
    assert target.read_text() == "before"


def test_a_name_of_the_greatest_length_can_be_written(tmp_path: Path):
    write_text(tmp_path / ("n" * 255), "text")
    assert (tmp_path / ("n" * 255)).read_text() == "text"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_the_mode_follows_the_umask_whatever_the_writer_chose(tmp_path: Path, umask: int):
    with replacing(tmp_path / "file") as temporary:
        handle, private = tempfile.mkstemp(dir=tmp_path)  # as some libraries do: for its maker alone to read
        os.close(handle)
        os.replace(private, temporary)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o666 & ~umask


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_checkpoints_indexes_and_decoded_data_follow_the_umask(tmp_path: Path, umask: int):
    import torch

    from zoo.bundles.index import write_index
    from zoo.data import Split, store
    from zoo.training import checkpoint

    checkpoint.save(tmp_path / "run", 1, {"model": {"x": torch.ones(1)}}, {})
    write_index(tmp_path / "index.json", {})
    splits = [Split(torch.ones(2, 1), torch.zeros(2)) for _ in range(2)]
    store.save(tmp_path / "data.safetensors", splits, "fingerprint", "stamp")
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) == 4
    assert {path.stat().st_mode & 0o777 for path in written} == {0o666 & ~umask}


def test_the_environment_is_read_when_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ZOO_HOME", str(tmp_path))
    assert home() == tmp_path
    monkeypatch.setenv("ZOO_HOME", "")
    assert home() == Path.home() / ".cache" / "zoo"
    monkeypatch.setenv("ZOO_DATA", "~/sets")
    assert data_folder() == Path.home() / "sets"
    monkeypatch.delenv("ZOO_DATA")
    assert data_folder() is None
    for value, expected in {"": False, "0": False, "1": True}.items():
        monkeypatch.setenv("ZOO_OFFLINE", value)
        assert offline() is expected
