"""Raw inputs as people have them: texts, pictures and rows that other programs wrote."""

from __future__ import annotations

import json
import time
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import zoo
from zoo import ZooError
from zoo.data import words
from zoo.data.text import clean
from zoo.kinds import Input
from zoo.kinds.raw_image import pixels
from zoo.kinds.table import prepare, unpack

TEXTS = {
    "bilstm_attn.imdb_v1": "The café scene was terrible, a naïve mess.",
    "bilstm_tagger.ud_english_ewt_v1": "The café was terrible.",
    "charlstm.tinyshakespeare_v1": "To be, or not",
}
AS_PEOPLE_HAVE_IT = {
    "NFD": lambda text: unicodedata.normalize("NFD", text),
    "zero-width spaces": lambda text: text.replace("e", "e\u200b"),
    "soft hyphens": lambda text: text.replace("rr", "r\u00adr").replace("no", "n\u00ado"),
    "a byte-order mark": lambda text: "\ufeff" + text,
    "a word joiner": lambda text: text.replace(" ", " \u2060"),
    "joiners between letters": lambda text: text.replace("rr", "r\u200dr").replace("be", "b\u200ce"),
    "marks of direction": lambda text: "\u202a" + text.replace("e", "\u200ee") + "\u202c",
    "control characters": lambda text: text.replace("r", "r\x00").replace("o", "o\x7f"),
    "variation selectors": lambda text: text.replace("rr", "r\ufe0fr"),
}


@pytest.fixture(scope="module")
def readers() -> dict[str, Any]:
    return {name: zoo.predictor(name) for name in TEXTS}


@pytest.mark.parametrize("how", AS_PEOPLE_HAVE_IT)
@pytest.mark.parametrize("name", TEXTS)
def test_invisible_characters_change_no_answer(name: str, how: str, readers: dict[str, Any]) -> None:
    text = TEXTS[name]
    assert readers[name](AS_PEOPLE_HAVE_IT[how](text)).to_dict() == readers[name](text).to_dict()


def test_what_a_text_means_is_kept() -> None:
    for text in ("plain", "naïve Ünïcödé", "👩\u200d👩\u200d👧", "1\ufe0f\u20e3", "a\tb\r\n c", "½ … ﬁ", ""):
        assert clean(text) == text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("\tThe cat sat.", ["The", "cat", "sat", "."]),
        ("The cat sat.\t", ["The", "cat", "sat", "."]),
        ("don't\tpanic", ["don't", "panic"]),
        ("don't\t", ["don't"]),
        ("don't", ["do", "n't"]),
        ("cafe\u0301 now", ["café", "now"]),
    ],
)
def test_tabs_are_between_given_words_alone(text: str, found: list[str]) -> None:
    assert words.split(text) == found


@pytest.mark.parametrize(
    "piece", ["-.", ".-a", "a@", "e\u0301", "\u0301", "n't", "1:", "<br ", "www.", "'", "a.", "x@a-"]
)
def test_reading_a_text_is_linear_in_its_length(piece: str) -> None:
    def seconds(count: int) -> float:
        started = time.process_time()
        words.split(piece * count)
        return time.process_time() - started

    seconds(100)
    assert seconds(30_000) < 3, "a quadratic search takes a minute"


TASKS = {"rnn_text.trec_v1": 48_000, "bilstm_tagger.ud_english_ewt_v1": 6_000, "charlstm.tinyshakespeare_v1": 6_000}
"""The smallest weight of each task that reads texts, and how long a text it is tried with."""


