"""From a finished run to a weight that others can find: in a folder, on the Hugging Face Hub, in a bucket."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zoo import caller
from zoo.bundles.facts import facts_of
from zoo.bundles.format import Bundle, open_bundle
from zoo.bundles.index import Entry, FileRecord, files_in
from zoo.check import check_parameters, check_schema, is_number
from zoo.errors import ZooError
from zoo.integrity import sha256
from zoo.names import is_weight_name, model_of, stem_of, text_of
from zoo.publishing.complete import card_of, complete
from zoo.publishing.merge import merge_metrics
from zoo.recipes.of_bundle import check_own, is_place, recipe_of
from zoo.reports import check_of, read_reports, short
from zoo.sources import cache, trust
from zoo.sources.finding import find
from zoo.sources.index import Change, Flat, Index
from zoo.sources.place import Shelf, shelf
from zoo.sources.progress import progress

CARD = "README.md"


@caller.own()
def publish(
    runs: Any,
    to: str | os.PathLike[str],
    *,
    name: str | None = None,
    baselines: Mapping[str, Mapping[str, Any]] | str | os.PathLike[str] | None = None,
    notes: Sequence[str] = (),
    reports: Sequence[str | os.PathLike[str]] = (),
    sign: str | os.PathLike[str] | None = None,
    calibrate: Any = None,
) -> str:
    """Publish a run as a weight and return the weight's name.

    `runs` is a finished run (its folder, or the `Run` that training returned), a bundle, or a list of runs of one
    recipe that differ only in train.seed: the bytes of the first are shipped, and the metrics have mean and spread
    over all. A run gets its model card here, and a bundle under another name a new one.

    `to` is a folder or a bucket such as s3://BUCKET/PATH (TO/<weight>/ and TO/index.json, where the first weight of a
    model becomes its default), or hf://OWNER/REPO (created if it is not there; it holds one weight, published in one
    commit). The index changes last and in one step: a call that stops half-way leaves the place as it was, and the
    same call finishes the work. Several processes may publish to one place at once. Without `name` a bundle keeps
    its own and a run becomes the next version of its recipe: the recipe mlp.digits makes mlp.digits_v1, then _v2. A run
    of one of the zoo's recipes with changed settings needs a name. Files that are already there with the same bytes
    stay as they are.

    `baselines` are plain methods measured on the same split: {NAME: {"value": …}} or a JSON file of that. The value
    is in the first metric of the task, or in the one that "metric" beside it names. The card shows them beside the
    model and says which wins.

    `notes` are sentences for the card, such as what a reader must know before trusting the figure.

    `calibrate` is a run of the same recipe with a part of the training data held out (`data.validation=0.1`): the
    temperature that turns a classifier's outputs into probabilities is fitted on that part. If the data set
    has a validation split that the recipe does not train on, the run itself will do.

    `reports` are folders that `zoo reproduce --out` wrote for these very bytes, on any machine; the card shows them.

    `sign` is the path of a private key; the index is then signed, and users with the public key in ZOO_TRUST accept
    only this index (`zoo.sources.trust`).

    Before anything is published, a run's tensors are loaded and, if its data are at hand, measured again.

    Raises `ZooError` if a run is unfinished, was not measured on the test split, has wrong facts about itself (see
    `zoo.check`), has the recipe of another model, or differs from the first in more than the seed; if a baseline is
    not a finite number, or is in a metric that the run does not have; if a name is needed, or is already used for
    other bytes (the bytes of a weight never change); and if the place cannot be written. The index names the weight
    only once all its files are there.

        >>> run = zoo.train("mlp.digits", {"train.epochs": 1}, out="runs/one", progress=False)
        >>> zoo.publish(run, "my-zoo", name="mlp.quick_v1")
        'mlp.quick_v1'
        >>> zoo.create("my-zoo/mlp.quick_v1").zoo.task
        'image-classification'
    """
    bundles = [_bundle(run) for run in (runs if isinstance(runs, list | tuple) else [runs])]
    if not bundles:
        raise ZooError("there is nothing to publish; give a run.")
    if not isinstance(to, str | os.PathLike):
        raise ZooError(f"{to!r} is not a place to publish to; give a folder, hf://OWNER/REPO or s3://BUCKET/PATH.")
    destination = os.fspath(to)
    with tempfile.TemporaryDirectory() as scratch:
        draft = _draft(bundles, Path(scratch), _read_baselines(baselines), list(notes), list(reports), calibrate)
        return _put(shelf(destination), draft, name, sign)


def _bundle(run: Any) -> Bundle:
    return run if isinstance(run, Bundle) else find(getattr(run, "folder", run))


def check_measured(bundle: Bundle) -> None:
    """Raise `ZooError` unless the run's tensors give its metrics; warn if the data to measure them are not at hand."""
    from zoo._verify import check_metrics
    from zoo.opened import Opened
    from zoo.training import own

    opened, other = Opened(bundle, "cpu"), False
    name = opened.recipe.data.name
    with suppress(ZooError):  # data that cannot be read cannot be measured on; the next step says so
        other = own.at_hand(opened.recipe) and opened.data.fingerprint != bundle.metrics["data"]["fingerprint"]
    if other:
        said = f"metrics were not measured again: {name} at hand has another fingerprint than the run's data."
    else:
        said = check_metrics(opened)
    if said:
        warnings.warn(f"{bundle.folder}: {said}", stacklevel=2)


