"""What servers do to those who fetch from them: what is right is kept in the end, or one sentence says what was wrong.

The server is real and on loopback, with the faults built in; the files are those of a published weight.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree

import pytest
from faults import FaultyServer, cut, drip, other, raw, status
from forked import python

from zoo import pull
from zoo.errors import ZooError
from zoo.publishing import publish
from zoo.sources import find, net, way
from zoo.sources.place import shown

NAME = "mlp.digits_v1"
TENSORS = f"{NAME}/model.safetensors"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def server(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, make_run, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FaultyServer]:
    """Serves a weight with 4 MB of tensors under /zoo; pauses between tries take no time."""
    once = tmp_path_factory.getbasetemp() / "published"
    if not (once / "zoo" / "index.json").is_file():
        publish(make_run(size=100_000), once / "zoo")
    copytree(once, tmp_path / "served")
    found = FaultyServer(tmp_path / "served")
    monkeypatch.setattr(net, "_sleep", lambda seconds: None)
    yield found
    found.shutdown()
    found.server_close()


def published(server: FaultyServer) -> bytes:
    return (server.root / "zoo" / TENSORS).read_bytes()


def test_a_cut_transfer_goes_on_where_it_was_cut(server: FaultyServer):
    size = len(published(server))
    server.faults[TENSORS] = [cut(1_000_000), cut(500_000), cut(1)]
    server.sent = 0
    assert find(f"{server.url}/zoo/{NAME}").tensors.read_bytes() == published(server)
    asked = [headers for path, headers in server.asked if path.endswith(TENSORS)]
    assert [headers.get("Range") for headers in asked] == [
        None, "bytes=1000000-", "bytes=1500000-", "bytes=1500001-",
    ]  # fmt: skip
    assert size <= server.sent < size * 1.1


def test_a_file_that_changed_in_between_starts_from_its_beginning(server: FaultyServer):
    """The rest of other bytes is not appended to the bytes that came."""
    good = published(server)
    changed = server.root / "zoo" / TENSORS
    server.faults[TENSORS] = [cut(1_000_000)]
    changed.write_bytes(good[::-1])
    with pytest.raises(ZooError, match=r"other bytes for model\.safetensors"):
        server.faults[TENSORS].append(lambda request, body: request.whole(good[::-1] + b""))
        find(f"{server.url}/zoo/{NAME}")
    changed.write_bytes(good)
    server.faults[TENSORS] = [lambda request, body: request.whole(body[::-1], 1_000_000)]
    assert find(f"{server.url}/zoo/{NAME}").tensors.read_bytes() == good


def size_of(path: Path) -> int:
    """Its bytes; 0 if the process that writes it has renamed it since it was listed."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def test_another_process_goes_on_after_one_that_was_killed(server: FaultyServer, home: Path):
    body = published(server)
    head = f'HTTP/1.1 200 OK\r\nETag: "{hashlib.md5(body).hexdigest()}"\r\nContent-Length: {len(body)}\r\n\r\n'
    server.faults[TENSORS] = [drip(head.encode() + body[:3_000_000], body[3_000_000:])]
    script = "import sys; from zoo import pull; pull(sys.argv[1])"
    stopped = subprocess.Popen([*python(), "-c", script, f"{server.url}/zoo/{NAME}"], cwd=ROOT)
    while max(map(size_of, home.glob("tmp/*.part")), default=0) < 2_000_000:
        assert stopped.poll() is None
        os.sched_yield()
    stopped.kill()
    stopped.wait()
    server.faults.clear()
    server.asked.clear()
    assert pull(f"{server.url}/zoo/{NAME}")
    (asked,) = [headers for path, headers in server.asked if path.endswith(TENSORS)]
    assert int(asked["Range"].removeprefix("bytes=").rstrip("-")) >= 2_000_000
    assert not [path for path in (home / "tmp").iterdir() if path.suffix != ".lock"]


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
def test_a_server_with_too_much_to_do_is_asked_again(server: FaultyServer, code: int, monkeypatch: pytest.MonkeyPatch):
    paused: list[float] = []
    monkeypatch.setattr(net, "_sleep", paused.append)
    server.faults[TENSORS] = [status(code, Retry_After="7"), status(code)]
    server.faults["index.json"] = [status(code)]
    assert find(f"{server.url}/zoo/{NAME}").tensors.is_file()
    assert len(paused) == 3 and paused[1] == 7 and all(0 < pause < 10 for pause in paused)


