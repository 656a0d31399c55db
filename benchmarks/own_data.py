"""Reading files of one's own, beside what the libraries take that read and encode them.

    python benchmarks/own_data.py [--rows N] [--reviews N]

Makes files of N rows in a temporary folder: texts of 200 characters (words of Tiny Shakespeare, or made-up ones if it
is not at hand) and a table of 30 columns. Each contender has a process of its own, in turn. Memory is the peak of the
resident memory above what the process had before it began to read (Linux alone tells).

Targets: texts from the file to token ids, as a training reads them (hashed, parted, fingerprinted), within 1.5 times
what `encode_batch` of tokenizers takes alone, with at most three times the file in memory; the table read, typed and
encoded within twice what pyarrow's reader takes; the first step of `zoo train … --data` on 10,000 rows within 5 s of
importing torch; answers for N reviews of IMDb (25,000 by default, under ZOO_DATA) from a CSV, `zoo predict -o`, in no
more time than a loop written by hand takes that sorts by length. Medians of three, in turn, for the reviews. Prints a
Markdown table; exits 1 where a target is missed.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from load import Row, report

PEAK = """
import sys, time, torch
from pathlib import Path
def kilobytes(key):
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1])
def began():
    open("/proc/self/clear_refs", "w").write("5")
    global before, clock
    before, clock = kilobytes("VmRSS"), time.perf_counter()
def ended():
    print(time.perf_counter() - clock, (kilobytes("VmHWM") - before) * 1024)
path = Path(sys.argv[1])
"""
TOKENIZER = """
import csv, itertools
from zoo.data import text
from zoo.data.own.columns import texts_of
from zoo.data.own.reading import read
with path.open(newline="") as file:
    some = [row["text"] for row in itertools.islice(csv.DictReader(file), 20000)]
tokenizer = text.train_tokenizer(some, 20000)
del some
"""
JOBS = {
    "texts by encode_batch": PEAK
    + TOKENIZER
    + "texts = texts_of(read(path, wanted=['text']).table.column('text'))\nbegan()\n"
    + "tokenizer.encode_batch(texts)\nended()",
    "texts by the zoo": PEAK
    + TOKENIZER
    + "from zoo.data.own import loading\nbegan()\n"
    + "columns = {'text': ['text'], 'target': 'target'}\n"
    + "own = loading.load(f'file:{path}', 'text', True, columns=columns)\n"
    + "ids = [text.encode_all(tokenizer, part.inputs) for part in (own.data.train, own.data.test)]\nended()",
    "table by pyarrow": PEAK
    + "from pyarrow import csv\nbegan()\ncsv.read_csv(path, parse_options=csv.ParseOptions(newlines_in_values=True))\n"
    + "ended()",
    "table by the zoo": PEAK
    + "from zoo.data.own import columns, table\nfrom zoo.data.own.reading import read\nbegan()\n"
    + "found = read(path)\ntypes = columns.found(found, given={}, skip=['n0'])\n"
    + "table.encoded(found, types.numbers, table._levels([found], types.categories))\nended()",
}
FIRST = """
import sys, time
began = time.perf_counter()
import torch
print(time.perf_counter() - began)
from zoo.training import building
from zoo.cli import main
clock, real = time.perf_counter(), building.backward
def stop(*arguments, **more):
    print(time.perf_counter() - clock)
    sys.stdout.flush()
    import os
    os._exit(0)
building.backward = stop
main(["train", "bilstm_attn", "--data", sys.argv[1], "--text", "text", "--target", "target", "--out", sys.argv[2],
      "--device", "cpu"])
"""

BY_HAND = """
import sys, time, csv, torch, zoo
from zoo.data import text
read = zoo.predictor("bilstm_attn.imdb_v1", device="cpu")
clock = time.perf_counter()
with open(sys.argv[1], newline="", encoding="utf-8") as file:
    rows = list(csv.DictReader(file))
ids = text.encode(read.reads.tokenizer, [row["text"] for row in rows])
order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
found = [None] * len(ids)
with torch.inference_mode():
    for start in range(0, len(order), 64):
        some = order[start : start + 64]
        for i, shares in zip(some, read.model(*text.pad([ids[i] for i in some])).softmax(1).tolist()):
            found[i] = shares
with open(sys.argv[2], "w", newline="", encoding="utf-8") as file:
    writer = csv.writer(file)
    writer.writerow([*rows[0], "label", "probability"])
    for row, shares in zip(rows, found):
        best = max(range(len(shares)), key=shares.__getitem__)
        writer.writerow([*row.values(), read.labels[best], shares[best]])
