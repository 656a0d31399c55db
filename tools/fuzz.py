"""Throw damaged files at everything that reads what strangers wrote: nothing but a `ZooError` may come of it.

    python tools/fuzz.py --inputs 100000              # 100,000 inputs for each parser
    python tools/fuzz.py --only recipe,header --seed 7
    python tools/fuzz.py --only config --atheris      # guided by coverage, if atheris is installed

Inputs are whole files of the shipped weights with a few changes: of values in what they mean (JSON, YAML), and of
bytes. What fails is made smaller and kept in tests/fuzz_corpus, which tests/test_fuzz_corpus.py replays for ever. An
input that takes more than a second of this process's time has failed too. The exit status is 1 if anything failed.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib
import io
import json
import os
import random
import signal
import struct
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CORPUS = ROOT / "tests" / "fuzz_corpus"
SECONDS = 1.0

Parser = Callable[[bytes, Path], None]


class Slow(BaseException):
    """It took more than a second."""


# What reads: each takes the bytes of a file and a folder of its own, which holds the other files of a weight.


def index(content: bytes, folder: Path) -> None:
    """A root, small or large; the parts of a large one are those of a whole index."""
    from zoo.sources import index as indexes

    parts = _parts()
    found = indexes.read(content, lambda digest, limit: parts.get(digest, content))
    for name in found.names[:5]:
        found.get(name)
        found.default(name.partition(".")[0])
    for _, facts in found.rows():
        json.dumps(facts)


def manifest(content: bytes, folder: Path) -> None:
    """A manifest, a shard and a listing of a large index."""
    from zoo.errors import ZooError
    from zoo.sources import index as indexes

    root, _, _ = _large()
    found = indexes.read(root, lambda digest, limit: content)
    with contextlib.suppress(ZooError):
        found.get("mlp.digits_v1")
    with contextlib.suppress(ZooError):
        found.default("mlp")
    list(found.rows())


def lock(content: bytes, folder: Path) -> None:
    from zoo.sources.lockfile import read_lock

    (folder / "zoo.lock").write_bytes(content)
    found = read_lock(folder / "zoo.lock")
    found.find("mlp")


def config(content: bytes, folder: Path) -> None:
    """config.json: checked, shown, and made a predictor's input of."""
    from zoo import kinds
    from zoo.bundles.format import open_bundle
    from zoo.bundles.record import Record
    from zoo.check import check_config

    (folder / "config.json").write_bytes(content)
    _loaded(folder)
    bundle = open_bundle(folder)
    check_config(bundle)
    given = bundle.config
    repr(Record(given["model"], "w", given["task"], tuple(given["labels"]), given["input"]))
    kinds.input_of(bundle)
    _shown(bundle)


def metrics(content: bytes, folder: Path) -> None:
    """metrics.json: checked, put into a card, a list and a page."""
    from zoo.bundles.facts import facts_of
    from zoo.bundles.format import open_bundle
    from zoo.check import check_figures

    (folder / "metrics.json").write_bytes(content)
    _loaded(folder)
    bundle = open_bundle(folder)
    facts_of(bundle.config, bundle.metrics, {})
    check_figures(bundle)
    _shown(bundle)


def recipe(content: bytes, folder: Path) -> None:
    from zoo.recipes import load_recipe

    (folder / "recipe.yaml").write_bytes(content)
    found = load_recipe(folder / "recipe.yaml")
    found.to_yaml()
    found.short()


def header(content: bytes, folder: Path) -> None:
    """The tensors' file: the head alone, and a model of it."""
    from safetensors import SafetensorError

    import zoo
    from zoo.tensors import read_metadata, read_shapes

    (folder / "model.safetensors").write_bytes(content)
    for read in (read_shapes, read_metadata):
        with contextlib.suppress(SafetensorError):
            read(folder / "model.safetensors")
    about = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    (folder / "metrics.json").write_text(json.dumps({**about, "sha256": hashlib.sha256(content).hexdigest()}))
    zoo.create(str(folder))


def shards(content: bytes, folder: Path) -> None:
    """The index of tensors that lie in several files."""
    from zoo.bundles import shards

    shards.parse(content, "the index of tensors")


def npy(content: bytes, folder: Path) -> None:
    from zoo.foreign import array

    (folder / "x.npy").write_bytes(content)
    array(folder / "x.npy")


def golden(content: bytes, folder: Path) -> None:
    from zoo import golden as goldens
    from zoo.bundles.format import open_bundle

    (folder / "golden.json").write_bytes(content)
    goldens.check(open_bundle(folder))


def log(content: bytes, folder: Path) -> None:
    from zoo.bundles.format import open_bundle
    from zoo.site.collect import weight

    (folder / "log.csv").write_bytes(content)
    weight(open_bundle(folder))