def _read_baselines(given: Mapping[str, Any] | str | os.PathLike[str] | None) -> dict[str, Any]:
    where = "baselines"
    if isinstance(given, str | os.PathLike):
        where = os.fspath(given)
        try:
            given = json.loads(Path(where).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ZooError(
                f"{where} cannot be read as JSON ({error}); give what the baseline's command printed."
            ) from error
    given = {} if given is None else given
    if not isinstance(given, Mapping) or not all(isinstance(v, Mapping) and "value" in v for v in given.values()):
        raise ZooError(f'{where} holds no baselines; expected {{NAME: {{"value": NUMBER}}}}.')
    for name, baseline in given.items():
        if not is_number(baseline["value"]):
            raise ZooError(f"{where}: the value of {name!r} is {baseline['value']!r}; give a finite number.")
    _json(given, where)
    return dict(given)


def _json(content: Mapping[str, Any], where: str) -> str:
    """`content` as JSON; `ZooError` that begins with `where` for values that JSON does not have, such as NaN."""
    try:
        return json.dumps(content, indent=1, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise ZooError(f"{where} cannot be written as JSON ({error}); give finite numbers and text.") from error


@dataclass(frozen=True)
class _Draft:
    """A weight before it has a name: the checked files, the facts for its card, and a folder to write the card in."""

    bundle: Bundle
    files: dict[str, Path]
    metrics: dict[str, Any]
    scratch: Path
    whole: Bundle
    """The complete bundle; the same as `bundle` if it was published before."""

    def named(self, name: str) -> dict[str, Path]:
        """The files of the weight under that name, which its card describes."""
        if CARD in self.files and name == _own_name(self.bundle):
            return self.files
        return {**self.files, CARD: _written(self.scratch / CARD, card_of(self.whole, name, self.metrics))}


def _draft(
    bundles: Sequence[Bundle],
    scratch: Path,
    baselines: dict[str, Any],
    notes: list[str],
    reports: Sequence[str | os.PathLike[str]],
    calibrate: Any,
) -> _Draft:
    first = bundles[0]
    files = {file: first.path(file) for file in files_in(first.folder)}
    if "imported" in first.metrics:
        return _imported(bundles, files, scratch, notes, any((baselines, reports, calibrate)))
    for bundle in bundles:
        begins = recipe_of(bundle).init_from
        if is_place(begins) and "://" not in str(begins):
            raise ZooError(
                f"{bundle.folder} begins from {begins}, a place on this machine, so nobody else could grow it again; "
                "publish that weight first, and train with init_from=WEIGHT."
            )
        check_schema(bundle)
    check_parameters(first)
    metrics = merge_metrics(bundles)
    if first.entry is None:
        check_measured(first)
    for name, baseline in baselines.items():
        if baseline.get("metric", next(iter(metrics["metrics"]))) not in metrics["metrics"]:
            raise ZooError(
                f"the baseline {name!r} is measured in {baseline['metric']!r}, but the run in "
                f"{', '.join(metrics['metrics'])}; measure the baseline in one of these."
            )
    if baselines:
        metrics["baselines"] = baselines
    if notes:
        metrics["notes"] = [*metrics.get("notes", []), *notes]
    if reports:
        found = read_reports(reports)
        check_of(found, metrics["sha256"], metrics["recipe_sha256"])
        metrics["reports"] = [*metrics.get("reports", []), *map(short, found)]
    text = _json(metrics, f"{first.folder / 'metrics.json'}")
    if metrics != first.metrics:
        files["metrics.json"] = _written(scratch / "metrics.json", text)
        files.pop(CARD, None)  # it showed other figures
    if _own_name(first) is not None and calibrate is None:  # the bytes of a weight never change
        return _Draft(first, files, metrics, scratch, first)
    place = scratch / "complete"
    place.mkdir()
    for file, path in files.items():
        if file != CARD:
            shutil.copyfile(path, place / file)
    complete(place, held=None if calibrate is None else _bundle(calibrate))
    whole = open_bundle(place)
    files = {file: place / file for file in files_in(place)}
    return _Draft(first, files, dict(whole.metrics), scratch, whole)


def _imported(
    bundles: Sequence[Bundle], files: dict[str, Path], scratch: Path, notes: list[str], figures: bool
) -> _Draft:
    """The draft of an imported weight, of which nothing was measured."""
    first = bundles[0]
    if len(bundles) > 1 or figures:
        raise ZooError(
            f"{first.folder} was imported, so it has no figures; publish it alone, without baselines, reports or "
            "calibration."
        )
    check_schema(first)
    check_parameters(first)
    metrics = {**first.metrics, "notes": [*first.metrics.get("notes", []), *notes]}
    if notes:
        files = {**files, "metrics.json": _written(scratch / "metrics.json", _json(metrics, "the notes"))}
        files.pop(CARD, None)
    return _Draft(first, files, metrics, scratch, first)


def _put(place: Shelf, draft: _Draft, name: str | None, key: str | os.PathLike[str] | None) -> str:
    """Choose the weight's name by what the place holds, publish it there, and start over if somebody was faster."""
    while True:
        raw, stamp = place.begin()
        index = Flat() if raw is None else cache.parsed(place, raw)
        entry, files = _entry(place, draft, name, index)
        if index.get(entry.name):
            return entry.name
        if place.holds_one and index.names:
            held = ", ".join(index.names)
            raise ZooError(f"{place.url} holds {held}, and a repository holds one weight; publish to another.")
        change = add_signed(place, index, [entry], key)
        paths = {place.path_of(entry.name, file): path for file, path in files.items()}
        size = sum(record.size for record in entry.files.values())
        with progress(f"publishing {entry.name}", size, f" to {place.url}") as tell:
            if place.replace(entry.name, {**paths, **change.files}, change.root, stamp, tell, change.drop):
                return entry.name


def add_signed(place: Shelf, index: Index, entries: Sequence[Entry], key: str | os.PathLike[str] | None) -> Change:
    """The index with more weights, its root signed by `key`; `ZooError` if the old one was signed and `key` is not
    given."""
    if key is None:
        if index.signed:
            raise ZooError(f"the index of {place.url} is signed; give its private key with --sign KEY.")
        return index.add(*entries)
    change = index.add(*entries, sign=True)
    signature = {trust.signature_path(change.root): trust.sign(change.root, key)}
    return replace(change, files={**change.files, **signature})


def _entry(place: Shelf, draft: _Draft, name: str | None, index: Index) -> tuple[Entry, dict[str, Path]]:
    """The weight's entry and files under the name it gets; the entry of `index` if that has the same files.

    Raises `ZooError` if the name cannot be a weight of this model, and if `index` has other bytes under it.
    """
    model = stem_of(draft.bundle.config["model"])
    wanted = text_of(name) if name else _own_name(draft.bundle)
    if wanted is None and "imported" in draft.metrics:
        raise ZooError(f"{draft.bundle.folder} was imported and has no name; give one, --name {model}.<tag>_v<N>.")
    name = wanted or _next_name(place, draft, model, index)
    if not is_weight_name(name) or model_of(name) != model:
        raise ZooError(f"{name!r} cannot be the name of this weight; give a name of the form {model}.<tag>_v<N>.")
    files = draft.named(name)
    records = _records(files)
    there = index.get(name)
    if there or (wanted and not place.claim(name, records)):
        if there and there.files == records:
            return there, files
        stem, _, _ = name.rpartition("_v")
        free = f"{stem}_v{max(_versions(stem, index), default=0) + 1}"
        if there:
            raise ZooError(
                f"{name} is already published with other bytes, and the bytes of a weight never change; give a new "
                "name, "
                f"such as {free}."
            )
        raise ZooError(
            f"{place.url} exists with something else under {name}, which no index lists; remove it, or give another "
            "name."
        )
    facts = facts_of(draft.whole.config, draft.metrics, records)
    return Entry(name, index.default(model) is None, records, facts), files


def _own_name(bundle: Bundle) -> str | None:
    """The name that a bundle was published under, None for a run."""
    if bundle.name:
        return bundle.name
    folder = bundle.folder.resolve().name
    named = is_weight_name(folder) and model_of(folder) == stem_of(bundle.config["model"])
    return folder if named and (bundle.folder / CARD).is_file() else None


def _next_name(place: Shelf, draft: _Draft, model: str, index: Index) -> str:
    """The first free version of the run's recipe, or the version as which the run was already published."""
    config = draft.bundle.config
    recipe = str(config.get("recipe") or model)
    if recipe == config["model"] != model:  # of a timm model, without a name of its own
        recipe = re.sub(r"[^A-Za-z0-9_-]+", "_", str(config.get("data", "")).rpartition(":")[2]).strip("_") or "own"
    stem = recipe if recipe.startswith(f"{model}.") else f"{model}.{recipe}"
    check_own(draft.bundle, stem)
    versions = _versions(stem, index)
    whole = draft.bundle.whole
    tensors = _records({whole: draft.files[whole]})[whole]
    for name in versions.values():
        entry = index.get(name)
        if entry and entry.files.get(whole) == tensors and entry.files == _records(draft.named(name)):
            return name
    version = max(versions, default=0) + 1
    while is_weight_name(f"{stem}_v{version}"):
        # A name under which somebody else began to publish belongs to them.
        if place.claim(f"{stem}_v{version}", _records(draft.named(f"{stem}_v{version}"))):
            break
        version += 1
    return f"{stem}_v{version}"


def _versions(stem: str, index: Index) -> dict[int, str]:
    """The published versions of a weight by number."""
    return {
        int(name[len(stem) + 2 :]): name for name in index.names if re.fullmatch(re.escape(stem) + r"_v[0-9]+", name)
    }


def _records(files: Mapping[str, Path]) -> dict[str, FileRecord]:
    return {file: FileRecord(sha256(path), path.stat().st_size) for file, path in files.items()}


def _written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="\n")
    return path