@pytest.mark.parametrize("name", TASKS)
def test_an_answer_takes_time_that_grows_as_the_text_does(name: str) -> None:
    read = zoo.predictor(name)

    def seconds(length: int) -> float:
        started = time.process_time()
        read(("good a.-b! don't " * length)[:length])
        return time.process_time() - started

    short, long = seconds(TASKS[name] // 6), seconds(TASKS[name])
    assert long < 15 * max(short, 0.02), "a quadratic reading takes 36 times as long for six times the text"


def test_an_address_is_one_word() -> None:
    assert words.split("mail me@some-where.example.org now") == ["mail", "me@some-where.example.org", "now"]


INPUT = {"channels": 3, "size": [8, 8], "maximum": 255.0}


def test_what_is_transparent_shows_white(tmp_path: Path) -> None:
    digit = np.zeros((8, 8, 4), "uint8")
    digit[2:6, 3:5, 3] = 255  # a black digit in the alpha channel alone
    seen = pixels(Image.fromarray(digit, "RGBA"), INPUT)
    assert seen[:, 0, 0].tolist() == [255.0] * 3 and seen[:, 3, 3].tolist() == [0.0] * 3
    Image.fromarray(digit, "RGBA").save(tmp_path / "digit.png")
    assert torch.equal(pixels(tmp_path / "digit.png", INPUT), seen)
    assert torch.equal(pixels(Image.fromarray(digit[..., [0, 3]], "LA"), {**INPUT, "channels": 1}), seen[:1])
    palette = Image.new("P", (8, 8), 0)
    palette.info["transparency"] = 0
    palette.putpixel((0, 0), 1)
    assert pixels(palette, INPUT)[:, 1:].min() == 255
    rng = np.random.default_rng(0).integers(0, 256, (8, 8, 3), "uint8")
    opaque = np.dstack([rng, np.full((8, 8), 255, "uint8")])
    assert torch.equal(pixels(Image.fromarray(opaque, "RGBA"), INPUT), pixels(Image.fromarray(rng, "RGB"), INPUT))


def test_white_ink_on_a_transparent_ground_shows_on_black() -> None:
    digit = np.full((8, 8, 4), 255, "uint8")
    digit[..., 3] = 0
    digit[2:6, 3:5, 3] = 255
    seen = pixels(Image.fromarray(digit, "RGBA"), INPUT)
    assert seen[:, 0, 0].tolist() == [0.0] * 3 and seen[:, 3, 3].tolist() == [255.0] * 3
    assert pixels(Image.new("RGBA", (8, 8), "white"), INPUT).min() == 255  # opaque white is a picture too


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_a_file_of_16_bits_has_as_many_as_it_uses(bits: int, tmp_path: Path) -> None:
    values = np.linspace(0, 2**bits - 1, 64).astype("uint16").reshape(8, 8)
    Image.fromarray(values).save(tmp_path / "scan.png")
    read = pixels(tmp_path / "scan.png", {**INPUT, "channels": 1})
    assert read.max() == 255 and read[0, 4, 0] == pytest.approx(255 * 32 / 63, abs=0.6)


@pytest.mark.parametrize("mode", ["F", "I"])
def test_a_picture_beyond_the_range_is_refused_by_its_name(mode: str, tmp_path: Path) -> None:
    values = np.full((8, 8), 1e6, "float32" if mode == "F" else "int32")
    Image.fromarray(values).save(tmp_path / "odd.tiff")
    with pytest.raises(ZooError, match=r"odd\.tiff has values outside"):
        pixels(tmp_path / "odd.tiff", INPUT)


@pytest.mark.parametrize("rows", [1, 2, 3, 4])
def test_an_array_of_few_rows_keeps_its_channels(rows: int) -> None:
    image = np.random.default_rng(rows).integers(0, 256, (rows, 8, 3), "uint8")
    wanted = pixels(Image.fromarray(image, "RGB"), INPUT)
    assert torch.equal(pixels(image, INPUT), wanted)
    assert torch.equal(pixels(torch.from_numpy(image).permute(2, 0, 1), INPUT), wanted)


COLUMNS = {
    "numbers": {"age": {"log": False, "mean": 0.0, "std": 1.0}},
    "categories": {"sea": ["near", "far"]},
    "unit": "years",
}


@pytest.mark.parametrize("row", [{"age": "", "sea": " "}, {"age": None, "sea": None, "id": "Total"}])
def test_a_row_without_anything_to_read_is_refused(row: dict[str, Any]) -> None:
    with pytest.raises(ZooError, match=r"row.* is blank in every column that the model reads"):
        prepare([row], Input(COLUMNS))
    with pytest.raises(ZooError, match="is blank in every"):
        prepare([{"age": 3, "sea": ""}, row], Input(COLUMNS))


def test_the_foot_of_a_sheet_is_not_a_row(tmp_path: Path) -> None:
    path = tmp_path / "sheet.csv"
    path.write_text("id,age,sea\n1,3,near\n,,\n , ,\n")
    assert [row["age"] for row in unpack(path) or ()] == ["3"]
    path.write_text("id,age,sea\n1,3,near\nTotal,,\n")
    with pytest.raises(ZooError, match=r"sheet\.csv:3 is blank"):
        prepare(list(unpack(path) or ()), Input(COLUMNS))
    path.write_text("id,age,sea\n")
    with pytest.raises(ZooError, match="has a header but no rows"):
        unpack(path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("comma.csv", "id,age,sea\n1,3,near\n"),
        ("semicolon.csv", "id;age;sea\n1;3;near\n"),
        ("tab.tsv", "id\tage\tsea\n1\t3\tnear\n"),
        ("list.json", '[{"age": "3", "sea": "near"}]'),
        ("object.json", '{\n"age": "3",\n"sea": "near"}'),
        ("lines.jsonl", '{"age": "3", "sea": "near"}\n{"age": "4", "sea": ""}\n'),
    ],
)
def test_rows_stand_in_any_usual_file(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    first = (unpack(tmp_path / name) or [])[0]
    assert (first["age"], first["sea"]) == ("3", "near")


def test_a_file_that_lacks_a_column_says_what_was_read(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("name;place\nAnn;near\n")
    with pytest.raises(ZooError, match="lacks the column 'age', it has name, place;"):
        prepare(list(unpack(tmp_path / "other.csv") or ()), Input(COLUMNS))
    (tmp_path / "none.json").write_text("[]")
    with pytest.raises(ZooError, match=r"none\.json holds no rows"):
        unpack(tmp_path / "none.json")


def test_a_list_of_rows_as_json_is_several_and_an_error_stays_short() -> None:
    rows = [{"age": number, "sea": "near"} for number in range(1000)]
    assert unpack(json.dumps(rows)) == rows
    for text in (json.dumps(rows)[:-1], json.dumps([*rows, 3]), "x" * 500_000):
        with pytest.raises(ZooError) as raised:
            unpack(text)
        assert len(str(raised.value)) < 500
