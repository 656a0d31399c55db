"""The one error that is meant for the user."""

from __future__ import annotations

import difflib
import operator
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from zoo.display import harmless

LONGEST = 10_000
"""Characters of a sentence; a tensor's name alone may have a hundred million."""


class ZooError(Exception):
    """One sentence for the user: what was wrong, where, and what to do next.

    Its text is one line without control characters, whatever it quotes (a label, a file's name, a server's message).

        >>> zoo.create("resnet19")
        Traceback (most recent call last):
        zoo.errors.ZooError: unknown model 'resnet19'...
    """

    def __str__(self) -> str:
        text = harmless(re.sub(r"\s*[\n\r\v\f\x85]\s*", " ", super().__str__()))
        return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"


INSTALLED_AS = {"yaml": "PyYAML", "sklearn": "scikit-learn", "PIL": "pillow"}
"""Modules whose package has another name."""


@contextmanager
def needing() -> Iterator[None]:
    """Raise `ZooError`, naming the package to install, if the body imports one that is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module in ("", "zoo") or module in sys.stdlib_module_names:
            raise
        package = INSTALLED_AS.get(module, module)
        raise ZooError(f"this needs the package {package}, which is not here; run: pip install {package}.") from error


def some(names: Sequence[str], most: int = 5) -> str:
    """The first `most` names of a list, for a sentence; "…" stands for the others."""
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def whole(value: Any) -> int | None:
    """A whole number of any kind, numpy's too, as an int; None for anything else, and for True and False."""
    try:
        return None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return None


def unknown(kind: str, name: str, names: Iterable[str]) -> ZooError:
    """The error for an unknown name, with the nearest three known ones.

    `kind` is the word for the thing that was looked up ("model", "weight", …); `names` are all known names.
    """
    names = list(names)
    # A name that contains the given one is nearer than its edit distance says: "resnet" means "resnet18".
    near = sorted((n for n in names if name and name.lower() in n.lower()), key=len)
    near += [n for n in difflib.get_close_matches(name, names, n=3, cutoff=0.4) if n not in near]
    if name and not near and len(names) > 5:  # too many to list them all
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.0)
    hint = f"; did you mean {', '.join(near[:3])}?" if near else f"; there are: {', '.join(names) or 'none'}."
    return ZooError(f"unknown {kind} {name!r}{hint}")
