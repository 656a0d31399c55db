"""`zoo predict` on what people have: files of rows, lines, folders, globs, standard input; and its files of answers."""

from __future__ import annotations

import csv
import gzip
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from forked import python
from PIL import Image
from pyarrow import parquet

import zoo
from zoo.cli import main

ROOT = Path(__file__).parents[2]
REVIEWS = [("1", "A wonderful, moving film."), ("2", "Dull and\nfar too long."), ("3", ""), ("4", "great")]


@pytest.fixture
def here(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        status = main(["predict", *map(str, arguments)])
        shown, said = capfd.readouterr()
        return status, shown, said

    return run


def write_csv(path: Path, head: tuple[str, ...], rows: list[tuple[str, ...]], delimiter: str = ",") -> Path:
    opened = gzip.open(path, "wt", newline="") if path.suffix == ".gz" else open(path, "w", newline="")  # noqa: SIM115
    with opened as file:
        csv.writer(file, delimiter=delimiter).writerows([head, *rows])
    return path


def read_csv(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def as_file(tmp_path: Path, kind: str) -> Path:
    path = tmp_path / f"reviews.{kind}"
    if kind in ("csv", "csv.gz"):
        return write_csv(path, ("id", "review"), REVIEWS)
    if kind == "tsv":
        return write_csv(path, ("id", "review"), REVIEWS, "\t")
    rows = [{"id": number, "review": text} for number, text in REVIEWS]
    if kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        parquet.write_table(pa.Table.from_pylist(rows), path)
    return path


def test_the_words_that_a_model_attends_to_are_in_json_alone(here, tmp_path: Path) -> None:
    _, shown, _ = here("bilstm_attn.imdb_v1", "A wonderful film.", "--jsonl")
    attention = json.loads(shown)["attention"]
    assert [one["word"] for one in attention] == ["A", "wonderful", "film", "."]
    here("bilstm_attn.imdb_v1", "A wonderful film.", "-o", tmp_path / "answers.jsonl")
    assert "attention" not in json.loads((tmp_path / "answers.jsonl").read_text())


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "tsv", "jsonl", "parquet"])
def test_every_row_of_a_file_is_answered_in_order_with_its_columns(here, tmp_path: Path, kind: str) -> None:
    out = tmp_path / "answers.csv"
    status, shown, said = here("bilstm_attn.imdb_v1", as_file(tmp_path, kind), "-o", out)
    assert (status, shown) == (0, "") and "3 of 4 answered; 1 have an error" in said
    found = read_csv(out)
    assert list(found[0]) == [
        "id", "review", "label", "probability", "probability_negative", "probability_positive", "error",
    ]  # fmt: skip
    assert [(row["id"], row["review"]) for row in found] == REVIEWS
    assert [row["label"] for row in found] == ["positive", "negative", "", "positive"]
    assert "no words" in found[2]["error"] and not found[0]["error"]
    alone = zoo.predictor("bilstm_attn.imdb_v1")("great")
    assert float(found[3]["probability"]) == pytest.approx(alone.probability, abs=1e-6)


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_the_answers_are_written_in_the_format_of_the_name(here, tmp_path: Path, kind: str) -> None:
    out = tmp_path / f"answers.{kind}"
    assert here("bilstm_attn.imdb_v1", as_file(tmp_path, "csv"), "-o", out)[0] == 0
    if kind == "parquet":
        rows = parquet.read_table(out).to_pylist()
    elif kind == "jsonl":
        rows = [json.loads(line) for line in out.read_text().splitlines()]
    else:
        with open(out, newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t" if kind == "tsv" else ","))
    assert [row["label"] or None for row in rows] == ["positive", "negative", None, "positive"]


def test_a_column_that_the_input_has_is_not_overwritten(here, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "x.csv", ("text", "label"), [("great", "truth")])
    assert here("bilstm_attn.imdb_v1", file, "-o", tmp_path / "y.csv")[0] == 0
    (row,) = read_csv(tmp_path / "y.csv")
    assert (row["label"], row["predicted_label"]) == ("truth", "positive")


def test_strict_stops_at_the_first_bad_row_and_writes_nothing(here, tmp_path: Path) -> None:
    status, _, said = here("bilstm_attn.imdb_v1", as_file(tmp_path, "csv"), "--strict", "-o", tmp_path / "y.csv")
    assert status == 2 and said.startswith("error: ") and not (tmp_path / "y.csv").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["reviews.csv"]


def test_strict_names_the_row_and_the_input_is_not_replaced(here, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "x.csv", ("MedInc", "HouseAge"), [("8.3", "41")])
    status, _, said = here("housing_mlp", file, "--strict", "-o", tmp_path / "y.csv")
    assert status == 2 and said.startswith(f"error: {file}:2: the row lacks the column")
    before = file.read_bytes()
    status, _, said = here("housing_mlp", file, "-o", file)
    assert status == 2 and "is the input itself" in said and file.read_bytes() == before


def test_a_line_of_a_text_file_is_a_text_and_text_forces_it(here, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("reviews.txt").write_text("Great!\r\n\r\nAwful film\r\n")
    status, shown, _ = here("bilstm_attn.imdb_v1", "reviews.txt", "--json")
    assert status == 0
    assert [(a["input"], a["label"]) for a in json.loads(shown)] == [
        ("reviews.txt:1", "positive"),
        ("reviews.txt:3", "negative"),
    ]
    assert json.loads(here("bilstm_attn.imdb_v1", "reviews.txt", "--text", "--json")[1])[0]["input"] == "reviews.txt"
    assert json.loads(here("bilstm_attn.imdb_v1", "--json", "--", "--great film")[1])[0]["input"] == "--great film"


def test_standard_input_has_one_input_a_line() -> None:
    command = [*python(), "-m", "zoo", "predict", "bilstm_attn.imdb_v1", "-", "--jsonl"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, input="Great!\n\nAwful film\n", capture_output=True, text=True, env=environment)
    assert [json.loads(line)["label"] for line in done.stdout.splitlines()] == ["positive", "negative"], done.stderr


def test_one_broken_input_costs_no_other_answer(here, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(good)
    bad.write_bytes(b"no picture")
    status, shown, said = here("mlp.digits_v1", good, bad, good, "--json")
    found = json.loads(shown)
    assert status == 2 and "1 of 3 inputs could not be answered" in said and said.count("\n") == 1
    assert [("label" in a, "error" in a) for a in found] == [(True, False), (False, True), (True, False)]
    assert here("mlp.digits_v1", bad)[0] == 2


def test_a_folder_and_a_glob_are_their_pictures(here, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    for name in ("b.png", "a.png", "more/c.png"):
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / name)
    (tmp_path / "note.txt").write_text("not a picture")
    names = [Path(a["input"]).name for a in json.loads(here("mlp.digits_v1", tmp_path, "--json")[1])]
    assert names == ["a.png", "b.png", "c.png"]
    names = [Path(a["input"]).name for a in json.loads(here("mlp.digits_v1", tmp_path / "*.png", "--json")[1])]
    assert names == ["a.png", "b.png"]
    listing = write_csv(
        tmp_path / "list.csv", ("image", "what"), [("a.png", "x"), ("../out.png", "y"), ("no.png", "z")]
    )
    assert here("mlp.digits_v1", listing, "-o", tmp_path / "y.csv")[0] == 0
    rows = read_csv(tmp_path / "y.csv")
    assert rows[0]["label"] in "0123456789" and "out of the folder" in rows[1]["error"] and "no.png" in rows[2]["error"]


def test_rows_of_a_table_from_every_form(here, tmp_path: Path) -> None:
    sample = json.loads((ROOT / "tests" / "samples" / "telco_churn.json").read_text())["input"]
    file = tmp_path / "rows.json"
    file.write_text(json.dumps([sample, {**sample, "tenure": "soon"}]))
    status, shown, said = here("churn_mlp.telco_churn_v1", file, "--json")
    first, second = json.loads(shown)
    assert status == 2 and "label" in first and "tenure" in second["error"] and len(said) < 500
    frame = write_csv(tmp_path / "rows.csv", tuple(sample), [tuple(map(str, sample.values()))])
    assert here("churn_mlp.telco_churn_v1", frame, "-o", tmp_path / "y.csv")[0] == 0
    (row,) = read_csv(tmp_path / "y.csv")
    assert float(row["probability"]) == pytest.approx(first["probability"], abs=1e-6)
    assert json.loads(here("churn_mlp.telco_churn_v1", json.dumps(sample), "--json")[1])[0]["label"] == first["label"]


def test_sentences_of_a_treebank_keep_its_words(here, tmp_path: Path) -> None:
    file = tmp_path / "x.conllu"
    words = ["I", "do", "n't", "know", "."]
    lines = [f"{i}\t{word}\t_\t_\t_\t_\t_\t_\t_\t_" for i, word in enumerate(words, 1)]
    file.write_text("# text = I don't know.\n" + "\n".join(lines) + "\n\n1\tYes\t_\t_\t_\t_\t_\t_\t_\t_\n\n")
    assert here("bilstm_tagger", file, "-o", tmp_path / "y.jsonl")[0] == 0
    rows = [json.loads(line) for line in (tmp_path / "y.jsonl").read_text().splitlines()]
    assert [row["words"] for row in rows] == ["I do n't know .", "Yes"]
    assert len(rows[0]["tags"].split()) == 5


def test_a_forecast_is_written_row_by_row(here, tmp_path: Path) -> None:
    file = ROOT / "tests" / "samples" / "etth1.npy"
    assert here("gru_forecast.etth1_v1", file, "-o", tmp_path / "y.csv")[0] == 0
    rows = read_csv(tmp_path / "y.csv")
    assert [row["step"] for row in rows] == [str(i) for i in range(1, 97)] and float(rows[0]["OT"]) > -50


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.csv", "id,review\n1,good\n2\n3,bad,worse\n4,great\n", "3 has 1 cells, and the header names 2 columns"),
        (
            "x.jsonl",
            '{"id": "1", "review": "good"}\n[2]\nnot JSON\n{"id": "4", "review": "great"}\n',
            "2 is not a JSON",
        ),
    ],
)
def test_a_row_that_cannot_be_read_costs_no_other(here, tmp_path: Path, name: str, content: str, said: str) -> None:
    (tmp_path / name).write_text(content)
    status, _, told = here("bilstm_attn.imdb_v1", tmp_path / name, "-o", tmp_path / "y.csv")
    assert status == 0 and "2 of 4 answered; 2 have an error" in told
    found = read_csv(tmp_path / "y.csv")
    assert [bool(row["error"]) for row in found] == [False, True, True, False] and f"{name}:{said}" in found[1]["error"]
    assert here("bilstm_attn.imdb_v1", tmp_path / name, "-o", tmp_path / "z.csv", "--strict")[0] == 2
    assert not (tmp_path / "z.csv").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("id,review\n", ["no rows"]),
        ("", ["empty"]),
        ("a,b\nx,y\n", ["which column", "--column"]),
        ('text\n"open\n', ["close its quotes"]),
    ],
)
def test_wrong_files_are_refused_in_a_sentence(here, tmp_path: Path, content: str, words: list[str]) -> None:
    file = tmp_path / "x.csv"
    file.write_text(content)
    for more in (("-o", tmp_path / "y.csv"), ("--json",)):
        status, _, said = here("bilstm_attn.imdb_v1", file, *more)
        assert status == 2 and all(word in said for word in words) and said.count("\n") == 1
    assert not (tmp_path / "y.csv").exists()