PARSERS: dict[str, Parser] = {
    one.__name__: one for one in (index, manifest, lock, config, metrics, recipe, header, shards, npy, golden, log)
}


def _loaded(folder: Path) -> None:
    """A model of the bundle; nobody checks it before."""
    import zoo

    with contextlib.suppress(zoo.ZooError):
        repr(zoo.record(zoo.create(str(folder))))


def _shown(bundle: Any) -> None:
    """Whatever shows a bundle."""
    import yaml

    from zoo.publishing.card import card

    text = card(bundle.config, bundle.metrics, bundle.recipe, bundle.metrics.get("notes", ()), name="mlp.digits_v1")
    text.encode()
    yaml.safe_load(text.split("\n---\n")[0].removeprefix("---\n"))


# What they are given.


def seeds(name: str) -> list[bytes]:
    """Whole files that the parser of this name reads."""
    import numpy as np

    shipped = ROOT / "zoo" / "pretrained"
    if name == "index":
        whole = json.loads((shipped / "index.json").read_text(encoding="utf-8"))
        few = {key: value for key, value in list(whole["weights"].items())[:3]}
        return [
            json.dumps({**whole, "weights": few, "serial": 3, "mirrors": ["https://a.example/"]}).encode(),
            _large()[0],
        ]
    if name == "manifest":
        return list(_large()[2])
    if name == "lock":
        from zoo.bundles.index import read_index
        from zoo.sources.index import entry_to

        entry = entry_to(read_index(shipped / "index.json")["mlp.digits_v1"])
        about = {"source": "https://a.example/zoo", "license": "MIT", **entry}
        return [json.dumps({"schema": 1, "weights": {"mlp.digits_v1": about}}).encode()]
    if name == "recipe":
        chosen = [shipped / "mlp.digits_v1" / "recipe.yaml", *sorted((ROOT / "recipes").glob("*.yaml"))]
        return [path.read_bytes() for path in chosen]
    if name == "header":
        return [(shipped / "mlp.digits_v1" / "model.safetensors").read_bytes()]
    if name == "shards":
        files = {"head.bias": "model-00001-of-00002.safetensors", "head.weight": "model-00002-of-00002.safetensors"}
        about = {"total_size": 2600, "sha256": dict.fromkeys(files.values(), "0" * 64)}
        return [json.dumps({"metadata": about, "weight_map": files}).encode()]
    if name == "npy":
        files = []
        for array in (np.zeros((8, 8), "uint8"), np.zeros((3, 4, 2), order="F"), np.zeros((0, 3), ">f4")):
            file = io.BytesIO()
            np.save(file, array)
            files.append(file.getvalue())
        return files
    file = {"config": "config.json", "metrics": "metrics.json", "golden": "golden.json", "log": "log.csv"}[name]
    return [(shipped / "mlp.digits_v1" / file).read_bytes()]


def _large() -> tuple[bytes, dict[str, bytes], list[bytes]]:
    """A large index: its root, its parts by hash, and one part of each sort."""
    if not _KEPT:
        from zoo.bundles.index import read_index
        from zoo.sources import index as indexes

        entries = list(read_index(ROOT / "zoo" / "pretrained" / "index.json").values())
        change = indexes.build(entries)
        parts = {path.split("/")[1].removesuffix(".json"): content for path, content in change.files.items()}
        sorts = {frozenset(json.loads(part)): part for part in parts.values()}
        _KEPT.append((change.root, parts, list(sorts.values())))
    return _KEPT[0]


_KEPT: list[tuple[bytes, dict[str, bytes], list[bytes]]] = []


def _parts() -> dict[str, bytes]:
    return _large()[1]


ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 0.5, -0.0, 1e308, 5e-324, 2**31, 2**63, -(2**63), 2**70, 10**400, 10**5000),
    *(float("nan"), float("inf"), -float("inf")),
    *("", " ", "a", "0", "1e3", "\x00", "\x1b[2J\x07", "\x7f\x80\x85", "\u2028\ufffe\uffff", "\ud800", "\U0001f980"),
    *("a\nb", "-", "---\n", "`", "|", "<script>", "![x](http://a.example/x.png)", "../../etc/passwd", "/dev/zero"),
    *("file:/etc/passwd", "imagefolder:.", "hf://a/b", "http://127.0.0.1/", "CON", "x" * 5000, "model.safetensors"),
    *([], {}, [[]], [{}], {"": None}, [None], [0] * 300, [[0, 1], [2]], {"a": {"b": {"c": {}}}}, {"__class__": 1}),
    *([1, 2, 3], ["a", "b"], [[1.5] * 3] * 3, {"name": "x"}, {"kind": "image"}, {"value": float("nan")}),
)


