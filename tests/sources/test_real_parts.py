"""Against real programs: nginx as a static mirror, and the kernel with SIGKILL."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from forked import python

from zoo.bundles.index import read_index
from zoo.publishing import publish
from zoo.publishing.mirror import mirror
from zoo.sources import find
from zoo.sources import index as indexes

NAME = "mlp.digits_v1"
ROOT = Path(__file__).parents[2]
CONF = """daemon off; master_process off; pid {folder}/pid; error_log stderr crit;
events {{}}
http {{ access_log {folder}/access.log; client_body_temp_path {folder}; proxy_temp_path {folder};
  fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{ listen 127.0.0.1:{port}; root {root}; {more} }} }}
"""


def test_nginx_is_a_mirror_and_resumes(make_run, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch):
    """It serves what `zoo mirror` wrote, with an index in parts. Who was stopped half-way goes on by range."""
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    if not Path(nginx).exists():
        pytest.skip("nginx is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    publish(make_run(size=100_000), tmp_path / "shelf")
    monkeypatch.setattr(indexes, "FLAT_LIMIT", 0)
    monkeypatch.setenv("ZOO_SOURCES", str(tmp_path / "shelf"))
    assert list(mirror([], tmp_path / "served" / "zoo")) == [NAME]
    monkeypatch.delenv("ZOO_SOURCES")
    (tmp_path / "nginx").mkdir()
    conf = CONF.format(folder=tmp_path / "nginx", root=tmp_path / "served", port=port, more="limit_rate 4m;")
    (tmp_path / "nginx.conf").write_text(conf)
    for path in (tmp_path, *tmp_path.parents[:2]):
        path.chmod(0o755)
    server = subprocess.Popen([nginx, "-c", str(tmp_path / "nginx.conf")], stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with socket.socket() as asking:
                if asking.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        url = f"http://127.0.0.1:{port}/zoo/{NAME}"
        script = "import sys; from zoo import pull; pull(sys.argv[1])"
        stopped = subprocess.Popen([*python(), "-c", script, url], cwd=ROOT, stderr=subprocess.DEVNULL)
        while not [part for part in home.glob("tmp/*.part") if part.stat().st_size > 500_000]:
            assert stopped.poll() is None
            time.sleep(0.01)
        stopped.kill()
        stopped.wait()
        published = tmp_path / "served" / "zoo" / NAME / "model.safetensors"
        assert find(url).tensors.read_bytes() == published.read_bytes()
        assert " 206 " in (tmp_path / "nginx" / "access.log").read_text()
    finally:
        server.terminate()
        server.wait()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_publisher_that_is_killed_leaves_all_as_it_was_or_complete(make_run, tmp_path: Path):
    """Thirty times, each a little later; then the same call finishes."""
    shelf, run = tmp_path / "shelf", make_run("new", seed=1)
    publish(make_run("first"), shelf)
    done = 0
    began = time.monotonic()
    assert publish(run, tmp_path / "elsewhere") == NAME
    whole = time.monotonic() - began
    for turn in range(30):
        child = os.fork()
        if child == 0:
            publish(run, shelf)
            os._exit(0)
        time.sleep(1.2 * whole * turn / 30)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        index = read_index(shelf / "index.json")
        assert set(index) in ({NAME}, {NAME, "mlp.digits_v2"})
        for name in index:
            assert all(find(shelf / name).path(file).is_file() for file in index[name].files)
        done += "mlp.digits_v2" in index
    assert publish(run, shelf) == "mlp.digits_v2"
    left = {path.name for path in shelf.iterdir()}
    assert left <= {"index.json", NAME, "mlp.digits_v2", ".index.lock"}, left
