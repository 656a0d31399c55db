"""The index of a place: a list of files while it is small, a tree of parts when it is large.

A short one (schema 1) lists every file of every weight. It costs one request, and each version of the zoo reads it.
The package's own index is short, and so is a place's until it would have more than `FLAT_LIMIT` bytes:

    {"schema": 1, "weights": {NAME: {"default": bool, "files": {FILE: {"sha256": ..., "size": ...}}, "list": {...}}}}

Above that (schema 2) each weight has a manifest with its files, and the index lists the manifests. From
`SHARDED_FROM` weights on this list is spread over shards, so that reading from a place with a hundred thousand
weights takes three small files. All parts are named after their own SHA-256, so trust in the root covers all of them:

    index.json           {"schema": 2, "serial": N, "signed": bool, "count": N, "listing": SHA-256,
                          "weights": {NAME: SHA-256 of its manifest}, "defaults": {MODEL: NAME}}
                    or   {..., "shards": [1,024 times the SHA-256 of a shard, or ""]}
    index/SHA-256.json   a shard: {"weights": {NAME: SHA-256 of its manifest}, "defaults": {MODEL: NAME}}
                         a manifest: {"name": NAME, "files": {...}, "list": {...}}
                         the listing: {"name": [...], "task": [...], ...}: what `zoo list` shows, in columns

A weight is in the shard whose number is the beginning of the SHA-256 of its name, a model's default in that of the
model's name. "list" and the listing repeat facts of config.json and metrics.json, so that a list needs no bundles;
they are only shown, and loading uses the bundle's own facts. "mirrors" in a root names web roots with the same
files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

from zoo.bundles.index import Entry, entry_from, entry_to, flat_entries, is_fact, parse_json
from zoo.errors import ZooError
from zoo.names import model_of

FLAT_LIMIT = 128_000  # bytes of a root of schema 1, which is fetched whole even for one weight
SHARDED_FROM = 1000  # weights
SHARDS = 1024
LIMIT = 16 << 20  # bytes of a root
PART_LIMIT = 4 << 20  # of a shard or a manifest
LISTING_LIMIT = 256 << 20
COLUMNS = ("task", "data", "metric", "mean", "std", "n", "parameters", "bytes", "latency_ms")

Part = Callable[[str, int], bytes]  # (SHA-256, limit) -> the part of that hash, checked
Shard = dict[str, dict[str, Any]]  # "weights" and "defaults"


@dataclass(frozen=True)
class Change:
    """The change from one index to another: the new root, the parts that it names, and those that only the old one
    named."""

    root: bytes
    files: dict[str, bytes] = field(default_factory=dict)
    drop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Flat:
    """An index with all entries in memory."""

    entries: dict[str, Entry] = field(default_factory=dict)
    mirrors: tuple[str, ...] = ()
    serial: int | None = None  # of a signed index

    @property
    def signed(self) -> bool:
        """Whether it is signed; then a changed index must be signed too."""
        return self.serial is not None

    @property
    def count(self) -> int:
        """How many weights there are."""
        return len(self.entries)

    def parts(self) -> Iterator[tuple[str, bytes]]:
        """The files of the index beside its root, as path and content."""
        return iter(())

    @property
    def names(self) -> list[str]:
        """The names of the weights."""
        return list(self.entries)

    def get(self, name: str) -> Entry | None:
        """The weight of that name."""
        return self.entries.get(name)

    def default(self, model: str) -> Entry | None:
        """The weight that `pretrained=True` means for the model."""
        return next((e for e in self.entries.values() if e.default and model_of(e.name) == model), None)

    def rows(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Each weight's name with what a list shows of it (COLUMNS); {} if the index does not say."""
        return ((name, entry.facts) for name, entry in self.entries.items())

    def add(self, *new: Entry, sign: bool = False) -> Change:
        """The index with more weights; with `sign`, its serial is counted up."""
        entries = {**self.entries, **{entry.name: entry for entry in new}}
        serial = (self.serial or 0) + 1 if sign else None
        root = flat_root(entries, self.mirrors, serial) if len(entries) < SHARDED_FROM else b""
        if root and len(root) <= FLAT_LIMIT:
            return Change(root)
        return build(entries.values(), self.mirrors, serial or 1, signed=sign)