def changed(content: bytes, name: str, draw: random.Random) -> bytes:
    """The file with one to four changes."""
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        change = draw.choice((_value, _value, _value, _bytes)) if name not in ("npy", "log") else _bytes
        content = change(content, name, draw)
    return content


def _bytes(content: bytes, name: str, draw: random.Random) -> bytes:
    """A few bytes changed, left out, doubled or put in."""
    near = min(len(content), 4096)
    start = draw.randrange(near + 1)
    end = min(len(content), start + draw.choice((0, 1, 1, 2, 4, 16, 64)))
    new = draw.choice(
        (
            b"",
            content[start:end] * 2,
            bytes([draw.randrange(256)]),
            b"\xff",
            b"\x00" * 8,
            b"9" * 20,
            b"[" * 200,
            b'"',
            b"\n",
            b"{",
            b"}",
            b",",
            b":",
            b"- ",
            b"&a ",
            b"*a",
            b"!!int ",
            b"1e999",
            b"-",
            b"\xed\xa0\x80",
            b"\xef\xbf\xbe",
        )
    )
    return content[:start] + new + content[end:]


def _value(content: bytes, name: str, draw: random.Random) -> bytes:
    """A value of a document changed for another, left out, doubled, or its key renamed."""
    read, write = _FORMS.get(name, _FORMS[""])
    try:
        document = read(content)
    except Exception:  # it is damaged already
        return _bytes(content, name, draw)
    nodes = list(_nodes(document))
    if not nodes:
        return _bytes(content, name, draw)
    holder, key = draw.choice(nodes)
    action = draw.randrange(6)
    if action < 3:
        holder[key] = draw.choice(ODD)
    elif action == 3:
        other, place = draw.choice(nodes)
        holder[key] = json.loads(json.dumps(other[place], default=str))
    elif isinstance(holder, list):
        holder.insert(key, draw.choice(ODD)) if action == 4 else holder.pop(key)
    elif action == 4:
        holder[str(draw.choice(("", "x", "\x1b", "\ud800", "name", "schema", "a\nb")))] = holder.pop(key)
    else:
        del holder[key]
    try:
        return write(document, content)
    except Exception:  # YAML cannot write everything
        return _bytes(content, name, draw)


def _nodes(document: Any, most: int = 4000) -> Iterator[tuple[Any, Any]]:
    """(holder, key) of every value inside."""
    waiting = [document]
    while waiting and most > 0:
        holder = waiting.pop()
        pairs = list(holder.items()) if isinstance(holder, dict) else list(enumerate(holder))
        for key, value in pairs[:60]:  # a long list is tried at its beginning
            most -= 1
            yield holder, key
            if isinstance(value, (dict, list)):
                waiting.append(value)


def _json(document: Any, _: bytes) -> bytes:
    sys.set_int_max_str_digits(0)
    try:
        return json.dumps(document).encode()
    finally:
        sys.set_int_max_str_digits(4300)


def _yaml(document: Any, _: bytes) -> bytes:
    import yaml

    sys.set_int_max_str_digits(0)
    try:
        return yaml.safe_dump(document, sort_keys=False, allow_unicode=True).encode()
    finally:
        sys.set_int_max_str_digits(4300)


def _read_yaml(content: bytes) -> Any:
    import yaml

    return yaml.safe_load(content)


def _read_head(content: bytes) -> Any:
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length])


def _write_head(document: Any, content: bytes) -> bytes:
    (length,) = struct.unpack("<Q", content[:8])
    head = _json(document, b"")
    return struct.pack("<Q", len(head)) + head + content[8 + length :]


_FORMS: dict[str, tuple[Callable[[bytes], Any], Callable[[Any, bytes], bytes]]] = {
    "": (json.loads, _json),
    "recipe": (_read_yaml, _yaml),
    "header": (_read_head, _write_head),
}


# What is done with it.


def tried(name: str, content: bytes, folder: Path) -> str:
    """How the parser of this name failed on a file; "" if it read it or raised a `ZooError`.

    `folder` holds the files of a whole weight, and does so again afterwards.
    """
    from zoo.errors import ZooError

    before = {path: path.read_bytes() for path in folder.iterdir() if path.name != "model.safetensors"}
    began = time.process_time()
    try:
        PARSERS[name](content, folder)
    except ZooError as error:
        if "\n" in str(error):
            return f"a sentence of several lines: {error!r}"
    except Slow:
        raise
    except BaseException as error:
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        return f"{type(error).__name__} in {_place(error)}: {str(error)[:200]!r}"
    finally:
        for path in folder.iterdir():
            if path not in before and path.name != "model.safetensors":
                path.unlink()
        for path, kept in before.items():
            if not path.exists() or path.read_bytes() != kept:
                path.write_bytes(kept)
    spent = time.process_time() - began
    return f"it took {spent:.1f} s" if spent > SECONDS else ""


