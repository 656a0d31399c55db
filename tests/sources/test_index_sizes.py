"""Indexes of every size: what they say does not depend on their form, and what a first load fetches is small."""

from __future__ import annotations

import hashlib
import json
from types import SimpleNamespace
from typing import Any

import pytest

from zoo.bundles.index import Entry, FileRecord
from zoo.errors import ZooError
from zoo.names import model_of
from zoo.sources import cache
from zoo.sources import index as indexes
from zoo.sources.index import Change, Flat, read
from zoo.sources.place import at

FILES = {"model.safetensors": 9_000_000, "config.json": 900, "recipe.yaml": 1_200, "metrics.json": 1_500, "log.csv": 99}


def weight(number: int) -> Entry:
    name = f"model{number // 3}.data_v{number % 3 + 1}"
    files = {
        file: FileRecord(hashlib.sha256(f"{name}/{file}".encode()).hexdigest(), size) for file, size in FILES.items()
    }
    return Entry(name, number % 3 == 0, files, {"task": "regression", "mean": number / 7, "n": 3, "bytes": 9_003_699})


class Shelf:
    """The files of a place's index, as publishing changes them."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.index: Any = Flat()

    def take(self, change: Change) -> None:
        self.files |= {**change.files, "index.json": change.root}
        for path in change.drop:
            del self.files[path]
        self.index = read(change.root, lambda digest, limit: self.files[f"index/{digest}.json"])

    @property
    def form(self) -> str:
        root = json.loads(self.files["index.json"])
        return "files" if root["schema"] == 1 else "shards" if "shards" in root else "manifests"


@pytest.mark.parametrize("steps", [[3], [100, 1], [300], [100, 200, 1], [999, 1], [1200], [100, 100, 900, 1]])
def test_each_form_says_the_same(steps: list[int]):
    shelf, entries, forms = Shelf(), list[Entry](), []
    for step in steps:
        new = [weight(len(entries) + more) for more in range(step)]
        entries += new
        shelf.take(shelf.index.add(*new))
        forms.append(shelf.form)
        assert len(shelf.files["index.json"]) < 140_000
    count = len(entries)
    assert forms[-1] == ("shards" if count >= 1000 else "manifests" if count > 200 else "files")
    assert shelf.index.count == count and sorted(shelf.index.names) == sorted(entry.name for entry in entries)
    for entry in entries[:: max(1, count // 50)]:
        assert shelf.index.get(entry.name) == entry
        assert shelf.index.default(model_of(entry.name)) == entries[entries.index(entry) // 3 * 3]
    assert dict(shelf.index.rows()) == {entry.name: entry.facts for entry in entries}
    assert shelf.index.get("model0.data_v9") is None and shelf.index.default("other") is None
    again = Shelf()
    again.take(Flat().add(*entries))
    assert len(again.files) == len(shelf.files), "no part of a former index is left"


@pytest.mark.parametrize("count", [130, 999, 1000, 3000])
def test_a_first_load_fetches_little(web: SimpleNamespace, count: int):
    shelf = Shelf()
    shelf.take(Flat().add(*map(weight, range(count))))
    for path, content in shelf.files.items():
        (web.root / path).parent.mkdir(exist_ok=True)
        (web.root / path).write_bytes(content)
    index = cache.read_index(at(web.url))
    assert index.get(weight(77).name) == weight(77)
    assert len(web.asked) <= 4
    assert sum((web.root / path.lstrip("/")).stat().st_size for path in web.asked) < 150_000
    web.asked.clear()
    assert sum(1 for _ in cache.read_index(at(web.url)).rows()) == count
    assert len(web.asked) <= 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": []}, "weights or defaults are not objects"),
        ({"defaults": None}, "weights or defaults are not objects"),
        ({"shards": []}, "not a list of 1,024"),
        ({"listing": "../x"}, "not a SHA-256"),
        ({"count": "many"}, "has no count"),
        ({"serial": None}, "has no serial"),
        ({"weights": {"model25.data_v3": 5}}, "not a SHA-256"),
        (
            {"weights": {"model25.data_v3": hashlib.sha256(b"x").hexdigest()}},
            "gave other bytes|does not give|answered 404",
        ),
        ({"defaults": {"model25": "other.data_v1"}}, "the default"),
    ],
)
def test_a_wrong_root_is_one_sentence(web: SimpleNamespace, change: dict[str, Any], message: str):
    shelf = Shelf()
    shelf.take(indexes.build(map(weight, range(90))))
    for path, content in shelf.files.items():
        (web.root / path).parent.mkdir(exist_ok=True)
        (web.root / path).write_bytes(content)
    (web.root / "index.json").write_text(json.dumps({**json.loads(shelf.files["index.json"]), **change}))
    with pytest.raises(ZooError, match=message):
        index = cache.read_index(at(web.url))
        index.get("model25.data_v3")
        index.default("model25")
