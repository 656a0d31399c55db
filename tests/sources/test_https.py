"""Reading a real web server on loopback: what is right is kept, and of what is not nothing stays."""

from __future__ import annotations

import io
import json
import os
import socket
import ssl
import subprocess
import threading
import time
import urllib.request
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import copytree, which
from types import SimpleNamespace

import pytest
from forked import python

from zoo import pull
from zoo.errors import ZooError
from zoo.publishing import publish
from zoo.sources import find, way
from zoo.sources.https import Https

NAME = "mlp.digits_v1"


@pytest.fixture
def served(web: SimpleNamespace, shelf: Path) -> SimpleNamespace:
    """The web server, with the three weights of `shelf` under /zoo."""
    copytree(shelf, web.root / "zoo")
    web.zoo = f"{web.url}/zoo"
    return web


def left_behind(home: Path) -> list[Path]:
    """The files in the cache that are neither whole nor locks: there must never be any."""
    return [path for path in (home / "tmp").rglob("*") if path.suffix != ".lock"]


def change_index(web: SimpleNamespace, **changes: object) -> None:
    """Change what the index says of the tensors."""
    path = web.root / "zoo" / "index.json"
    index = json.loads(path.read_text())
    index["weights"][NAME]["files"]["model.safetensors"].update(changes)
    path.write_text(json.dumps(index))


def test_a_weight_is_fetched_once(served: SimpleNamespace, home: Path, monkeypatch: pytest.MonkeyPatch):
    bundle = find(f"{served.zoo}/{NAME}")
    published = served.root / "zoo" / NAME
    assert bundle.folder.parent == home / "weights" / NAME
    assert {p.name: p.read_bytes() for p in bundle.folder.iterdir()} == {
        p.name: p.read_bytes() for p in published.iterdir()
    }
    assert bundle.config["model"] == "mlp"
    served.asked.clear()
    monkeypatch.setenv("ZOO_SOURCES", f"{served.zoo}/")
    assert find("mlp").folder == bundle.folder
    assert pull(NAME) == bundle.folder
    assert served.asked == ["/zoo/index.json"] * 2
    assert not left_behind(home)


