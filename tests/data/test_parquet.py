"""Pictures in Parquet files: unpacked pictures equal the packed ones, and wrong files are reported in a sentence."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

import zoo
from zoo import ZooError, data

NAMES = ["coat", "T - shirt / top"]
FEATURES = {
    "id": {"_type": "Value", "dtype": "int64"},
    "image": {"_type": "Image"},
    "label": {"_type": "ClassLabel", "names": NAMES},
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def picture(shade: int) -> bytes:
    content = io.BytesIO()
    noise = np.random.default_rng(shade).integers(0, 40, (8, 8, 3))
    Image.fromarray((noise + shade).astype("uint8")).save(content, "png")
    return content.getvalue()


def pack(path: Path, labels: Sequence[Any], features: Any = FEATURES, image: Any = picture, first: int = 0) -> None:
    """A file as `datasets` writes it: the first class is dark, the second bright."""
    shades = [(20 if label == 0 else 180) + first + i for i, label in enumerate(labels)]
    pictures = [{"bytes": image(shade), "path": None} for shade in shades]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    columns = {"id": list(range(len(labels))), "image": pa.array(pictures, kind), "label": list(labels)}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table(columns).replace_schema_metadata(metadata), path, row_group_size=7)


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    folder = tmp_path / "packed"
    pack(folder / "data" / "train-00000-of-00002.parquet", [0, 1] * 10)
    pack(folder / "data" / "train-00001-of-00002.parquet", [1, 0] * 5)
    pack(folder / "data" / "test-00000-of-00001.parquet", [0, 1] * 4, first=20)
    (folder / "README.md").write_text("a card")
    return folder


def test_every_picture_has_its_class(packed: Path) -> None:
    found = data.load(f"imagefolder:{packed}")
    assert found.labels == NAMES
    assert (len(found.train), len(found.test)) == (30, 8)
    for split in (found.train, found.test):
        for path, target in zip(split.inputs, split.targets.tolist(), strict=True):
            assert Path(str(path)).read_bytes() in {picture((20, 180)[target] + i) for i in range(40)}


def test_a_run_streams_them_and_its_weight_names_their_classes(packed: Path, tmp_path: Path) -> None:
    recipe = {
        "model": "mlp",
        "model_args": {"in_features": 192, "widths": []},
        "init": "kaiming_normal",
        "data": {"name": f"imagefolder:{packed}", "batch_size": 6, "size": [8, 8], "mean": [0.5], "std": [0.25]},
        "optimizer": {"name": "adamw", "lr": 3e-3},
        "train": {"epochs": 8},
    }
    run = zoo.train(recipe, out=tmp_path / "run", device="cpu")
    assert run.metrics["accuracy"] == 1.0
    assert zoo.predictor(run.folder)(Image.open(io.BytesIO(picture(185)))).label == "T - shirt / top"


def test_they_are_unpacked_once_and_again_if_a_file_changes(packed: Path, home: Path) -> None:
    name = f"imagefolder:{packed}"
    first = data.load(name)
    (kept,) = (home / "data" / "unpacked").iterdir()
    before = (kept / "labels.json").stat().st_mtime_ns
    assert data.load(name).fingerprint == first.fingerprint
    assert (kept / "labels.json").stat().st_mtime_ns == before
    pack(packed / "data" / "test-00000-of-00001.parquet", [1, 1, 0], first=20)
    assert len(data.load(name).test) == 3


def test_folders_may_name_splits_too_and_a_single_split_is_parted(tmp_path: Path) -> None:
    pack(tmp_path / "a" / "train" / "0000.parquet", [0, 1] * 10)
    alone = data.load(f"imagefolder:{tmp_path / 'a'}")
    assert (len(alone.train), len(alone.test)) == (16, 4) and alone.labels == NAMES
    pack(tmp_path / "a" / "validation" / "0000.parquet", [0, 1], first=20)
    assert len(data.load(f"imagefolder:{tmp_path / 'a'}").test) == 2


def test_a_table_beside_pictures_is_not_one_of_them(tmp_path: Path) -> None:
    for label, shade in (("bright", 200), ("dark", 20)):
        for i in range(5):
            (tmp_path / "pictures" / label).mkdir(parents=True, exist_ok=True)
            (tmp_path / "pictures" / label / f"{i}.png").write_bytes(picture(shade + i))
    pack(tmp_path / "pictures" / "metadata.parquet", [0, 1])
    with pytest.warns(UserWarning, match=r"left out 1 files that are not pictures: metadata\.parquet"):
        assert data.load(f"imagefolder:{tmp_path / 'pictures'}").labels == ["bright", "dark"]


def test_a_picture_for_the_card_is_not_one_of_them(packed: Path) -> None:
    for place in ("assets/example.png", ".cache/a.png", ".cache/b/c.png", "logo.png"):
        (packed / place).parent.mkdir(parents=True, exist_ok=True)
        (packed / place).write_bytes(picture(50))
    assert len(data.load(f"imagefolder:{packed}").train) == 30


def test_splits_of_hidden_or_missing_classes(tmp_path: Path) -> None:
    """A test split without classes gives way to the validation split, which need not have every one."""
    names = ["a", "b", "c"]
    features = {**FEATURES, "label": {"_type": "ClassLabel", "names": names}}
    pack(tmp_path / "data" / "train-0.parquet", [0, 1, 2] * 3, features)
    pack(tmp_path / "data" / "test-0.parquet", [-1] * 4, features)
    pack(tmp_path / "data" / "validation-0.parquet", [0, 2, 2], features, first=20)
    pack(tmp_path / "data" / "extra-0.parquet", [0] * 9, features)
    found = data.load(f"imagefolder:{tmp_path / 'data'}")
    assert (found.labels, len(found.train), sorted(found.test.targets.tolist())) == (names, 9, [0, 2, 2])
    named = {**features, "label": {"_type": "ClassLabel", "names": names[::-1]}}
    for name in ("train", "test", "validation", "extra"):
        labels = {"train": [0, 1, 2] * 3, "test": [-1] * 4, "validation": [0, 2, 2], "extra": [0] * 9}[name]
        pack(tmp_path / "other" / f"{name}-0.parquet", labels, named, first=20 * (name != "train"))
    assert data.load(f"imagefolder:{tmp_path / 'other'}").fingerprint != found.fingerprint


def test_a_file_that_cannot_be_unpacked_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(name: str, said: str) -> None:
        with pytest.raises(ZooError, match=said) as error:
            data.load(f"imagefolder:{tmp_path / name}")
        assert "\n" not in str(error.value)
        assert not list((home / "data" / "unpacked").glob("*"))

    pack(tmp_path / "nameless" / "rows.parquet", [0, 1])
    refused("nameless", r"rows\.parquet does not say which split it is; call it train-")
    pack(tmp_path / "several" / "small" / "train-0.parquet", [0, 1])
    pack(tmp_path / "several" / "large" / "train-0.parquet", [0, 1])
    refused("several", r"holds several data sets \(large, small\); give the folder of one")
    pack(tmp_path / "texts" / "train-0.parquet", [0, 1], features={"id": FEATURES["id"], "label": FEATURES["label"]})
    refused("texts", "does not declare a column of pictures")
    pack(tmp_path / "beyond" / "test-0.parquet", [0, 2])
    refused("beyond", r"test-0\.parquet, row 1: the class is 2, but there are only 2 classes; leave the row out")
    pack(tmp_path / "gone" / "train-0.parquet", [0, 1], image=lambda shade: None)
    refused("gone", r"train-0\.parquet, row 0 holds no picture")
    pack(tmp_path / "cut" / "train-0.parquet", [0, 1])
    content = (tmp_path / "cut" / "train-0.parquet").read_bytes()
    (tmp_path / "cut" / "train-0.parquet").write_bytes(content[:-10])
    refused("cut", r"train-0\.parquet cannot be unpacked \(.*\); fetch it again")
    pack(tmp_path / "other" / "test-0.parquet", [0, 1], first=20)
    other = {**FEATURES, "label": {"_type": "ClassLabel", "names": ["x", "y"]}}
    pack(tmp_path / "other" / "train-0.parquet", [0, 1], features=other)
    refused("other", r"train-0\.parquet has other classes than the files before it")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    pack_again = tmp_path / "absent" / "train-0.parquet"
    pack_again.parent.mkdir()
    pack_again.write_bytes(content)
    refused("absent", r"pip install 'reprozoo\[parquet\]' to read them")
