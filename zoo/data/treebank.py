"""Texts that were split as in the Penn Treebank, joined again as people write them.

A predictor gets what people write. For a model that has only read "is n't", "isn't" is an unknown word.
"""

from __future__ import annotations

import re

_MARKS = {"``": '"', "''": '"', "`": "'"}
_MARK = re.compile("|".join(_MARKS))  # the double ones first
_ENDING = re.compile(r" (?=(?:n't|'(?:s|t|re|ve|ll|d|m))\b)")


def rejoined(text: str) -> str:
    """`text` with endings such as n't and 's attached to their words, and with plain quotation marks for `` and ''."""
    return _MARK.sub(lambda mark: _MARKS[mark[0]], _ENDING.sub("", text))
