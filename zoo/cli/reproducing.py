"""`zoo evaluate`, `zoo verify`, `zoo reproduce`: whether a figure is true."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from zoo.cli import completing
from zoo.cli.beforehand import announce
from zoo.cli.options import DONE, FAILED, UNDECIDED, Device, Json, Name, Place, Trust
from zoo.cli.output import document, facts, table

app: typer.Typer = typer.Typer()


@app.command()
def evaluate(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME|RUN",
            help="A weight, model, run, or ONNX file of the zoo.",
            autocompletion=completing.names,
        ),
    ],
    data: Annotated[
        str | None, typer.Option("--data", metavar="PATH", help="Labelled data of your own to measure it on.")
    ] = None,
    target: Annotated[str | None, typer.Option(metavar="COLUMN", help="Their column with the truth.")] = None,
    text: Annotated[list[str] | None, typer.Option(metavar="COLUMN", help="Their column of texts; may repeat.")] = None,
    image: Annotated[str | None, typer.Option(metavar="COLUMN", help="Their column of pictures' paths.")] = None,
    device: Device = None,
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Measure a weight or a run on its recipe's test split, or on your own labelled data."""
    if name.endswith(".onnx") and data is None:  # needs no torch
        from zoo._export.evaluating import evaluate as evaluate_file

        found = {"name": name, "split": "test", "metrics": evaluate_file(name)}
        document(found) if as_json else facts(found)
        return

    import zoo

    columns = {key: value for key, value in {"target": target, "text": text, "image": image}.items() if value}
    if data is None:
        found = {"name": name, "split": "test", "metrics": zoo.evaluate(name, device=device, trust=trust)}
        return document(found) if as_json else facts(found)
    if name.endswith(".onnx"):
        from zoo._export.evaluating import on_own as on_own_file

        measured, classes = on_own_file(name, data, columns)
    else:
        from zoo._evaluate import on_own

        measured, classes = on_own(name, data, columns, device)
    found = {"name": name, "split": "all", "data": data, "metrics": measured}
    if as_json:
        return document({**found, **({"classes": [row.to_dict() for row in classes]} if classes else {})})
    facts(found)
    if classes:
        cells = [
            (row.label, str(row.count), *(f"{value:.4f}" for value in (row.precision, row.recall, row.f1)))
            for row in classes
        ]
        table(("class", "rows", "precision", "recall", "f1"), cells)


@app.command()
def verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Weights; all of them if none.", autocompletion=completing.weights),
    ] = None,
    data: Place = None,
    key: Annotated[
        str | None, typer.Option(metavar="PUB", help="A public key (PEM) that must have signed their source.")
    ] = None,
    trust: Trust = False,
    as_json: Json = False,
) -> int:
    """Check hashes, schema and parameter counts, and if the data are at hand, the published metric."""
    import zoo

    if key:
        os.environ["ZOO_TRUST"] = key
    reports = []
    for name in names or zoo.list_weights():
        report = zoo.verify(name, data=data, trust=trust).to_dict()
        reports.append(report)
        if not as_json:
            checks = ", ".join(f"{check} {'ok' if passed else 'FAILED'}" for check, passed in report["checks"].items())
            print(f"{report['weight']}: {checks}; {report['message']}", flush=True)
    if as_json:
        document(reports)
    return DONE if all(report["ok"] for report in reports) else FAILED


@app.command()
def reproduce(
    name: Name,
    seeds: Annotated[int | None, typer.Option(min=1, metavar="K", help="Train with K seeds; one by default.")] = None,
    until_decided: Annotated[
        bool, typer.Option("--until-decided", help="Add seeds until it is decided, at most as many as published.")
    ] = False,
    minutes: Annotated[
        float, typer.Option(metavar="M", help="With --until-decided, begin no further seed after M minutes.")
    ] = 10.0,
    data: Place = None,
    out: Annotated[
        str | None, typer.Option(metavar="DIR", help="Keep the runs and the report here; by default they are deleted.")
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, metavar="N", help="Train N seeds at a time, as processes.")] = None,
    cluster: Annotated[
        str | None, typer.Option(metavar="NAME", help="Train them as a cluster's jobs: slurm, or local to try it.")
    ] = None,
    device: Device = None,
    trust: Trust = False,
    as_json: Json = False,
) -> int:
    """Train a weight again by its own recipe and compare with what was published."""
    announce("reproduce", name)
    import zoo

    report = zoo.reproduce(
        name,
        seeds=seeds,
        until_decided=until_decided,
        minutes=minutes,
        data=data,
        device=device,
        out=out,
        jobs=jobs,
        cluster=cluster,
        trust=trust,
    )
    document(report.to_dict()) if as_json else _verdict(report.to_dict())
    return {"reproduced": DONE, "not reproduced": FAILED}.get(report.verdict, UNDECIDED)


def _verdict(report: dict[str, Any]) -> None:
    from zoo.reports import picture

    published, measured = report["published"], report["measured"]
    table(
        (report["metric"], "mean", "std", "seeds"),
        [
            ("published", f"{published['mean']:.4f}", f"{published['std']:.4f}", str(published["n"])),
            ("measured", f"{measured['mean']:.4f}", f"{measured['std']:.4f}", str(len(measured["seeds"]))),
        ],
    )
    if drawn := picture(report):
        print(drawn)
    print(report["message"])


@app.command()
def report(
    places: Annotated[list[str], typer.Argument(metavar="DIR...", help="Folders that `zoo reproduce --out` wrote.")],
    as_json: Json = False,
) -> None:
    """Add up the reports of one weight from several machines."""
    from zoo.reports import read_reports, short

    found = read_reports(places)
    rows = [short(one) for one in found]
    if as_json:
        return document({"weight": found[0]["weight"], "metric": found[0]["metric"], "reports": rows})
    print(f"{found[0]['weight']}, {found[0]['metric']}")
    table(
        ("hardware", "versions", "n", "mean", "verdict"),
        [
            (
                str(row["hardware"]),
                row["versions"],
                str(row["n"]),
                f"{row['mean']:.4f}",
                row["verdict"] + (", bit for bit" if row["identical"] else ""),
            )
            for row in rows
        ],
    )
