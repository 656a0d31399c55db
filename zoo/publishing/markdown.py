"""Text from outside in a Markdown page: shown as it is, never as a heading, a picture or a command."""

from __future__ import annotations

import re

from zoo.display import one_line


def plain(text: object) -> str:
    """Text within a sentence. Nothing in it becomes HTML, a link or a picture, and it stays on its line."""
    return re.sub(r"\\(?=[!-/:-@\[-`{-~])|[<\[\]]", r"\\\g<0>", one_line(text))


def item(text: object) -> str:
    """Text at the start of a line or a list item, where a # would turn it into a heading."""
    said = plain(text)
    return f"\\{said}" if said[:1] in tuple("#>-+*=~|") else said


def code(text: object) -> str:
    """Text between backticks, which cannot leave them."""
    return f"`{one_line(text).replace('`', chr(39))}`"


def fenced(text: str, language: str) -> str:
    """A block of code, fenced by more backticks than there are anywhere in it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"
