"""Files that once made a parser fail with anything but a sentence (tools/fuzz.py found and kept them)."""

from __future__ import annotations

import importlib.util
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).parents[1]


def script() -> Any:
    spec = importlib.util.spec_from_file_location("fuzz", ROOT / "tools" / "fuzz.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FUZZ = script()


@pytest.mark.parametrize("name", sorted(FUZZ.PARSERS))
def test_what_failed_once_is_a_sentence_now(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    kept = sorted((FUZZ.CORPUS / name).glob("*"))
    with FUZZ.weight() as folder:
        failed = {path.name: why for path in kept if (why := FUZZ.tried(name, path.read_bytes(), folder))}
    assert not {file: why for file, why in failed.items() if not why.startswith("it took")}  # the machine may be busy


@pytest.mark.parametrize("name", sorted(FUZZ.PARSERS))
def test_a_few_damaged_files_are_sentences(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    whole = FUZZ.seeds(name)

    with FUZZ.weight() as folder:

        @settings(
            max_examples=25,
            deadline=None,
            derandomize=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        )
        @given(st.randoms(use_true_random=False))
        def tried(draw: random.Random) -> None:
            why = FUZZ.tried(name, FUZZ.changed(draw.choice(whole), name, draw), folder)
            assert not why or why.startswith("it took")

        tried()


def test_a_failure_is_found_made_smaller_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(content: bytes, folder: Path) -> None:
        if b"\xff" in content:
            raise ValueError("of a parser that is not ready for it")

    monkeypatch.setitem(FUZZ.PARSERS, "lock", broken)
    monkeypatch.setattr(FUZZ, "CORPUS", tmp_path)
    assert FUZZ.fuzz("lock", 300, seed=0) == 1
    (kept,) = (tmp_path / "lock").iterdir()
    assert kept.read_bytes() == b"\xff"
