"""`zoo train`, and `zoo runs`, which shows the runs that it leaves."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from zoo.cli import completing
from zoo.cli.beforehand import announce
from zoo.cli.options import Device, Json
from zoo.cli.output import document, facts, table

app: typer.Typer = typer.Typer()
runs: typer.Typer = typer.Typer(help="Show the runs in a folder, or compare two.", rich_markup_mode=None)
app.add_typer(runs, name="runs")


@app.command()
def train(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE",
            help="A recipe's name, a YAML file, or a run to repeat.",
            autocompletion=completing.recipes,
        ),
    ],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[key.path=value]...", help="Changes, such as train.epochs=3.")
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", metavar="PATH", help="Your own data; RECIPE may then be a model's name.")
    ] = None,
    target: Annotated[str | None, typer.Option(metavar="COLUMN", help="The column to predict.")] = None,
    text: Annotated[list[str] | None, typer.Option(metavar="COLUMN", help="The column of texts; may repeat.")] = None,
    image: Annotated[str | None, typer.Option(metavar="COLUMN", help="The column of pictures' paths.")] = None,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="With --data, begin from no published weight.")
    ] = False,
    out: Annotated[str | None, typer.Option(metavar="DIR", help="The run's folder.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run in DIR stopped.")] = False,
    track: Annotated[str | None, typer.Option(metavar="NAME", help="Write curves for it too: tensorboard.")] = None,
    baseline: Annotated[
        bool | None,
        typer.Option("--baseline/--no-baseline", help="Also measure plain methods; by default on your own data."),
    ] = None,
    device: Device = None,
) -> None:
    """Train a model by its recipe; the run's folder can be used and published as a weight."""
    announce("train", recipe)
    import zoo
    from zoo.training.machine import processes
    from zoo.training.run import named

    given = {"data.columns.target": target, "data.columns.text": text, "data.columns.image": image}
    changes: dict[str, Any] = {key: value for key, value in given.items() if value}
    if from_scratch:
        changes["init_from"] = None
    for change in overrides or []:
        key, equals, value = change.partition("=")
        if not (key and equals):
            raise zoo.ZooError(f"{change!r} is not an override; write key.path=value, such as train.epochs=3.")
        changes[key] = value
    try:
        folder = out or (named(recipe) if resume else None)
        more: dict[str, Any] = {"resume": resume, "device": device, "track": track, "baseline": baseline}
        run = zoo.train(recipe, changes, data=data, out=folder, **more)
    except KeyboardInterrupt:
        print("interrupted; the same command with --resume goes on from the checkpoint.", file=sys.stderr)
        raise
    if processes.is_main():
        facts({"run": str(run.folder), **run.metrics})


@runs.callback(invoke_without_command=True)
def runs_show(
    context: typer.Context,
    root: Annotated[str, typer.Option("--in", metavar="DIR", help="The folder that holds them.")] = "runs",
    as_json: Json = False,
) -> None:
    if context.invoked_subcommand is None:
        from textwrap import shorten

        from zoo.runs import list_runs

        found = list_runs(root)
        if as_json:
            return document([run.to_dict() for run in found])
        head = ("run", "state", "value", "metric", "epochs", "seconds", "recipe")
        rows = []
        for run in found:
            value = "" if run.value is None else f"{run.value:.4g}"
            what = shorten(run.reason, 60, placeholder=" …") if run.reason else f"{run.metric}, {run.split}"
            rows.append((run.folder, run.state, value, what, str(run.epochs), f"{run.seconds:.0f}", run.recipe))
        table(head, rows)


@runs.command("compare")
def runs_compare(
    first: Annotated[str, typer.Argument(metavar="RUN")],
    second: Annotated[str, typer.Argument(metavar="RUN")],
    picture: Annotated[
        str | None, typer.Option("--output", "-o", metavar="PNG", help="Draw the curves of both there.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what differs between two runs: recipe, environment, curves."""
    from zoo import runs

    found = runs.compare(first, second)
    if picture is not None:
        runs.draw(found, picture)
    if as_json:
        return document(found.to_dict())
    one, other = found.runs
    rows = [(key, str(a), str(b)) for key, (a, b) in {**found.recipe, **found.environment}.items()]
    ends = [(f"last {key}", f"{a[-1]:.4g}", f"{b[-1]:.4g}") for key, (a, b) in found.curves.items() if a and b]
    table(("", one.folder, other.folder), [*rows, *ends])