print(time.perf_counter() - clock)
"""
BY_THE_ZOO = """
import sys, time, zoo
from zoo.cli import main
zoo.predictor("bilstm_attn.imdb_v1", device="cpu")
clock = time.perf_counter()
main(["predict", "bilstm_attn.imdb_v1", sys.argv[1], "-o", sys.argv[2], "--column", "text", "--device", "cpu"])
print(time.perf_counter() - clock)
"""


def main() -> int:
    parser = argparse.ArgumentParser(description="Reading files of one's own, beside the libraries that read them.")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the files (default: 1,000,000)")
    parser.add_argument("--reviews", type=int, default=25_000, help="of IMDb to answer for (default: 25,000)")
    given = parser.parse_args()
    rows = given.rows
    with tempfile.TemporaryDirectory() as scratch:
        texts, table, few = (Path(scratch, name) for name in ("texts.csv", "table.csv", "few.csv"))
        write_texts(texts, rows)
        write_texts(few, 10_000)
        write_table(table, rows)
        seconds, memory = {}, {}
        for name, code in JOBS.items():
            seconds[name], memory[name] = run(code, texts if name.startswith("texts") else table)
        imported, first = (float(line) for line in told(FIRST, few, Path(scratch, "run")))
        size = texts.stat().st_size
        answered = predicted(Path(scratch), given.reviews)
    ratio = seconds["texts by the zoo"] / seconds["texts by encode_batch"]
    encoded = seconds["table by the zoo"] / seconds["table by pyarrow"]
    figures = [f"{name}: {seconds[name]:.1f} s, {memory[name] / 2**20:.0f} MiB" for name in JOBS]
    print("\n".join(figures), file=sys.stderr)
    found = [
        Row(f"{rows:,} texts to ids, times encode_batch alone", f"{ratio:.2f}", "at most 1.5", ratio <= 1.5),
        Row(
            "their memory, times the file",
            f"{memory['texts by the zoo'] / size:.2f}",
            "at most 3",
            memory["texts by the zoo"] <= 3 * size,
        ),
        Row(f"table of {rows:,} x 30, times pyarrow's reader", f"{encoded:.2f}", "at most 2", encoded <= 2),
        Row(
            f"first step on 10,000 rows, seconds above importing torch ({imported:.1f})",
            f"{first:.1f}",
            "at most 5",
            first <= 5,
        ),
    ]
    found += answered
    report(found)
    return 0 if all(row.met for row in found) else 1


def predicted(scratch: Path, count: int) -> list[Row]:
    """`zoo predict` beside a loop written by hand; nothing if IMDb is not at hand."""
    from zoo import data
    from zoo.data.split import shuffled

    if not count or not data.at_hand("imdb"):
        return []
    test = data.load("imdb").test
    file, out = scratch / "reviews.csv", scratch / "answers.csv"
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text", "truth"])
        for place in sorted(shuffled(range(len(test)), 0)[:count]):
            writer.writerow([test.inputs[place], int(test.targets[place])])
    seconds: dict[str, list[float]] = {BY_HAND: [], BY_THE_ZOO: []}
    for _ in range(3):
        for code, taken in seconds.items():
            taken.append(float(told(code, file, out)[-1]))
    hand, zoo = (statistics.median(taken) for taken in seconds.values())
    what = f"{count:,} reviews from a CSV, times a loop by hand ({hand:.1f} s)"
    return [Row(what, f"{zoo / hand:.2f}", "at most 1", zoo <= hand)]


def run(code: str, path: Path) -> tuple[float, float]:
    """Seconds and bytes of a contender."""
    seconds, peak = told(code, path)[-1].split()
    return float(seconds), float(peak)


def told(code: str, *arguments: Path) -> list[str]:
    """What a process of its own printed."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    environment = {**os.environ, "ZOO_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(f"a contender failed: {done.stderr[-2000:]}")
    return done.stdout.split("\n")[:-1]


def write_texts(path: Path, rows: int) -> None:
    root = os.environ.get("ZOO_DATA")
    play = Path(root, "tinyshakespeare", "input.txt") if root else None
    draw = random.Random(0)
    words = play.read_text().split() if play and play.is_file() else [f"word{i}" for i in range(30_000)]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "target"])
        for _ in range(rows):
            start = draw.randrange(len(words) - 60)
            writer.writerow([" ".join(words[start : start + 60])[:200], draw.randrange(2)])


def write_table(path: Path, rows: int) -> None:
    draw = random.Random(0)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*(f"n{i}" for i in range(22)), *(f"k{i}" for i in range(8))])
        for _ in range(rows):
            numbers = [f"{draw.gauss(0, 1):.4f}" for _ in range(22)]
            writer.writerow([*numbers, *(f"level {draw.randrange(5 + i)}" for i in range(8))])


if __name__ == "__main__":
    sys.exit(main())
