"""README.md is run: every Python block and every command, except the two set-up commands, which .ci/run runs."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from forked import python

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^((?:<!-- setup -->\n)?)```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    return [code for setup, found, code in BLOCKS if found == language and not setup]


def run(command: list[str], cwd: Path) -> None:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    result = subprocess.run(
        command, cwd=cwd, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=600
    )
    assert result.returncode == 0, f"{shlex.join(command)}\n{result.stdout}\n{result.stderr}"


def test_every_block_is_of_a_kind_that_is_run():
    assert {language for _, language, _ in BLOCKS} == {"python", "console", "bash"}
    assert all(setup for setup, language, _ in BLOCKS if language == "bash")
    assert README.count("<!-- setup -->") == 2 == len([setup for setup, _, _ in BLOCKS if setup])


@pytest.mark.parametrize("code", blocks("python"), ids=lambda code: code.split("\n\n")[0])
def test_python_blocks_run(code):
    run([*python(), "-c", code], cwd=ROOT)


def console(code: str) -> object:
    """A block of commands; those that train take more than ten seconds."""
    trains = re.search(r"^\$ zoo (train|reproduce) ", code, re.MULTILINE)
    return pytest.param(code, id=code.splitlines()[0], marks=pytest.mark.slow if trains else ())


@pytest.mark.parametrize("code", [console(code) for code in blocks("console")])
def test_console_blocks_run(code, tmp_path):
    commands = [line.removeprefix("$ ") for line in code.splitlines() if line.startswith("$ ")]
    assert commands
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "zoo"
        run([*python(), "-m", "zoo", *arguments], cwd=tmp_path)


def test_the_table_of_weights_is_current():
    run([*python(), "tools/readme_table.py", "--check"], cwd=ROOT)


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
