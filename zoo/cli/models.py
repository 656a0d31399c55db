"""What there is, and what it sees: `zoo list`, `info`, `show`."""

from __future__ import annotations

from typing import Annotated

import typer

from zoo.cli.options import Json, Name
from zoo.cli.output import document, facts, table

app: typer.Typer = typer.Typer()


@app.command("list")
def list_(
    pattern: Annotated[str, typer.Argument(metavar="[PATTERN]", help="A glob, such as 'resnet*'.")] = "*",
    as_json: Json = False,
) -> None:
    """List models and their weights."""
    import zoo
    from zoo.registry import get

    weights = zoo.list_weights()
    rows = []
    for model in map(get, zoo.list_models(pattern)):
        mine = [weight for weight in weights if weight.startswith(f"{model.name}.")]
        rows.append({"name": model.name, "task": model.task, "description": model.description, "weights": mine})
    if as_json:
        return document(rows)
    # A weight's name is what one copies; a model without one is there by its own.
    table(
        ("name", "task", "description"),
        [(name, row["task"], row["description"]) for row in rows for name in row["weights"] or [row["name"]]],
    )


@app.command()
def info(name: Name, as_json: Json = False) -> None:
    """Show all that is known of a model or a weight."""
    import zoo

    found = zoo.info(name).to_dict()
    document(found) if as_json else facts(found)


@app.command()
def show(
    name: Name,
    out: Annotated[str, typer.Option("-o", "--out", metavar="PNG", help="The file to write.")],
    raw: Annotated[
        str | None, typer.Argument(metavar="[INPUT]", help="A file or a text, as the task asks, for pictures of one.")
    ] = None,
    what: Annotated[
        str | None,
        typer.Option(
            metavar="PICTURE", help="features, attention, curves, filters, confusion, mistakes, forecast or neighbours."
        ),
    ] = None,
    layer: Annotated[str | None, typer.Option(metavar="NAME", help="Whose features, such as stages.0.1.conv2.")] = None,
) -> None:
    """Draw what a model sees in an input, how it was trained, or where it is wrong."""
    from zoo import viz

    viz.save(viz.show(name, raw, what=what, layer=layer), out)
    print(out)
