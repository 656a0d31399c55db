"""Loading from ZOO_DATA: plain or gzipped, checked, decoded once."""

from __future__ import annotations

import gzip
import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from zoo import ZooError, data
from zoo.data import Split, cifar10, imdb, sst2, trec
from zoo.data.entry import Raw

LABELS = "t10k-labels-idx1-ubyte"


@pytest.fixture
def at_hand(small, fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small set's files, in ZOO_DATA."""
    monkeypatch.setenv("ZOO_DATA", str(tmp_path / "data"))
    return small.write(tmp_path / "data" / "small-set")


def images(split: Split) -> torch.Tensor:
    assert isinstance(split.inputs, torch.Tensor)
    return split.inputs


def same(one: Split, other: Split) -> bool:
    return torch.equal(images(one), images(other)) and torch.equal(one.targets, other.targets)


def test_plain_files_are_read(small, at_hand: Path):
    found = data.load_entry(small.entry())
    assert same(found.train, small.train) and same(found.test, small.test)
    assert images(found.train).dtype == torch.uint8 and found.train.targets.dtype == torch.int64
    assert (found.name, found.kind, found.labels, found.maximum) == ("small", "image", ["a", "b", "c"], 255.0)


def test_gzipped_files_are_read_however_they_were_zipped(small, at_hand: Path):
    for path in list(at_hand.iterdir()):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), compresslevel=1))
        path.unlink()
    assert same(data.load_entry(small.entry()).train, small.train)


def test_the_second_load_decodes_nothing(small, at_hand: Path, monkeypatch: pytest.MonkeyPatch):
    entry = small.entry()
    data.load_entry(entry)
    monkeypatch.setattr(data.files, "read", lambda *_: pytest.fail("a raw file was read again"))
    assert same(data.load_entry(entry).test, small.test)
    monkeypatch.delenv("ZOO_DATA")  # and the tensors outlive the raw files
    assert same(data.load_entry(entry).test, small.test)


def test_at_hand_is_what_loads_without_a_network(
    small, at_hand: Path, fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(data.ENTRIES, "small", small.entry())
    kept = fresh / "small.safetensors"
    assert data.at_hand("small")
    data.load("small")
    monkeypatch.delenv("ZOO_DATA")
    assert data.at_hand("small")
    kept.write_bytes(kept.read_bytes()[:-1])  # damaged: it would have to be fetched
    assert not data.at_hand("small")
    small.write(fresh / "small-set")
    assert data.at_hand("small")
    assert same(data.load("small").test, small.test)


@pytest.mark.parametrize("kept", [False, True], ids=["first load", "tensors kept from before"])
def test_a_changed_file_is_named_and_nothing_kept(small, at_hand: Path, fresh: Path, kept: bool):
    if kept:
        data.load_entry(small.entry())
    path = at_hand / LABELS
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ZooError, match=f"{LABELS} is not the published file .*; replace it"):
        data.load_entry(small.entry())
    assert kept or not fresh.exists()
    content[-1] ^= 1
    path.write_bytes(content)
    assert same(data.load_entry(small.entry()).test, small.test)


def test_a_gzip_file_cut_short_is_named(small, at_hand: Path):
    path = at_hand / LABELS
    path.with_name(f"{LABELS}.gz").write_bytes(gzip.compress(path.read_bytes())[:-9])
    path.unlink()
    with pytest.raises(ZooError, match=f"{LABELS}.gz cannot be read"):
        data.load_entry(small.entry())


def test_data_with_another_fingerprint_are_refused(small, at_hand: Path, fresh: Path):
    with pytest.raises(ZooError, match=r"fingerprint .*, expected 000000"):
        data.load_entry(replace(small.entry(), fingerprint="0" * 64))
    assert not fresh.exists()


def test_cifar_records_are_label_then_channel_row_column(tmp_path: Path):
    names = [*(f"data_batch_{k}.bin" for k in range(1, 6)), "test_batch.bin"]
    pixels = torch.randint(0, 256, (6, 2, 3, 32, 32), dtype=torch.uint8)
    for k, name in enumerate(names):
        rows = [bytes([(2 * k + i) % 10]) + pixels[k, i].numpy().tobytes() for i in range(2)]
        (tmp_path / name).write_bytes(b"".join(rows))
    raw = Raw("cifar", {name: hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in names}, ())
    train, test = cifar10.read(raw, tmp_path)
    assert torch.equal(images(train), pixels[:5].reshape(10, 3, 32, 32)) and torch.equal(images(test), pixels[5])
    assert train.targets.tolist() == list(range(10)) and test.targets.tolist() == [0, 1]