def test_who_asks_for_an_hour_is_not_waited_for(server: FaultyServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(net, "_sleep", lambda seconds: pytest.fail(f"it waits {seconds} s"))
    server.faults["index.json"] = [status(503, Retry_After="3600")]
    with pytest.raises(ZooError, match="answered 503"):
        find(f"{server.url}/zoo/{NAME}")
    server.faults["index.json"] = [status(404)] * 9
    with pytest.raises(ZooError, match="answered 404"):
        find(f"{server.url}/zoo/{NAME}")
    assert len(server.faults["index.json"]) == 8


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("where", ["index.json", TENSORS])
@pytest.mark.parametrize(
    ("head", "endless"),
    [
        (HEAD, b"x"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\n", b"X-More: yes\r\n"),
        (CHUNKED, b"0"),
        (CHUNKED + b"1\r\n{\r\n0\r\n", b"X-Trailer: yes\r\n"),
        (b"HTTP/1.1 200 OK\r\nX-Name: ", b"x"),
    ],
    ids=["body", "continue", "headers", "chunk size", "trailers", "a header"],
)
def test_a_server_that_drips_is_given_up(
    server: FaultyServer, where: str, head: bytes, endless: bytes, home: Path, monkeypatch: pytest.MonkeyPatch
):
    assert way.ANSWER <= 10 and way.WINDOW <= 10 and way.RATE >= 1000
    monkeypatch.setattr(way, "ANSWER", 0.6)
    monkeypatch.setattr(way, "WINDOW", 0.6)
    server.faults[where] = [drip(head, endless)] * 9
    began = time.monotonic()
    with pytest.raises(ZooError, match=r"bytes a second for 0\.6 s|no answer in 0\.6 s|broke off|is not JSON"):
        find(f"{server.url}/zoo/{NAME}")
    assert time.monotonic() - began < 8
    kept = [path for path in home.rglob("*") if path.is_file() and path.parent.name != "data"]  # decoded digits
    assert not [path for path in kept if path.stat().st_size > 100_000]


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"no HTTP at all\r\n\r\n",
        b"HTTP/1.1 999 \x1b[31mred\r\n\r\n",
        b"",
    ],
)
def test_wrong_replies_are_one_sentence(server: FaultyServer, reply: bytes):
    for where in ("index.json", TENSORS):
        server.faults = {where: [raw(reply)] * 9}
        with pytest.raises(ZooError) as error:
            find(f"{server.url}/zoo/{NAME}")
        assert "\x1b" not in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"<!DOCTYPE html><html>sign in</html>" + b" " * 2265, "an HTML page of 2.3 kB"),
        (b"x" * 1000, r"1,000 of 4,000,192 bytes"),
        (b"x" * 4_000_192, "the right number of bytes, but other bytes"),
        (b"x" * 4_000_193, "more than 4,000,192 bytes"),
    ],
)
def test_what_came_instead_is_named_and_not_kept(server: FaultyServer, home: Path, body: bytes, found: str):
    server.faults[TENSORS] = [other(body)]
    with pytest.raises(ZooError, match=f"gave {found} for model.safetensors of {NAME}, so it was not kept"):
        find(f"{server.url}/zoo/{NAME}")
    assert not list(home.rglob("model.safetensors")) and not list(home.glob("tmp/*.part*"))


