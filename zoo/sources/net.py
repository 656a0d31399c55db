"""GET over the network. No server can hold us up, lead us elsewhere, send without end, or get another's password.

- An answer has to begin within ANSWER seconds, redirects and names included, and then come at RATE bytes a second,
  counted over each WINDOW seconds; headers without end, or a byte now and then, count as nothing.
- 429 and 5xx are asked again, TRIES times in all, after the pause that Retry-After names if that is at most PATIENCE; a
  transfer that was cut goes on where it was cut if the server says that the file is the same one.
- Redirects stay on https (http on this machine alone) and do not lead from the internet into a private network.
- Name and password, of the address or from ~/.netrc, go to the host that they are for.
"""

from __future__ import annotations

import http.client
import ipaddress
import os
import random
import re
import socket
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from email.utils import parsedate_to_datetime
from functools import cache, partial
from pathlib import Path
from typing import IO, Any

from zoo.home import offline
from zoo.sources.place import Tell, Unavailable, shown

ANSWER = 10.0  # seconds until the answer has begun
WINDOW, RATE = 10.0, 1000  # seconds, and bytes a second: what is slower over a window is given up
TRIES = 4
PATIENCE = 30.0  # seconds that a Retry-After may ask for
CHUNK = 1 << 20
_sleep = time.sleep
LOOPBACK = ("localhost", "127.0.0.1", "::1")
_AGAIN = (408, 429, 500, 502, 503, 504)


class Answer(Unavailable):
    """The server answered, with an error: `status` and `headers` are its."""

    def __init__(self, message: str, status: int, headers: Any) -> None:
        super().__init__(message)
        self.status: int = status
        self.headers: Any = headers


class _Cut(Exception):
    """The transfer ended early; worth another try."""


def is_safe(url: str) -> bool:
    """Whether nobody on the way can read or change what `url` leads to, and it leads where it seems to."""
    if not re.fullmatch(r"https?://[!-~]+", url) or "\\" in url:
        return False
    try:
        parts = urllib.parse.urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or host in LOOPBACK)


def read(url: str, limit: int, headers: Mapping[str, str] | None = None) -> tuple[bytes, Any]:
    """The body at `url` and the headers of the answer. Raises `Unavailable` if there is none, or a longer one."""

    def once() -> tuple[bytes, Any]:
        body = bytearray()
        with _opened(url, headers or {}) as (reply, guard):
            while len(body) <= limit and (chunk := _piece(reply, guard, url, CHUNK)):
                body += chunk
            _check_whole(reply, len(body), min(len(body), limit + 1))
        if len(body) > limit:
            raise Unavailable(f"{shown(url)} is longer than {limit:,} bytes; check the address.")
        return bytes(body), reply.headers

    return _again(url, once)


def download(url: str, size: int, part: Path, tell: Tell, headers: Mapping[str, str] | None = None) -> None:
    """Write what is at `url` to `part`, behind what an earlier call left there if it is of the same version.

    Of a body longer than `size` no more than `size` + 1 bytes are written. Raises `Unavailable` if it cannot be had,
    and `OSError` if `part` cannot be written.
    """
    note = part.with_name(f"{part.name}.from")  # names the file and version that the bytes in `part` belong to

    def once() -> None:
        had, version = _had(part, note, url)
        asked = {"Range": f"bytes={had}-", "If-Range": version} if had else {}
        with _opened(url, {**(headers or {}), **asked}) as (reply, guard):
            goes_on = had > 0 and reply.status == 206 and _starts_at(reply, had)
            if reply.status == 206 and not goes_on:
                part.unlink(missing_ok=True)
                raise _Cut("it sent another part than the one asked for")
            _note(note, url, reply.headers)
            start = had if goes_on else 0
            if start:
                tell(start)
            with part.open("ab" if goes_on else "wb") as out:
                left = size + 1 - start
                while left > 0 and (chunk := _piece(reply, guard, url, min(CHUNK, left))):
                    out.write(chunk)
                    tell(len(chunk))
                    left -= len(chunk)
            _check_whole(reply, size + 1 - left - start, size + 1 - start)

    _again(url, once, lambda: part.stat().st_size if part.is_file() else 0)
    note.unlink(missing_ok=True)


def _again(url: str, once: Callable[[], Any], reached: Callable[[], int] = lambda: 0) -> Any:
    """What `once` returns, after as many tries as it is worth; a try that gets further than those before is free."""
    tries, best = 0, 0
    while True:
        try:
            return once()
        except Answer as error:
            tries += 1
            pause = _pause(error.headers.get("Retry-After"), tries)
            if error.status not in _AGAIN or tries >= TRIES or pause is None:
                raise
        except _Cut as error:
            now = reached()
            tries, best = (1, now) if now > best else (tries + 1, best)
            if tries >= TRIES:
                raise Unavailable(f"{shown(url)} broke off ({error}); try again.") from error
            pause = _pause(None, tries)
        _sleep(pause or 0)


