"""Without a home, with another user's files, on a file system that cannot map: nothing odd is made, nothing is lost."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch
from forked import python

from zoo import ZooError
from zoo.home import expanded, home
from zoo.training import checkpoint

NO_MAP = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
static int refused(int fd) {
    char name[64], target[4096];
    ssize_t n;
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    n = fd < 0 ? -1 : readlink(name, target, sizeof target - 1);
    target[n < 0 ? 0 : n] = 0;
    return strstr(target, ".safetensors") != NULL;
}
#define MAP(name) void *name(void *a, size_t n, int p, int f, int fd, off_t o) { \
    if (refused(fd)) { errno = ENODEV; return MAP_FAILED; } \
    return ((void *(*)(void *, size_t, int, int, int, off_t))dlsym(RTLD_NEXT, #name))(a, n, p, f, fd, o); }
MAP(mmap)
MAP(mmap64)
"""

nobody = pytest.mark.skipif(not hasattr(os, "getuid"), reason="Windows has no such users")


def no_home(folder: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A Python whose user has no home: no HOME, and no entry in the list of users."""
    environment = {k: v for k, v in os.environ.items() if k not in ("HOME", "ZOO_HOME")}
    if os.getuid():
        pytest.skip("needs the right to become a user that is not listed")
    # What torch imports late is imported before: the environment may lie where that user cannot read.
    late = "import torch; torch.get_default_device()\ntry: zoo.train('none.such')\nexcept zoo.ZooError: pass\n"
    become = "os.setgid(54321); os.setuid(54321)\n"
    before = f"import os, tempfile, zoo, zoo.training\nfrom zoo import home\n{late}{become}"
    return subprocess.run(
        [*python(), "-c", before + code, *arguments], capture_output=True, text=True, cwd=folder, env=environment
    )


@nobody
def test_without_a_home_there_is_no_folder_called_tilde(tmp_path: Path):
    place = tmp_path / "here"
    place.mkdir()
    place.chmod(0o777)
    code = "place = home.home()\n(place / 'x').mkdir(parents=True)\nprint(place)"
    done = no_home(place, code)
    assert done.returncode == 0, done.stderr
    kept = Path(done.stdout.strip())
    assert kept.is_absolute() and not kept.exists(), "what this process kept went with it"
    assert "there is no home folder" in done.stderr and "set ZOO_HOME" in done.stderr
    assert list(place.iterdir()) == []


@nobody
def test_a_tilde_that_means_nothing_is_refused(tmp_path: Path):
    tmp_path.chmod(0o777)
    done = no_home(tmp_path, "try: zoo.train('mlp.digits', out='~/run')\nexcept zoo.ZooError as e: print(e)")
    assert "there is no home folder that ~ could mean; set HOME" in done.stdout, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_tilde_is_the_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("ZOO_HOME", "~/mine")
    monkeypatch.setenv("HOME" if os.name != "nt" else "USERPROFILE", str(tmp_path))
    assert home() == expanded("~/mine") == tmp_path / "mine"


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    for step in (1, 2):
        checkpoint.save(tmp_path, step, {"model": {"w": torch.full((8,), float(step))}}, {"step": step})
    return tmp_path


@nobody
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_checkpoints_have_the_mode_that_the_umask_gives(umask: int, mode: int, tmp_path: Path):
    before = os.umask(umask)
    try:
        path = checkpoint.save(tmp_path, 1, {"model": {"w": torch.zeros(2)}}, {})
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == mode


@nobody
@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_another_user_may_not_read_is_not_damaged_and_stays(what: str):
    if os.getuid():
        pytest.skip("needs the right to become another user")
    with tempfile.TemporaryDirectory() as scratch:  # that pytest makes is for its own user alone
        folder = Path(scratch) / "checkpoints"
        for step in (1, 2):
            newest = checkpoint.save(folder, step, {"model": {"w": torch.zeros(8)}}, {"step": step})
        Path(scratch).chmod(0o777)
        (newest if what == "file" else folder).chmod(0)
        code = (
            "import os, sys; from pathlib import Path; from zoo import ZooError; from zoo.training import checkpoint\n"
            "os.setuid(54321)\n"
            "try: checkpoint.newest(Path(sys.argv[1]))\nexcept ZooError as error: print(error)"
        )
        done = subprocess.run([*python(), "-c", code, str(folder)], capture_output=True, text=True)
        assert "cannot be read (Permission denied)" in done.stdout, done.stderr
        assert len(checkpoint.saved(folder)) == 2


def test_a_folder_in_a_checkpoints_place_is_an_error(saved: Path):
    newest = checkpoint.saved(saved)[-1]
    newest.unlink()
    newest.mkdir()
    with pytest.raises(ZooError, match="cannot be read"):
        checkpoint.newest(saved)


@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("cc"), reason="needs Linux and a C compiler")
def test_everything_reads_even_if_nothing_can_be_mapped(saved: Path, image_bundle: Path, tmp_path: Path):
    (tmp_path / "nomap.c").write_text(NO_MAP)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", tmp_path / "nomap.so", tmp_path / "nomap.c", "-ldl"], check=True)
    code = (
        "import sys, zoo; from pathlib import Path; from safetensors import safe_open\n"
        "from zoo.training import checkpoint\n"
        "try: safe_open(sys.argv[2] + '/model.safetensors', 'pt'); raise SystemExit('it can be mapped')\n"
        "except OSError: pass\n"
        "parts, state = checkpoint.newest(Path(sys.argv[1]))\n"
        "print(state['step'], parts['model']['w'].tolist()[0], zoo.create(sys.argv[2]).zoo.weight)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(saved), str(image_bundle)],
        capture_output=True,
        text=True,
        env={**os.environ, "LD_PRELOAD": str(tmp_path / "nomap.so")},
    )
    assert done.stdout == "2 2.0 mlp.tiny_v1\n", done.stderr
