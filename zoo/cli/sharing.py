"""Weights on their way: `zoo publish`, `pull`."""

from __future__ import annotations

from typing import Annotated

import typer

from zoo.cli.options import Name

app: typer.Typer = typer.Typer()


@app.command()
def publish(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Finished runs of one recipe, or a bundle.")],
    to: Annotated[str, typer.Option(metavar="DEST", help="A folder, or hf://OWNER/REPO.")],
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="<model>.<tag>_v<N>; the recipe's next version by default.")
    ] = None,
    baselines: Annotated[
        str | None, typer.Option(metavar="FILE", help="JSON of plain methods measured beside it, for the card.")
    ] = None,
    note: Annotated[list[str] | None, typer.Option(metavar="TEXT", help="A sentence for the card; repeatable.")] = None,
    reports: Annotated[
        list[str] | None,
        typer.Option(metavar="DIR", help="What `zoo reproduce --out DIR` wrote, for the card; repeatable."),
    ] = None,
) -> None:
    """Publish a run as a weight, with mean and spread where runs of several seeds are given."""
    import zoo

    print(zoo.publish(runs, to, name=name, baselines=baselines, notes=note or [], reports=reports or []))


@app.command()
def pull(
    name: Name,
    to: Annotated[str | None, typer.Option(metavar="DIR", help="Where to put it; the cache by default.")] = None,
) -> None:
    """Fetch a weight, checked."""
    import zoo

    print(zoo.pull(name, to))