@pytest.mark.parametrize("spoil", ["html", "cut", "other", "a folder"])
def test_a_bad_file_in_the_cache_is_set_aside_and_fetched_once_more(server: FaultyServer, home: Path, spoil: str):
    tensors = find(f"{server.url}/zoo/{NAME}").tensors
    good = tensors.read_bytes()
    if spoil == "a folder":
        tensors.unlink()
        tensors.mkdir()
    else:
        tensors.write_bytes({"html": b"<html>", "cut": good[:1000], "other": good[::-1]}[spoil])
    server.asked.clear()
    with pytest.warns(UserWarning, match="the cache held .* and is fetched again") as told:
        assert find(f"{server.url}/zoo/{NAME}").tensors.read_bytes() == good
    found = {"html": "an HTML page", "cut": "1,000 of 4,000,192 bytes", "other": "other bytes", "a folder": "a folder"}
    assert found[spoil] in str(told[0].message)
    assert server.paths() == ["/zoo/index.json", f"/zoo/{TENSORS}"]
    assert (home / "aside" / f"{NAME}.model.safetensors").exists()


def test_what_is_whole_in_the_cache_costs_one_request(server: FaultyServer):
    find(f"{server.url}/zoo/{NAME}")
    server.asked.clear()
    find(f"{server.url}/zoo/{NAME}")
    assert server.paths() == ["/zoo/index.json"]


# --- several sources


def test_each_source_fails_over_to_the_next_with_one_line(
    server: FaultyServer, closed_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    copytree(server.root / "zoo", server.root / "second")
    down, first, second = f"http://127.0.0.1:{closed_port}/zoo", f"{server.url}/zoo", f"{server.url}/second"
    monkeypatch.setenv("ZOO_SOURCES", f"{down},{first},{second}")
    server.faults[f"/zoo/{TENSORS}"] = [status(503)] * 9
    with pytest.warns(UserWarning) as told:
        bundle = find("mlp")
    assert bundle.tensors.read_bytes() == published(server)
    said = [str(warning.message) for warning in told]
    assert len(said) == 2
    assert down in said[0] and "cannot be reached" in said[0]
    assert f"{first}/{TENSORS} answered 503" in said[1] and f"Trying {second} instead" in said[1]

    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "fresh"))
    monkeypatch.setenv("ZOO_SOURCES", f"{first},{second}")
    server.faults = {f"/zoo/{TENSORS}": [other(b"x" * len(published(server)))]}
    with pytest.warns(UserWarning, match=rf"gave the right number of bytes, but other bytes.* Trying {second} instead"):
        assert find("mlp").tensors.read_bytes() == published(server)


def test_a_mirror_that_the_index_names_is_asked_next(server: FaultyServer, monkeypatch: pytest.MonkeyPatch):
    from zoo.sources import cache
    from zoo.sources.https import Https

    copytree(server.root / "zoo", server.root / "mirror")
    path = server.root / "zoo" / "index.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "mirrors": ["https://mirror.example/zoo"]}))
    server.faults[f"/zoo/{TENSORS}"] = [status(404)]
    mirror = "https://mirror.example/zoo"  # stands in for one that a test cannot reach
    monkeypatch.setattr("zoo.sources.finding.at", lambda url: Https(url.replace(mirror, f"{server.url}/mirror")))
    assert cache.read_index(Https(f"{server.url}/zoo")).mirrors == ("https://mirror.example/zoo",)
    with pytest.warns(UserWarning, match="Trying .*/mirror instead"):
        assert find(f"{server.url}/zoo/{NAME}").tensors.is_file()


