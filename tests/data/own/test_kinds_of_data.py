# ruff: noqa: E501
"""What each kind of data reads of a file; the choices come back as a recipe keeps them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from zoo.data.own.loading import Own, load
from zoo.errors import ZooError

Opened = Callable[..., Own]
REVIEWS = "id,text,label\n" + "".join(f"{i},this is text {i},{'good' if i % 2 else 'bad'}\n" for i in range(20))


def table(rows: int = 40) -> str:
    lines = ["id,when,size,colour,same,price,kind"]
    for i in range(rows):
        size, colour = i * 1.5 if i % 7 else "", ("red", "blue", "green")[i % 3]
        lines.append(f"{i},2026-01-{i % 28 + 1:02d},{size},{colour},1,{i * 2},{'ab'[i % 2]}")
    return "\n".join(lines) + "\n"


def test_texts_and_classes(opened: Opened) -> None:
    own = opened("text", REVIEWS)
    assert own.data.labels == ["bad", "good"] and len(own.data.train) == 16 and len(own.data.test) == 4
    assert own.data.test.targets.bincount().tolist() == [2, 2]  # stratified
    assert own.section["columns"] == {"text": ["text"], "target": "label"}
    assert own.section["split"] == {"test": 0.2, "by": "stratify"}
    assert own.section["name"] == "file:a.csv" and own.section["files"]["a.csv"]["size"] == len(REVIEWS)


def test_a_resolved_recipe_reads_the_same(opened: Opened) -> None:
    for kind, content, asked in (("text", REVIEWS, {}), ("table", table(), {"columns": {"target": "kind"}})):
        own = opened(kind, content, **asked)
        again = opened(
            kind, content, columns=own.section["columns"], split=own.section["split"], files=own.section["files"]
        )
        assert again.data.fingerprint == own.data.fingerprint and again.section == own.section


def test_several_texts_are_joined(opened: Opened) -> None:
    own = opened("text", "a,b,target\n" + "x,y,0\nz,,1\n" * 5, columns={"text": ["a", "b"]}, split={"by": "random"})
    assert {*own.data.train.inputs, *own.data.test.inputs} == {"x\ny", "z\n"}


def test_labels_that_are_whole_numbers_are_in_their_order(opened: Opened) -> None:
    own = opened("text", "text,target\n" + "".join(f"a word{i},{i % 11}\n" for i in range(66)))
    assert own.data.labels == [str(i) for i in range(11)]


def test_types_are_found_with_reasons(opened: Opened) -> None:
    own = opened("table", table(), columns={"target": "kind"})
    columns = own.section["columns"]
    assert (
        columns["numbers"] == ["size", "price"] and columns["categories"] == ["colour"] and columns["dates"] == ["when"]
    )
    assert columns["ignore"] == ["id", "same"]
    assert any("id: it is a key" in line for line in own.told) and any(
        "same: it is 1 in every row" in line for line in own.told
    )
    assert own.data.table is not None and own.data.table.categories == {"colour": ("blue", "green", "red")}
    first: Any = next(row for row in own.data.train.inputs if row[2] == 2.0)  # type: ignore[operator]  # price 2
    assert first.tolist() == [20455.0, 1.5, 2.0, 0.0]  # 2026-01-02, size, price, blue


def test_types_can_be_overruled(opened: Opened) -> None:
    own = opened(
        "table",
        table(),
        columns={"target": "kind", "categories": ["price"], "ignore": ["size", "when"], "numbers": ["id"]},
    )
    assert own.section["columns"]["numbers"] == ["id"] and own.section["columns"]["categories"] == ["colour", "price"]


def test_a_code_with_leading_zeros_named_a_category_keeps_them(opened: Opened) -> None:
    own = opened("table", "code,target\n" + "007,a\n08,b\n" * 20, columns={"categories": ["code"]})
    assert own.data.table is not None and own.data.table.categories == {"code": ("007", "08")}


def test_what_training_never_saw_is_blank(opened: Opened) -> None:
    lines = ["colour,n,target,part"] + [f"{('red', 'blue')[i % 2]},{i * i},{i % 2},train" for i in range(30)]
    lines += ["green,1,1,test", "red,2,0,test"]
    own = opened("table", "\n".join(lines), columns={"target": "target"}, split={"by": "column", "column": "part"})
    assert own.data.table is not None and own.data.table.categories == {"colour": ("blue", "red")}
    assert math.isnan(own.data.test.inputs[0, 1]) and own.data.test.inputs[1, 1] == 1  # type: ignore[index]
    assert own.section["columns"]["numbers"] == ["n"]  # the column of the split is never a feature


def test_numbers_with_blanks_and_white_space(opened: Opened) -> None:
    own = opened(
        "number", "n,m,y\n" + "1, ,0.5\n 2 ,3,1.5\n,x,2.5\n" * 8, columns={"target": "y"}, split={"test": 0.25}
    )
    assert own.section["columns"]["numbers"] == ["n"] and own.section["columns"]["categories"] == ["m"]
    assert len(own.data.test) == 6 and own.section["split"]["by"] == "random"


@pytest.mark.parametrize("by, column", [("group", "who"), ("time", "when")])
def test_groups_stay_together_and_time_runs_forwards(opened: Opened, by: str, column: str) -> None:
    lines = ["who,when,text,target"]
    lines += [f"p{i // 4},{2000 + (i * 7) % 40},words of {i} by p{i // 4},{i % 2}" for i in range(40)]
    own = opened("text", "\n".join(lines), columns={"text": ["text"]}, split={"by": by, "column": column, "test": 0.25})
    people = [{str(text).split()[-1] for text in part.inputs} for part in (own.data.train, own.data.test)]
    assert len(own.data.test) == (8 if by == "group" else 10)
    if by == "group":
        assert not people[0] & people[1]
    else:
        times = [
            [(int(str(text).split()[2]) * 7) % 40 for text in part.inputs] for part in (own.data.train, own.data.test)
        ]
        assert max(times[0]) < min(times[1])


def test_a_folder_of_parts(tmp_path: Path) -> None:
    for part, rows in (("train", "x,0\ny,1\n"), ("test", "z,1\n"), ("validation", "w,0\n")):
        (tmp_path / f"{part}.csv").write_text("text,target\n" + rows)
    own = load(f"file:{tmp_path}", "text", True)
    assert own.data.validation is not None
    assert [part.inputs for part in (own.data.train, own.data.test, own.data.validation)] == [["x", "y"], ["z"], ["w"]]
    assert set(own.section["files"]) == {"train.csv", "test.csv", "validation.csv"} and "split" not in own.section


def test_weights_of_rows(opened: Opened) -> None:
    own = opened("text", "text,target,w\n" + "a b,0,1\nc d,1,2.5\n" * 5, columns={"weight": "w"})
    assert own.data.train.weights is not None
    assert dict(zip(own.data.train.inputs, own.data.train.weights.tolist(), strict=True)) == {"a b": 1.0, "c d": 2.5}


def test_a_wide_series(opened: Opened) -> None:
    lines = ["day,north,south"] + [f"2026-01-{d:02d},{d},{-d}" for d in range(1, 31)]
    own = opened("series", "\n".join(lines))
    assert own.data.channels == ("north", "south") and own.section["columns"]["time"] == "day"
    assert own.data.test.targets.tolist() == list(range(24, 30)) and own.data.train.inputs.shape == (24, 2)  # type: ignore[union-attr]


def test_a_long_series_is_put_side_by_side_in_time(opened: Opened) -> None:
    lines = ["shop,month,sold"] + [
        f"{s},20{y:02d}-{m:02d}-01,{y * 12 + m + (s == 'b') * 100}"
        for s in "ab"
        for y in (25, 24)
        for m in range(1, 13)
    ]
    own = opened("series", "\n".join(lines), columns={"id": "shop", "time": "month", "value": "sold"})
    assert own.data.channels == ("a", "b")
    assert own.data.test.inputs[:2].tolist() == [[289.0, 389.0], [290.0, 390.0]]  # type: ignore[index]


def test_tagged_words_in_two_columns(opened: Opened) -> None:
    own = opened("tagged", "The DET\ncat NOUN\n\nIt\tPRON\nsat\tVERB\n\n" * 5, "a.txt", split={"test": 0.3})
    assert len(own.data.train) == 7 and len(own.data.test) == 3
    assert own.data.labels == ["DET", "NOUN", "PRON", "VERB"] and "The\tcat" in own.data.train.inputs


def test_texts_are_read_as_a_predictor_reads_them(opened: Opened) -> None:
    seen = "the café was terrible"
    given = "the cafe\u0301 was ter\u200brible"
    own = opened("text", "text,label\n" + f"{given},bad\nfine,good\n" * 5, split={"by": "random"})
    assert {*own.data.train.inputs, *own.data.test.inputs} == {seen, "fine"}
    own = opened("tagged", (given.replace(" ", " X\n") + " Y\n\n") * 5, "a.txt")
    assert {*own.data.train.inputs} == {seen.replace(" ", "\t")}
    own = opened("characters", f"{given} " * 20, "b.txt")
    assert {*own.data.labels} == {*seen}


def test_characters_that_training_never_saw_are_left_out(opened: Opened) -> None:
    own = opened("characters", "abba " * 20 + "baxab", "a.txt", split={"test": 0.05})
    assert own.data.labels == [" ", "a", "b"]
    assert any("left out of the test part: 1 characters" in line for line in own.told)


def test_pictures_that_a_file_lists(tmp_path: Path, opened: Opened) -> None:
    (tmp_path / "p").mkdir()
    for i in range(10):
        Image.new("RGB", (4, 4), (i * 20, 0, 0)).save(tmp_path / "p" / f"{i}.png")
    own = opened("image", "image,label\n" + "".join(f"p/{i}.png,{'ab'[i % 2]}\n" for i in range(10)))
    assert own.data.labels == ["a", "b"] and len(own.data.test) == 2 and own.data.train.inputs[0].endswith("p/0.png")  # type: ignore[union-attr]
    swapped = opened("image", "image,label\n" + "".join(f"p/{i}.png,{'ba'[i % 2]}\n" for i in range(10)))
    assert swapped.data.fingerprint != own.data.fingerprint


def test_data_travel_and_are_found_again_by_their_hash(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = opened("text", REVIEWS)
    elsewhere = tmp_path / "data" / "deep" / "renamed.csv"
    elsewhere.parent.mkdir(parents=True)
    (tmp_path / "a.csv").rename(elsewhere)
    section = dict(own.section)
    asked = {key: section.get(key) for key in ("columns", "split", "files")}
    with pytest.raises(ZooError, match="were not found on this machine"):
        load(section["name"], "text", True, **asked)
    monkeypatch.setenv("ZOO_DATA", str(tmp_path / "data"))
    assert load(section["name"], "text", True, **asked).data.fingerprint == own.data.fingerprint
    assert load(section["name"], "text", True, place=elsewhere, **asked).section == section
    elsewhere.write_text(REVIEWS.replace("text 3", "text three"))
    with pytest.raises(ZooError, match="are not those of the recipe"):
        load(section["name"], "text", True, place=elsewhere, **asked)


@pytest.mark.parametrize(
    "kind, content, asked, said",
    [
        ("text", REVIEWS, {"columns": {"target": "lable"}}, r"unknown column 'lable'; did you mean label\?"),
        ("text", "text,target\nx,0\ny,\nz,1\n", {}, r"a.csv:3: the target target is empty here and in 0 other rows"),
        ("text", "text,target\nx,0\ny,0\n", {}, "the target target is '0' in every row"),
        ("text", "text,target\n1,0\n2,1\n", {"columns": {"text": ["text"]}}, r"a.csv:2: text holds numbers, not text"),
        ("text", "text,target\n" + "".join(f"w{i},k{i}\n" for i in range(10_000)), {"columns": {"text": ["text"]}}, "10,000 different values .* is this a key"),
        ("text", "a,b,target\nx,y,0\nz,w,1\n", {}, "which column holds the texts"),
        ("text", "text,answer\nx,0\nz,1\n", {}, "which column is the target"),
        ("table", "n,target,p\n1,a,train\n2,b,train\n3,c,test\n", {"split": {"by": "column", "column": "p"}}, "no training row has the class c"),
        ("table", "n,target\n1,a\ninf,b\n", {}, r"a.csv:3: n is inf where a finite number is expected"),
        ("table", "n;target\n1,5;a\n2,5;b\n", {}, r"a.csv:2: n is '1,5', a number with a decimal comma"),
        ("table", "same,target\n1,a\n1,b\n", {}, "no column to predict target from"),
        ("table", "n,target\n1,a\nx,b\n", {"columns": {"numbers": ["n"]}}, r"a.csv:3: n is 'x' where a number is expected"),
        ("number", "n,y\n1,2\n2,x\n", {"columns": {"target": "y"}}, r"a.csv:3: y is 'x' where the number to predict is expected"),
        ("number", "n,y\n1,2\n2,\n", {"columns": {"target": "y"}}, r"a.csv:3: y is empty where the number to predict"),
        ("number", "n,y\n1,2\n2,3\n", {"columns": {"target": "y"}, "split": {"by": "stratify"}}, "stratify, which is for classes"),
        ("text", REVIEWS, {"split": {"by": "group"}}, "name the column to split by"),
        ("series", "t,x\n2026-01-01,1\n2026-01-02,2\n2026-01-04,3\n2026-01-05,3\n", {}, r"a.csv:4: t 2026-01-04 00:00:00 comes 2 days after the time before, and the usual step is 1 day"),
        ("series", "t,x\n2026-01-01,1\n2026-01-02,2\n2026-01-02,3\n2026-01-03,3\n", {}, r"a.csv:4: t 2026-01-02 .* stands there twice"),
        ("series", "t,x\n2026-01-01,1\n02.01.2026,2\n3 Jan 2026,3\n", {"columns": {"time": "t"}}, "a.csv:3: t is '02.01.2026', which is neither a date"),
        ("series", "t,x\n2026-01-01,1\n02.01.2026,2\n3 Jan 2026,3\n", {}, r"a.csv:3: t is '02.01.2026', but earlier dates are written as '2026-01-01'"),
        ("series", "t,x\n31.12.2025,1\n01.01.2026,2\n", {}, r"t holds dates such as '31.12.2025'; write them as 2026-01-31"),
        ("series", "x,y\n" + "3,4\n" * 20, {}, "x, y never changes"),
        ("table", "t,n,target\n2026-01-01,1,a\n3 Jan 2026,4,b\n04/01/2026,5,b\n", {}, r"a.csv:3: t is '3 Jan 2026', but earlier dates"),
        ("number", "n,y\n1,7\n2,7\n3,7\n", {"columns": {"target": "y"}}, "the target y is 7 in every row; there is nothing to predict"),
        ("series", "x\n1\n\"\"\n3\n", {}, r"a.csv:3: x is empty where the series' value"),
        ("series", "i,t,v\na,1,1\na,2,2\nb,1,3\n", {"columns": {"id": "i", "time": "t", "value": "v"}}, "the series 'b' has other times than 'a'"),
    ],
)  # fmt: skip
def test_bad_data_are_one_sentence_with_their_place(
    opened: Opened, kind: str, content: str, asked: dict, said: str
) -> None:
    with pytest.raises(ZooError, match=said) as error:
        opened(kind, content, **asked)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("a.conllu", "1\tThe\t_\tDET\t_\t_\t_\t_\t_\t_\n2\tcat\tNOUN\n", "a.conllu:2 has 3 columns, but a line of CoNLL-U has 10"),
        ("a.conllu", "1\tThe\t_\t_\t_\t_\t_\t_\t_\t_\n", "a.conllu:1: the word 'The' has no tag"),
        ("a.txt", "The DET\ncat\n", "a.txt:2 is 'cat', not a word and its tag"),
        ("a.txt", "\n\n", "holds no sentence"),
    ],
)  # fmt: skip
def test_broken_sentences(opened: Opened, name: str, content: str, said: str) -> None:
    with pytest.raises(ZooError, match=said):
        opened("tagged", content, name)


def test_pictures_out_of_the_folder_are_refused(opened: Opened, tmp_path: Path) -> None:
    rows = "".join(f"{path},{label}\n" for path, label in (("../x.png", "a"), ("y.png", "b"), ("z.png", "b")))
    with pytest.raises(ZooError, match=r"a.csv:2: the path '../x.png' leads out of the folder"):
        opened("image", "image,label\n" + rows)
    with pytest.raises(ZooError, match=r"a.csv:2: the path of the picture is empty"):
        opened("image", "image,label\n,a\n,b\n")
    with pytest.raises(ZooError, match=r"a.csv:2: there is no picture 'y.png' beside the file"):
        opened("image", "image,label\n" + rows.partition("\n")[2])


def test_a_folder_without_files(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    with pytest.raises(ZooError, match="holds no train and test files"):
        load(f"file:{tmp_path / 'd'}", "text", True)


def test_dates_in_another_form_are_left_out_with_the_reason(opened: Opened) -> None:
    lines = [f"{i % 28 + 1:02d}/02/2026,{i % 9},{'ab'[i % 2]}" for i in range(1100)]
    own = opened("table", "\n".join(["day,n,target", *lines]))
    assert own.section["columns"]["ignore"] == ["day"]
    assert any("day: it holds dates such as '01/02/2026'" in line for line in own.told)
    with pytest.raises(ZooError, match=r"a.csv:1102: day is '2026-02-01'"):
        opened("table", "\n".join(["day,n,target", *lines, "2026-02-01,1,a"]))


def test_a_text_of_one_character(opened: Opened) -> None:
    with pytest.raises(ZooError, match=r"a.txt: the train part holds only one character \('a'\)"):
        opened("characters", "a" * 100, "a.txt")


def test_text_that_is_not_text(opened: Opened) -> None:
    with pytest.raises(ZooError, match=r"a.txt:1 is not text"):
        opened("characters", b"\x00\x01\x02 abc", "a.txt")


def test_arrays_and_frames_are_data_too() -> None:
    import pandas as pd
    import polars as pl

    frame = {
        "n": [float(i) for i in range(20)],
        "kind": ["ab"[i % 2] for i in range(20)],
        "target": [i % 2 for i in range(20)],
    }
    found = [
        load("memory:frame", "table", True, place=data) for data in (frame, pd.DataFrame(frame), pl.DataFrame(frame))
    ]
    assert len({own.data.fingerprint for own in found}) == 1
    arrays = load("memory:arrays", "image", True, place=(torch.rand(20, 8, 8), [i % 2 for i in range(20)]))
    assert arrays.data.train.inputs.shape == (16, 1, 8, 8)  # type: ignore[union-attr]
    texts = load("memory:arrays", "text", True, place=(["a", "b"] * 10, ["x", "y"] * 10))
    assert texts.data.labels == ["x", "y"]
