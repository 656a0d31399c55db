"""Standard streams as they may be: a terminal, a file, closed, replaced, gone, or not there."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any, Literal, TextIO, cast


def say(line: str, end: str = "\n") -> None:
    """Print a line on standard error if it takes one; nothing ends because nobody listens."""
    stream = sys.stderr
    if stream is None:  # for `print` that would mean standard output
        return
    with suppress(OSError, ValueError, AttributeError):
        print(line, end=end, file=stream)
        stream.flush()


def flush(stream: Any) -> None:
    """Have a stream hand on what it holds, if it is one that can."""
    with suppress(AttributeError):
        stream.flush()


def is_terminal(name: Literal["stdout", "stderr"] = "stderr") -> bool:
    """Whether somebody looks at this stream."""
    try:
        return bool(getattr(sys, name).isatty())
    except (OSError, ValueError, AttributeError):
        return False


def is_notebook() -> bool:
    """Whether a notebook's kernel runs this process, so that what is shown can be changed afterwards."""
    ipython = sys.modules.get("IPython")  # a kernel has imported it
    shell = ipython.get_ipython() if ipython else None
    return getattr(shell, "kernel", None) is not None


def quiet() -> TextIO:
    """Standard error for a live display: what it does not take any more is left out."""
    return cast(TextIO, _Quiet(sys.stderr))


class _Quiet:
    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            self.stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self.stream.flush()
