"""A web root as a place to read from: ROOT/index.json and ROOT/<weight>/FILE, from any server of static files."""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import ZooError
from zoo.sources import net, way
from zoo.sources.place import Tell, shown


@dataclass(frozen=True)
class Https:
    """The place at `address`, https:// (http:// only on this machine), with or without a name and password or a
    query."""

    address: str

    def __post_init__(self) -> None:
        if not way.is_safe(self.address):
            raise ZooError(f"{self.url} is not a safe source; use https:// (http:// is for loopback hosts alone).")

    @property
    def url(self) -> str:
        return shown(self.address)

    def path_of(self, weight: str, file: str) -> str:
        return f"{weight}/{file}"

    def read(self, path: str, limit: int) -> bytes:
        return net.read(self._address_of(path), limit)[0]

    def fetch(self, path: str, size: int, part: Path, tell: Tell) -> None:
        net.download(self._address_of(path), size, part, tell)

    def _address_of(self, path: str) -> str:
        parts = urllib.parse.urlsplit(self.address)
        return urllib.parse.urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{urllib.parse.quote(path)}"))


def at(url: str) -> Https:
    """The web root that an address means."""
    parts = urllib.parse.urlsplit(url) if way.is_safe(url) else None
    return Https(url if parts is None else urllib.parse.urlunsplit(parts._replace(path=parts.path.rstrip("/"))))
