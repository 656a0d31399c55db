"""`zoo data check`: every fault that it looks for is found, counted and shown, and sound data give none."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo import tasks
from zoo.cli import main
from zoo.data.checking import Check, check

WORDS = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu"]


def table(path: Path, head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head, *rows])
    return str(path)


def reviews(count: int = 60) -> list[list[object]]:
    return [
        [f"{WORDS[i % 12]} {WORDS[i // 12]} film with a name {'x' * i}", "pos" if i % 2 else "neg"]
        for i in range(count)
    ]


def counts(found: Check) -> dict[str, int]:
    total: dict[str, int] = {}
    for finding in found.findings:  # a check may find something in several parts
        total[finding.check] = total.get(finding.check, 0) + finding.count
    return total


@pytest.fixture
def texts(tmp_path: Path) -> Callable[[Sequence[Sequence[object]]], Check]:
    def checked(rows: Sequence[Sequence[object]]) -> Check:
        return check(table(tmp_path / "reviews.csv", ("text", "label"), rows))

    return checked


def test_sound_texts_have_no_findings(texts) -> None:
    found = texts(reviews())
    assert found.ok and not found.findings, found.findings
    assert (found.kind, found.rows, found.labels) == ("text", 60, {"neg": 30, "pos": 30})
    assert found.columns == {"text": "text", "label": "target"}


def test_copies_are_found_within_a_part_and_across_parts(texts) -> None:
    rows = reviews(40)
    found = counts(texts(rows + rows))
    assert found["duplicates across parts"] + found["duplicates"] == 40


def test_near_copies_across_parts(texts) -> None:
    rows = reviews(40)
    shouted = [[f"{str(text).upper()} !!! {i}", label] for i, (text, label) in enumerate(rows)]
    found = counts(texts(rows + shouted))
    assert found.get("near duplicates across parts", 0) > 0 and "duplicates" not in found


def test_one_text_with_two_labels(texts) -> None:
    rows = reviews(60)
    found = texts(rows + [[text, "pos" if label == "neg" else "neg"] for text, label in rows])
    assert counts(found)["one input, two labels"] > 20
    (finding,) = (one for one in found.findings if one.check == "one input, two labels")
    assert finding.message.count("'") == 6 and finding.message.endswith("….")  # three examples, and that there are more


def test_rare_classes_empty_texts_and_long_ones(texts) -> None:
    found = counts(texts([*reviews(), ["one of a kind here", "odd"], ["", "pos"], ["word " * 500, "neg"]]))
    assert found == {"rare classes": 1, "empty texts": 1, "long texts": 1}


@pytest.mark.parametrize("form", ["number", "category"])
def test_a_column_that_alone_predicts_the_target(tmp_path: Path, form: str) -> None:
    random = np.random.default_rng(0)
    rows = []
    for i in range(400):
        target = int(random.random() < 0.5)
        leak = target * 10 + random.random() if form == "number" else f"code{target}{i % 3}"
        rows.append([float(random.normal()), leak, "yes" if target else "no"])
    found = check(table(tmp_path / "x.csv", ("noise", "leak", "target"), rows))
    assert counts(found)["gives the target away"] == 1 and "leak (AUC" in found.findings[0].message
    clean = check(table(tmp_path / "y.csv", ("noise", "target"), [[row[0], row[2]] for row in rows]))
    assert clean.ok, clean.findings


def test_a_number_that_is_another_in_other_units(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = [[random.normal(), value * 100, value] for value in random.normal(size=300)]
    found = check(table(tmp_path / "x.csv", ("noise", "cents", "target"), rows))
    assert (found.kind, found.labels) == ("table", {}) and "cents (R²" in found.findings[0].message


def test_columns_that_are_left_out_have_their_reason(tmp_path: Path) -> None:
    rows = [[i, "same", i * 7 % 5, "yes" if i % 3 else "no"] for i in range(100)]
    found = check(table(tmp_path / "x.csv", ("id", "constant", "size", "target"), rows))
    assert found.columns["size"] == "numbers"
    assert "key" in found.columns["id"] and "every row" in found.columns["constant"]


def test_gaps_and_doubles_in_time_are_findings_with_their_place(tmp_path: Path) -> None:
    days = [f"2024-01-{day:02d}" for day in range(1, 29) if day != 13]
    path = table(tmp_path / "s.csv", ("day", "value"), [[day, i] for i, day in enumerate(days)])
    found = check(path, task=tasks.get("forecasting"))
    assert [one.check for one in found.findings] == ["readable"] and "s.csv:14" in found.findings[0].message


def test_pictures_that_are_alike(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (tmp_path / "train" / label).mkdir(parents=True)
        (tmp_path / "test" / label).mkdir(parents=True)
        for i in range(6):
            pixels = random.integers(0, 255, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "train" / label / f"{i}.png")
            part = "test" if i == 0 else "train"
            Image.fromarray(pixels // 2 + 60).save(tmp_path / part / label / f"again{i}.png")
    found = check(f"imagefolder:{tmp_path}")
    assert found.labels == {"cat": 12, "dog": 12} and found.kind == "image"


def test_the_command_gives_one_document_and_status_1(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = table(tmp_path / "reviews.csv", ("text", "label"), [*reviews(), ["", "pos"]])
    assert main(["data", "check", path, "--json"]) == 1
    found = json.loads(capfd.readouterr().out)
    assert found["address"] == "file:reviews.csv" and str(tmp_path) not in json.dumps(found["columns"])
    assert found["findings"] == [{"check": "empty texts", "count": 1, "message": found["findings"][0]["message"]}]
    assert main(["data", "check", "digits"]) == 0
    assert "nothing was found" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing-there.csv"], ["no file", "nothing-there.csv"]),
        (["digits", "train.epochs=3"], ["not a setting of data"]),
        (["{csv}", "data.columns.target=labl"], ["did you mean label"]),
    ],
)
def test_bad_input_is_reported_in_a_sentence(tmp_path: Path, capfd, arguments: list[str], words: list[str]) -> None:
    path = table(tmp_path / "reviews.csv", ("text", "label"), reviews())
    assert main(["data", "check", *(part.format(csv=path) for part in arguments)]) == 2
    said = capfd.readouterr().err
    assert said.count("\n") == 1 and all(word in said for word in words), said


def test_the_published_sets_have_what_they_have() -> None:
    found = check("digits")
    assert found.ok and found.rows == 1797 and sum(found.labels.values()) == 1797


def test_an_unknown_setting_of_the_reader_is_refused(tmp_path: Path) -> None:
    path = table(tmp_path / "reviews.csv", ("text", "label"), reviews())
    with pytest.raises(zoo.ZooError, match="labl"):
        check(path, {"data.columns.target": "labl"})
