"""`zoo publish`, `zoo pull`, `zoo lock`, `zoo mirror`, `zoo import`: weights on their way."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from zoo.cli import completing
from zoo.cli.options import Lock, Names

app: typer.Typer = typer.Typer()
Sign = Annotated[str | None, typer.Option(metavar="KEY", help="A private key (PEM) to sign the index with.")]


@app.command()
def publish(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Finished runs of one recipe, or a bundle.")],
    to: Annotated[str, typer.Option(metavar="DEST", help="A folder, hf://OWNER/REPO, or a bucket (s3://…).")],
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="<model>.<tag>_v<N>; the recipe's next version by default.")
    ] = None,
    baselines: Annotated[
        str | None, typer.Option(metavar="FILE", help="JSON with figures of plain methods, for the card.")
    ] = None,
    note: Annotated[list[str] | None, typer.Option(metavar="TEXT", help="A sentence for the card; repeatable.")] = None,
    calibrate: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="A run with data.validation=0.1, to fit the temperature of probabilities on."),
    ] = None,
    reports: Annotated[
        list[str] | None,
        typer.Option(metavar="DIR", help="What `zoo reproduce --out DIR` wrote, for the card; repeatable."),
    ] = None,
    sign: Sign = None,
) -> None:
    """Publish a run as a weight, with mean and spread if you give runs of several seeds."""
    import zoo

    card: dict[str, Any] = {
        "baselines": baselines,
        "notes": note or [],
        "reports": reports or [],
        "calibrate": calibrate,
    }
    print(zoo.publish(runs, to, name=name, sign=sign, **card))


@app.command()
def pull(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME...]", help="Weights, models, or source URLs.", autocompletion=completing.names),
    ] = None,
    to: Annotated[str | None, typer.Option(metavar="DIR", help="Where to put it; the cache by default.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every weight of the sources.")] = False,
    lock: Lock = None,
) -> None:
    """Fetch weights and check them; with --lock and no name, all weights of the lock."""
    from zoo._pull import pull_all
    from zoo.errors import ZooError

    if not (names or everything or os.environ.get("ZOO_LOCK")):
        raise ZooError("there is nothing to pull; name a weight, or give --all or --lock FILE.")
    for folder in pull_all(names or (), to):
        print(folder)


@app.command()
def lock(
    names: Names = None,
    out: Annotated[str, typer.Option("-o", "--out", metavar="FILE", help="The lock file.")] = "zoo.lock",
) -> None:
    """Write down what names mean today: weight, hashes, source, license. ZOO_LOCK or --lock then uses exactly these."""
    from zoo.sources.lockfile import write_lock

    for name in write_lock(names or (), Path(out)):
        print(name)


@app.command()
def mirror(
    to: Annotated[str, typer.Option(metavar="DEST", help="A folder, or a bucket (s3://…).")],
    names: Names = None,
    sign: Sign = None,
) -> None:
    """Copy the weights that a place does not have yet; any server of static files can then serve it."""
    from zoo.publishing.mirror import mirror

    for name in mirror(names or (), to, sign=sign):
        print(name)


@app.command("import")
def import_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A .safetensors, its index.json, or a .pth.")],
    model: Annotated[
        str,
        typer.Option(metavar="NAME", help="The model that the tensors are for.", autocompletion=completing.models),
    ],
    to: Annotated[str, typer.Option("-o", "--to", metavar="DIR", help="The bundle's folder, such as mlp.mine_v1.")],
    map_: Annotated[
        list[str] | None, typer.Option("--map", metavar="FROM=TO", help="Rename what begins with FROM; repeatable.")
    ] = None,
    like: Annotated[
        str | None,
        typer.Option(
            metavar="WEIGHT",
            help="Whose labels, input transform and tokenizer it has.",
            autocompletion=completing.weights,
        ),
    ] = None,
) -> None:
    """Make a bundle of a state dict that you have; its card says that it has no recipe."""
    from zoo.publishing.importing import import_weight

    folder, renamed = import_weight(file, model, to=to, maps=map_ or (), like=like)
    for old, new in renamed.items():
        if old != new:
            print(f"{old} -> {new}")
    print(folder)
