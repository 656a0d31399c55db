from __future__ import annotations

import pytest

from zoo import tasks
from zoo.errors import ZooError


def test_every_task_is_found_by_its_name():
    assert "image-classification" in tasks.names() and "text-classification" in tasks.names()
    for name in tasks.names():
        assert tasks.get(name).name == name


def test_unknown_task_names_the_nearest():
    with pytest.raises(ZooError, match="unknown task 'image'; did you mean image-classification"):
        tasks.get("image")
