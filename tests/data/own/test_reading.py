"""Every format gives the same columns; a file that is not in its format is refused in one sentence that says where."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from zoo.data.own.columns import texts_of
from zoo.data.own.reading import Read, read
from zoo.errors import ZooError

ROWS = [("good, really", 3), ('he said "no"', 4), ("two\nlines", 5)]
CSV = 'text,n\n"good, really",3\n"he said ""no""",4\n"two\nlines",5\n'


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows(found: Read) -> list[tuple[str, int]]:
    return list(zip(texts_of(found.table.column("text")), found.table.column("n").to_pylist(), strict=True))


@pytest.mark.parametrize(
    "name, content",
    [
        ("a.csv", CSV),
        ("bom.csv", b"\xef\xbb\xbf" + CSV.encode()),
        ("crlf.csv", CSV.replace("\n", "\r\n").replace("two\r\nlines", "two\nlines")),
        ("semicolon.csv", CSV.replace(",3", ";3").replace(",4", ";4").replace(",5", ";5").replace("text,n", "text;n")),
        ("a.tsv", CSV.replace(",3", "\t3").replace(",4", "\t4").replace(",5", "\t5").replace("text,n", "text\tn")),
        ("a.csv.gz", gzip.compress(CSV.encode(), mtime=0)),
        ("a.jsonl", '{"text": "good, really", "n": 3}\n{"text": "he said \\"no\\"", "n": 4}\n\n'
         '{"text": "two\\nlines", "n": 5}\n'),
        ("a.jsonl.gz", gzip.compress(b'{"text": "good, really", "n": 3}\n{"text": "he said \\"no\\"", "n": 4}\n'
                                     b'{"text": "two\\nlines", "n": 5}', mtime=0)),
    ],
)  # fmt: skip
def test_every_format_gives_the_same_rows(tmp_path: Path, name: str, content: str | bytes) -> None:
    assert rows(read(written(tmp_path, name, content))) == ROWS


@pytest.mark.parametrize("name", ["a.parquet", "a.parquet.gz"])
def test_parquet_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    sink = pa.BufferOutputStream()
    pyarrow.parquet.write_table(pa.table({"text": [t for t, _ in ROWS], "n": [n for _, n in ROWS]}), sink)
    content = sink.getvalue().to_pybytes()
    assert (
        rows(read(written(tmp_path, name, gzip.compress(content, mtime=0) if name.endswith("gz") else content))) == ROWS
    )


def test_the_delimiter_is_found_and_said(tmp_path: Path) -> None:
    found = read(written(tmp_path, "a.csv", "text;n\nwell;1\nill, and so on;2\n"))
    assert found.told == ["a.csv: cells are separated by semicolon."]
    assert found.table.column_names == ["text", "n"]


def test_several_files_are_read_end_to_end_and_each_row_knows_its_file(tmp_path: Path) -> None:
    paths = [written(tmp_path, "a.csv", "text,n\nx,1\ny,2\n"), written(tmp_path, "b.csv", "text,n\nz,3.5\n")]
    found = read(paths)
    assert found.table.column("n").to_pylist() == [1, 2, 3.5]
    assert found.where(2) == f"{paths[1]}:2"


def test_a_row_s_place_counts_line_breaks_in_quotes_and_blank_lines(tmp_path: Path) -> None:
    found = read(written(tmp_path, "a.csv", 'text,n\n"a\nb",1\n\nc,2\n'))
    assert [found.where(row).rpartition(":")[2] for row in (0, 1)] == ["2", "5"]


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("a.csv", b"", r"a.csv is empty \(0 bytes\)"),
        ("a.csv", "\n\n", "a.csv is empty; name the columns"),
        ("a.csv", "text,n\n", "has a header but no rows"),
        ("a.csv", "1,2\n3,4\n", "a.csv:1 holds numbers, not the columns' names"),
        ("a.csv", "a,a\n1,2\n", "names a column twice"),
        ("a.csv", "a,b\n1,2\n1,2,3\n", "a.csv:3 has 3 cells, and the header names 2 columns"),
        ("a.csv", 'a,b\n"x\ny",2\n1\n', "a.csv:4 has 1 cells, and the header names 2 columns"),
        ("a.csv", "a,b\ncaf\xe9,2\n".encode("latin-1"), r"a.csv:2 is not UTF-8 \(it looks like latin-1\); .* iconv"),
        ("a.csv", ("a,b\n" + "x,1\n" * 300_000).encode() + b"caf\xe9,2\n", "a.csv:300002 is not UTF-8"),
        ("a.csv", "a,b\nx,2\n".encode("utf-16"), "a.csv is in UTF-16, not UTF-8"),
        ("a.csv", b"a,b\n\x00\x01,2\n", "a.csv:2 is not text"),
        ("a.csv.gz", b"", "0 bytes"),
        ("a.csv.gz", gzip.compress(b"a,b\n" + b"x,2\n" * 10_000, mtime=0)[:60], "is not a whole gzip file"),
        ("a.csv.gz", b"a,b\n1,2\n", "is not a whole gzip file"),
        ("a.jsonl", '{"a": 1}\n{"a": \n', "a.jsonl:2 is not a JSON object"),
        ("a.jsonl", '{"a": 1}\n[1]\n', "a.jsonl:2 is not a JSON object"),
        ("a.jsonl", '{"a": [1, 2]}\n', "a holds lists or objects"),
        ("a.parquet", b"PAR1" + b"x" * 30, "is not a whole Parquet file"),
        ("a.xlsx", b"PK", "is not a CSV, TSV, JSONL or Parquet file"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(tmp_path: Path, name: str, content: str | bytes, said: str) -> None:
    with pytest.raises(ZooError, match=said) as error:
        read(written(tmp_path, name, content))
    assert str(tmp_path / name) in str(error.value) and "\n" not in str(error.value)


def test_a_column_that_is_not_there_has_its_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(ZooError, match=r"unknown column 'txet'; did you mean text\?"):
        read(written(tmp_path, "a.csv", CSV), wanted=["txet"])


def test_json_numbers_and_text_in_one_column_are_text(tmp_path: Path) -> None:
    found = read(written(tmp_path, "a.jsonl", '{"a": 1}\n{"a": "x"}\n{"a": null}\n'))
    assert texts_of(found.table.column("a")) == ["1", "x", ""]
