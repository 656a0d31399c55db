"""Texts as people write them."""

from __future__ import annotations

import pytest

from zoo.data.treebank import rejoined


@pytest.mark.parametrize(
    ("apart", "written"),
    [
        ("it is n't the film 's fault .", "it isn't the film's fault ."),
        (
            "they ca n't , we 'll , I 'd , you 've , we 're , I 'm , it 'd",
            "they can't , we'll , I'd , you've , we're , I'm , it'd",
        ),
        ("it can 't be", "it can't be"),
        ("`` Star Wars '' and ` Solaris '", "\" Star Wars \" and ' Solaris '"),
        ("the '60s , the dogs ' tails , rock 'n' roll", "the '60s , the dogs ' tails , rock 'n' roll"),
        ("n't so", "n't so"),
        ("", ""),
    ],
)
def test_endings_stand_at_their_words_and_quotation_marks_are_plain(apart: str, written: str):
    assert rejoined(apart) == written
    assert rejoined(written) == written
