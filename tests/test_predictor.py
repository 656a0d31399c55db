from __future__ import annotations

import dataclasses
import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import zoo
from zoo.errors import ZooError


def white(pixel: int) -> np.ndarray:
    """A digit-like image, 0..16, with one white pixel."""
    image = np.zeros((8, 8), np.uint8)
    image.flat[pixel] = 16
    return image


@pytest.fixture(scope="module")
def images(image_bundle: Path) -> zoo.Predictor:
    return zoo.predictor(str(image_bundle))


@pytest.fixture(scope="module")
def texts(text_bundle: Path) -> zoo.Predictor:
    return zoo.predictor(str(text_bundle))


def test_one_in_one_out(images):
    answer = images(white(3))
    assert answer.label == "pixel 3" == answer.top[0].label
    assert answer.probability == pytest.approx(np.exp(9) / (np.exp(9) + 9))
    assert len(answer.top) == 5 and answer.attention is None
    with pytest.raises(dataclasses.FrozenInstanceError):
        answer.label = "other"


def test_a_list_gives_a_list_in_order_across_batches(images):
    order = [random.Random(0).randrange(10) for _ in range(150)]
    assert [answer.label for answer in images([white(pixel) for pixel in order])] == [f"pixel {p}" for p in order]
    assert [answer.label for answer in images((white(1),))] == ["pixel 1"]
    assert images([]) == []


def test_a_batch_dimension_is_a_list(images):
    batch = np.stack([white(pixel) for pixel in (4, 7)])
    for raw in (batch[:, None], batch[..., None], torch.from_numpy(batch[:, None])):
        assert [answer.label for answer in images(raw)] == ["pixel 4", "pixel 7"]
    assert images(batch[:0, None]) == []
    assert images(batch[0][None]).label == "pixel 4"  # one image of one channel
    with pytest.raises(ZooError, match="a batch with N before them"):
        images(batch)


def test_files_arrays_and_images_mix(images, tmp_path):
    Image.fromarray(white(5) * 15).save(tmp_path / "five.png")
    np.save(tmp_path / "six.npy", white(6))
    answers = images([str(tmp_path / "five.png"), tmp_path / "six.npy", white(7) / 16, Image.fromarray(white(8) * 15)])
    assert [answer.label for answer in answers] == ["pixel 5", "pixel 6", "pixel 7", "pixel 8"]


def test_a_text_is_answered_alike_whatever_it_is_batched_with(texts):
    raw = ["a good film", "bad", "a film with a plot, not a good one", "A GOOD one!"] * 20
    together = texts(raw)
    for text, answer in zip(raw[:4], together[:4], strict=True):
        alone = texts(text)
        assert alone.label == answer.label
        assert alone.probability == pytest.approx(answer.probability, abs=1e-6)
    assert {answer.label for answer in together} <= {"neg", "pos"}


def test_attention_names_the_words_that_were_read(texts):
    answer = texts("A good film, with a PLOT")
    assert [word for word, _ in answer.attention] == ["A", "good", "film", ",", "with", "a", "PLOT"]
    assert [word for word, weight in answer.attention if weight == 0] == [","], "6 of 7 are read: the limit"
    assert sum(weight for _, weight in answer.attention) == pytest.approx(1, abs=1e-6)
    assert answer.to_dict()["attention"][1]["word"] == "good"


def test_a_batch_of_series_is_a_list_of_them(series_bundle):
    predictor = zoo.predictor(series_bundle)
    rows = np.arange(12.0).reshape(6, 2)
    alone = predictor(rows)
    assert alone.channels == ["a", "b"] and alone.answer.tolist() == [[7.0, 8.0]] * 2
    both = predictor(np.stack([rows, rows + 1]))
    assert [one.answer[0].tolist() for one in both] == [[7.0, 8.0], [8.0, 9.0]]
    with pytest.raises(ZooError, match="has 3 rows, and a forecast looks back at 4"):
        predictor([rows, rows[:3]])


@pytest.mark.parametrize("raw", ["", " \n", ["a good film", ""], 3, [None]])
def test_an_input_that_is_not_a_text_is_refused(texts, raw):
    with pytest.raises(ZooError):
        texts(raw)


def test_a_row_is_answered_in_its_unit(table_bundle: Path, tmp_path: Path):
    rows = zoo.predictor(table_bundle)
    row = {"age": 30, "sea": "far"}
    assert (rows(row).value, rows(row).unit) == (30, "years")
    several = [row, {**row, "sea": "near"}, '{"age": null, "sea": "far"}']
    assert [answer.value for answer in rows(several)] == [30, 40, 20]
    path = tmp_path / "rows.csv"
    path.write_text("sea,age,name\nnear,1,a\nfar,2,b\n")
    assert [answer.value for answer in rows(path)] == [11, 2], "each row of a file has an answer"
    assert [answer.value for answer in rows([row, str(path), row])] == [30, 11, 2, 30]
    path.write_text("sea,age\n")
    with pytest.raises(ZooError, match="has a header but no rows"):
        rows(path)
    with pytest.raises(ZooError, match=r"the row: sea is 'on it', which is none of far, near"):
        rows({**row, "sea": "on it"})


