"""Folders of pictures: what is found, what is refused, and training that reads them as it goes."""

from __future__ import annotations

import io
import json
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import zoo
from zoo import ZooError, data, kinds
from zoo.cli import main
from zoo.kinds import image

CPU = torch.device("cpu")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def picture(path: Path, shade: int, side: int = 12) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(shade).integers(0, 40, (side, side, 3))
    Image.fromarray((noise + shade).astype("uint8")).save(path)


@pytest.fixture
def folder(tmp_path: Path, home: Path) -> Path:
    """Dark and bright pictures, JPEG and PNG, in a train and a test part."""
    root = tmp_path / "pictures"
    for part, count, more in (("train", 20, 0), ("test", 6, 21)):
        for n in range(count):
            kind = ("png", "jpg")[n % 2]
            picture(root / part / "dark" / f"{n}.{kind}", 20 + more + n)
            picture(root / part / "bright" / f"{n}.{kind}", 180 + more + n)
    return root


def test_classes_are_named_by_their_folders(folder: Path):
    found = data.load(f"imagefolder:{folder}")
    assert (found.kind, found.labels, len(found.train), len(found.test)) == ("image", ["bright", "dark"], 40, 12)
    for path, target in zip(found.train.inputs, found.train.targets.tolist(), strict=True):
        assert Path(str(path)).parent.name == found.labels[target]
    assert data.at_hand(f"imagefolder:{folder}") and not data.at_hand(f"imagefolder:{folder}/none")


def test_without_parts_a_stratified_fifth_is_the_test_split(folder: Path):
    found = data.load(f"imagefolder:{folder / 'train'}")
    assert (len(found.train), len(found.test)) == (32, 8) and found.test.targets.bincount().tolist() == [4, 4]
    assert not set(found.train.inputs) & set(found.test.inputs)  # type: ignore[arg-type]


def test_the_fingerprint_moves_with_content_and_name_alone(folder: Path, tmp_path: Path):
    name = f"imagefolder:{folder}"
    before = data.load(name).fingerprint
    os.utime(folder / "train" / "dark" / "0.png", (1, 1))
    assert data.load(name).fingerprint == before
    (folder / "train" / "dark" / "0.png").rename(folder / "train" / "dark" / "zero.png")
    renamed = data.load(name).fingerprint
    picture(folder / "train" / "dark" / "zero.png", 33)
    assert len({before, renamed, data.load(name).fingerprint}) == 3
    folder.rename(tmp_path / "elsewhere")
    assert (
        data.load(f"imagefolder:{tmp_path / 'elsewhere'}").fingerprint
        == data.load(f"imagefolder:{tmp_path / 'elsewhere'}").fingerprint
    )


def test_files_that_are_not_pictures_are_left_out_with_one_warning(folder: Path):
    (folder / "train" / "dark" / "notes.txt").write_text("not a picture")
    with pytest.warns(UserWarning, match=r"left out 1 files that are not pictures: notes\.txt\.$") as warned:
        assert len(data.load(f"imagefolder:{folder}").train) == 40
    assert len(warned) == 1


def test_every_broken_picture_is_reported_at_once(folder: Path):
    whole = folder / "train" / "dark" / "1.jpg"
    whole.write_bytes(whole.read_bytes()[:-200])
    (folder / "test" / "bright" / "0.png").write_text("a text that calls itself a picture")
    header = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(header, "png")
    (folder / "train" / "dark" / "huge.png").write_bytes(header.getvalue())
    with pytest.raises(ZooError) as raised, warnings.catch_warnings():
        warnings.simplefilter("error")
        data.load(f"imagefolder:{folder}")
    said = str(raised.value)
    assert "3 of 53 pictures cannot be used" in said and said.endswith("mend or remove them.") and "\n" not in said
    for part in ("train/dark/1.jpg", "test/bright/0.png", "train/dark/huge.png", "too many"):
        assert part in said, part


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def inflate(path: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(path)


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        (lambda root: (root / "train" / "dark" / "notes.txt").write_text("not a picture"), 0, "pictures: notes.txt"),
        (
            lambda root: shorten(root / "train" / "dark" / "1.jpg"),
            2,
            "cannot be used: train/dark/1.jpg (",
        ),
        (lambda root: inflate(root / "train" / "dark" / "huge.png"), 2, "train/dark/huge.png (has too many pixels"),
        (lambda root: (root / "train" / "none").mkdir(), 2, "Found no valid file for the classes none"),
    ],
    ids=["text", "truncated", "huge", "empty"],
)
def test_the_command_ends_with_one_sentence_and_leaves_nothing(
    change: Any, status: int, said: str, folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    change(folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    (tmp_path / "pictures.yaml").write_text(yaml.safe_dump({**recipe(folder), "train": {"epochs": 1}}))
    command = ["train", str(tmp_path / "pictures.yaml"), "--out", str(tmp_path / "run"), "--device", "cpu"]
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        assert main(command) == status
    err = capfd.readouterr().err
    assert said in (str(warned[0].message) if status == 0 else err)
    assert status == 0 or (err.startswith("error: ") and err.count("\n") == 1)
    assert (tmp_path / "run").exists() == (status == 0)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda root: (root / "train" / "none").mkdir(), r"train: Found no valid file for the classes none"),
        (lambda root: [p.unlink() for p in (root / "test" / "dark").iterdir()], r"no valid file for the classes dark"),
        (lambda root: (root / "test" / "dark").rename(root / "test" / "dim"), "have other classes"),
    ],
)
def test_classes_that_are_not_whole(folder: Path, change: Any, said: str):
    change(folder)
    with pytest.raises(ZooError, match=said):
        data.load(f"imagefolder:{folder}")


