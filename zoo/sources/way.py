"""The connection of one request: how long it may take, and where it may lead.

- An answer must begin within ANSWER seconds, redirects and name look-ups included, and then come at RATE bytes a
  second, counted over each WINDOW seconds; endless headers, or a byte from time to time, do not count.
- Redirects stay on https (http only on this machine) and do not lead from the internet into a private network.
"""

from __future__ import annotations

import http.client
import ipaddress
import re
import socket
import ssl
import threading
import time
import urllib.parse
import urllib.request
from contextlib import suppress
from functools import cache, partial
from typing import IO, Any

from zoo.sources.place import Unavailable, shown

ANSWER = 10.0  # seconds until the answer has begun
WINDOW, RATE = 10.0, 1000  # seconds, and bytes a second: a server that is slower over a window is given up
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def is_safe(url: str) -> bool:
    """Whether nobody on the way can read or change the data of `url`, and it leads to the host that it seems to
    name."""
    if not re.fullmatch(r"https?://[!-~]+", url) or "\\" in url:
        return False
    try:
        parts = urllib.parse.urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or host in LOOPBACK)


def opener(url: str, guard: Guard) -> urllib.request.OpenerDirector:
    """An opener for `url` that keeps the time limit of `guard`; it speaks only http and https."""
    way = Way(guard)
    made = urllib.request.OpenerDirector()
    if urllib.parse.urlsplit(url).hostname not in LOOPBACK:  # no proxy is used for this machine itself
        made.add_handler(urllib.request.ProxyHandler())
    for handler in (_Http(way), _Https(way), _Redirects(way)):
        made.add_handler(handler)
    made.add_handler(urllib.request.HTTPDefaultErrorHandler())
    made.add_handler(urllib.request.HTTPErrorProcessor())
    return made


class Guard(threading.Thread):
    """Ends a connection after its time, whatever it is doing; a socket's own time limit is only for a single read."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.expired: bool = False
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


class Way:
    """A running request: how it connects, and where its redirects may lead."""

    def __init__(self, guard: Guard) -> None:
        self.guard = guard
        self.redirected_to: str | None = None
        self.began_private: bool | None = None

    def connect(self, address: tuple[str, int], *_: Any) -> socket.socket:
        """A connection to the host; all of its addresses are tried within the remaining time."""
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
    """The addresses of a host, found in a thread, because a resolver has no time limit that we could set."""
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
    def __init__(self, way: Way) -> None:
        super().__init__()
        self.way = way

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_connection, http.client.HTTPConnection, self.way), req)  # type: ignore[arg-type]


class _Https(urllib.request.AbstractHTTPHandler):
    def __init__(self, way: Way) -> None:
        super().__init__()
        self.way = way

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        made = partial(_connection, http.client.HTTPSConnection, self.way, context=_certificates())
        return self.do_open(made, req)  # type: ignore[arg-type]

    https_request = urllib.request.AbstractHTTPHandler.do_request_


def _connection(kind: type[http.client.HTTPConnection], way: Way, host: str, **options: Any) -> Any:
    made = kind(host, **options)
    made._create_connection = way.connect  # type: ignore[attr-defined]  what http.client keeps for this
    return made


class _Redirects(urllib.request.HTTPRedirectHandler):
    def __init__(self, way: Way) -> None:
        self.way = way

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if not is_safe(newurl) or (req.full_url.startswith("https://") and not newurl.startswith("https://")):
            raise Unavailable(
                f"{shown(req.full_url)} redirects to {shown(newurl)}, which is not https://; inform its publisher."
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
    """The authorities that this machine trusts; kept, because reading them takes longer than fetching a small file."""
    return ssl.create_default_context()
