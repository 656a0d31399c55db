"""Answers to inputs: `zoo predict`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from zoo.cli.options import BAD_INPUT, DONE, Device, Json, Name
from zoo.cli.output import document, facts
from zoo.display import one_line

app: typer.Typer = typer.Typer()


@app.command()
def predict(
    name: Name,
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...", help="Files, folders or globs of pictures, texts, JSON; - for standard input."
        ),
    ],
    out: Annotated[
        str | None,
        typer.Option(
            "-o", "--out", metavar="FILE", help="Write a row for each input to a .csv, .tsv, .jsonl or .parquet."
        ),
    ] = None,
    column: Annotated[
        str | None, typer.Option(metavar="NAME", help="For a file of rows: the column of texts or pictures' paths.")
    ] = None,
    text: Annotated[bool, typer.Option("--text", help="The inputs are texts, even if one names a file.")] = False,
    top: Annotated[int, typer.Option(min=1, metavar="K", help="How many labels of a classifier to give.")] = 5,
    batch_size: Annotated[int, typer.Option(min=1, metavar="N", help="Inputs in one pass through the model.")] = 64,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first input that cannot be answered.")] = False,
    as_jsonl: Annotated[
        bool, typer.Option("--jsonl", help="Print one JSON object a line, as each is answered.")
    ] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, as each is answered.")] = False,
    device: Device = None,
    as_json: Json = False,
) -> int:
    """Answer for each input: labels with their probabilities, a number, tags.

    Example: zoo predict bilstm_attn.imdb_v1 reviews.csv -o answers.csv
    """
    if name.endswith(".onnx"):  # needs no torch
        from zoo.cli.exporting import predict_file

        return predict_file(name, inputs, as_json, plain=out is None and not (as_csv or as_jsonl or strict))

    from dataclasses import replace
    from pathlib import Path

    import zoo
    from zoo.answering import answers, columns
    from zoo.answering import inputs as reading
    from zoo.data.own.reading import format_of
    from zoo.errors import ZooError

    if sum((as_json, as_jsonl, as_csv, out is not None)) > 1:
        raise ZooError("--json, --jsonl, --csv and -o are four ways to give the answers; choose one.")
    if out is not None:
        _refuse_own(out, inputs)
    every = None if out is not None or as_csv else top
    predictor = zoo.predictor(name, device=device, top=every, batch_size=batch_size)
    predictor = replace(predictor, explains=as_json or as_jsonl)  # nothing else shows it
    if column is None and any(format_of(Path(one)) for one in inputs):  # the recipe's; reading it is slow
        column = _column(predictor)
    given = reading.inputs(inputs, predictor.task.kind, text=text, column=column)
    pairs = answers.answered(predictor, given)
    if strict:
        pairs = map(_strictly, pairs)
    if out is not None:
        return _into(out, pairs, predictor)
    wrong: list[ZooError] = []
    shown = 0
    found: list[dict[str, Any]] = []
    for one, answer in pairs:
        shown += 1
        if isinstance(answer, ZooError):
            wrong.append(answer)
            content = {"input": one.name, "error": str(answer)}
        else:
            content = {"input": one.name, **answer.to_dict()}
        if as_json:
            found.append(content)
        elif as_jsonl:
            _line(content)
        elif as_csv:
            _csv_row(columns, one, answer, predictor.labels, shown == 1)
        elif not isinstance(answer, ZooError):
            _show(one.name, answer)
    if wrong and shown == 1:
        raise wrong[0]
    if not shown:
        raise ZooError("there is nothing to answer: the input is empty; give at least one.")
    if as_json:
        document(found)
    if wrong:
        raise ZooError(f"{len(wrong)} of {shown} inputs could not be answered; the first: {wrong[0]}")
    return DONE


def _refuse_own(out: str, inputs: list[str]) -> None:
    """Raise `ZooError` if the answers would overwrite their own input."""
    import os

    from zoo.errors import ZooError

    for given in inputs:
        if os.path.exists(given) and os.path.exists(out) and os.path.samefile(given, out):
            raise ZooError(f"{out} is the input itself, which the answers would replace; choose another name with -o.")


def _strictly(pair: tuple[Any, Any]) -> tuple[Any, Any]:
    from zoo.errors import ZooError

    one, answer = pair
    if isinstance(answer, Exception):
        raise answer if one.name in str(answer) else ZooError(f"{one.name}: {answer}")
    return pair


def _column(predictor: Any) -> str | None:
    """The column of texts or pictures that the weight's own recipe names, or None."""
    from yaml import YAMLError

    from zoo.recipes.reading import read_yaml

    try:
        columns = read_yaml(predictor.record.recipe)["data"]["columns"] or {}
        columns = columns if isinstance(columns, dict) else {}
    except (YAMLError, LookupError, TypeError):  # there is no recipe, or it is a stranger's
        columns = {}
    named = columns.get("image") or columns.get("text")
    named = named[0] if isinstance(named, list) and len(named) == 1 else named
    return named if isinstance(named, str) else None


