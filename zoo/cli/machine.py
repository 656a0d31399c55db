"""What lies on this machine: `zoo data`, `zoo cache`."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from zoo.cli.checking import data_check
from zoo.cli.options import DONE, FAILED
from zoo.cli.output import table

app: typer.Typer = typer.Typer()
data: typer.Typer = typer.Typer(help="The data sets that recipes train on.", rich_markup_mode=None)
cache: typer.Typer = typer.Typer(help="Show what the zoo keeps on this machine, or clear it.", rich_markup_mode=None)
app.add_typer(data, name="data")
data.command("check")(data_check)
app.add_typer(cache, name="cache")


@data.command("list")
def data_list() -> None:
    """List the data sets and where they lie on this machine."""
    from zoo.data import ENTRIES, files

    def place(entry: Any) -> str:
        if (brought := ENTRIES.origin(entry.name)) is not None:
            return f"comes with {brought.package or brought.module}"
        if entry.raw is None:
            return "comes with scikit-learn"
        kept = files.home() / f"{entry.name}.safetensors"
        return str(files.in_zoo_data(entry.raw) or (kept if kept.is_file() else f"zoo data get {entry.name}"))

    rows = [(entry.name, entry.kind, str(len(entry.labels)), place(entry)) for entry in ENTRIES.values()]
    table(("data set", "kind", "labels", "here"), sorted(rows))


@data.command("get")
def data_get(name: Annotated[str, typer.Argument(metavar="NAME")]) -> None:
    """Fetch a data set, check it, and keep it decoded."""
    from zoo.data import load

    found = load(name)
    print(f"{name}: {len(found.train.targets):,} to train, {len(found.test.targets):,} to test")


@cache.callback(invoke_without_command=True)
def cache_show(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        from zoo.home import home
        from zoo.sources.kept import PARTS, usage, weights

        sizes = usage()
        print(home())
        for part, size in sizes.items():
            print(f"  {size / 1e6:10,.1f} MB  {part}: {PARTS[part]}")
        print(f"  {sum(sizes.values()) / 1e6:10,.1f} MB  in all")
        if kept := weights():
            table(
                ("weight", "MB", "last used", "folder"),
                [(w.name, f"{w.size / 1e6:,.1f}", _day(w.used), str(w.folder)) for w in kept],
            )


@cache.command("verify")
def cache_verify() -> int:
    """Read every fetched weight again and say which are damaged."""
    from zoo.sources.kept import damaged, weights

    bad = damaged()
    for weight in bad:
        print(f"{weight.name}: {weight.folder} is damaged or not complete; the next use repairs it.")
    print(f"{len(weights()) - len(bad)} of {len(weights())} are whole.")
    return FAILED if bad else DONE


@cache.command("prune")
def cache_prune(
    days: Annotated[
        float | None,
        typer.Option("--older-than", metavar="DAYS", help="Weights that were not used for DAYS."),
    ] = None,
    most: Annotated[
        float | None, typer.Option("--max-mb", metavar="MB", help="The longest unused ones, until the rest fits in MB.")
    ] = None,
) -> None:
    """Delete fetched weights by age or size, and files that are no longer of use."""
    from zoo.sources.kept import prune

    seconds = None if days is None else 86_400 * days
    for weight in prune(older_than=seconds, most=None if most is None else int(most * 1e6)):
        print(f"{weight.name}: {weight.size / 1e6:,.1f} MB, last used {_day(weight.used)}")


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(seconds))


@cache.command("clear")
def cache_clear() -> None:
    """Delete what can be fetched or computed again."""
    from zoo.sources.kept import clear

    clear()