def test_valid_is_a_part_like_val(folder: Path):
    (folder / "test").rename(folder / "valid")
    found = data.load(f"imagefolder:{folder}")
    assert (found.labels, len(found.train), len(found.test)) == (["bright", "dark"], 40, 12)


@pytest.mark.parametrize("part", [None, "TESTING", "held"])
def test_parts_are_never_taken_for_classes(folder: Path, part: str | None):
    """`train` alone, beside a misspelt one, and beside a folder whose name is not a part's."""
    if part is None:
        (folder / "test").rename(folder.parent / "away")
    else:
        (folder / "test").rename(folder / part)
    told = {None: "train", "held": "train"}.get(part, f"{part}, train")
    with pytest.raises(ZooError, match=rf"pictures: {told} would be a class; name the parts train and test, both with"):
        data.load(f"imagefolder:{folder}")


@pytest.mark.parametrize("part", [".", "train"])
def test_one_class_is_refused(folder: Path, part: str):
    if part == ".":
        for name in ("train", "test"):
            (folder / name / "dark").rename(folder.parent / f"{name} away")
    with pytest.raises(
        ZooError, match=r" holds [01] class folders \((bright|none)\); give each of two classes or more"
    ):
        data.load(f"imagefolder:{folder if part == '.' else folder / 'train' / 'dark'}")


def test_a_class_may_be_called_train_if_there_are_parts(folder: Path):
    for name in ("train", "test"):
        (folder / name / "dark").rename(folder / name / "train")
    assert data.load(f"imagefolder:{folder}").labels == ["bright", "train"]


def test_a_link_to_nothing_is_a_broken_picture(folder: Path):
    (folder / "train" / "dark" / "x.png").symlink_to(folder / "nowhere.png")
    with pytest.raises(
        ZooError, match=r"1 of 53 pictures cannot be used: train/dark/x\.png \(No such file or directory\);"
    ):
        data.load(f"imagefolder:{folder}")


def test_what_is_hidden_is_skipped(folder: Path):
    name = f"imagefolder:{folder}"
    before = data.load(name)
    for place in ("train", "test", "train/dark"):
        picture(folder / place / ".ipynb_checkpoints" / "0-checkpoint.png", 20)
    (folder / "train" / ".git").mkdir()
    (folder / "train" / "dark" / "._0.png").write_text("what an archive from a Mac brings")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        after = data.load(name)
    assert (after.labels, after.fingerprint, after.train.inputs) == (
        before.labels,
        before.fingerprint,
        before.train.inputs,
    )


