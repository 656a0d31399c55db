"""Functions of one's own that see each epoch, and may end a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import zoo


class Pruned(Exception):
    pass


def test_a_callback_sees_every_epoch_and_stops_the_run_by_raising(mlp: dict[str, Any], tmp_path: Path):
    seen: list[tuple[int, dict[str, Any]]] = []
    recipe = {**mlp, "train": {**mlp["train"], "epochs": 3}}

    def prune(epoch: int, figures: dict[str, Any]) -> None:
        seen.append((epoch, figures))
        if epoch == 2 and len(seen) == 2:
            raise Pruned

    with pytest.raises(Pruned):
        zoo.train(recipe, out=tmp_path / "run", device="cpu", callbacks=[prune])
    assert [epoch for epoch, _ in seen] == [1, 2] and "train_loss" in seen[0][1]
    assert not zoo.Run(tmp_path / "run").finished
    run = zoo.train(recipe, out=tmp_path / "run", device="cpu", resume=True, callbacks=[prune])
    whole = zoo.train(recipe, out=tmp_path / "whole", device="cpu")
    assert run.finished and seen[-1][0] == 3
    assert run.metrics == whole.metrics
