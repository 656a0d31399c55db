"""`zoo list`, `zoo info`, `zoo show`: what there is, and what a model sees."""

from __future__ import annotations

from typing import Annotated

import typer

from zoo.cli import completing
from zoo.cli.options import Json, Name
from zoo.cli.output import document, facts, table

app: typer.Typer = typer.Typer()


@app.command("list")
def list_(
    pattern: Annotated[
        str,
        typer.Argument(metavar="[PATTERN]", help="A glob, such as 'resnet*'.", autocompletion=completing.names),
    ] = "*",
    sort: Annotated[
        str,
        typer.Option(metavar="KEY", help="name, figure, n, parameters, size, latency, task or data."),
    ] = "name",
    task: Annotated[str | None, typer.Option(metavar="TASK", help="Only weights for this task.")] = None,
    data: Annotated[str | None, typer.Option(metavar="NAME", help="Only weights trained on this data set.")] = None,
    max_mb: Annotated[float | None, typer.Option(metavar="MB", help="Only weights of at most MB megabytes.")] = None,
    as_json: Json = False,
) -> None:
    """List weights with what they reach and cost, and models that have none."""
    import zoo
    from zoo.listing import HEAD, cells, listed
    from zoo.names import natural
    from zoo.registry import get

    weights = dict(listed(pattern, sort=sort, task=task, data=data, max_mb=max_mb))
    of_models: dict[str, list[str]] = {}
    for name in weights:
        of_models.setdefault(name.partition(".")[0], []).append(name)
    filtered = task is not None or data is not None or max_mb is not None
    models = zoo.list_models(pattern)
    shown = [*(name for name in models if name in of_models or not filtered), *set(of_models).difference(models)]
    if as_json:
        rows = []
        for model in map(get, sorted(shown, key=natural)):
            mine = of_models.get(model.name, [])
            row = {"name": model.name, "task": model.task, "description": model.description, "weights": mine}
            rows.append({**row, "figures": {name: dict(weights[name]) for name in mine}})
        return document(rows)
    lines = [(name, *cells(row)) for name, row in weights.items()]
    lines += [(name, *cells({"task": get(name).task})) for name in shown if name not in of_models]
    table(HEAD, sorted(lines, key=lambda line: natural(line[0])) if sort == "name" else lines)


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
    layer: Annotated[str | None, typer.Option(metavar="NAME", help="For features: such as stages.0.1.conv2.")] = None,
) -> None:
    """Draw what a model sees in an input, how it was trained, or where it is wrong."""
    from zoo import viz

    viz.save(viz.show(name, raw, what=what, layer=layer), out)
    print(out)
