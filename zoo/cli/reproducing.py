"""Whether a figure is true: `zoo evaluate`, `verify`, `reproduce`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from zoo.cli.options import DONE, FAILED, Device, Json, Name
from zoo.cli.output import document, facts, table

app = typer.Typer()


@app.command()
def evaluate(
    name: Annotated[str, typer.Argument(metavar="NAME|RUN", help="A weight, a model, or the folder of a run.")],
    device: Device = None,
    as_json: Json = False,
):
    """Measure a weight or a run on its recipe's test split."""
    import zoo

    found = {"name": name, "split": "test", "metrics": zoo.evaluate(name, device=device)}
    document(found) if as_json else facts(found)


@app.command()
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Weights; all of them if none.")
    ] = None,
    as_json: Json = False,
):
    """Check hashes, schema and parameter counts, and with the data at hand the published metric."""
    import zoo

    reports = []
    for name in names or zoo.list_weights():
        report = zoo.verify(name).to_dict()
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
    out: Annotated[str | None, typer.Option(metavar="DIR", help="Where to keep the runs; dropped by default.")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, metavar="N", help="Train N seeds at a time, as processes.")] = None,
    cluster: Annotated[
        str | None, typer.Option(metavar="NAME", help="Train them as a cluster's jobs: slurm, or local to try it.")
    ] = None,
    device: Device = None,
    as_json: Json = False,
):
    """Train a weight again by its own recipe and compare with what was published."""
    import zoo

    report = zoo.reproduce(name, seeds=seeds, device=device, out=out, jobs=jobs, cluster=cluster)
    document(report.to_dict()) if as_json else _verdict(report.to_dict())
    return DONE if report.verdict == "reproduced" else FAILED


def _verdict(report: dict[str, Any]) -> None:
    published, measured = report["published"], report["measured"]
    table(
        (report["metric"], "mean", "std", "seeds"),
        [
            ("published", f"{published['mean']:.4f}", f"{published['std']:.4f}", str(published["n"])),
            ("measured", f"{measured['mean']:.4f}", f"{measured['std']:.4f}", str(len(measured["seeds"]))),
        ],
    )
    print(f"{report['weight']}: {report['verdict']} (tolerance {report['tolerance']:.4f}, {report['seconds']:.0f} s)")
    if report["identical"]:
        print("Its tensors are the published ones, bit for bit.")
