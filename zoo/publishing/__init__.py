"""From a finished run to a weight that others can find: into a folder, or to the Hugging Face Hub."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.bundles.format import Bundle
from zoo.bundles.index import FILES, TENSORS, Entry, FileRecord, read_index, write_index
from zoo.check import check_parameters, check_schema, is_number
from zoo.errors import ZooError
from zoo.home import expanded, locked
from zoo.integrity import sha256
from zoo.names import is_weight_name, model_of
from zoo.publishing.merge import merge_metrics
from zoo.publishing.provenance import check_own, recipe_of
from zoo.reports import check_of, read_reports, short
from zoo.sources.finding import find
from zoo.sources.folder import copy_bundle
from zoo.sources.hub import Hub

CARD = "README.md"


def publish(
    runs: Any,
    to: str | os.PathLike[str],
    *,
    name: str | None = None,
    baselines: Mapping[str, Mapping[str, Any]] | str | os.PathLike[str] | None = None,
    notes: Sequence[str] = (),
    reports: Sequence[str | os.PathLike[str]] = (),
) -> str:
    """Publish a run as a weight and return the weight's name.

    `runs` is a finished run (its folder, or the `Run` that training returned), a bundle, or a list of runs of one
    recipe that differ in train.seed alone: the bytes of the first are shipped, and the metrics tell mean and spread
    over all. A run gets its model card here, and a bundle under another name a new one.

    `to` is a folder (TO/<weight>/ and TO/index.json, where the first weight of a model becomes its default) or
    hf://OWNER/REPO (created where needed; it holds one weight, published in one commit). Without `name` a bundle keeps
    its own and a run becomes the next version of its recipe: the recipe mlp.digits makes mlp.digits_v1, then _v2. A run
    of one of the zoo's recipes with changed settings needs a name. What is there already with the same bytes stays as
    it is.

    `baselines` are plain methods measured on the same split, {NAME: {"value": …}} or a JSON file of that, in the first
    metric of the task or the one that "metric" beside the value names; the card shows them beside the model and says
    which wins.

    `notes` are sentences for the card, such as what a reader must know before trusting the figure.

    `reports` are folders that `zoo reproduce --out` wrote for these very bytes, on any machine; the card shows them.

    Raises `ZooError` where a run is unfinished, was not measured on the test split, says of itself what is not so (see
    `zoo.check`), has the recipe of another model, or differs from the first in more than the seed; where a
    baseline is no finite number, or in no metric of the run; where a name is needed, or holds other bytes, since those
    of a weight never change; and where nothing can be written. Until all is there the index does not name it.
    """
    bundles = [_bundle(run) for run in (runs if isinstance(runs, list | tuple) else [runs])]
    if not bundles:
        raise ZooError("there is nothing to publish; give a run.")
    if not isinstance(to, str | os.PathLike):
        raise ZooError(f"{to!r} is no place to publish to; give a folder or hf://OWNER/REPO.")
    destination = os.fspath(to)
    with tempfile.TemporaryDirectory() as scratch:
        draft = _draft(bundles, Path(scratch), _read_baselines(baselines), list(notes), list(reports))
        if destination.startswith("hf://"):
            return _to_hub(Hub.parse(destination), draft, name)
        if "://" in destination:
            raise ZooError(f"{destination} cannot be published to; give a folder or hf://OWNER/REPO.")
        return _to_folder(expanded(destination), draft, name)


def _bundle(run: Any) -> Bundle:
    return run if isinstance(run, Bundle) else find(getattr(run, "folder", run))


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
    """`content` as JSON; `ZooError` that begins with `where` for what JSON cannot tell, such as a NaN."""
    try:
        return json.dumps(content, indent=1, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise ZooError(f"{where} cannot be written as JSON ({error}); give finite numbers and text.") from error


@dataclass(frozen=True)
class _Draft:
    """A weight before it has a name: the checked files, what the card is written from, and a folder to write it in."""

    bundle: Bundle
    files: dict[str, Path]
    metrics: dict[str, Any]
    scratch: Path

    def named(self, name: str) -> dict[str, Path]:
        """The files of the weight under that name, which its card tells."""
        if CARD in self.files and name == _own_name(self.bundle):
            return self.files
        from zoo.bundles.card import card

        text = card(self.bundle.config, self.metrics, self.bundle.recipe, self.metrics.get("notes", []), name=name)
        return {**self.files, CARD: _written(self.scratch / CARD, text)}


def _draft(
    bundles: Sequence[Bundle],
    scratch: Path,
    baselines: dict[str, Any],
    notes: list[str],
    reports: Sequence[str | os.PathLike[str]],
) -> _Draft:
    first = bundles[0]
    files = {file: first.path(file) for file in FILES if (first.folder / file).is_file()}
    for bundle in bundles:
        recipe_of(bundle)
        check_schema(bundle)
    check_parameters(first)
    metrics = merge_metrics(bundles)
    for name, baseline in baselines.items():
        if baseline.get("metric", next(iter(metrics["metrics"]))) not in metrics["metrics"]:
            raise ZooError(
                f"the baseline {name!r} is measured in {baseline['metric']!r}, and the run in "
                f"{', '.join(metrics['metrics'])}; give it in one of these."
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
        files.pop(CARD, None)  # it told other figures
    return _Draft(first, files, metrics, scratch)


def _to_folder(root: Path, draft: _Draft, name: str | None) -> str:
    lock, path = root / ".index.lock", root / "index.json"
    if not root.exists():
        _entry(draft, name, {})  # before the lock makes the folder, which a refusal would leave behind
    try:
        with locked(lock):  # whoever publishes at the same time must see this weight in the index
            try:
                index = read_index(path) if path.is_file() else {}
                entry, files = _entry(draft, name, index)
                if entry.name not in index:
                    _add(root, entry, files, index)
            finally:
                with suppress(OSError):  # the folder may be shipped; where another process has it open it stays
                    lock.unlink()
    except OSError as error:
        raise ZooError(f"{root} cannot be written ({error.strerror or error}); choose another folder.") from error
    return entry.name


def _add(root: Path, entry: Entry, files: Mapping[str, Path], index: Mapping[str, Entry]) -> None:
    """Put the weight into the folder and then, when it is whole, into the index."""
    was_there = (root / entry.name).exists()
    folder = copy_bundle(files, entry, root)
    try:
        write_index(root / "index.json", {**index, entry.name: entry})
    except OSError:
        if not was_there:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _to_hub(hub: Hub, draft: _Draft, name: str | None) -> str:
    if hub.revision:
        raise ZooError(f"{hub.url} names a revision, which is there to read; publish to hf://{hub.repo}.")
    head, index = hub.create()
    entry, files = _entry(draft, name, index)
    if entry.name in index:
        return entry.name
    if index:
        raise ZooError(f"{hub.url} holds {', '.join(index)}, and a repository holds one weight; publish to another.")
    write_index(draft.scratch / "index.json", {entry.name: entry})
    hub.commit({**files, "index.json": draft.scratch / "index.json"}, f"Publish {entry.name}", head)
    return entry.name


def _entry(draft: _Draft, name: str | None, index: Mapping[str, Entry]) -> tuple[Entry, dict[str, Path]]:
    """The weight's entry and files under the name it gets; an entry of `index` where that has the very same files.

    Raises `ZooError` where the name cannot be a weight of this model, and where `index` has other bytes under it.
    """
    model = draft.bundle.config["model"]
    name = name or _own_name(draft.bundle) or _next_name(draft, model, index)
    if not is_weight_name(name) or model_of(name) != model:
        raise ZooError(f"{name!r} cannot be the name of this weight; give one that reads {model}.<tag>_v<N>.")
    files = draft.named(name)
    if name in index:
        if index[name].files != _records(files):
            raise ZooError(
                f"{name} is published with other bytes, and those of a weight never change; give a new name."
            )
        return index[name], files
    is_first = not any(entry.default and model_of(entry.name) == model for entry in index.values())
    return Entry(name, is_first, _records(files)), files


def _own_name(bundle: Bundle) -> str | None:
    """The name that a bundle was published under, None for a run."""
    if bundle.name:
        return bundle.name
    folder = bundle.folder.resolve().name
    named = is_weight_name(folder) and model_of(folder) == bundle.config["model"]
    return folder if named and (bundle.folder / CARD).is_file() else None


def _next_name(draft: _Draft, model: str, index: Mapping[str, Entry]) -> str:
    """The first free version of the run's recipe; the one that it was published as, where that is so."""
    recipe = str(draft.bundle.config.get("recipe") or model)
    stem = recipe if recipe.startswith(f"{model}.") else f"{model}.{recipe}"
    check_own(draft.bundle, stem)
    versions = {int(name[len(stem) + 2 :]): name for name in index if re.fullmatch(re.escape(stem) + r"_v[0-9]+", name)}
    tensors = sha256(draft.files[TENSORS])
    for name in versions.values():
        if index[name].files[TENSORS].sha256 == tensors and index[name].files == _records(draft.named(name)):
            return name
    return f"{stem}_v{max(versions, default=0) + 1}"


def _records(files: Mapping[str, Path]) -> dict[str, FileRecord]:
    return {file: FileRecord(sha256(path), path.stat().st_size) for file, path in files.items()}


def _written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="\n")
    return path