def test_a_dead_source_takes_nothing_with_it(
    server: FaultyServer, closed_port: int, shelf: Path, monkeypatch: pytest.MonkeyPatch
):
    import zoo

    monkeypatch.setenv("ZOO_SOURCES", f"http://127.0.0.1:{closed_port}/zoo,{shelf}")
    with pytest.warns(UserWarning, match="cannot be reached"):
        assert zoo.list_weights() == ["mlp.digits_v1", "mlp.digits_v2", "rnn.imdb_v1"]
    with pytest.warns(UserWarning, match="cannot be reached"):
        assert zoo.info("mlp").default == "mlp.digits_v1"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert zoo.create("mlp", in_features=4).zoo.name == "mlp"  # type: ignore[union-attr]
    with pytest.raises(ZooError, match=r"unknown weight 'nothing_v1'.* cannot be reached"):
        find("nothing_v1")


def test_what_is_whole_in_the_cache_survives_its_source(server: FaultyServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ZOO_SOURCES", f"{server.url}/zoo")
    folder = find("mlp").folder
    server.faults["index.json"] = [status(503)] * 99
    with pytest.warns(UserWarning, match=r"answered 503.* Its index of 20\d\d-\d\d-\d\d \d\d:\d\d is used"):
        assert find("mlp").folder == folder


def test_a_source_that_takes_the_packages_name_is_reported(
    server: FaultyServer, shelf: Path, monkeypatch: pytest.MonkeyPatch
):
    from zoo.sources import finding

    monkeypatch.setattr(finding, "PACKAGE", shelf)
    monkeypatch.setenv("ZOO_SOURCES", f"{server.url}/zoo")
    with pytest.warns(UserWarning, match=rf"{NAME} is taken from {server.url}/zoo.* not the package's weight"):
        find(NAME)


def test_a_dead_host_is_asked_once_in_ten_seconds(home: Path, monkeypatch: pytest.MonkeyPatch):
    """A resolver that answers after a minute stands in for an unreachable host."""
    monkeypatch.setattr(way, "ANSWER", 0.3)
    monkeypatch.setattr(way.socket, "getaddrinfo", lambda *a, **k: __import__("threading").Event().wait(60))
    began = time.monotonic()
    with pytest.raises(ZooError, match=r"no answer in 0\.3 s"):
        find("https://host.example/zoo/mlp.digits_v1")
    assert time.monotonic() - began < 5


# --- passwords, redirects, offline


@pytest.mark.parametrize("way", ["address", "netrc"])
def test_a_password_opens_its_door_and_is_never_shown(
    server: FaultyServer, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path
):
    host = server.url.removeprefix("http://")
    address = f"http://user:p%40ss@{host}/zoo" if way == "address" else f"{server.url}/zoo"
    if way == "netrc":
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login user password p@ss\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert find(f"{address}/{NAME}").tensors.is_file()
    assert {headers.get("Authorization") for _, headers in server.asked} == {"Basic dXNlcjpwQHNz"}
    server.faults["index.json"] = [status(500)] * 9
    (home / "indexes").rename(home / "gone")
    with pytest.raises(ZooError) as error:
        find(f"{address}/{NAME}")
    chain, said = error.value, ""
    while chain is not None:
        said += str(chain)
        chain = chain.__cause__ or chain.__context__
    assert "p%40ss" not in said and "p@ss" not in said and "user" not in said
    kept = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert b"p%40ss" not in kept and b"p@ss" not in kept


def test_a_token_in_the_query_goes_along_and_is_not_shown(server: FaultyServer):
    assert find(f"{server.url}/zoo/{NAME}?token=SECRET").tensors.is_file()
    assert all(path.endswith("?token=SECRET") for path in server.paths())
    server.faults["index.json"] = [status(403)]
    with pytest.raises(ZooError) as error:
        find(f"{server.url}/zoo/mlp.digits_v9?token=SECRET")
    assert "SECRET" not in str(error.value)


def test_a_password_is_not_taken_along_to_another_host(server: FaultyServer, tmp_path: Path):
    thief = FaultyServer(server.root)
    try:
        away = f"{thief.url}/zoo/index.json".replace("127.0.0.1", "localhost")
        server.faults["index.json"] = [status(302, Location=away)]
        find(f"http://user:pass@{server.url.removeprefix('http://')}/zoo/{NAME}")
        assert thief.paths() == ["/zoo/index.json"] and "Authorization" not in thief.asked[0][1]
    finally:
        thief.shutdown()
        thief.server_close()


@pytest.mark.parametrize(
    "url",
    [
        "http://evil.example\\@localhost/zoo",
        "http://localhost\\.evil.example/zoo",
        "https://a b/zoo",
        "https://host\n/zoo",
        "https://\x1b[31m/zoo",
        "http://user@evil.example/zoo",
    ],
)
def test_an_address_that_leads_elsewhere_than_it_seems_is_refused(url: str):
    assert not way.is_safe(url)
    with pytest.raises(ZooError) as error:
        find(f"{url}/{NAME}")
    assert "\x1b" not in str(error.value)


def test_a_redirect_does_not_lead_into_a_private_network(server: FaultyServer, monkeypatch: pytest.MonkeyPatch):
    from types import SimpleNamespace

    going = way.Way(SimpleNamespace(left=lambda: 1.0, watch=lambda connection: None))  # type: ignore[arg-type]
    going.began_private, going.redirected_to = False, "localhost"  # as after a first answer from the internet
    with pytest.raises(ZooError, match="into the private network of localhost"):
        going.connect(("localhost", server.server_port))


def test_addresses_are_shown_without_what_is_secret():
    assert shown("https://user:word@host/path?token=x#y") == "https://host/path?…"
    assert shown("hf://user:word@OWNER/REPO") == "hf://OWNER/REPO"
    assert "word" not in shown("https://user:word@[host/path")
    with pytest.raises(ZooError) as error:
        find("hf://user:word@OWNER")
    assert "word" not in str(error.value)


def test_offline_no_socket_is_opened(server: FaultyServer, monkeypatch: pytest.MonkeyPatch):
    """Sockets that raise when they are made stand in for a machine that must not have any."""
    monkeypatch.setenv("ZOO_SOURCES", f"{server.url}/zoo,hf://someone/digits")
    folder = pull(NAME, to=server.root / "kept")
    find(NAME)
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    code = (
        "import socket\n"
        "class Refused(socket.socket):\n"
        "    def __init__(self, *a, **k): raise SystemExit('a socket was opened')\n"
        "import ssl, warnings, zoo\n"
        "warnings.simplefilter('ignore')\n"
        "socket.socket = socket.getaddrinfo = Refused\n"
        "print(zoo.create('mlp.digits_v1').zoo.weight, zoo.pull('mlp'), len(zoo.list_weights()))\n"
        "for name in ('nothing_v1', 'https://host.example/zoo/mlp.digits_v1', 'hf://someone/else'):\n"
        "    try: zoo.create(name)\n"
        "    except zoo.ZooError as error: print(error)\n"
    )
    done = subprocess.run([*python(), "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith(NAME), done.stdout + done.stderr
    assert "a socket" not in done.stdout + done.stderr
    assert folder.is_dir()


def test_thirty_two_processes_cause_one_download(server: FaultyServer):
    # Four interpreters that fork eight times each: importing torch 32 times would take minutes on a small machine.
    fork = (
        "import os, sys\nfrom zoo import pull\n"
        "children = []\n"
        "for _ in range(8):\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        try: pull(sys.argv[1]); os._exit(0)\n"
        "        except BaseException: os._exit(1)\n"
        "    children.append(child)\n"
        "sys.exit(any(os.waitpid(child, 0)[1] for child in children))\n"
    )
    four = [subprocess.Popen([*python(), "-c", fork, f"{server.url}/zoo/{NAME}"], cwd=ROOT) for _ in range(4)]
    assert [process.wait(timeout=300) for process in four] == [0] * 4
    files = [path for path in server.paths() if not path.endswith("index.json")]
    assert len(server.asked) - len(files) == 32  # each reads the index
    assert sorted(files) == sorted(set(files))