def test_ways_to_give_answers_are_exclusive_and_names_are_checked(here, tmp_path: Path) -> None:
    file = as_file(tmp_path, "csv")
    assert "choose one" in here("bilstm_attn.imdb_v1", file, "--json", "--csv")[2]
    assert "does not end in" in here("bilstm_attn.imdb_v1", file, "-o", tmp_path / "y.xlsx")[2]
    assert "did you mean review" in here("bilstm_attn.imdb_v1", file, "--column", "reviw", "--json")[2]


def test_a_killed_prediction_leaves_no_half_file(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "x.csv", ("text",), [(f"a long text {i} " * 50,) for i in range(30_000)])
    command = [*python(), "-m", "zoo", "predict", "bilstm_attn.imdb_v1", str(file), "-o", str(tmp_path / "y.csv")]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while not list(tmp_path.glob(".*.tmp")) and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "y.csv").exists()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """100,000 rows take less than 1 GiB above the model."""
    text = "a slow start but the last half hour is wonderful " * 8
    file = write_csv(tmp_path / "x.csv", ("text",), [(f"{text} {i}",) for i in range(100_000)])
    code = (
        "import resource, sys, zoo\nfrom zoo.cli import main\n"
        "zoo.predictor('mlp.digits_v1')\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        f"main(['predict', 'gru_text.imdb_v1', {str(file)!r}, '-o', {str(tmp_path / 'y.csv')!r}])\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert int(done.stdout.split()[-1]) < 1 << 20, done.stderr
    assert resource.RUSAGE_SELF == 0


@pytest.mark.parametrize("form", ["generator", "tuple", "pandas", "series", "polars"])
def test_a_predictor_takes_what_holds_several(form: str) -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    texts = ["A wonderful film.", "Awful."]
    given: Any = {
        "generator": lambda: (text for text in texts),
        "tuple": lambda: tuple(texts),
        "pandas": lambda: pandas.DataFrame({"text": texts}),
        "series": lambda: pandas.Series(texts).tolist(),
        "polars": lambda: polars.DataFrame({"text": texts}),
    }[form]()
    assert [a.label for a in zoo.predictor("bilstm_attn.imdb_v1")(given)] == ["positive", "negative"]


def test_rows_of_a_frame_are_answered() -> None:
    pandas = pytest.importorskip("pandas")
    sample = json.loads((ROOT / "tests" / "samples" / "telco_churn.json").read_text())["input"]
    read: Any = zoo.predictor("churn_mlp.telco_churn_v1", top=None)
    alone = read(sample)
    assert [a.probability for a in read(pandas.DataFrame([sample] * 2))] == pytest.approx([alone.probability] * 2)
    assert sum(top.probability for top in alone.top) == pytest.approx(1)


def test_the_whole_distribution_on_request() -> None:
    assert len(zoo.predictor("mlp.digits_v1", top=None)(np.zeros((8, 8))).top) == 10
    assert len(zoo.predictor("mlp.digits_v1", top=2)(np.zeros((8, 8))).top) == 2
    with pytest.raises(zoo.ZooError, match="top is 0"):
        zoo.predictor("mlp.digits_v1", top=0)