def test_offline_nothing_is_asked(served: SimpleNamespace, home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ZOO_SOURCES", served.zoo)
    folder = find(NAME).folder
    served.asked.clear()
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    assert find("mlp").folder == folder
    assert find(f"{served.zoo}/{NAME}").folder == folder
    with pytest.raises(ZooError, match="not in the cache and ZOO_OFFLINE forbids"):
        find("mlp.digits_v2")
    monkeypatch.setenv("ZOO_SOURCES", "https://never.read/zoo")
    with pytest.raises(ZooError, match="unknown weight"):
        find("mlp.digits_v2")
    with pytest.raises(ZooError, match="was never read on this machine"):
        find(f"https://never.read/zoo/{NAME}")
    assert served.asked == []
    assert not left_behind(home)


def test_without_a_network_the_source_is_named(closed_port: int, home: Path):
    with pytest.raises(ZooError, match=rf"127\.0\.0\.1:{closed_port}/zoo/index\.json cannot be reached"):
        find(f"http://127.0.0.1:{closed_port}/zoo/{NAME}")
    with pytest.raises(ZooError, match="cannot be reached"):
        find(f"https://no-such-host.invalid/zoo/{NAME}")
    assert not home.exists()


def test_a_source_that_never_answers_is_given_up(home: Path, monkeypatch: pytest.MonkeyPatch):
    assert way.ANSWER <= 10
    monkeypatch.setattr(way, "ANSWER", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/zoo"
        with pytest.raises(
            ZooError, match=rf"^{url}/index\.json cannot be reached \(no answer in 0\.2 s\); check the network"
        ):
            find(f"{url}/{NAME}")
    assert not home.exists()


@pytest.mark.parametrize(
    "spoil", ["flip a bit", "cut it", "lengthen it", "remove it", "index: hash", "index: size", "short"]
)
def test_a_file_that_is_not_what_the_index_says_is_not_kept(served: SimpleNamespace, home: Path, spoil: str):
    tensors = served.root / "zoo" / NAME / "model.safetensors"
    body, root = tensors.read_bytes(), served.zoo
    if spoil == "flip a bit":
        tensors.write_bytes(body[:-1] + bytes([body[-1] ^ 1]))
    elif spoil == "cut it":
        tensors.write_bytes(body[:-10])
    elif spoil == "lengthen it":
        tensors.write_bytes(body + b"x" * 5_000_000)
    elif spoil == "remove it":
        tensors.unlink()
    elif spoil == "index: hash":
        change_index(served, sha256="0" * 64)
    elif spoil == "index: size":
        change_index(served, size=len(body) + 1)
    else:
        root = f"{served.url}/short/zoo"
    with pytest.raises(ZooError, match=r"so it was not kept|answered 404|broke off"):
        find(f"{root}/{NAME}")
    assert not list(home.glob("weights/*/*/model.safetensors"))
    assert not left_behind(home)


def test_a_file_damaged_in_the_cache_is_fetched_again(served: SimpleNamespace):
    tensors = find(f"{served.zoo}/{NAME}").folder / "model.safetensors"
    good = tensors.read_bytes()
    tensors.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    assert find(f"{served.zoo}/{NAME}").tensors.read_bytes() == good


@pytest.mark.parametrize(
    "text", ["", "<html>", "[]", '{"schema": 2, "weights": {}}', '{"schema": 1}', "\xff", "{" * 100_000]
)
def test_an_answer_that_is_not_an_index_is_refused(served: SimpleNamespace, text: str, home: Path):
    (served.root / "zoo" / "index.json").write_text(text, encoding="latin-1")
    with pytest.raises(ZooError, match=rf"^{served.zoo}: the index"):
        find(f"{served.zoo}/{NAME}")
    assert not home.exists()


def test_an_index_without_end_is_refused(served: SimpleNamespace, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("zoo.sources.index.LIMIT", 100)
    with pytest.raises(ZooError, match="longer than 100 bytes"):
        find(f"{served.zoo}/{NAME}")


def test_redirects_stay_on_safe_connections(served: SimpleNamespace):
    assert find(f"{served.url}/to/{served.zoo}/{NAME}").name == NAME
    for target in ("http://example.org/zoo", "ftp://example.org/zoo", "file:///etc"):
        with pytest.raises(ZooError, match=r"which is not https://|is not allowed"):
            find(f"{served.url}/to/{target}/{NAME}")


def test_a_redirect_from_https_to_http_is_refused_on_loopback_too():
    def asked(old: str, new: str) -> urllib.request.Request | None:
        redirects = way._Redirects(way.Way(SimpleNamespace()))  # type: ignore[arg-type]
        return redirects.redirect_request(urllib.request.Request(old), io.BytesIO(), 302, "Found", {}, new)

    for old in ("http://127.0.0.1:1/a", "https://127.0.0.1:1/a"):
        assert asked(old, "https://127.0.0.1:2/b")
    assert asked("http://127.0.0.1:1/a", "http://127.0.0.1:2/b")
    with pytest.raises(ZooError, match="which is not https://"):
        asked("https://127.0.0.1:1/a", "http://127.0.0.1:2/b")


def test_an_untrusted_certificate_is_refused(shelf: Path, tmp_path: Path):
    if which("openssl") is None:
        pytest.skip("needs the openssl command to make a certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    make = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    subprocess.run([*make.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, directory=str(shelf), **kwargs)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    url = f"https://localhost:{server.server_port}/{NAME}"
    try:
        with pytest.raises(ZooError, match="CERTIFICATE_VERIFY_FAILED"):
            find(url)
        script = "import sys; from zoo.sources import find; print(find(sys.argv[1]).name)"
        vouched = started(script, url, SSL_CERT_FILE=str(certificate))
        assert vouched.communicate(timeout=60)[0].strip() == NAME
    finally:
        server.shutdown()
        server.server_close()


def test_two_processes_fetch_each_file_once(served: SimpleNamespace, home: Path):
    script = "import sys; from zoo import pull; print(pull(sys.argv[1]))"
    both = [started(script, f"{served.url}/slow/zoo/{NAME}") for _ in range(2)]
    folders = {process.communicate(timeout=60)[0].strip() for process in both}
    assert [process.returncode for process in both] == [0, 0]
    assert len(folders) == 1
    files = [path for path in served.asked if not path.endswith("index.json")]
    assert sorted(files) == sorted(set(files))
    assert {Path(path).name for path in files} == {path.name for path in Path(folders.pop()).iterdir()}
    assert not left_behind(home)


def test_files_of_a_killed_process_do_not_hinder(served: SimpleNamespace, home: Path):
    process = started("import sys; from zoo import pull; pull(sys.argv[1])", f"{served.url}/slow/zoo/{NAME}")
    while not any(path.endswith("model.safetensors") for path in served.asked):
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert left_behind(home)
    assert find(f"{served.zoo}/{NAME}").tensors.is_file()
    assert not left_behind(home)


def test_a_full_disk_leaves_nothing_half_written(
    web: SimpleNamespace, make_run, small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    publish(make_run(size=50_000), web.root / "zoo")  # 2 MB of tensors
    monkeypatch.setenv("ZOO_HOME", str(small_disk / "home"))
    with pytest.raises(ZooError, match=r"No space left on device.*set ZOO_HOME to another folder\.$"):
        find(f"{web.url}/zoo/{NAME}")
    assert not left_behind(small_disk / "home")
    assert not list(small_disk.rglob("model.safetensors"))
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "roomy"))
    with pytest.raises(ZooError, match="No space left on device"):
        pull(f"{web.url}/zoo/{NAME}", to=small_disk / "mine")
    assert list((small_disk / "mine").iterdir()) == []


def test_a_cache_that_cannot_be_written_is_named(served: SimpleNamespace, tmp_path: Path, monkeypatch):
    (tmp_path / "a file").write_text("")
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "a file"))
    with pytest.raises(ZooError, match=r"cannot be kept in the cache .*a file"):
        find(f"{served.zoo}/{NAME}")


def test_http_is_for_loopback_alone():
    for url in ("http://127.0.0.1:80/zoo", "http://localhost/zoo", "http://[::1]/zoo", "https://example.org"):
        assert Https(url).url == url
    for url in (
        "http://example.org",
        "http://localhost.example.org",
        "http://127.0.0.1@example.org",
        "https://",
        "http://[",
    ):
        with pytest.raises(ZooError, match="not a safe source"):
            Https(url)


def started(script: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*python(), "-c", script, *arguments],
        cwd=Path(__file__).parents[2],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
