"""`zoo data check`: what a data set holds and what is wrong with it."""

from __future__ import annotations

from typing import Annotated

import typer

from zoo.cli.options import DONE, FAILED, Json
from zoo.cli.output import document, table


def data_check(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="A data set, file:PATH, imagefolder:PATH, a path.")],
    settings: Annotated[
        list[str] | None, typer.Argument(metavar="[key.path=value]...", help="Such as data.columns.target=price.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Count what a data set holds, and look for what spoils a training or a figure.

    Example: zoo data check reviews.csv data.columns.text=review data.columns.target=stars
    """
    from zoo import registry, tasks
    from zoo.data.checking import check
    from zoo.errors import ZooError
    from zoo.recipes.reading import read_yaml

    chosen = {}
    for setting in settings or []:
        key, equals, value = setting.partition("=")
        if not equals or not (key == "model" or key.startswith(("data.columns.", "data.split."))):
            raise ZooError(f"{setting!r} is not a setting of data; give data.columns.…=, data.split.…= or model=.")
        chosen[key] = read_yaml(value)
    model = chosen.pop("model", None)
    found = check(address, chosen, task=None if model is None else tasks.get(registry.get(str(model)).task))
    if as_json:
        document(found.to_dict())
        return DONE if found.ok else FAILED
    print(f"{found.address}: {found.rows:,} rows of {found.kind} data")
    for line in found.told:
        print(f"  {line}")
    if found.columns:
        table(("column", "type"), list(found.columns.items()))
    if found.labels:
        table(("label", "rows"), [(label, f"{count:,}") for label, count in found.labels.items()])
    for finding in found.findings:
        print(f"{finding.check}: {finding.message}")
    if found.ok:
        print("nothing was found to be wrong.")
    return DONE if found.ok else FAILED