def _pause(asked: str | None, tries: int) -> float | None:
    """Seconds until the next try, None if the server asks for more than we wait."""
    if asked is not None:
        with suppress(ValueError, TypeError, OverflowError):
            wanted = float(asked) if asked.strip().isdigit() else parsedate_to_datetime(asked).timestamp() - time.time()
            return max(0.0, wanted) if wanted <= PATIENCE else None
    return 0.25 * 2**tries * random.uniform(0.5, 1.0)


def _had(part: Path, note: Path, url: str) -> tuple[int, str]:
    """How much of this very file is in `part`, and the version that the server gave it."""
    with suppress(OSError, ValueError):
        whose, version = note.read_text(encoding="utf-8").split("\n")
        if whose == shown(url) and version and (size := part.stat().st_size):
            return size, version
    return 0, ""


def _note(note: Path, url: str, headers: Any) -> None:
    version = headers.get("ETag") or ""
    if not version or version.startswith("W/"):  # a weak tag may stand for other bytes
        version = headers.get("Last-Modified") or ""
    note.write_text(f"{shown(url)}\n{' '.join(version.split())}", encoding="utf-8")


def _starts_at(reply: http.client.HTTPResponse, start: int) -> bool:
    return (reply.headers.get("Content-Range") or "").startswith(f"bytes {start}-")


def _check_whole(reply: http.client.HTTPResponse, got: int, most: int) -> None:
    told = reply.headers.get("Content-Length") or ""
    if told.isdigit() and got < min(int(told), most):
        raise _Cut(f"after {got:,} of {int(told):,} bytes")


def _piece(reply: http.client.HTTPResponse, guard: _Guard, url: str, size: int) -> bytes:
    try:
        chunk = reply.read1(size)
    except (OSError, http.client.HTTPException, ValueError) as error:
        if guard.expired or isinstance(error, TimeoutError):
            raise _too_slow(url) from error
        raise _Cut(str(error) or type(error).__name__) from error
    if not chunk and guard.expired:
        raise _too_slow(url)
    guard.received(len(chunk))
    return chunk


def _too_slow(url: str) -> Unavailable:
    return Unavailable(f"{shown(url)} sent less than {RATE:,} bytes a second for {WINDOW:g} s; try again later.")


