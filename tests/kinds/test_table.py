"""What a person may give for a row, and for many."""

from __future__ import annotations

import json
import math
from collections import UserDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from zoo.errors import ZooError
from zoo.kinds import Input
from zoo.kinds.table import prepare, unpack

INPUT = {
    "kind": "table",
    "numbers": {"age": {"log": False, "mean": 10.0, "std": 5.0}, "rooms": {"log": True, "mean": 0.0, "std": 1.0}},
    "categories": {"sea": ["far", "near"]},
    "unit": "$",
}
ROW = {"age": 20, "rooms": 3, "sea": "near"}


def test_every_way_to_give_a_row_gives_the_same():
    ways = [
        ROW,
        dict(reversed(ROW.items())),
        UserDict(ROW),
        {**ROW, "price": 5},
        json.dumps(ROW),
        f" {json.dumps(ROW)}",
    ]
    numbers, codes = prepare(ways, Input(INPUT))
    assert numbers.tolist() == [[2.0, pytest.approx(math.log(4))]] * len(ways)
    assert codes.tolist() == [[2]] * len(ways)


def test_a_blank_stays_one():
    rows = ['{"age": null, "rooms": "", "sea": "near"}', '{"age": 3, "rooms": 2, "sea": null}']
    numbers, codes = prepare(rows, Input(INPUT))
    assert numbers[0].isnan().all() and not numbers[1].isnan().any() and codes.tolist() == [[2], [0]]


def test_errors_name_the_line_of_a_files_row(tmp_path: Path):
    path = tmp_path / "{rows}.csv"
    path.write_text("\ufeffsea,rooms,age,price\nnear,3,20,7\nfar,,5,\n", encoding="utf-8")
    for given in (path, str(path)):
        rows = unpack(given)
        assert rows is not None and [str(row) for row in rows] == [f"{path}:2", f"{path}:3"]
        numbers, codes = prepare(rows, Input(INPUT))
        torch.testing.assert_close(numbers, torch.tensor([[2, math.log(4)], [-1, math.nan]]), equal_nan=True)
        assert codes.tolist() == [[2], [1]]
    path.write_text("sea,rooms,age\nnear,3,20\nfar,many,5\n")
    with pytest.raises(ZooError, match=r"\.csv:3: rooms is 'many'"):
        prepare(unpack(path) or [], Input(INPUT))


def test_a_row_is_not_a_file():
    assert unpack(ROW) is None
    assert unpack(json.dumps(ROW)) is None
    assert unpack(None) is None


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ('{"age": 20', "is not a JSON object"),
        ('{"age": 20}{', "is not a JSON object"),
        ('{"a":' * 100_000, "is not a JSON object"),
        ([20, 3, "near"], "list is not a row; give a dict"),
        (7, "int is not a row"),
        (None, "NoneType is not a row"),
        ("{}", "lacks the column 'age'"),
        ({**ROW, "age": np.array([1, 2])}, r"age is array\(\[1, 2\]\) where a number is expected"),
        ({**ROW, "sea": np.array([1, 2])}, r"sea is '\[1 2\]', which is none of"),
    ],
)
def test_an_input_that_is_not_a_row_is_refused_in_one_sentence(raw: Any, message: str):
    with pytest.raises(ZooError, match=message) as error:
        prepare([ROW, raw], Input(INPUT))
    assert "\n" not in str(error.value) and len(str(error.value)) < 200


def test_a_file_that_is_not_csv_is_refused_in_one_sentence(tmp_path: Path):
    (tmp_path / "latin.csv").write_bytes(b"sea,caf\xe9\n1,2\n")
    (tmp_path / "short.csv").write_text("sea,rooms\nnear\n")
    (tmp_path / "empty.csv").write_text("")
    for name, message in (
        ("nowhere.csv", "nowhere.csv cannot be read .No such file"),
        ("", "cannot be read .Is a directory"),
        ("latin.csv", "it is not UTF-8 text"),
        ("short.csv", "short.csv:2 does not have 2 cells"),
        ("empty.csv", "empty.csv is empty; name the columns in its first line"),
        ("a\0b", "cannot be read"),
    ):
        with pytest.raises(ZooError, match=message) as error:
            unpack(str(tmp_path / name))
        assert "\n" not in str(error.value)