def test_a_predictor_leaves_the_generator_and_gradients_alone(images):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    images(white(0))
    assert torch.equal(torch.get_rng_state(), before)
    assert not images.model.training
    assert all(parameter.grad is None for parameter in images.model.parameters())


def test_unknown_weight_device_and_broken_bundle(image_bundle, tmp_path):
    with pytest.raises(ZooError, match="unknown weight"):
        zoo.predictor("mlp.nothing_v1")
    with pytest.raises(ZooError, match="device"):
        zoo.predictor(str(image_bundle), device="cuda:99")
    broken = tmp_path / "broken"
    shutil.copytree(image_bundle, broken)
    (broken / "model.safetensors").write_bytes(b"\x00" * 100)
    with pytest.raises(ZooError):
        zoo.predictor(str(broken))


def test_a_file_that_is_not_a_tokenizer_is_refused(text_bundle, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(text_bundle, broken)
    (broken / "tokenizer.json").write_text("{}")
    with pytest.raises(ZooError, match=r"tokenizer\.json"):
        zoo.predictor(str(broken))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"labels": []}, r"config\.json: labels is \[\] where"),
        (
            {"input": {"kind": "text", "max_length": 6, "truncate": "head"}},
            r"config\.json: input\.tokenizer is None where",
        ),
        ({"input": {"kind": "smell"}}, r"config\.json: input\.kind is 'smell' where"),
    ],
)
def test_a_config_that_cannot_be_answered_by_is_refused(text_bundle, tmp_path, changes, told):
    broken = tmp_path / "broken"
    shutil.copytree(text_bundle, broken)
    config = json.loads((broken / "config.json").read_text())
    (broken / "config.json").write_text(json.dumps({**config, **changes}))
    for use in (zoo.predictor, zoo.evaluate):
        with pytest.raises(ZooError, match=told):
            use(broken)


def test_a_stream_answers_a_generator_without_holding_it(images: zoo.Predictor) -> None:
    read: list[int] = []

    def endless():
        pixel = 0
        while True:
            read.append(pixel)
            yield white(pixel)
            pixel = (pixel + 1) % 10

    few = dataclasses.replace(images, batch_size=2)
    answers = few.stream(endless())
    assert not read
    assert [next(answers).label for _ in range(40)] == [f"pixel {pixel}" for pixel in [*range(10)] * 4]
    assert len(read) <= 40 + 16 * 2


def test_a_stream_reports_a_bad_input_after_the_answers_before_it(images: zoo.Predictor) -> None:
    answers = images.stream([white(1), white(2), np.full((8, 8), 17), white(3)])
    assert [next(answers).label for _ in range(2)] == ["pixel 1", "pixel 2"]
    with pytest.raises(ZooError, match=r"outside 0\.\.16"):
        next(answers)
    answers = images.stream(iter([white(1), "https://example.org/a.png"]))
    assert next(answers).label == "pixel 1"
    with pytest.raises(ZooError, match="is a web address"):
        next(answers)
    assert list(images.stream([])) == []
    with pytest.raises(ZooError, match="stream takes many"):
        images.stream({"a": 1})


def test_a_folder_and_a_glob_are_their_pictures(images: zoo.Predictor, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    for pixel, name in enumerate(("a.png", "b.PNG", "more/c.png")):
        Image.fromarray(white(pixel) * 15).save(tmp_path / name, format="png")
    (tmp_path / "note.txt").write_text("not a picture")
    for folder in (tmp_path, str(tmp_path), [tmp_path]):
        assert [answer.label for answer in images(folder)] == ["pixel 0", "pixel 1", "pixel 2"]
    assert [answer.label for answer in images(f"{tmp_path}/*.png")] == ["pixel 0"]
    assert [answer.label for answer in images.stream(tmp_path)] == ["pixel 0", "pixel 1", "pixel 2"]
    assert images(str(tmp_path / "a.png")).label == "pixel 0"


@pytest.mark.parametrize("address", ["http://example.org/a.png", "https://example.org/a.png", "s3://bucket/a.png"])
def test_pictures_are_never_fetched(images: zoo.Predictor, address: str) -> None:
    for raw in (address, [address]):
        with pytest.raises(ZooError, match=r"^\w+://\w+.* is a web address, but pictures are read from files only"):
            images(raw)


def test_a_terminal_shows_how_far_it_is_from_two_seconds_on(images: zoo.Predictor, monkeypatch, capsys) -> None:
    from zoo.answering import progress

    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    images([white(1)] * 3)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    images([white(1)] * 130)
    list(images.stream(white(1) for _ in range(3)))
    assert "answered" in capsys.readouterr().err
