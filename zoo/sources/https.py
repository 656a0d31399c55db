"""A web root as a source: ROOT/index.json and ROOT/<weight>/FILE, read with the standard library."""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

from zoo.bundles.index import Entry
from zoo.errors import ZooError
from zoo.home import offline
from zoo.sources.cache import read_remote_index

TIMEOUT = 10.0  # seconds without an answer or a byte
INDEX_LIMIT = 16 << 20  # bytes; some fifty thousand weights
CHUNK = 1 << 20
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Https:
    """The source at `url`, an https:// address (http:// on loopback alone) without a trailing slash."""

    url: str

    def __post_init__(self) -> None:
        if not _is_safe(self.url):
            raise ZooError(f"{self.url} is not a safe source; use https:// (http:// is for loopback hosts alone).")

    def read_index(self) -> dict[str, Entry]:
        """The weights of the source by name; `ZooError` where it cannot be reached or its index cannot be used."""
        return read_remote_index(self.url, self._index_text)

    def fetch(self, entry: Entry, file: str, dest: Path) -> None:
        """Download one file of a weight to `dest`, unchecked, and no more of it than tells that it is too long."""
        left = entry.files[file].size + 1
        with dest.open("wb") as out, _open(f"{self.url}/{_quote(entry.name)}/{_quote(file)}") as reply:
            while chunk := _read(reply, min(CHUNK, left)):
                out.write(chunk)
                left -= len(chunk)

    def _index_text(self) -> str:
        with _open(f"{self.url}/index.json") as reply:
            raw = b""
            while len(raw) <= INDEX_LIMIT and (chunk := _read(reply, CHUNK)):
                raw += chunk
        if len(raw) > INDEX_LIMIT:
            raise ZooError(f"{self.url}/index.json is longer than {INDEX_LIMIT:,} bytes; check the address.")
        return raw.decode("utf-8", errors="replace")  # what is no text is no JSON, and is refused as that


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follow a redirect only where nobody on the way can read or change what it leads to."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if not _is_safe(newurl) or (req.full_url.startswith("https://") and not newurl.startswith("https://")):
            raise ZooError(f"{req.full_url} redirects to {newurl}, which is not https://; tell its publisher.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _is_safe(url: str) -> bool:
    try:
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK))


@cache
def _certificates() -> ssl.SSLContext:
    """The authorities this machine trusts; reading them takes longer than a small file."""
    return ssl.create_default_context()


def _quote(name: str) -> str:
    return urllib.parse.quote(name, safe="")


def _open(url: str) -> http.client.HTTPResponse:
    """The reply to GET `url`; `ZooError` where there is no network or the answer is not 200."""
    if offline():
        raise ZooError(
            f"{url} is not in the cache and ZOO_OFFLINE forbids the network; unset it, or pull the weight first."
        )
    handlers = [urllib.request.HTTPSHandler(context=_certificates()), _SafeRedirects()]
    if urllib.parse.urlsplit(url).hostname in LOOPBACK:
        handlers.append(urllib.request.ProxyHandler({}))  # this machine is not reached through a proxy
    request = urllib.request.Request(url, headers={"User-Agent": "reprozoo"})
    try:
        return urllib.request.build_opener(*handlers).open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        raise ZooError(f"{url} answered {error.code} {error.reason}; check the address.") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise ZooError(
            f"{url} cannot be reached ({reason}); check the network, or set ZOO_OFFLINE=1 to use the cache alone."
        ) from error


def _read(reply: http.client.HTTPResponse, size: int) -> bytes:
    try:
        return reply.read(size)
    except (OSError, http.client.HTTPException) as error:
        raise ZooError(f"{reply.url} broke off ({error}); try again.") from error
