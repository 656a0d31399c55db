"""Small files that unpack to much are refused by every command that reads data of one's own; honest ones are read."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from zoo import limits
from zoo.answering import stream
from zoo.cli import main
from zoo.data.own import packed
from zoo.data.own.reading import read
from zoo.errors import ZooError

SMALL = 1 << 20


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bound that a test reaches in milliseconds."""
    monkeypatch.setattr(limits, "SPARE", SMALL)


def parquet(path: Path, table: dict[str, Any], **how: Any) -> Path:
    pyarrow.parquet.write_table(pa.table(table), path, compression="zstd", **how)
    return path


TEXT = ["ab" * 10_000] * 2000  # 40 MB
BOMBS = {
    "zeros.csv.gz": lambda path: path.write_bytes(gzip.compress(b"text,label\n" + b"0,1\n" * 1_000_000)),
    "one line.csv.gz": lambda path: path.write_bytes(gzip.compress(b"text,label\n" + b"0" * 4_000_000)),
    "zeros.jsonl.gz": lambda path: path.write_bytes(gzip.compress(b'{"text": "a", "label": 1}\n' * 200_000)),
    "zeros.parquet.gz": lambda path: path.write_bytes(gzip.compress(bytes(4_000_000))),
    "dictionary.parquet": lambda path: parquet(path, {"text": TEXT, "label": ["a", "b"] * 1000}),
    "plain.parquet": lambda path: parquet(path, {"text": TEXT, "label": ["a", "b"] * 1000}, use_dictionary=False),
    "delta.parquet": lambda path: parquet(
        path, {"text": TEXT, "label": ["a", "b"] * 1000}, use_dictionary=["label"],
        column_encoding={"text": "DELTA_BYTE_ARRAY"},
    ),
    "lists.parquet": lambda path: parquet(path, {"text": [[text] for text in TEXT], "label": ["a", "b"] * 1000}),
    "runs.parquet": lambda path: parquet(path, {"text": [7] * 1_000_000, "label": [1] * 1_000_000}),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_in_a_sentence(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    BOMBS[name](path)
    assert path.stat().st_size < 20_000
    for use in (read, lambda path: list(stream.rows(path))):
        with pytest.raises(ZooError, match=r"and unpacks to more than [\d,]+, like a file that was made to fill"):
            use(path)
    held = pa.total_allocated_bytes()
    assert held < 50 * SMALL


@pytest.mark.parametrize("name", ["one line.csv.gz", "dictionary.parquet"])
@pytest.mark.parametrize("command", ["train", "predict", "data check"])
def test_every_command_says_so(name: str, command: str, tmp_path: Path, text_bundle: Path, capsys: Any) -> None:
    path = tmp_path / name
    BOMBS[name](path)
    arguments = {
        "train": ["train", "bilstm_attn", "--data", str(path), "--out", str(tmp_path / "run"), "--target", "label"],
        "predict": ["predict", str(text_bundle), str(path), "--column", "text", "-o", str(tmp_path / "out.csv")],
        "data check": ["data", "check", f"file:{path}", "data.columns.target=label"],
    }[command]
    assert main(arguments) in (1, 2)
    shown = capsys.readouterr()
    assert "unpacks to more than" in shown.out + shown.err and "Traceback" not in shown.err


@pytest.mark.parametrize(
    "how", [{}, {"use_dictionary": False}, {"row_group_size": 7}], ids=["dictionary", "plain", "groups"]
)
@pytest.mark.parametrize("encoding", [None, "DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"])
def test_every_encoding_gives_the_same_columns(tmp_path: Path, how: dict[str, Any], encoding: str | None) -> None:
    if encoding:
        how = {**how, "use_dictionary": False, "column_encoding": {"text": encoding}}
    table = pa.table(
        {
            "text": pa.array(["same"] * 20 + [None, "", "other"] * 5),
            "large": pa.array(["x", "y"] * 17 + ["z"], pa.large_string()),
            "bytes": pa.array([b"\x00\xff"] * 35),
            "kind": pa.array(["a", "b", None, "a", "c"] * 7).dictionary_encode(),
            "n": pa.array([1, None, 3, 4, 5] * 7),
            "yes": pa.array([True, False, None, True, True] * 7),
            "list": pa.array([["a", "b"], [], None, ["c"], ["d"]] * 7),
            "dots.in.name": pa.array(["p"] * 35),
            "inside": pa.array([{"a": "b", "c": 1}] * 35),
            "day": pa.array([0, 1, 2, 3, 4] * 7, pa.date32()),
        }
    )
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(table, path, **how)
    expected = pyarrow.parquet.read_table(path)
    assert packed.table(path).to_pylist() == expected.to_pylist()
    assert packed.table(path).schema.types == expected.schema.types
    assert packed.table(path, ["n", "text"]).column_names == ["text", "n"]
    assert [row.cells for row in stream.rows(path)] == expected.to_pylist()


def test_text_that_packs_well_is_read(tmp_path: Path) -> None:
    """A hundredth of its size is what repeated text of real tables packs to."""
    rows = b"".join(
        b"%d,the same long review again and again, and that %d times,good\n" % (n, n % 7) for n in range(9_000)
    )
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"id,text,more,label\n" + rows))
    assert read(path).table.num_rows == 9_000
