"""Files as people have them, read as data sets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.data.own.loading import Own, load

CLASSES = ("text", "table", "tagged", "image")
"""Kinds whose targets are classes; of characters and series they are not, and `number` is a table's."""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ZOO_DATA", raising=False)


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., Own]:
    """A function of (kind, content of a file, its name, columns and split) -> what the zoo reads of it."""

    def function(kind: str, content: str | bytes, name: str = "a.csv", **asked: Any) -> Own:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return load(f"file:{path}", "table" if kind == "number" else kind, kind in CLASSES, **asked)

    return function
