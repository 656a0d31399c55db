"""The default road on small public sets, beside the plain methods that `zoo train … --data` measures after training.

    python benchmarks/small_data.py [SET …] [--seeds N]

Each set is written out as a file, and trained on as `zoo train MODEL --data FILE` does, with no setting but the
columns: the rules of `zoo.training.rules` choose the rest. The figures are those of the held-out part that the zoo
chooses. Sets come with scikit-learn and statsmodels, and as small parts of sets under ZOO_DATA, which are left out if
they are not there; a run begins from no weight that was grown on the same data set. Prints a Markdown table with the
mean over the seeds; exits 1 if on fewer than two thirds of the sets the road is within a point (of an error a
twentieth) of the best plain method, or better.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Rows = tuple[list[str], Iterable[Iterable[Any]]]


@dataclass(frozen=True)
class Small:
    """A small set: the model for it, how it is written, and the settings that say what its columns are."""

    model: str
    write: Callable[[Path], Path]
    settings: dict[str, Any] = field(default_factory=dict)


def rows(path: Path, head: list[str], lines: Iterable[Iterable[Any]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head, *lines])
    return path


def learned(name: str) -> Callable[[Path], Path]:
    """A table of scikit-learn's."""

    def write(folder: Path) -> Path:
        from sklearn import datasets

        frame = getattr(datasets, f"load_{name}")(as_frame=True).frame
        return rows(folder / f"{name}.csv", list(frame.columns), frame.to_numpy().tolist())

    return write


def counted(name: str, columns: list[str] | None = None) -> Callable[[Path], Path]:
    """A table or a series of statsmodels', all of its columns or some."""

    def write(folder: Path) -> Path:
        import statsmodels.api as sm  # pyright: ignore[reportMissingImports] - it comes with the extra `bench` alone

        frame = getattr(sm.datasets, name).load_pandas().data
        names = columns or list(frame.columns)
        return rows(folder / f"{name}.csv", names, frame[names].to_numpy().tolist())

    return write


def part(name: str, count: int) -> Callable[[Path], Path]:
    """The first rows of a set's training part, in an order that no seed moves; texts, tagged words, characters."""

    def write(folder: Path) -> Path:
        from zoo import data
        from zoo.data.split import shuffled

        found: Any = data.load(name)
        if found.kind == "characters":
            text = "".join(found.labels[i] for i in found.train.inputs[:count].tolist())
            path = folder / f"{name}.txt"
            path.write_text(text, encoding="utf-8", newline="")
            return path
        some: Any = found.train.take(sorted(shuffled(range(len(found.train)), 0)[:count]))
        pairs = list(zip(some.inputs, some.targets.tolist(), strict=True))
        if found.kind == "text":
            return rows(folder / f"{name}.csv", ["text", "label"], [(text, found.labels[y]) for text, y in pairs])
        blocks = []
        for sentence, tags in pairs:
            words = zip(sentence.split("\t"), tags, strict=False)
            blocks.append("".join(f"{word}\t{found.labels[tag]}\n" for word, tag in words))
        path = folder / f"{name}.tsv"
        path.write_text("\n".join(blocks), encoding="utf-8")
        return path

    return write


def pictures(name: str, count: int) -> Callable[[Path], Path]:
    """A folder of class folders with some pictures of a set."""

    def write(folder: Path) -> Path:
        from torchvision.transforms.functional import to_pil_image

        from zoo import data
        from zoo.data.split import shuffled

        found = data.load(name)
        some: Any = found.train.take(sorted(shuffled(range(len(found.train)), 0)[:count]))
        for place, (image, target) in enumerate(zip(some.inputs, some.targets.tolist(), strict=True)):
            label = folder / name / found.labels[target].replace("/", " or ")
            label.mkdir(parents=True, exist_ok=True)
            white = int(found.maximum)
            to_pil_image(image if white == 255 else (image.float() * 255 / white).byte()).save(label / f"{place}.png")
        return folder / name

    return write


