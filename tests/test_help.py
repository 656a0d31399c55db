"""The help that a newcomer reads: nothing cut, plain names, an example for every command that can be run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from zoo.cli import app
from zoo.cli.helps import HELPS, WIDEST


def commands(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


TREE = typer.main.get_command(app)
COMMANDS = dict(commands(TREE))


def help_of(name: str) -> str:
    context = TREE.make_context("zoo", ["--help"], resilient_parsing=True)
    command: Any = TREE
    for part in name.split():
        command = command.commands[part]
        context = typer.Context(command, parent=context, info_name=part)
    return command.get_help(context)


def test_no_line_of_the_help_is_cut() -> None:
    shown = TREE.get_help(TREE.make_context("zoo", [], resilient_parsing=True))
    listed = shown.partition("Commands:")[2]
    assert "..." not in listed and all(f"  {name.split()[0]} " in listed for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_short_line_and_an_example(name: str) -> None:
    summary = COMMANDS[name].short_help or ""
    assert 0 < len(summary) <= WIDEST and summary.endswith(".")
    shown = help_of(name)
    usage = shown.splitlines()[0]
    assert usage.startswith("Usage: zoo ") and not re.search(r"[{}]|\[\[|\.\.\.\]|\]\.\.\.\.", usage)
    (example,) = re.findall(r"Example: zoo (.+)", shown)
    given = [part for part in shlex.split(example, comments=False) if part.startswith("-") and part != "-"]
    known = {option for parameter in COMMANDS[name].params for option in parameter.opts}
    assert example.startswith(name) and set(given) <= known


def test_no_help_is_for_a_command_that_is_gone() -> None:
    assert set(HELPS) <= set(COMMANDS)
