"""The stages of `.ci/run`: those in the background fail the gate as the others do, and none outlives it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAD = """set -euo pipefail
work=$(mktemp -d)
trap end EXIT
. .ci/stages
says() { echo "$1 begins"; echo "$1 ends"; }
breaks() { echo "$1 begins"; false; echo "$1 ends"; }
"""


def gate(code: str) -> tuple[int, list[str]]:
    done = subprocess.run(
        ["bash", "-c", HEAD + code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30
    )
    return done.returncode, [re.sub(r"\d+ s", "0 s", line) for line in done.stdout.splitlines() if line]


def test_a_stage_beside_others_is_printed_as_one_piece_when_it_is_awaited() -> None:
    status, said = gate("beside a says a; beside b says b; stage c says c; await a b; printf '%s\\n' \"${times[@]}\"")
    pieces = {name: [f"{name} begins", f"{name} ends", f"    0 s  {name}"] for name in "abc"}
    beside = [line for name in "ab" for line in (f"== {name} (beside others)", *pieces[name])]
    assert status == 0 and said == ["== c", *pieces["c"], *beside, *(pieces[name][-1] for name in "cab")]


@pytest.mark.parametrize("code", ["stage a breaks a", "beside a breaks a; stage b says b; await a"])
def test_a_stage_that_fails_fails_the_gate_by_its_name(code: str) -> None:
    status, said = gate(code + "; echo all passed")
    assert status == 1 and said[-2:] == ["a begins", "failed: a"]


def test_nothing_outlives_a_gate_that_fails() -> None:
    """Neither its folder nor what a background stage has started, which would hold the test's own pipe open."""
    status, said = gate('echo "$work"; exec 3>&1; waits() { sleep 100 >&3; }; beside a waits; stage b breaks b')
    assert status == 1 and said[-1] == "failed: b"
    assert not Path(said[0]).exists()
