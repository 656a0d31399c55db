"""What every test shares: the rule for tests that need published data."""

from __future__ import annotations

import os

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests marked `data` where there is no data to read."""
    if os.environ.get("ZOO_DATA"):
        return
    absent = pytest.mark.skip(reason="needs the published data sets: ZOO_DATA is not set")
    for item in items:
        if "data" in item.keywords:
            item.add_marker(absent)