class _Guard(threading.Thread):
    """Ends a connection whose time is over, whatever it is doing: a time limit of a socket is of one read alone."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.expired = False
        self._deadline, self._count = time.monotonic() + ANSWER, 0
        self._done, self._socket = threading.Event(), None
        self.start()

    def left(self) -> float:
        return max(0.01, self._deadline - time.monotonic())

    def watch(self, connection: socket.socket) -> None:
        self._release()
        self._socket = connection.dup()  # TLS takes the socket itself
        if self.expired:
            self._end()

    def answered(self) -> None:
        self._deadline, self._count = time.monotonic() + WINDOW, 0

    def received(self, count: int) -> None:
        self._count += count
        if self._count >= RATE * WINDOW:
            self.answered()

    def stop(self) -> None:
        self._done.set()
        self.join()
        self._release()

    def run(self) -> None:
        while not self._done.wait(max(0.0, self._deadline - time.monotonic())):
            if time.monotonic() >= self._deadline:
                self.expired = True
                return self._end()

    def _end(self) -> None:
        with suppress(OSError, AttributeError):
            self._socket.shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]

    def _release(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


@contextmanager
def _opened(url: str, headers: Mapping[str, str]) -> Iterator[tuple[http.client.HTTPResponse, _Guard]]:
    """The reply to GET `url`; `Unavailable` if there is no network or the answer is an error."""
    if offline():
        raise Unavailable(
            f"{shown(url)} is not in the cache and ZOO_OFFLINE forbids the network; unset it, or pull the weight first."
        )
    parts = urllib.parse.urlsplit(url)
    plain = urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    request = urllib.request.Request(plain, headers={"User-Agent": "reprozoo"})
    for name, value in {**_credentials(parts), **headers}.items():
        request.add_unredirected_header(name, value)
    guard = _Guard()
    try:
        with _send(request, guard, url) as reply:
            guard.answered()
            yield reply, guard
    finally:
        guard.stop()


def _send(request: urllib.request.Request, guard: _Guard, url: str) -> http.client.HTTPResponse:
    way = _Way(guard)
    opener = urllib.request.OpenerDirector()  # what no handler here speaks, such as ftp and file, is not spoken
    if urllib.parse.urlsplit(request.full_url).hostname not in LOOPBACK:  # which is not reached through a proxy
        opener.add_handler(urllib.request.ProxyHandler())
    for handler in (_Http(way), _Https(way), _Redirects(way)):
        opener.add_handler(handler)
    opener.add_handler(urllib.request.HTTPDefaultErrorHandler())
    opener.add_handler(urllib.request.HTTPErrorProcessor())
    try:
        return opener.open(request, timeout=ANSWER)
    except urllib.error.HTTPError as error:
        reason, headers = " ".join(shown(str(error.reason)).split()), error.headers
        with suppress(OSError):
            error.close()
        raise Answer(f"{shown(url)} answered {error.code} {reason}; check the address.", error.code, headers) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        if isinstance(reason, (ConnectionResetError, http.client.RemoteDisconnected)) and not guard.expired:
            raise _Cut("the server hung up") from error
        said = f"no answer in {ANSWER:g} s" if guard.expired or isinstance(reason, TimeoutError) else _clean(reason)
        raise Unavailable(
            f"{shown(url)} cannot be reached ({said}); check the network, or set ZOO_OFFLINE=1 to use the cache alone."
        ) from error


def _clean(reason: Any) -> str:
    text = " ".join(str(reason).split()) or type(reason).__name__
    return "".join(character if character.isprintable() else "?" for character in text)[:200]


def _credentials(parts: urllib.parse.SplitResult) -> dict[str, str]:
    """The header that a name and password in the address, or else in ~/.netrc, come to."""
    user, password = parts.username, parts.password
    if user is None:
        import netrc

        with suppress(OSError, netrc.NetrcParseError, UnicodeDecodeError):
            path = os.environ.get("NETRC") or os.path.expanduser("~/.netrc")
            found = netrc.netrc(path).authenticators(parts.hostname or "") if os.path.isfile(path) else None
            user, password = (found[0], found[2]) if found else (None, None)
    if user is None:
        return {}
    pair = f"{urllib.parse.unquote(user)}:{urllib.parse.unquote(password or '')}"
    return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}


class _Way:
    """One request on its way: how it connects, and where its redirects may lead."""

    def __init__(self, guard: _Guard) -> None:
        self.guard = guard
        self.redirected_to: str | None = None
        self.began_private: bool | None = None

    def connect(self, address: tuple[str, int], *_: Any) -> socket.socket:
        """A connection to the host; every address that it has is tried in the time that is left for all."""
        host, port = address
        error: OSError = OSError(f"{host} has no address")
        for family, kind, protocol, _name, target in _resolve(host, port, self.guard.left()):
            private = not ipaddress.ip_address(str(target[0]).partition("%")[0]).is_global
            if host == self.redirected_to and private and self.began_private is False:
                raise Unavailable(f"a redirect leads into the private network of {host}; ask the publisher.")
            connection = socket.socket(family, kind, protocol)
            try:
                connection.settimeout(self.guard.left())
                connection.connect(target)
            except OSError as failed:
                connection.close()
                error = failed
                continue
            if self.began_private is None:
                self.began_private = private
            connection.settimeout(ANSWER)
            self.guard.watch(connection)
            return connection
        raise error


def _resolve(host: str, port: int, seconds: float) -> list[Any]:
    """The addresses of a host. A resolver has no time limit of its own that anybody could set."""
    found: list[Any] = []

    def ask() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            found.append(error)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(seconds)
    if not found:
        raise TimeoutError(f"no address of {host} in {seconds:.0f} s")
    if isinstance(found[0], Exception):
        raise OSError(str(found[0])) from found[0]
    return found[0]


class _Http(urllib.request.HTTPHandler):
    def __init__(self, way: _Way) -> None:
        super().__init__()
        self.way = way

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_connection, http.client.HTTPConnection, self.way), req)  # type: ignore[arg-type]


class _Https(urllib.request.AbstractHTTPHandler):
    def __init__(self, way: _Way) -> None:
        super().__init__()
        self.way = way

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        made = partial(_connection, http.client.HTTPSConnection, self.way, context=_certificates())
        return self.do_open(made, req)  # type: ignore[arg-type]

    https_request = urllib.request.AbstractHTTPHandler.do_request_


def _connection(kind: type[http.client.HTTPConnection], way: _Way, host: str, **options: Any) -> Any:
    made = kind(host, **options)
    made._create_connection = way.connect  # type: ignore[attr-defined]  what http.client keeps for this
    return made


class _Redirects(urllib.request.HTTPRedirectHandler):
    def __init__(self, way: _Way) -> None:
        self.way = way

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if not is_safe(newurl) or (req.full_url.startswith("https://") and not newurl.startswith("https://")):
            raise Unavailable(
                f"{shown(req.full_url)} redirects to {shown(newurl)}, which is not https://; tell its publisher."
            )
        made = super().redirect_request(req, fp, code, msg, headers, newurl)
        if made is not None:
            self.way.redirected_to = urllib.parse.urlsplit(newurl).hostname
            for name in ("Range", "If-range"):
                if value := req.unredirected_hdrs.get(name):
                    made.add_unredirected_header(name, value)
            if _origin(newurl) == _origin(req.full_url) and (value := req.unredirected_hdrs.get("Authorization")):
                made.add_unredirected_header("Authorization", value)
        return made


def _origin(url: str) -> tuple[Any, ...]:
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


@cache
def _certificates() -> ssl.SSLContext:
    """The authorities this machine trusts; reading them takes longer than a small file."""
    return ssl.create_default_context()