def _place(error: BaseException) -> str:
    """The innermost function of the zoo that the error came through."""
    import traceback

    ours = [frame for frame in traceback.extract_tb(error.__traceback__) if f"{os.sep}zoo{os.sep}" in frame.filename]
    return f"{Path(ours[-1].filename).name}, {ours[-1].name}" if ours else "this script"


@contextlib.contextmanager
def weight() -> Iterator[Path]:
    """A folder with the files of a weight that no index lists."""
    import shutil

    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as scratch:
        folder = Path(scratch) / "mlp.digits_v1"
        shutil.copytree(ROOT / "zoo" / "pretrained" / "mlp.digits_v1", folder)
        yield folder


def keep(name: str, content: bytes) -> Path:
    """Put a file that failed into the corpus, named after its bytes."""
    place = CORPUS / name / hashlib.sha256(content).hexdigest()[:16]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    return place


def fuzz(name: str, inputs: int, seed: int) -> int:
    """Try a parser on damaged files. Each different failure is made smaller and kept; returns how many there were."""
    whole, found, began = seeds(name), set(), time.monotonic()
    with weight() as folder:
        for content in whole:
            tried(name, content, folder)  # which imports what it needs
            if why := tried(name, content, folder):
                raise SystemExit(f"{name}: a whole file fails: {why}")
        for number in range(inputs):
            draw = random.Random(f"{seed} {name} {number}")
            content = changed(draw.choice(whole), name, draw)
            why = _within(name, content, folder)
            if not why or _kind(why) in found:
                continue
            found.add(_kind(why))
            kind = _kind(why)
            content = smaller(content, lambda less: _kind(_within(name, less, folder)) == kind)  # noqa: B023
            print(f"{name}: {why}\n  {content[:160]!r}\n  kept as {keep(name, content)}", flush=True)
    print(f"{name}: {inputs:,} inputs in {time.monotonic() - began:.0f} s, {len(found)} kinds of failure", flush=True)
    return len(found)


def _within(name: str, content: bytes, folder: Path) -> str:
    """As `tried`; what does not end is ended."""
    signal.setitimer(signal.ITIMER_PROF, 10 * SECONDS)
    try:
        why = tried(name, content, folder)
        # The first one that needs a large package waits for its import.
        return tried(name, content, folder) if why.startswith("it took") else why
    except Slow:
        return f"it took more than {10 * SECONDS:.0f} s"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _kind(why: str) -> str:
    """What two failures of one cause have in common."""
    return "slow" if why.startswith("it took") else why.partition(":")[0]


def smaller(content: bytes, fails: Callable[[bytes], bool], most: int = 300) -> bytes:
    """A smaller content that fails in the same way, if a limited number of tries finds one."""
    size = len(content) // 2
    while size and most:
        for start in range(0, len(content), size):
            less = content[:start] + content[start + size :]
            most -= 1
            if most and fails(less):
                content = less
                break
            if not most:
                break
        else:
            size //= 2
    return content


def guided(name: str) -> None:
    """The same, guided by coverage, until it is stopped or fails (Google's atheris)."""
    atheris: Any = importlib.import_module("atheris")

    with atheris.instrument_imports(include=["zoo"]):
        import zoo.check  # noqa: F401

    whole = seeds(name)
    with weight() as folder:

        def one(content: bytes) -> None:
            provider = atheris.FuzzedDataProvider(content)
            draw = random.Random(provider.ConsumeIntInRange(0, 2**32))
            given = changed(draw.choice(whole), name, draw) if provider.ConsumeBool() else provider.ConsumeBytes(4096)
            if why := tried(name, given, folder):
                raise AssertionError(f"{why}; kept as {keep(name, given)}")

        atheris.Setup(
            [sys.argv[0], "-max_len=4096", *(["-runs=" + os.environ["RUNS"]] if "RUNS" in os.environ else [])], one
        )
        atheris.Fuzz()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=10_000, help="for each parser")
    parser.add_argument("--only", default=",".join(PARSERS), help="names of parsers between commas")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--atheris", action="store_true", help="guided by coverage; one parser")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    os.environ["ZOO_OFFLINE"] = "1"

    def stop(*_: Any) -> None:
        raise Slow

    signal.signal(signal.SIGPROF, stop)
    names = asked.only.split(",")
    if asked.atheris:
        guided(names[0])
        return 0
    return 1 if sum(fuzz(name, asked.inputs, asked.seed) for name in names) else 0


if __name__ == "__main__":
    sys.exit(main())
