"""A gallery of the weights: `zoo site`."""

from __future__ import annotations

from typing import Annotated

import typer

app: typer.Typer = typer.Typer()


@app.command()
def site(
    to: Annotated[str, typer.Option(metavar="DIR", help="A new or empty folder.")],
    source: Annotated[
        str | None,
        typer.Option(metavar="SOURCE", help="A folder, https://… or hf://…; by default the package's weights."),
    ] = None,
) -> None:
    """Write a static site on which every model runs in the visitor's browser."""
    import sys

    from zoo.site import build

    print(build(to, source=source, tell=lambda line: print(line, file=sys.stderr, flush=True)))
