"""What a place costs that has many weights: listing them, and loading one of them for the first time.

    python benchmarks/index.py [COUNT ...]

For each count (100, 10,000 and 100,000 by default) an index is written for made-up weights of real sizes, served by
Python's own web server on loopback, and read by a fresh process with an empty cache: once to list every weight with its
figures, once again from the cache, and once to find one weight. Printed are bytes and requests, seconds and how many of
them a CPU worked, which other programs on the machine hardly lengthen, the process's peak memory beyond that of one
which only imports the same, and the bytes that one published weight more writes.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from zoo.bundles.index import Entry, FileRecord
from zoo.sources.index import Flat, read

FILES = {"model.safetensors": 46_807_446, "config.json": 900, "recipe.yaml": 1_200, "metrics.json": 1_500,
         "log.csv": 9_000, "README.md": 3_100}  # fmt: skip
CHILD = """
import json, sys, time
import zoo.sources.finding as finding, zoo.sources.cache as cache, zoo.sources.https, zoo.sources.net, filelock
from zoo.sources.place import at
import http.client, ssl
def memory(key):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(key + ":"))
open("/proc/self/clear_refs", "w").write("5")  # the peak of memory begins here
before = memory("VmRSS")
place, name = at(sys.argv[1]), sys.argv[2]
start, cpu = time.perf_counter(), time.process_time()
if name == "*":
    count = sum(1 for _, facts in cache.read_index(place).rows() if facts["mean"] is not None)
else:
    count = len(cache.read_index(place).get(name).files)
seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
print(json.dumps([count, seconds, cpu, (memory("VmHWM") - before) / 1024]))
"""


def weight(number: int) -> Entry:
    """A made-up weight: three to a model, its hashes different from all others."""
    name = f"model{number // 3}.data_v{number % 3 + 1}"
    files = {
        file: FileRecord(hashlib.sha256(f"{name}/{file}".encode()).hexdigest(), size) for file, size in FILES.items()
    }
    facts = {
        "task": "image-classification", "data": f"data{number % 50}", "metric": "accuracy",
        "mean": 0.9 + number % 997 / 1e4, "std": 0.001 + number % 13 / 1e4, "n": 3, "parameters": 11_173_962,
        "bytes": sum(FILES.values()),
    }  # fmt: skip
    return Entry(name, number % 3 == 0, files, facts)


class Handler(SimpleHTTPRequestHandler):
    """Counts what it sends."""

    sent: dict[str, int]

    def do_GET(self) -> None:
        self.sent["requests"] += 1
        self.sent["bytes"] += Path(self.translate_path(self.path)).stat().st_size
        super().do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        pass


def measure(count: int) -> dict[str, Any]:
    """The row of one count."""
    entries = [weight(number) for number in range(count)]
    with tempfile.TemporaryDirectory() as scratch:
        root, sent = Path(scratch) / "zoo", {"requests": 0, "bytes": 0}
        (root / "index").mkdir(parents=True)
        change = Flat().add(*entries)
        raw, files = change.root, change.files
        (root / "index.json").write_bytes(raw)
        for path, content in files.items():
            (root / path).write_bytes(content)
        handler = type("Counting", (Handler,), {"sent": sent})
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(root)))
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

        def child(name: str, home: str) -> dict[str, float]:
            sent.update(requests=0, bytes=0)
            environment = {**os.environ, "ZOO_HOME": str(Path(scratch) / home)}
            command = [sys.executable, "-c", CHILD, f"http://127.0.0.1:{server.server_port}", name]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            found, seconds, cpu, memory = json.loads(done.stdout)
            assert found == (count if name == "*" else len(FILES))
            return {"kB": sent["bytes"] / 1e3, "requests": sent["requests"], "s": seconds, "cpu": cpu, "MB": memory}

        row: dict[str, Any] = {"count": count, "root": len(raw) / 1e3}
        row["list, first"] = child("*", "first")
        row["list, again"] = child("*", "first")
        row["one weight"] = child(entries[count // 2].name, "second")
        server.shutdown()
        server.server_close()

        def part(digest: str, limit: int) -> bytes:
            return files[f"index/{digest}.json"]

        more = read(raw, part) if files else Flat({entry.name: entry for entry in entries})
        added = more.add(weight(count))
        row["one more"] = (len(added.root) + sum(map(len, added.files.values()))) / 1e3
        return row


def main() -> None:
    rows = [measure(int(count)) for count in sys.argv[1:] or (100, 10_000, 100_000)]
    print("| weights | root kB | what | kB | requests | s | of a CPU | MB more | one more published, kB |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for row in rows:
        for what in ("list, first", "list, again", "one weight"):
            r = row[what]
            print(
                f"| {row['count']:,} | {row['root']:,.0f} | {what} | {r['kB']:,.0f} | {r['requests']} | {r['s']:.2f} "
                f"| {r['cpu']:.2f} | {r['MB']:,.0f} | {row['one more']:,.0f} |"
            )


if __name__ == "__main__":
    main()