TEXT = {"data.columns.text": "text", "data.columns.target": "label"}
SCRATCH: dict[str, Any] = {"init_from": None}
SETS: dict[str, Small] = {
    "iris (150)": Small("churn_mlp", learned("iris"), {"data.columns.target": "target"}),
    "wine (178)": Small("churn_mlp", learned("wine"), {"data.columns.target": "target"}),
    "breast_cancer (569)": Small("churn_mlp", learned("breast_cancer"), {"data.columns.target": "target"}),
    "diabetes (442)": Small("housing_mlp", learned("diabetes"), {"data.columns.target": "target"}),
    "engel (235)": Small("housing_mlp", counted("engel"), {"data.columns.target": "foodexp"}),
    "star98 (303)": Small("housing_mlp", counted("star98"), {"data.columns.target": "NABOVE"}),
    "sunspots (309)": Small("gru_forecast", counted("sunspots", ["SUNACTIVITY"])),
    "nile (100)": Small("gru_forecast", counted("nile", ["volume"])),
    "macrodata (203)": Small("gru_forecast", counted("macrodata", ["realgdp", "infl", "unemp", "tbilrate"])),
    "digits (1,797)": Small("mlp", pictures("digits", 1797), SCRATCH),
    "MNIST (1,000)": Small("mnist_mlp", pictures("mnist", 1000), SCRATCH),
    "Fashion-MNIST (1,000)": Small("mlp_bn", pictures("fashion_mnist", 1000), SCRATCH),
    "SST-2 (4,000)": Small("bilstm_attn", part("sst2", 4000), {**TEXT, "init_from": "bilstm_attn.imdb_v1"}),
    "TREC (1,000)": Small("bilstm_attn", part("trec", 1000), TEXT),
    "IMDb (500)": Small("bilstm_attn", part("imdb", 500), {**TEXT, "init_from": "bilstm_attn.sst2_v1"}),
    "EWT (300)": Small("bilstm_tagger", part("ud_english_ewt", 300), SCRATCH),
    "EWT (1,000)": Small("bilstm_tagger", part("ud_english_ewt", 1000), SCRATCH),
    "EWT (2,000)": Small("bilstm_tagger", part("ud_english_ewt", 2000), SCRATCH),
    "Tiny Shakespeare (20,000)": Small("charlstm", part("tinyshakespeare", 20_000), SCRATCH),
    "Tiny Shakespeare (50,000)": Small("charlstm", part("tinyshakespeare", 50_000), SCRATCH),
    "Tiny Shakespeare (100,000)": Small("charlstm", part("tinyshakespeare", 100_000), SCRATCH),
}


def main() -> int:
    parser = argparse.ArgumentParser(description="The default road on small sets, beside plain methods.")
    parser.add_argument("sets", nargs="*", metavar="SET", help="beginnings of names; all by default")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each set (default: 1)")
    given = parser.parse_args()
    chosen = [name for name in SETS if not given.sets or name.startswith(tuple(given.sets))]
    print("| set | model | metric | the zoo | plain methods | seconds |\n| --- | --- | --- | --- | --- | --- |")
    met = 0
    for name in chosen:
        with tempfile.TemporaryDirectory() as scratch:
            line, good = measured(name, SETS[name], Path(scratch), given.seeds)
        met += good
        print(line, flush=True)
    print(f"\nWithin a point of the best plain method, or better: {met} of {len(chosen)}.")
    return 0 if 3 * met >= 2 * len(chosen) else 1


def measured(name: str, small: Small, scratch: Path, seeds: int) -> tuple[str, bool]:
    """A line of the table, and whether the road is within a point (a share) or a twentieth (others) of the best."""
    import json

    import zoo
    from zoo.tasks.measures import find

    os.environ["ZOO_HOME"] = str(scratch / "home")
    try:
        path = small.write(scratch)
    except zoo.ZooError as error:
        return f"| {name} | {small.model} | | not measured: {error} | | |", True
    ours, theirs, metric = [], {}, ""
    started = time.perf_counter()
    for seed in range(seeds):
        out = scratch / f"run{seed}"
        changes = {**small.settings, "train.seed": seed}
        run = zoo.train(small.model, changes, data=path, out=out, device="cpu", progress=None)
        beside = json.loads((out / "metrics.json").read_text())["baselines"]
        metric = next(iter(beside.values()))["metric"]
        theirs = {method: found["value"] for method, found in beside.items()}
        ours.append(run.metrics[metric])
    seconds = (time.perf_counter() - started) / seeds
    mean, known = sum(ours) / len(ours), find(zoo.info(small.model).task, metric)
    best = (max if known.more_is_better else min)(theirs.values())
    good = mean >= best - 0.01 if known.more_is_better else mean <= 1.05 * best

    def shown(value: float) -> str:
        return known.show(value)

    plain = ", ".join(f"{method} {shown(value)}" for method, value in theirs.items())
    mark = "" if good else " (the plain method is better)"
    return f"| {name} | {small.model} | {metric} | {shown(mean)}{mark} | {plain} | {seconds:.0f} |", good


if __name__ == "__main__":
    sys.exit(main())