@dataclass(frozen=True)
class Tree:
    """An index whose parts are fetched when they are asked for."""

    root: dict[str, Any]
    part: Part

    @property
    def mirrors(self) -> tuple[str, ...]:
        return tuple(self.root.get("mirrors", ()))

    @property
    def serial(self) -> int:
        return self.root["serial"]

    @property
    def signed(self) -> bool:
        return self.root.get("signed") is True

    @cached_property
    def listing(self) -> dict[str, list[Any]]:
        """The listing, column by column."""
        columns = parse_json(self.part(self.root["listing"], LISTING_LIMIT).decode("utf-8", "replace"), "the listing")
        lengths = {len(column) if isinstance(column, list) else -1 for column in columns.values()}
        if "name" not in columns or len(lengths) != 1 or -1 in lengths or set(columns) - {"name", *COLUMNS}:
            raise ZooError("the listing of the index is not a table; ask its publisher to mend it.")
        if not all(isinstance(name, str) for name in columns["name"]):
            raise ZooError("the listing of the index has names that are not text; ask its publisher to mend it.")
        for key, column in columns.items():
            if key != "name" and not all(value is None or is_fact(key, value) for value in column):
                raise ZooError(
                    f"the listing of the index has a value under {key} that no list can show; ask its publisher "
                    "to mend it."
                )
        return columns

    @property
    def count(self) -> int:
        return self.root["count"]

    def parts(self) -> Iterator[tuple[str, bytes]]:
        yield part_path(self.root["listing"]), self.part(self.root["listing"], LISTING_LIMIT)
        manifests = (_digest(self._shard(name)["weights"].get(name)) for name in self.names)
        for digest in (*filter(None, self.root.get("shards", ())), *manifests):
            yield part_path(digest), self.part(digest, PART_LIMIT)

    @property
    def names(self) -> list[str]:
        return list(self.root["weights"]) if "weights" in self.root else self.listing["name"]

    def get(self, name: str) -> Entry | None:
        digest = self._shard(name)["weights"].get(name)
        if digest is None:
            return None
        manifest = parse_json(
            self.part(_digest(digest), PART_LIMIT).decode("utf-8", "replace"), f"the manifest of {name}"
        )
        if manifest.get("name") != name:
            raise ZooError(f"the index gives {name} the manifest of {manifest.get('name')!r}; ask its publisher.")
        default = self._shard(model_of(name))["defaults"].get(model_of(name)) == name
        return entry_from(name, {**manifest, "default": default}, "the index")

    def default(self, model: str) -> Entry | None:
        name = self._shard(model)["defaults"].get(model)
        if name is not None and (not isinstance(name, str) or model_of(name) != model):
            raise ZooError(f"the index gives {model} the default {name!r}; ask its publisher to mend it.")
        return self.get(name) if name else None

    def rows(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        names = self.listing["name"]
        columns = [self.listing.get(column, [None] * len(names)) for column in COLUMNS]
        for name, *values in zip(names, *columns, strict=True):
            yield name, {key: value for key, value in zip(COLUMNS, values, strict=True) if value is not None}

    def add(self, *new: Entry, sign: bool = False) -> Change:
        names, files, drop = self.listing["name"], dict[str, bytes](), [self.root["listing"]]
        table: dict[str, list[Any]] = {"name": [*names]}
        for column in COLUMNS:
            table[column] = [*self.listing.get(column, [None] * len(names))]
        shards, spread = self.root.get("shards"), len(names) + len(new) >= SHARDED_FROM or "shards" in self.root
        changed = {} if shards else _parted(self._shard(""), spread)

        def shard(name: str) -> Shard:
            number = _number(name) if spread else 0
            if number not in changed:
                changed[number] = self._shard(name) if shards else {"weights": {}, "defaults": {}}
            return changed[number]

        for entry in new:
            shard(entry.name)["weights"][entry.name] = _part(files, _manifest(entry))
            if entry.default:
                shard(model_of(entry.name))["defaults"][model_of(entry.name)] = entry.name
            table["name"].append(entry.name)
            for column in COLUMNS:
                table[column].append(entry.facts.get(column))
        root = {key: value for key, value in self.root.items() if key not in ("weights", "defaults", "shards")}
        root |= {"serial": self.serial + 1, "signed": sign, "count": len(table["name"]), "listing": _part(files, table)}
        if spread:
            digests = [*(shards or [""] * SHARDS)]
            for number, content in changed.items():
                drop.append(digests[number])
                digests[number] = _part(files, content)
            root["shards"] = digests
        else:
            root |= changed[0]
        gone = tuple(part_path(digest) for digest in drop if digest and part_path(digest) not in files)
        return Change(_json(root), files, gone)

    def _shard(self, name: str) -> Shard:
        """The shard of the index for `name`; without shards, the whole index."""
        if "shards" not in self.root:
            return {key: dict(self.root[key]) for key in ("weights", "defaults")}
        digest = self.root["shards"][_number(name)]
        if not digest:
            return {"weights": {}, "defaults": {}}
        where = f"the index's shard {_number(name)}"
        shard = parse_json(self.part(digest, PART_LIMIT).decode("utf-8", "replace"), where)
        for key in ("weights", "defaults"):
            if not isinstance(shard.setdefault(key, {}), dict):
                raise ZooError(f"{where} has no object {key!r}; ask its publisher to mend it.")
        return shard


Index = Flat | Tree


def read(raw: bytes, part: Part) -> Index:
    """The index whose root is `raw`; `ZooError` if that is not one. `part` gives the parts that a large one names."""
    root = _root(raw)
    return root if isinstance(root, Flat) else Tree(root, part)


@lru_cache(maxsize=8)
def _root(raw: bytes) -> Flat | dict[str, Any]:
    """A small index, or the root of a large one; kept, because each use of a weight reads the same bytes."""
    text = raw.decode("utf-8", errors="replace")  # bytes that are not UTF-8 are not JSON, and are refused below
    content = parse_json(text, "the index")
    mirrors, serial = content.get("mirrors", []), content.get("serial")
    if not isinstance(mirrors, list) or not all(isinstance(m, str) and m.startswith("https://") for m in mirrors):
        raise ZooError("the index: mirrors are not a list of https:// addresses; ask its publisher to mend it.")
    if serial is not None and (type(serial) is not int or serial < 0):
        raise ZooError(f"the index: serial is {serial!r} where a number from 0 is expected; ask its publisher.")
    if content.get("schema") != 2 or type(content["schema"]) is not int:
        return Flat(flat_entries(content, "the index"), tuple(mirrors), serial)
    shards = content.get("shards", None if "weights" in content else ())
    if shards is not None and (not isinstance(shards, list) or len(shards) != SHARDS):
        raise ZooError(f"the index: shards is not a list of {SHARDS:,}; ask its publisher to mend it.")
    if shards is None and not all(isinstance(content.get(key), dict) for key in ("weights", "defaults")):
        raise ZooError("the index: weights or defaults are not objects; ask its publisher to mend it.")
    for digest in (content.get("listing"), *(shard for shard in shards or () if shard != "")):
        _digest(digest)
    for key, value in {"serial": serial, "count": content.get("count")}.items():
        if type(value) is not int:
            raise ZooError(f"the index has no {key}; ask its publisher to mend it.")
    return content


def build(entries: Iterable[Entry], mirrors: Iterable[str] = (), serial: int = 1, *, signed: bool = False) -> Change:
    """An index of schema 2 of these weights, in any number."""
    empty: dict[str, Any] = {"name": [], **{column: [] for column in COLUMNS}}
    files: dict[str, bytes] = {}
    root: dict[str, Any] = {"schema": 2, "serial": serial, "signed": signed, "count": 0, "listing": _part(files, empty)}
    if mirrors := list(mirrors):
        root["mirrors"] = mirrors

    def part(digest: str, limit: int) -> bytes:
        return files[part_path(digest)]

    change = Tree({**root, "serial": serial - 1, "weights": {}, "defaults": {}}, part).add(*entries, sign=signed)
    return Change(change.root, change.files)


def flat_root(entries: Mapping[str, Entry], mirrors: Iterable[str] = (), serial: int | None = None) -> bytes:
    """The bytes of a small index, sorted by name."""
    content: dict[str, Any] = {"schema": 1}
    if serial is not None:
        content["serial"] = serial
    if mirrors := list(mirrors):
        content["mirrors"] = mirrors
    content["weights"] = {name: entry_to(entry) for name, entry in sorted(entries.items())}
    return (json.dumps(content, indent=1) + "\n").encode()


def _parted(whole: Shard, spread: bool) -> dict[int, Shard]:
    """The lists of a root without shards: as shards if it needs them from now on, else as a single one."""
    if not spread:
        return {0: whole}
    found: dict[int, Shard] = {}
    for key, names in whole.items():
        for name, value in names.items():
            found.setdefault(_number(name), {"weights": {}, "defaults": {}})[key][name] = value
    return found


def _manifest(entry: Entry) -> dict[str, Any]:
    return {"name": entry.name, **{key: value for key, value in entry_to(entry).items() if key != "default"}}


def _part(files: dict[str, bytes], content: Mapping[str, Any]) -> str:
    raw = _json(content)
    digest = hashlib.sha256(raw).hexdigest()
    files[part_path(digest)] = raw
    return digest


def part_path(digest: str) -> str:
    """The path of an index's part in its place."""
    return f"index/{digest}.json"


def _json(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":"), allow_nan=False).encode()


def _number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % SHARDS


def _digest(value: Any) -> str:
    if not isinstance(value, str) or len(value) != 64 or set(value) - set("0123456789abcdef"):
        raise ZooError(f"the index names the part {value!r}, which is not a SHA-256; ask its publisher to mend it.")
    return value
