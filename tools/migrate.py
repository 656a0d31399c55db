"""Bring the shipped bundles into today's form from what is there: recipes resolved, cards and index written again.

    python tools/migrate.py --held DIR [--reports DIR…] [--only PATTERN] [--into DIR]

Every tensor stays bit by bit what it is, which is asserted. What is new is measured by the functions that publishing
calls: calibration, cost, the golden input, pictures. `--held` holds a run for each recipe with a part of the training
data held out (`zoo train RECIPE data.validation=0.1 --out DIR/RECIPE`), on which the temperature is fitted; a weight
without one keeps its probabilities. `--reports` are folders of `zoo reproduce --out`, shown on the cards of their
weights. A weight that is whole under `--into` (build/migrated) is not made again, so who was stopped goes on; the
package is changed last.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import load_file

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the checkout's own, whatever is installed

from zoo import data, tasks  # noqa: E402
from zoo.bundles.facts import facts_of  # noqa: E402
from zoo.bundles.format import Bundle, open_bundle  # noqa: E402
from zoo.bundles.index import TENSORS, Entry, entry_of, read_index, write_index  # noqa: E402
from zoo.bundles.write import write_tensors  # noqa: E402
from zoo.check import check_parameters, check_schema  # noqa: E402
from zoo.data.terms import terms  # noqa: E402
from zoo.integrity import sha256  # noqa: E402
from zoo.publishing.complete import card_of, complete  # noqa: E402
from zoo.publishing.for_timm import for_timm  # noqa: E402
from zoo.recipes import list_recipes, load_recipe  # noqa: E402
from zoo.recipes.of_bundle import recipe_of  # noqa: E402
from zoo.reports import check_of, read_reports, short  # noqa: E402
from zoo.sources.folder import PACKAGE  # noqa: E402

LICENCE = "apache-2.0"
NOTES = {
    "bilstm_tagger.ud_english_ewt_v1": "The accuracy is for sentences whose words are given. From raw text, where it "
    "has to split the words itself, it tags 93.8 % of them right (F1; benchmarks/tagger_raw.py).",
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Bring the shipped bundles into today's form.")
    parser.add_argument("--held", type=Path, default=Path("build/held"))
    parser.add_argument("--reports", type=Path, nargs="*", default=[])
    parser.add_argument("--fast", default="", help="a glob over weights whose test split is not measured on")
    parser.add_argument("--only", default="*", help="a glob over weights")
    parser.add_argument(
        "--measure", default="*", help="a glob over weights that are measured again; others keep figures"
    )
    parser.add_argument("--cost", action="store_true", help="measure latency and memory again too; on a quiet machine")
    parser.add_argument("--into", type=Path, default=ROOT / "build" / "migrated")
    parser.add_argument("--dry", action="store_true", help="leave the package as it is")
    given = parser.parse_args()
    index = read_index(PACKAGE / "index.json")
    chosen = [name for name in index if fnmatchcase(name, given.only)]
    reports = _reports(given.reports)
    for name in chosen:
        old, target = open_bundle(PACKAGE / name, name=name, entry=index[name]), given.into / name
        if not (target / "README.md").is_file():
            shutil.rmtree(target, ignore_errors=True)
            if fnmatchcase(name, given.measure):
                _measure(old, target, given.held, not fnmatchcase(name, given.fast), given.cost)
            else:
                _keep(old, target)
        _finish(old, target, reports.get(name, []))
        print(f"{name}: {sum(path.stat().st_size for path in target.iterdir()):,} bytes", flush=True)
    if given.dry:
        return
    for name in chosen:
        shutil.rmtree(PACKAGE / name)
        shutil.copytree(given.into / name, PACKAGE / name)
    write_index(PACKAGE / "index.json", {name: _entry(name, entry, name in chosen) for name, entry in index.items()})


def _measure(old: Bundle, target: Path, held: Path, measured: bool, cost: bool) -> None:
    """All that takes time. The card is written last and so says that the rest is whole."""
    target.mkdir(parents=True)
    for file in ("log.csv", "tokenizer.json"):
        if file in (old.entry.files if old.entry else ()):
            shutil.copyfile(old.path(file), target / file)
    _write(target / "config.json", json.dumps(old.config, indent=1, ensure_ascii=False) + "\n")
    metrics = {
        key: value for key, value in old.metrics.items() if key != "calibration" and not (cost and key == "cost")
    }
    _resolve(old, target, metrics)
    complete(target, held=_held(target, held / str(old.name).rpartition("_v")[0]), evaluate=measured)


def _keep(old: Bundle, target: Path) -> None:
    """Every figure and picture as it is; in config.json and metrics.json what is said without measuring."""
    shutil.copytree(old.folder, target, ignore=shutil.ignore_patterns("README.md"))
    _write(
        target / "config.json", json.dumps({**old.config, **for_timm(old.config)}, indent=1, ensure_ascii=False) + "\n"
    )
    metrics = dict(old.metrics)
    metrics["data"] = {**metrics["data"], **terms(metrics["data"].get("name", ""))}
    _resolve(old, target, metrics)


def _resolve(old: Bundle, target: Path, metrics: dict[str, Any]) -> None:
    """The recipe as it resolves today, the tensors under a head that names it, and metrics.json with both hashes."""
    name, recipe = str(old.name), recipe_of(old)
    stem = name.rpartition("_v")[0]
    if stem in list_recipes():
        part = recipe.evaluate.model_copy(update={"margin": load_recipe(stem).evaluate.margin})
        recipe = recipe.model_copy(update={"evaluate": part})
    _write(target / "recipe.yaml", recipe.to_yaml())
    with safe_open(old.tensors, "pt") as file:
        head = dict(file.metadata() or {})
    tensors = load_file(old.tensors)
    write_tensors(target / TENSORS, tensors, {**head, "name": name, "recipe_sha256": recipe.sha256()})
    _assert_equal(old.tensors, target / TENSORS)
    said = [data.load(recipe.data.name).note, NOTES.get(name, "")]
    older = {_first_sentence(note) for note in said}  # as an older form of the same note begins
    notes = [note for note in metrics.get("notes", []) if _first_sentence(note) not in older]
    metrics |= {"license": LICENCE, "sha256": sha256(target / TENSORS), "recipe_sha256": recipe.sha256()}
    metrics["notes"] = [*filter(None, said), *notes]
    _write(target / "metrics.json", json.dumps(metrics, indent=1, ensure_ascii=False) + "\n")


def _first_sentence(note: str) -> str:
    return note.partition(". ")[0]


def _held(target: Path, run: Path) -> Bundle | None:
    """A run with samples held out; the weight itself if its data set has a validation split of its own."""
    bundle = open_bundle(target)
    if (run / TENSORS).is_file():
        return open_bundle(run)
    classifies = bundle.config["labels"] and tasks.get(bundle.config["task"]).classes
    return bundle if classifies and data.load(recipe_of(bundle).data.name).validation is not None else None


def _assert_equal(before: Path, after: Path) -> None:
    """Names, types, shapes and bytes of all tensors are the same."""
    with safe_open(before, "pt") as one, safe_open(after, "pt") as other:
        assert sorted(one.keys()) == sorted(other.keys())
        for key in one.keys():  # noqa: SIM118  it is not a mapping
            a, b = one.get_tensor(key), other.get_tensor(key)
            assert a.dtype == b.dtype and a.shape == b.shape, key
            assert a.numpy().tobytes() == b.numpy().tobytes(), key


def _finish(old: Bundle, target: Path, reports: list[dict[str, Any]]) -> None:
    """What is quick and may have changed since: recipe, reports, card. All is checked as publishing does."""
    metrics = json.loads((target / "metrics.json").read_text(encoding="utf-8"))
    _resolve(old, target, metrics)
    if reports:
        check_of(reports, metrics["sha256"], metrics["recipe_sha256"])
        metrics["reports"] = [short(report) for report in reports]
        _write(target / "metrics.json", json.dumps(metrics, indent=1, ensure_ascii=False) + "\n")
    _write(target / "README.md", card_of(open_bundle(target), str(old.name)))
    check_schema(open_bundle(target))
    check_parameters(open_bundle(target))


def _entry(name: str, old: Entry, changed: bool) -> Entry:
    if not changed:
        return old
    entry, bundle = entry_of(PACKAGE / name, name, old.default), open_bundle(PACKAGE / name)
    return Entry(name, old.default, entry.files, facts_of(bundle.config, bundle.metrics, entry.files))


def _reports(places: list[Path]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for place in places:
        for path in sorted(place.rglob("reproduce.json")):
            (report,) = read_reports([path])
            found.setdefault(report["weight"], []).append(report)
    return found


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
