"""GET over the network. No server can block us, redirect us to unsafe places, send without end, or get a password for
another host.

- `zoo.sources.way` connects: it limits the time of an answer and says where a redirect may lead.
- After a 429 or 5xx we try again, TRIES times in all, after the pause in Retry-After if that is at most PATIENCE. An
  interrupted transfer continues from the same byte if the server says that the file is the same.
- Name and password, from the address or from ~/.netrc, go only to their own host.
"""

from __future__ import annotations

import http.client
import os
import random
import time
import urllib.error
import urllib.parse
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from zoo.home import offline
from zoo.sources import way
from zoo.sources.place import Tell, Unavailable, shown

TRIES = 4
PATIENCE = 30.0  # the most seconds that a Retry-After may ask for
CHUNK = 1 << 20
_sleep = time.sleep
_AGAIN = (408, 429, 500, 502, 503, 504)


class Answer(Unavailable):
    """The server answered with an error, `status` and `headers`."""

    def __init__(self, message: str, status: int, headers: Any) -> None:
        super().__init__(message)
        self.status: int = status
        self.headers: Any = headers


class _Cut(Exception):
    """The transfer ended early; another try may help."""


def read(url: str, limit: int, headers: Mapping[str, str] | None = None) -> tuple[bytes, Any]:
    """The body at `url` and the headers of the answer. Raises `Unavailable` if there is none, or if it is too long."""

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
    """Write the content of `url` to `part`, after the bytes of an earlier call if they are of the same version.

    If the body is longer, only `size` + 1 bytes are written. Raises `Unavailable` if it cannot be fetched, and
    `OSError` if `part` cannot be written.
    """
    note = part.with_name(f"{part.name}.from")  # names the file and version of the bytes in `part`

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
    """The result of `once`, after up to TRIES tries; a try that gets further than the ones before does not count."""
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
    """How many bytes of this file are in `part`, and the version that the server gave it."""
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


def _piece(reply: http.client.HTTPResponse, guard: way.Guard, url: str, size: int) -> bytes:
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
    return Unavailable(
        f"{shown(url)} sent less than {way.RATE:,} bytes a second for {way.WINDOW:g} s; try again later."
    )


@contextmanager
def _opened(url: str, headers: Mapping[str, str]) -> Iterator[tuple[http.client.HTTPResponse, way.Guard]]:
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
    guard = way.Guard()
    try:
        with _send(request, guard, url) as reply:
            guard.answered()
            yield reply, guard
    finally:
        guard.stop()


def _send(request: urllib.request.Request, guard: way.Guard, url: str) -> http.client.HTTPResponse:
    opener = way.opener(request.full_url, guard)
    try:
        return opener.open(request, timeout=way.ANSWER)
    except urllib.error.HTTPError as error:
        reason, headers = " ".join(shown(str(error.reason)).split()), error.headers
        with suppress(OSError):
            error.close()
        raise Answer(f"{shown(url)} answered {error.code} {reason}; check the address.", error.code, headers) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        if isinstance(reason, (ConnectionResetError, http.client.RemoteDisconnected)) and not guard.expired:
            raise _Cut("the server hung up") from error
        said = f"no answer in {way.ANSWER:g} s" if guard.expired or isinstance(reason, TimeoutError) else _clean(reason)
        raise Unavailable(
            f"{shown(url)} cannot be reached ({said}); check the network, or set ZOO_OFFLINE=1 to use only the cache."
        ) from error


def _clean(reason: Any) -> str:
    text = " ".join(str(reason).split()) or type(reason).__name__
    return "".join(character if character.isprintable() else "?" for character in text)[:200]


def _credentials(parts: urllib.parse.SplitResult) -> dict[str, str]:
    """The header for the name and password in the address, or else in ~/.netrc."""
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
