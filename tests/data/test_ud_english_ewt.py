"""The treebank: its format, and its content against another reader."""

from __future__ import annotations

import csv
import hashlib
import os
from pathlib import Path

import pytest

from zoo import data
from zoo.data import ud_english_ewt
from zoo.data.entry import Raw
from zoo.data.ud_english_ewt import LABELS

CONTENT = """# sent_id = 1
# text = I don't.
1\tI\tI\tPRON\tPRP\t_\t3\tnsubj\t3:nsubj\t_
2-3\tdon't\t_\t_\t_\t_\t_\t_\t_\tSpaceAfter=No
2\tdo\tdo\tAUX\tVBP\t_\t0\troot\t0:root\t_
3\tn't\tnot\tPART\tRB\t_\t2\tadvmod\t2:advmod\t_
3.1\tgo\tgo\tVERB\tVB\t_\t_\t_\t0:root\t_
4\t.\t.\tPUNCT\t.\t_\t2\tpunct\t2:punct\t_

# sent_id = 2
# text = "
1\t"\t"\tPUNCT\t``\t_\t0\troot\t0:root\t_

"""


def test_words_written_together_and_words_left_out_are_skipped(tmp_path: Path) -> None:
    names = ["train", "test", "dev"]
    for name in names:
        (tmp_path / name).write_text(CONTENT, encoding="utf-8")
    raw = Raw("treebank", dict.fromkeys(names, hashlib.sha256(CONTENT.encode()).hexdigest()), ())
    for split in ud_english_ewt.read(raw, tmp_path):
        assert split.inputs == ["I\tdo\tn't\t.", '"']
        tags = [[LABELS[tag] for tag in row if tag >= 0] for row in split.targets.tolist()]
        assert tags == [["PRON", "AUX", "PART", "PUNCT"], ["PUNCT"]]
        assert split.targets[1].tolist() == [LABELS.index("PUNCT"), -100, -100, -100]


@pytest.mark.data
def test_the_treebank_is_what_another_reader_finds() -> None:
    found = data.load("ud_english_ewt")
    assert found.validation is not None
    for split, name, count in (
        (found.train, "train", 12_544),
        (found.test, "test", 2_077),
        (found.validation, "dev", 2_001),
    ):
        path = Path(os.environ["ZOO_DATA"], "UD_English-EWT", f"en_ewt-ud-{name}.conllu")
        with open(path, encoding="utf-8", newline="") as file:
            rows = [row for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if len(row) == 10]
        words = [(row[1], row[3]) for row in rows if "-" not in row[0] and "." not in row[0]]
        assert len(split) == count == sum(row[0] == "1" for row in rows)
        assert isinstance(split.inputs, list)
        ours = [word for sentence in split.inputs for word in sentence.split("\t")]
        tags = [LABELS[tag] for tag in split.targets[split.targets >= 0].tolist()]
        assert list(zip(ours, tags, strict=True)) == words
