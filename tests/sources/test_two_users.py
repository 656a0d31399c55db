"""Two real users of one group with one cache: each one's command works, or says what to do."""

from __future__ import annotations

import os
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from forked import python

from zoo.publishing import publish

pytestmark = pytest.mark.skipif(
    not hasattr(os, "getuid") or os.getuid() != 0, reason="needs the right to become other users"
)
GROUP, ANN, BOB = 54321, 54322, 54323
# What is imported late is imported before: the zoo may lie where that user cannot read.
SCRIPT = """
import os, sys, warnings
import zoo, zoo.sources, zoo.sources.https, zoo.sources.kept, zoo.sources.progress, zoo.bundles.load
import filelock, rich.progress
from zoo.cli import machine, output
from zoo.sources import find, finding, kept
zoo.list_models()
try: find("https://localhost:1/no.such_v1")
except zoo.ZooError: pass
from pathlib import Path
finding.PACKAGE = Path("/no package")
user, group, mask, what = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3], 8), sys.argv[4]
os.setgroups([])
os.setgid(group)
os.setuid(user)
os.umask(mask)
try:
    if what == "prune":
        print(len(kept.prune(older_than=-1)))
    elif what == "verify":
        print(len(kept.damaged()))
    elif what == "clear":
        kept.clear()
        print(sorted(os.listdir(os.environ["ZOO_HOME"])))
    else:
        print(find(what).tensors.is_file())
except zoo.ZooError as error:
    print("error:", error)
"""


@pytest.fixture
def cache() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as scratch:  # that pytest makes is for its own user alone
        Path(scratch).chmod(0o755)
        folder = Path(scratch) / "cache"
        folder.mkdir()
        yield folder


@pytest.fixture
def as_user(cache: Path, web: SimpleNamespace, make_run: Callable[..., Path]) -> Callable[..., str]:
    for seed in range(2):
        publish(make_run(f"run{seed}", seed=seed), web.root / "zoo")

    def run(user: int, what: str, *, group: int = GROUP, mask: str = "022") -> str:
        environment = {**os.environ, "ZOO_HOME": str(cache), "ZOO_SOURCES": f"{web.url}/zoo", "HOME": "/nowhere"}
        command = [*python(), "-c", SCRIPT, str(user), str(group), mask, what]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd="/")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


@pytest.mark.parametrize("mask", ["002", "022", "077"])
def test_a_cache_that_a_group_shares_serves_its_members_whatever_their_umask(cache: Path, as_user, mask: str) -> None:
    os.chown(cache, 0, GROUP)
    cache.chmod(0o2775)
    assert as_user(ANN, "mlp.digits_v1", mask=mask) == "True"
    for user in (BOB, ANN):
        assert as_user(user, "mlp.digits_v1", mask=mask) == "True"
        assert as_user(user, "mlp.digits_v2", mask=mask) == "True"
        assert as_user(user, "verify", mask=mask) == "0"
    tensors = next(cache.glob("weights/mlp.digits_v1/*/model.safetensors"))
    tensors.write_bytes(b"damaged")
    os.chown(tensors, ANN, GROUP)
    assert as_user(BOB, "mlp.digits_v1", mask=mask) == "True"
    assert as_user(BOB, "prune", mask=mask) == "2"
    assert as_user(ANN, "mlp.digits_v1", mask=mask) == "True"
    assert as_user(BOB, "clear", mask=mask) == "[]"
    assert all(path.stat().st_gid == GROUP for path in cache.rglob("*"))


def test_a_cache_of_another_user_is_read_and_what_cannot_be_written_is_said(cache: Path, as_user) -> None:
    os.chown(cache, ANN, GROUP)
    assert as_user(ANN, "mlp.digits_v1") == "True"
    before = {path: stat.S_IMODE(path.stat().st_mode) for path in cache.rglob("*")}
    assert as_user(BOB, "mlp.digits_v1") == "True"
    assert as_user(BOB, "verify") == "0"
    said = as_user(BOB, "mlp.digits_v2")
    assert said.startswith("error: mlp.digits_v2 cannot be kept in the cache") and "set ZOO_HOME to another" in said
    assert "chmod -R g+rwX" in said
    said = as_user(BOB, "prune")
    assert said.startswith("error: ") and "cannot be deleted (Permission denied)" in said
    assert before == {path: stat.S_IMODE(path.stat().st_mode) for path in cache.rglob("*")}
