"""Options that several commands share, and the exit statuses."""

from __future__ import annotations

from typing import Annotated

import typer

from zoo.cli import completing

DONE, FAILED, BAD_INPUT, UNDECIDED, INTERRUPTED = 0, 1, 2, 3, 130

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="A weight, a model, a bundle folder, or a source URL.",
        autocompletion=completing.names,
    ),
]
Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME...]", help="All of the sources by default.", autocompletion=completing.names),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
Place = Annotated[str | None, typer.Option("--data", metavar="PATH", help="Where the recipe's data lie.")]
Trust = Annotated[bool, typer.Option("--trust", help="Let its recipe read the files and addresses that it names.")]
Device = Annotated[str | None, typer.Option(metavar="DEVICE", help="Where to compute: cpu, cuda, cuda:1, mps.")]
Lock = Annotated[  # read before the command runs, wherever it stands
    str | None,
    typer.Option("--lock", metavar="FILE", help="A lock file; names mean what it says."),
]
