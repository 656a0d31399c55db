"""What becomes of each published weight as ONNX: exporter, sizes, time of torch, ONNX and int8, and the metric of each.

    python benchmarks/export.py [PATTERN ...] [--kept FILE.jsonl]

Needs the data sets (ZOO_DATA): `zoo.export` measures each file's metric on the whole test split by onnxruntime. The
times are those of one input on one thread, in the thread's own processor time, so that other work on the machine does
not count; the three are timed in turn, and medians are given. A text has 100 tokens. Prints a Markdown table. With
--kept, rows are kept in the file as they are measured, and those in it are not measured again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import zoo
from zoo import sources
from zoo._export.graph import INPUTS, Graph
from zoo._export.onnx_file import open_file
from zoo._export.proof import example
from zoo.bundles.load import load_model
from zoo.environment import environment
from zoo.tasks import measures

TOKENS = 100
LONGEST, FEWEST, MOST = 3.0, 10, 500
"""Seconds of timing for a weight, and how many turns at least and at most."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Every published weight as ONNX.")
    parser.add_argument("patterns", nargs="*", default=["*"], help="globs over weights")
    parser.add_argument("--kept", metavar="FILE.jsonl", help="where rows are kept as they are measured")
    given = parser.parse_args()
    kept = Path(given.kept) if given.kept else None
    rows = list(map(json.loads, kept.read_text().splitlines())) if kept and kept.exists() else []
    torch.set_num_threads(1)
    for weight in (weight for pattern in given.patterns for weight in zoo.list_weights(pattern)):
        if any(row["weight"] == weight for row in rows):
            continue
        began = time.perf_counter()
        rows.append(measured(weight))
        print(f"{weight}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
        if kept:
            with kept.open("a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
    report(rows)
    return 0 if all(row["ok"] for row in rows) else 1


def measured(weight: str) -> dict[str, Any]:
    """A row of the table."""
    bundle = sources.find(weight)
    with tempfile.TemporaryDirectory() as folder:
        paths = {None: Path(folder) / "weight.onnx", "int8": Path(folder) / "int8.onnx"}
        reports = {how: zoo.export(weight, path, quantize=how) for how, path in paths.items()}
        single, eight = reports[None], reports["int8"]
        files = {how: open_file(path, threads=1) for how, path in paths.items() if reports[how].ok}
        config = bundle.config
        ids = {key: config["model_args"].get(key, 2) for key in ("vocab_size", "characters")}
        inputs = example(config, ids, 1, TOKENS)
        arrays = {name: x.numpy() for name, x in zip(INPUTS[config["input"]["kind"]], inputs, strict=True)}
        graph = Graph(load_model(bundle, device="cpu"), config).eval()
        calls: dict[str, Callable[[], object]] = {"torch": lambda: graph(*inputs)}
        calls |= {how or "onnx": lambda file=file: file.run(arrays) for how, file in files.items()}
        times = in_turn(calls)
    return {
        "weight": weight,
        "task": config["task"],
        "ok": single.ok,
        "exporter": single.exporter,
        "metric": single.metric,
        "published": single.published,
        "onnx": single.measured,
        "int8": eight.measured,
        "int8_kept": eight.ok,
        "times": times,
        "sizes": {
            "safetensors": bundle.tensors.stat().st_size,
            **{how or "onnx": r.files[paths[how].name]["size"] for how, r in reports.items() if r.ok},
        },
    }


def in_turn(calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Milliseconds of each call, the median of many."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    begun, turn = time.thread_time(), 0
    with torch.inference_mode():
        while turn < FEWEST or (turn < MOST and time.thread_time() - begun < LONGEST):
            for name, call in calls.items():
                started = time.thread_time()
                call()
                if turn:  # the first one warms
                    times[name].append(time.thread_time() - started)
            turn += 1
    return {name: 1000 * statistics.median(taken) for name, taken in times.items()}


def report(rows: list[dict[str, Any]]) -> None:
    machine = environment()
    print(f"{machine['cpu']}, one thread, {machine['platform']}, torch {machine['torch']}\n")
    print("| weight | exporter | MB: bundle, ONNX, int8 | ms: torch, ONNX, int8 | metric | published | ONNX | int8 |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for row in sorted(rows, key=lambda row: row["weight"]):
        metric = measures.find(row["task"], row["metric"])
        sizes = ", ".join(
            f"{row['sizes'][k] / 1e6:.2f}" if k in row["sizes"] else "–" for k in ("safetensors", "onnx", "int8")
        )
        times = ", ".join(f"{row['times'][k]:.3g}" if k in row["times"] else "–" for k in ("torch", "onnx", "int8"))
        onnx, int8 = ("–" if row[k] is None else metric.show(row[k]) for k in ("onnx", "int8"))
        lost = "" if row["int8_kept"] else ", not kept"
        print(
            f"| {row['weight']} | {row['exporter']} | {sizes} | {times} | {row['metric']} | "
            f"{metric.show(row['published'])} | {onnx} | {int8}{lost} |"
        )


if __name__ == "__main__":
    sys.exit(main())
