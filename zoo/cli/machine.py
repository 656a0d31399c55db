"""What lies on this machine: `zoo data`, `zoo cache`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from zoo.cli.checking import data_check
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
        from zoo.sources.kept import PARTS, usage

        sizes = usage()
        print(home())
        for part, size in sizes.items():
            print(f"  {size / 1e6:10,.1f} MB  {part}: {PARTS[part]}")
        print(f"  {sum(sizes.values()) / 1e6:10,.1f} MB  in all")


@cache.command("clear")
def cache_clear() -> None:
    """Delete what can be fetched or computed again."""
    from zoo.sources.kept import clear

    clear()
