"""From the rows that people have to what a table model reads."""

from __future__ import annotations

import csv
import io
import math
from typing import Any

import numpy as np
import pytest
import torch

from zoo import ZooError
from zoo.data.table import Columns, describe, encode, normalize, read_csv

COLUMNS = Columns(("age", "rooms"), {"sea": ("far", "near"), "heated": ("0", "1")}, "$")
ROW = {"age": 10, "rooms": 3.5, "sea": "near", "heated": "0"}


def test_a_row_becomes_its_numbers_and_the_places_of_its_categories():
    rows = [ROW, {"heated": " 1 ", "sea": "far", "rooms": " -2e3", "age": "7", "price": "not read"}]
    assert encode(rows, COLUMNS).tolist() == [[10, 3.5, 1, 0], [7, -2000, 0, 1]]
    assert encode(rows, COLUMNS).dtype == torch.float32
    assert encode([], COLUMNS).shape == (0, 4)


@pytest.mark.parametrize("blank", [None, "", "  ", math.nan, np.float64("nan")])
def test_a_blank_is_nan_in_every_column(blank: Any):
    assert encode([dict.fromkeys(ROW, blank)], COLUMNS).isnan().all()


@pytest.mark.parametrize("one", [1, 1.0, np.int64(1), np.float32(1), "1", "1.0"])
def test_a_category_that_is_a_number_may_be_given_as_one(one: Any):
    assert encode([{**ROW, "heated": one}], COLUMNS)[0, 3] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"age": "old"}, "age is 'old' where a number"),
        ({"age": "1,5"}, "age is '1,5' where a number"),
        ({"age": [1]}, r"age is \[1\] where a number"),
        ({"age": math.inf}, "age is inf"),
        ({"age": 10**400}, "age is 1000"),
        ({"rooms": 1e39}, "rooms is 1e[+]39"),  # infinite in float32
        ({"sea": "NEAR"}, "sea is 'NEAR', which is none of far, near; leave it empty"),
        ({"heated": 2}, "heated is '2'"),
        ({"heated": True}, "heated is 'True'"),
    ],
)
def test_a_cell_that_cannot_be_read_is_named(change: dict[str, Any], message: str):
    with pytest.raises(ZooError, match=f"the row: {message}"):
        encode([ROW, {**ROW, **change}], COLUMNS)


def test_a_row_without_a_column_is_refused():
    with pytest.raises(
        ZooError,
        match="the row lacks the column 'sea', it has age, rooms, heated; add the column, and leave",
    ):
        encode([{name: ROW[name] for name in ("age", "rooms", "heated")}], COLUMNS)


def test_csv_is_read_as_the_standard_says_and_each_row_knows_its_line():
    text = 'age,"the ""sea"", how far"\r\n1,near\r\n\r\n2,"far,\r\nfar away"\r\n'
    rows = read_csv(text, "a.csv")
    assert [list(row.values()) for row in rows] == [["1", "near"], ["2", "far,\r\nfar away"]]
    assert list(rows[0]) == ["age", 'the "sea", how far']
    assert [str(row) for row in rows] == ["a.csv:2", "a.csv:5"]
    with pytest.raises(ZooError, match=r"^a\.csv:2 lacks the column 'rooms'"):
        encode(rows, COLUMNS)


def test_no_rows_are_not_an_error():
    assert read_csv("age,sea\n", "a.csv") == read_csv("", "a.csv") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n1,2,3\n", r"^a\.csv:3 does not have 2 cells"),
        ("a,b\n1\n", r"^a\.csv:2 does not have 2 cells"),
        ("a,a\n1,2\n", r"^a\.csv names a column twice"),
        ('a,b\n1,"2\n', r"^a\.csv:2 is not CSV"),
        ('a,b\n1,"2"3\n', r"^a\.csv:2 is not CSV"),
    ],
)
def test_broken_csv_is_named_with_its_line(text: str, message: str):
    with pytest.raises(ZooError, match=message):
        read_csv(text, "a.csv")


def test_numbers_are_scaled_by_what_is_not_blank_and_codes_count_from_one():
    table = torch.tensor([[1.0, 0.0, 0.0, 1.0], [3.0, math.nan, 1.0, math.nan], [8.0, math.e**2 - 1, math.nan, 0.0]])
    input = describe(table, COLUMNS, ["rooms"])
    assert input["unit"] == "$" and input["categories"] == {"sea": ["far", "near"], "heated": ["0", "1"]}
    assert input["numbers"]["age"] == {"log": False, "mean": 4.0, "std": pytest.approx(np.std([1, 3, 8], ddof=1))}
    assert input["numbers"]["rooms"] == {"log": True, "mean": pytest.approx(1), "std": pytest.approx(math.sqrt(2))}
    numbers, codes = normalize(table, input)
    want = torch.tensor([[-3 / 13**0.5, -(0.5**0.5)], [-1 / 13**0.5, math.nan], [4 / 13**0.5, 0.5**0.5]])
    torch.testing.assert_close(numbers, want, equal_nan=True)
    assert codes.tolist() == [[1, 2], [2, 0], [0, 1]] and codes.dtype == torch.int64


def test_the_logarithm_is_there_below_zero_too():
    input = {"numbers": {"a": {"log": True, "mean": 0.0, "std": 1.0}}, "categories": {}}
    numbers, codes = normalize(torch.tensor([[-5.0], [-0.5], [0.0], [5.0]]), input)
    assert numbers[:, 0].tolist() == pytest.approx([-math.log(6), -math.log(1.5), 0, math.log(6)])
    assert codes.shape == (4, 0)


def test_a_column_of_one_value_is_left_at_its_distance():
    constant = torch.full((5, 1), 7.0)
    input = describe(constant, Columns(("a",), {}), [])
    assert torch.equal(normalize(constant + 2, input)[0], torch.full((5, 1), 2.0))


def test_rows_written_by_the_standard_library_are_read_back():
    draw = np.random.default_rng(0)
    rows = [{"a": repr(float(x)), "b": f'"{x:.1f}", {"é" * int(i % 3)}'} for i, x in enumerate(draw.normal(size=50))]
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, ["a", "b"])
    writer.writeheader()
    writer.writerows(rows)
    assert read_csv(file.getvalue(), "a.csv") == rows