def test_reviews_are_ordered_by_label_and_number(tmp_path: Path):
    for split in ("train", "test"):
        for name in ("neg", "pos"):
            (tmp_path / split / name).mkdir(parents=True)
            for number in (10, 2, 0):
                (tmp_path / split / name / f"{number}_7.txt").write_bytes(f"{split} {name} {number} ½\r\n".encode())
    train, test = imdb.read(tmp_path)
    assert train.inputs == [f"train {name} {number} ½\r\n" for name in ("neg", "pos") for number in (0, 2, 10)]
    assert test.targets.tolist() == [0, 0, 0, 1, 1, 1]
    (tmp_path / "test" / "pos" / "2_7.txt").write_bytes(b"caf\xe9")
    with pytest.raises(ZooError, match=r"2_7\.txt is not UTF-8"):
        imdb.read(tmp_path)


def raw(folder: Path, **contents: bytes) -> Raw:
    """Files with these contents, as a data set."""
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return Raw("texts", {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}, ())


def test_questions_have_their_coarse_class_and_equal_ones_a_group(tmp_path: Path):
    lines = (
        b"LOC:city Which is a sister\xf0city ?\nABBR:exp What 's `` LA '' ?\nLOC:other Which is a sister\xf0city ?\n"
    )
    train, test = trec.read(raw(tmp_path, train=lines, test=b"NUM:date When ?\n"), tmp_path)
    assert train.inputs == ["Which is a sister\xf0city ?", 'What\'s " LA " ?', "Which is a sister\xf0city ?"]
    assert [trec.TREC.labels[target] for target in train.targets] == ["location", "abbreviation", "location"]
    assert train.groups is not None and train.groups.tolist() == [0, 1, 0]
    assert test.inputs == ["When ?"] and [trec.TREC.labels[target] for target in test.targets] == ["numeric value"]


def test_phrases_of_one_sentence_are_a_group(tmp_path: Path):
    rows = [
        ("is n't bad", 1),
        ("a film that is n't bad .", 1),
        ("bad", 0),
        ("bad luck", 0),
        ("film is", 0),
        ("a film", 1),
    ]
    lines = "sentence\tlabel\n" + "".join(f"{phrase} \t{target}\n" for phrase, target in rows)
    train, test = sst2.read(
        raw(tmp_path, train=lines.encode(), dev=b"sentence\tlabel\nclich\xc3\xa9 . \t0\n"), tmp_path
    )
    assert train.inputs == ["isn't bad", "a film that isn't bad .", "bad", "bad luck", "film is", "a film"]
    assert train.targets.tolist() == [1, 1, 0, 0, 0, 1]
    assert train.groups is not None
    whole, luck, neither = (train.groups[i].item() for i in (1, 3, 4))
    assert len({whole, luck, neither}) == 3
    assert train.groups.tolist() == [whole, whole, whole, luck, neither, whole]
    assert test.inputs == ["clich\xe9 ."] and test.targets.tolist() == [0]


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(ZooError, match="unknown data set 'mnits'; did you mean mnist"):
        data.load("mnits")


def test_digits_come_without_any_file(fresh: Path):
    digits = data.load("digits")
    for split, count in ((digits.train, 1438), (digits.test, 359)):
        assert images(split).shape == (count, 1, 8, 8) and images(split).dtype == torch.uint8
        assert images(split).max() == digits.maximum == 16
    shares = digits.test.targets.bincount() / (digits.test.targets.bincount() + digits.train.targets.bincount())
    assert (shares - 0.2).abs().max() < 0.005
    assert sorted(os.listdir(fresh)) == ["digits.safetensors", "digits.sha256"]


def test_kept_tensors_that_were_damaged_are_decoded_again(fresh: Path):
    whole = data.load("digits")
    kept = fresh / "digits.safetensors"
    content = bytearray(kept.read_bytes())
    content[-20_000] ^= 1  # in a tensor, where the header notices nothing
    kept.unlink()  # the tensors above are mapped from it
    kept.write_bytes(content)
    again = data.load("digits")
    assert same(again.train, whole.train) and same(again.test, whole.test)
    assert kept.read_bytes() != bytes(content)


def test_a_cache_that_cannot_be_written_costs_time_alone(fresh: Path):
    fresh.parent.mkdir()
    fresh.write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match="cannot be kept"):
        assert len(data.load("digits").test) == 359
