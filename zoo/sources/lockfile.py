"""A lock: a file that says what names mean, to be kept with a project's code.

    {"schema": 1, "weights": {NAME: {"default": bool, "source": URL, "license": TEXT or null, "files": {...}}}}

If ZOO_LOCK (or --lock) is set to its path, names mean what the lock says, whatever the sources say today, and other
names and addresses are refused; the path of a folder still means that folder.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.bundles.index import Entry, entry_from, entry_to, parse_json, read_text
from zoo.errors import ZooError, unknown
from zoo.home import replacing
from zoo.names import model_of

if TYPE_CHECKING:
    from zoo.bundles.format import Bundle

PACKAGE = "package"  # as a source: the weights that come with the zoo


@dataclass(frozen=True)
class Lock:
    """The weights of a lock file, each with the source from which it was read."""

    path: Path
    weights: dict[str, tuple[Entry, str]]

    def find(self, name: str) -> tuple[Entry, str]:
        """The weight of that name, or the model's default one; `ZooError` if the lock has neither."""
        found = self.weights.get(name) or next(
            (pair for pair in self.weights.values() if pair[0].default and model_of(pair[0].name) == name), None
        )
        if found is None:
            raise self.refusal(name)
        return found

    def refusal(self, name: str) -> ZooError:
        """The error for a name that the lock does not hold."""
        return unknown(f"name in the lock {self.path} (ZOO_LOCK; `zoo lock` adds one):", name, sorted(self.weights))


def active() -> Lock | None:
    """The lock that ZOO_LOCK names, None if it is not set."""
    path = os.environ.get("ZOO_LOCK")
    return read_lock(Path(os.path.expanduser(path))) if path else None


def read_lock(path: Path) -> Lock:
    """The lock in a file; `ZooError` if it is not one."""
    if not path.is_file():
        raise ZooError(f"there is no lock {path}; write one with `zoo lock`, or unset ZOO_LOCK.")
    content = parse_json(read_text(path), str(path))
    weights = content.get("weights")
    if type(content.get("schema")) is not int or content["schema"] != 1 or not isinstance(weights, dict):
        raise ZooError(f"{path} is not a lock of schema 1; write it again with `zoo lock`.")
    found: dict[str, tuple[Entry, str]] = {}
    for name, value in weights.items():
        source = value.get("source") if isinstance(value, dict) else None
        if not isinstance(source, str):
            raise ZooError(f"{path}, {name}: source is {source!r} where an address is expected; lock it again.")
        found[name] = (entry_from(name, value, str(path)), source)
    return Lock(path, found)


def write_lock(names: Iterable[str], path: Path) -> list[str]:
    """Add what names mean today to the lock at `path`; returns the names of the weights.

    Without names it adds every weight of the sources. Each weight is fetched, to be sure that it exists and is whole.
    Raises `ZooError` if one cannot be fetched, or is a folder that no source lists.
    """
    from zoo.sources import finding

    names = list(names)
    before = os.environ.get("ZOO_LOCK")
    if before:
        raise ZooError("ZOO_LOCK is set, so names mean what that lock says; unset it to write a lock.")
    weights: dict[str, Any] = {}
    if names and path.is_file():
        read_lock(path)
        weights = json.loads(path.read_text(encoding="utf-8"))["weights"]
    locked = []
    for name in names or finding.names():
        found = finding.locate(name)
        if isinstance(found, Path):
            raise ZooError(f"{found} is a folder that no source lists; publish it, and lock the weight.")
        bundle = finding.fetched(found)
        for file in found.entry.files:
            bundle.path(file)  # checks it
        package = found.place == finding.Folder(finding.PACKAGE)
        weights[found.entry.name] = {
            "source": PACKAGE if package else found.place.url,
            "license": _license(bundle),
            **{key: value for key, value in entry_to(found.entry).items() if key != "list"},
        }
        locked.append(found.entry.name)
    with replacing(path) as temporary:
        text = json.dumps({"schema": 1, "weights": dict(sorted(weights.items()))}, indent=1) + "\n"
        temporary.write_text(text, encoding="utf-8", newline="\n")
    return locked


def _license(bundle: Bundle) -> str | None:
    """The licence in the card's front matter."""
    if not (bundle.folder / "README.md").is_file():
        return None
    head = bundle.path("README.md").read_text(encoding="utf-8", errors="replace").split("---\n")[1:2]
    lines = [line.partition(":")[2].strip() for line in "".join(head).splitlines() if line.startswith("license:")]
    return lines[0] or None if lines else None
