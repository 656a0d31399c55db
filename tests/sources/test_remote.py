"""A bucket as a place, by the real s3fs against moto's S3 server on loopback, and fsspec's memory as one without S3."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from forked import python

from zoo.errors import ZooError
from zoo.publishing import publish
from zoo.sources import find
from zoo.sources.place import at

pytest.importorskip("fsspec")
ROOT = Path(__file__).parents[2]
NAME = "mlp.digits_v1"


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of a real S3 protocol server, one for all tests; each uses a bucket of its own."""
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    yield f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    server.stop()


@pytest.fixture
def bucket(s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    import s3fs

    for name, value in {
        "AWS_ENDPOINT_URL": s3, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    name = f"zoo-{abs(hash(str(tmp_path))):x}"
    s3fs.S3FileSystem(skip_instance_cache=True).mkdir(name)
    return f"s3://{name}/shelf"


@pytest.fixture(params=["s3", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "s3":
        return request.getfixturevalue("bucket")
    return f"memory://{tmp_path.name}/shelf"


def test_a_published_run_comes_back_as_it_went(place: str, make_run, home: Path, monkeypatch: pytest.MonkeyPatch):
    run = make_run()
    assert publish(run, place) == NAME
    bundle = find(f"{place}/{NAME}")
    assert bundle.folder.parent == home / "weights" / NAME
    assert bundle.tensors.read_bytes() == (run / "model.safetensors").read_bytes()
    monkeypatch.setenv("ZOO_SOURCES", place)
    assert find("mlp").folder == bundle.folder
    assert publish(make_run("same"), place) == NAME
    with pytest.raises(ZooError, match=r"never change; give a new name, such as mlp\.digits_v2"):
        publish(make_run("other", seed=1), place, name=NAME)
    assert publish(make_run("another", seed=1), place) == "mlp.digits_v2"
    assert json.loads(at(place).read("index.json", 1 << 20))["weights"].keys() == {NAME, "mlp.digits_v2"}


def test_a_publication_that_was_stopped_is_invisible_and_the_same_call_finishes_it(
    place: str, make_run, monkeypatch: pytest.MonkeyPatch
):
    """Stopped at each of its writes in turn."""
    from zoo.sources.remote import Remote

    publish(make_run("there before", seed=5), place)
    run, stopped = make_run("stopped"), 0
    put, swap = Remote._put, Remote._swap

    class Killed(BaseException):
        pass

    def counted(act, steps):
        def acts(*arguments):
            if next(steps, Killed) is Killed:
                raise Killed
            return act(*arguments)

        return acts

    for allowed in range(20):
        steps = iter([None] * allowed)
        monkeypatch.setattr(Remote, "_put", counted(put, steps))
        monkeypatch.setattr(Remote, "_swap", counted(swap, steps))
        try:
            assert publish(run, place) == "mlp.digits_v2"
            break
        except Killed:
            stopped += 1
            assert json.loads(at(place).read("index.json", 1 << 20))["weights"].keys() == {NAME}
    found = find(f"{place}/mlp.digits_v2")
    assert found.entry is not None and stopped == len(found.entry.files) + 1  # its files and the index
    assert found.tensors.read_bytes() == (run / "model.safetensors").read_bytes()


def test_eight_who_publish_at_once_lose_nothing(bucket: str, make_run):
    runs = [make_run(f"run {seed}", seed=seed) for seed in range(8)]
    fork = (
        "import os, sys, threading\nfrom zoo import publishing\nimport s3fs, yaml, pydantic, zoo.recipes, zoo.check\n"
        "publishing.check_measured = lambda bundle: None\n"
        "children = []\n"
        "for run in sys.argv[2:]:\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        try: publishing.publish(run, sys.argv[1]); os._exit(0)\n"
        "        except BaseException: __import__('traceback').print_exc(); os._exit(1)\n"
        "    children.append(child)\n"
        "sys.exit(any(os.waitpid(child, 0)[1] for child in children))\n"
    )
    two = [
        subprocess.Popen([*python(), "-c", fork, bucket, *map(str, some)], cwd=ROOT) for some in (runs[:4], runs[4:])
    ]
    assert [process.wait(timeout=300) for process in two] == [0, 0]
    index = json.loads(at(bucket).read("index.json", 1 << 20))["weights"]
    published = {entry["files"]["model.safetensors"]["sha256"] for entry in index.values()}
    assert published == {json.loads((run / "metrics.json").read_text())["sha256"] for run in runs}
    for name in index:
        assert find(f"{bucket}/{name}").tensors.is_file()  # checks its hash


def test_what_is_wrong_is_one_sentence(bucket: str, monkeypatch: pytest.MonkeyPatch, closed_port: int):
    with pytest.raises(ZooError, match=r"^s3://.* does not give index\.json: it is not there; check the address"):
        find(f"{bucket}/nothing")
    with pytest.raises(ZooError, match="gopher://host is not a source that can be read"):
        find("gopher://host")
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    with pytest.raises(ZooError, match="ZOO_OFFLINE"):
        find(f"{bucket}/nothing")


def test_without_fsspec_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(ZooError, match=r"pip install 'reprozoo\[remote\]'"):
        find("s3://bucket/zoo")
    assert os.environ.get("ZOO_OFFLINE") is None