def test_the_folder_one_stands_in(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(folder / "train")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(data.load("imagefolder:.").train) == 32


def test_no_folder(home: Path):
    with pytest.raises(ZooError, match=r"^data\.name: there is no folder nowhere; give the one that holds"):
        data.load("imagefolder:nowhere")


def recipe(folder: Path, **more: Any) -> dict[str, Any]:
    return {
        "model": "mlp",
        "model_args": {"in_features": 192, "widths": []},
        "init": "kaiming_normal",
        "data": {
            "name": f"imagefolder:{folder}",
            "batch_size": 8,
            "size": [8, 8],
            "mean": [0.5],
            "std": [0.25],
            "augment": {"flip": {}},
            **more,
        },
        "optimizer": {"name": "adamw", "lr": 3e-3},
        "train": {"epochs": 6},
    }


def test_a_run_streams_them_and_its_weight_takes_a_picture(folder: Path, tmp_path: Path):
    run = zoo.train(recipe(folder), out=tmp_path / "run", device="cpu")
    assert run.metrics["accuracy"] == 1.0
    answer = zoo.predictor(run.folder)(folder / "test" / "dark" / "0.png")
    assert answer.label == "dark"
    assert json.loads((run.folder / "config.json").read_text())["input"]["size"] == [8, 8]


def test_workers_give_the_same_batches(folder: Path):
    """Also from the middle of an epoch on, as in a resumed run."""
    found = data.load(f"imagefolder:{folder}")
    settings = {"kind": "image", "channels": 3, "size": [8, 8], "maximum": 255.0, "mean": [0.0], "std": [1.0]}
    input = kinds.Input(settings, classes=len(found.labels))

    def batches(workers: int, start: int) -> list[torch.Tensor]:
        feed = image.training(zoo.recipes.parse(recipe(folder, workers=workers)), found.train, input, CPU)
        plan = feed.plan(1)
        return [feed.load(i, torch.Generator().manual_seed(0), 0.0)[0][0] for i in plan[start:]]

    alone, helped, later = batches(0, 0), batches(2, 0), batches(2, 3)
    assert len(alone) == 5 and all(torch.equal(a, b) for a, b in zip(alone, helped, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(alone[3:], later, strict=True))


def test_a_picture_that_breaks_later_ends_the_run_with_its_name(folder: Path):
    found = data.load(f"imagefolder:{folder}")
    path = Path(str(found.train.inputs[0]))
    path.write_bytes(b"gone")
    settings = {"kind": "image", "channels": 3, "size": [8, 8], "maximum": 255.0, "mean": [0.0], "std": [1.0]}
    input = kinds.Input(settings, classes=len(found.labels))
    for workers in (0, 1):
        feed = image.training(zoo.recipes.parse(recipe(folder, workers=workers)), found.train, input, CPU)
        with pytest.raises(ZooError) as raised:
            for indices in feed.plan(0):
                feed.load(indices, torch.Generator(), 0.0)
        assert str(raised.value).startswith(f"{path} cannot be read as an image") and "\n" not in str(raised.value)


def test_the_size_is_asked_for_only_if_it_is_needed(folder: Path, tmp_path: Path):
    whole = recipe(folder)
    del whole["data"]["size"]
    with pytest.raises(ZooError, match=r"^data\.size is missing; give \[height, width\]\.$"):
        zoo.train(whole, out=tmp_path / "a")
    digits = {**whole, "model_args": {}, "data": {"name": "digits", "size": [8, 8]}}
    with pytest.raises(ZooError, match=r"^data\.size is for folders of pictures; remove it\.$"):
        zoo.train(digits, out=tmp_path / "b")


def test_grey_images_are_shown_in_three_channels_if_the_recipe_says_so(tmp_path: Path):
    digits = recipe(tmp_path)
    digits["data"] = {"name": "digits", "batch_size": 256, "channels": 3}
    run = zoo.train({**digits, "train": {"steps": 1}}, out=tmp_path / "run", device="cpu")
    config = json.loads((run.folder / "config.json").read_text())
    assert config["input"]["channels"] == 3 and zoo.create(run.folder).zoo.input["channels"] == 3  # type: ignore
    grey = torch.randint(256, (2, 1, 4, 4), dtype=torch.uint8)
    assert torch.equal(image.in_channels(grey, 3), grey.expand(-1, 3, -1, -1))


def linked(link: Path, to: Path) -> None:
    link.symlink_to(to, target_is_directory=True)


@pytest.mark.skipif(os.name == "nt", reason="Windows lets few people make links")
@pytest.mark.parametrize(
    ("link", "to"),
    [
        ("train/dark/more", "train/bright"),
        ("train/dark/more", "train/dark"),
        ("train/dark/more", "."),
        ("train/dark/more", "test"),
        ("train/dark/more", ".."),
        ("train/grey", "train/dark"),
    ],
)
def test_a_link_to_a_folder_of_the_tree_is_not_followed(link: str, to: str, folder: Path):
    linked(folder / link, folder / to)
    with pytest.warns(UserWarning, match=r"left out 1 links to folders whose pictures are read where they lie") as told:
        found = data.load(f"imagefolder:{folder}")
    assert (found.labels, len(found.train), len(found.test)) == (["bright", "dark"], 40, 12) and len(told) == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows lets few people make links")
def test_a_link_that_leads_out_of_the_tree_is_followed_once(folder: Path, tmp_path: Path):
    for n in range(3):
        picture(tmp_path / "elsewhere" / f"{n}.png", 90 + n)
    linked(folder / "train" / "dark" / "more", tmp_path / "elsewhere")
    assert len(data.load(f"imagefolder:{folder}").train) == 43
    linked(tmp_path / "elsewhere" / "again", tmp_path / "elsewhere")
    with pytest.warns(UserWarning, match="left out 1 links"):
        assert len(data.load(f"imagefolder:{folder}").train) == 43


def test_the_same_bytes_in_two_splits_are_an_error_with_the_pair(folder: Path):
    (folder / "test" / "dark" / "copy.png").write_bytes((folder / "train" / "dark" / "0.png").read_bytes())
    said = r"1 pictures have the same bytes in two of train, test: train/dark/0\.png and test/dark/copy\.png; remove"
    for _ in range(2):  # also if all were looked at before
        with pytest.raises(ZooError, match=said):
            data.load(f"imagefolder:{folder}")


def test_the_same_bytes_twice_in_a_split_are_a_warning(folder: Path):
    (folder / "train" / "dark" / "copy.png").write_bytes((folder / "train" / "dark" / "0.png").read_bytes())
    for _ in range(2):
        with pytest.warns(UserWarning, match=r"1 pictures occur more than once: train/dark/0\.png and train"):
            data.load(f"imagefolder:{folder}")


def test_a_file_that_only_training_refuses_is_reported_before_the_first_step(folder: Path, tmp_path: Path):
    wide = np.linspace(-3, 700, 144, dtype="float32").reshape(12, 12)
    Image.fromarray(wide).save(folder / "test" / "dark" / "depth.tif")
    with pytest.raises(ZooError, match=r"1 of 53 pictures cannot be used: test/dark/depth\.tif \(.*outside 0\.\.255"):
        zoo.train(recipe(folder), out=tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("end", ["jfif", "jpe", "gif", "avif", "JPG"])
def test_what_answers_can_be_given_for_can_be_trained_on(end: str, folder: Path):
    path = folder / "train" / "dark" / f"more.{end}"
    kind = {"jfif": "jpeg", "jpe": "jpeg", "jpg": "jpeg"}.get(end.lower(), end)
    try:
        Image.new("RGB", (12, 12), (9, 8, 7)).save(path, kind)
    except (KeyError, OSError):
        pytest.skip(f"this Pillow writes no {end}")
    assert str(path) in data.load(f"imagefolder:{folder}").train.inputs


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_names_that_are_not_utf8_are_trained_on_and_answered(folder: Path, tmp_path: Path):
    odd = os.fsdecode(os.fsencode(folder / "train" / "dark") + b"/caf\xe9.png")
    (folder / "train" / "dark" / "0.png").rename(odd)
    place = Path(os.fsdecode(os.fsencode(tmp_path) + b"/h\xe9r\xe9"))
    folder.rename(place)
    run = zoo.train(recipe(place), out=tmp_path / "run", device="cpu")
    inside = os.path.join(place, os.path.relpath(odd, folder))
    assert run.finished and zoo.predictor(run.folder)(inside).label in ("dark", "bright")
    assert zoo.evaluate(run, device="cpu") == pytest.approx(run.metrics)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_a_class_whose_name_is_not_utf8_is_refused_before_training(folder: Path):
    for part in ("train", "test"):
        (folder / part / "dark").rename(os.fsdecode(os.fsencode(folder / part) + b"/d\xe9rk"))
    with pytest.raises(ZooError, match=r"the name of the class folder .* is not text in UTF-8; rename it"):
        data.load(f"imagefolder:{folder}")


def test_val_beside_test_is_the_validation_split(folder: Path, tmp_path: Path):
    for n in range(4):
        for shade, label in ((70, "dark"), (215, "bright")):
            picture(folder / "val" / label / f"{n}.png", shade + n)
    found = data.load(f"imagefolder:{folder}")
    assert found.validation is not None and (len(found.test), len(found.validation)) == (12, 8)
    whole = recipe(folder)
    with pytest.warns(UserWarning, match="the 8 pictures of the validation split of .* are not used; set data.valid"):
        zoo.train(whole, out=tmp_path / "one", device="cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run = zoo.train({**whole, "data": {**whole["data"], "validation": 0.1}}, out=tmp_path / "two", device="cpu")
    assert "validation_accuracy" in run.log[0]