def _show(name: str, answer: Any) -> None:
    print(one_line(name))
    if not hasattr(answer, "top"):
        facts(answer.to_dict(), "  ")
        return
    for one in answer.top:
        print(f"  {one.probability:7.2%}  {one_line(one.label)}")


def _line(content: dict[str, Any]) -> None:
    import json
    import sys

    print(json.dumps(content, ensure_ascii=False), file=sys.stdout, flush=True)


def _csv_row(columns: Any, one: Any, answer: Any, labels: list[str], first: bool) -> None:
    import csv
    import sys

    row = _row(columns, one, answer, labels)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    if first:
        writer.writerow(row)
    writer.writerow(row.values())


def _row(columns: Any, one: Any, answer: Any, labels: list[str]) -> dict[str, Any]:
    """One row of answers: the columns of the input (or its name), of the answer, and of the error."""
    cells = one.cells or {"input": one.name}
    failed = isinstance(answer, Exception)
    found = {} if failed else columns.columns(answer, labels)
    return {**columns.beside(cells, found), "error": str(answer) if failed else None}


def _into(out: str, pairs: Any, predictor: Any) -> int:
    """Write every answer to the file, with progress; the last line says how many inputs could not be answered."""
    import os
    import sys
    from pathlib import Path

    from zoo.answering import columns, progress, writing
    from zoo.errors import ZooError

    path = Path(os.path.expanduser(out))
    count = wrong = 0
    pending: list[tuple[Any, Any]] = []
    shape: list[str] = []
    with writing.written(path) as add, progress.counted() as tell:
        for one, answer in pairs:
            count += 1
            failed = isinstance(answer, Exception)
            wrong += failed
            if not shape and failed:
                pending.append((one, answer))  # the first good answer says which columns answers have
                continue
            for row in _rows(one, answer, predictor):
                shape = shape or list(row)
                for earlier in pending:
                    add(_shaped(_row(columns, *earlier, predictor.labels), shape))
                pending.clear()
                add(_shaped(row, shape))
            tell(count)
        for earlier in pending:
            add(_row(columns, *earlier, predictor.labels))
    if not count:
        raise ZooError("there is nothing to answer: the input is empty; give at least one.")
    said = f"{path}: {count:,} answered" if not wrong else f"{path}: {count - wrong:,} of {count:,} answered"
    more = f"; {wrong:,} have an error in its column" if wrong else ""
    print(f"{said}{more}.", file=sys.stderr)
    return DONE if wrong < count else BAD_INPUT


def _rows(one: Any, answer: Any, predictor: Any) -> list[dict[str, Any]]:
    from zoo.answering import columns

    if predictor.task.kind == "series" and not isinstance(answer, Exception):
        return [{"step": step, **row} for step, row in enumerate(columns.forecast(answer), 1)]
    return [_row(columns, one, answer, predictor.labels)]


def _shaped(row: dict[str, Any], shape: list[str]) -> dict[str, Any]:
    return {name: row.get(name) for name in shape}
