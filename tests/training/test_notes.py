"""What has to be said of the data reaches the card."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import zoo
from zoo import data


@pytest.mark.parametrize("note", ["", "The reviews were drawn by lot."])
def test_the_note_of_a_data_set_stands_on_the_card(
    text: dict[str, Any], tiny_reviews: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, note: str
) -> None:
    monkeypatch.setitem(data.ENTRIES, "tiny_reviews", replace(data.ENTRIES["tiny_reviews"], note=note))
    run = zoo.train(text, out=tmp_path / "run", **{"train.epochs": 1})  # type: ignore
    name = zoo.publish(run, tmp_path / "shelf", name="bilstm_attn.tiny_v1")
    card = (tmp_path / "shelf" / name / "README.md").read_text(encoding="utf-8")
    assert (f"## Notes\n\n- {note}\n" in card) if note else ("## Notes" not in card)
