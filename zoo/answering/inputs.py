"""The inputs in an argument of the command line: a text, a file of rows, a folder of pictures, standard input."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo import foreign
from zoo.answering import stream
from zoo.data.own import plain
from zoo.data.own.reading import format_of
from zoo.data.words import SEPARATOR
from zoo.errors import ZooError, some, unknown

TEXTS = ("text", "sentence", "review", "content", "question", "message")
PICTURES = ("image", "path", "file", "filename", "file_name", "picture")


@dataclass(frozen=True)
class Input:
    """One raw input. `name` is its name in an answer; `cells` is the file's row from which it is taken.

    A `fault` is an input that could not even be read.
    """

    name: str
    raw: Any
    cells: dict[str, Any] = field(default_factory=dict)
    fault: ZooError | None = None


def inputs(given: Iterable[str], kind: str, *, text: bool = False, column: str | None = None) -> Iterator[Input]:
    """Every raw input of the arguments, in order, read when it is needed.

    Args:
        given: a path that exists is a file (or a folder or glob of pictures) for every kind of data; `-` is standard
            input, one input a line; anything else is a raw input itself.
        kind: the kind of data that the model reads.
        text: if true, no argument is a path.
        column: in a file of rows, the column of texts or of pictures' paths.

    Raises `ZooError` at a file that cannot be read, after the inputs before it.
    """
    for one in given:
        if text:
            yield Input(one, one)
        elif one == "-":
            yield from _lines(sys.stdin, kind)
        elif os.path.isfile(one):
            yield from of_file(Path(one), kind, column)
        elif kind == "image" and (found := foreign.pictures(one)):
            for path in found:
                yield from of_file(Path(path), kind, column)
        elif os.path.isdir(one):
            raise ZooError(f"{one} is a folder; give the path of a file.")
        else:
            yield from _itself(one, kind)


def of_file(path: Path, kind: str, column: str | None = None) -> Iterator[Input]:
    """The raw inputs of one file: its rows, its lines, its sentences, or the file itself."""
    if kind == "series" or (kind == "image" and format_of(path) is None):
        yield Input(str(path), str(path))
    elif kind == "table" and format_of(path) is None:
        yield from _json(path)
    elif format_of(path) is not None:
        yield from _rows(path, kind, column)
    elif kind == "characters":
        yield Input(str(path), plain.content(path).removesuffix("\n"))
    elif path.name.removesuffix(".gz").endswith((".conllu", ".conll-u", ".conll")):
        yield from _sentences(path)
    else:
        for number, line in enumerate(plain.lines(path), 1):
            if line.strip():
                yield Input(f"{path}:{number}", line, {"text": line})


def column_of(names: list[str], kind: str, where: str, column: str | None = None) -> str:
    """The column that holds the texts or the pictures' paths. Raises `ZooError` if that is not clear."""
    if column is not None:
        if column not in names:
            raise ZooError(f"{where}: {unknown('column', column, names)}")
        return column
    usual = [name for name in names if name.lower() in (PICTURES if kind == "image" else TEXTS)]
    if len(usual) == 1 or len(names) == 1:
        return usual[0] if usual else names[0]
    what = "pictures' paths" if kind == "image" else "texts"
    raise ZooError(f"{where}: which column holds the {what}? Say it with --column: {some(names, 20)}.")


def _rows(path: Path, kind: str, column: str | None) -> Iterator[Input]:
    name = None if kind == "table" else column_of(stream.columns(path), kind, str(path), column)
    for row in stream.rows(path):
        if name is None or row.fault is not None:
            yield Input(row.where, row.cells, row.cells, row.fault)
            continue
        value = row.cells.get(name)
        if not isinstance(value, str):
            fault = ZooError(f"{row.where}: {name} is {value!r} where text is expected; fill it in.")
            yield Input(row.where, value, row.cells, fault)
        elif kind == "image":
            yield _picture(path, row, value)
        else:
            yield Input(row.where, value, row.cells)


def _picture(path: Path, row: stream.Row, cell: str) -> Input:
    inside = os.path.normpath(cell.strip())
    if not cell.strip() or os.path.isabs(inside) or inside.split(os.sep)[0] == os.pardir:
        fault = ZooError(f"{row.where}: the path {cell!r} leads out of the folder of the file; give one below it.")
        return Input(row.where, cell, row.cells, fault)
    return Input(row.where, str(path.parent / inside), row.cells)


def _sentences(path: Path) -> Iterator[Input]:
    """The sentences of a CoNLL-U file, split into words as in the file."""
    words: list[str] = []
    first = 1
    for number, line in enumerate([*plain.lines(path), ""], 1):
        cells = line.split("\t")
        if not line.strip():
            if words:
                yield Input(f"{path}:{first}", SEPARATOR.join(words) if len(words) > 1 else f"{words[0]}{SEPARATOR}")
            words, first = [], number + 1
        elif not line.startswith("#") and cells[0].isdigit():
            if len(cells) < 2:
                raise ZooError(f"{path}:{number} is not a line of CoNLL-U; put tabs between its columns.")
            words.append(cells[1])


def _json(path: Path) -> Iterator[Input]:
    """The rows of a JSON file: one object, or a list of them."""
    try:
        content = json.loads(plain.content(path))
    except (ValueError, RecursionError) as error:
        raise ZooError(f"{path} is not a CSV, TSV, JSONL, Parquet or JSON file; give rows in one of these.") from error
    found = content if isinstance(content, list) else [content]
    if not found:
        raise ZooError(f"{path} holds no rows; give at least one object.")
    for number, cells in enumerate(found, 1):
        if isinstance(cells, dict):
            yield Input(f"{path}, row {number}", cells, cells)
        else:
            fault = ZooError(f"{path}, row {number} is not a JSON object; give pairs of column and value.")
            yield Input(f"{path}, row {number}", cells, {}, fault)


def _lines(file: Any, kind: str) -> Iterator[Input]:
    if file is None:
        raise ZooError("standard input is closed; give the inputs as arguments, or pipe them in.")
    for line in file:
        line = line.rstrip("\r\n")
        if line.strip():
            yield from _itself(line, kind)


def _itself(text: str, kind: str) -> Iterator[Input]:
    if kind != "table":
        yield Input(text, text)
        return
    if not text.lstrip().startswith(("{", "[")):
        raise ZooError(f"there is no file {text[:200]}; give the path of a file of rows, or a JSON object.")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ZooError(f"the row {text[:40]!r} is not JSON ({error}); give pairs of column and value.") from error
    for cells in content if isinstance(content, list) else [content]:
        if not isinstance(cells, dict):
            raise ZooError(f"the row {json.dumps(cells)[:40]!r} is not a JSON object; give pairs of column and value.")
        yield Input(text if isinstance(content, dict) else json.dumps(cells), cells, cells)
