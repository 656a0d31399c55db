"""What pydantic found wrong with a recipe, in one sentence for the recipe's author."""

from __future__ import annotations

import difflib
import re
from typing import Any

from pydantic import BaseModel, ValidationError

from zoo.parts import LOSSES, OPTIMIZERS, SCHEDULES
from zoo.plugins import Table

TABLES: dict[str, Table[Any]] = {"loss": LOSSES, "optimizer": OPTIMIZERS, "schedule": SCHEDULES}
"""The sections that have several sorts; their `name` says which."""


def explain(error: ValidationError, where: str, section: type[BaseModel]) -> str:
    """One sentence: `where`, the key path, what was expected, and for an unknown key the nearest of `section`."""
    return f"{where}: {sentence(error, section)}"


def sentence(error: ValidationError, section: type[BaseModel], under: str = "") -> str:
    """Like `explain`, without the place; `under` is the key path of the section."""
    # A misspelt key also makes the right one missing; reporting the misspelling helps the user more.
    first, *more = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    loc, kind, given = first["loc"], first["type"], first["input"]
    # If a section has several sorts, the sort's name is in pydantic's location, but not in the file.
    several = bool(not under and loc and loc[0] in TABLES)
    place = [str(part) for part in (loc[:1] + loc[2:] if several else loc) if part != "[key]"]
    path = ".".join([under, *place] if under else place) or "the recipe"
    rest = f" ({len(more)} more)" if more else ""
    if kind == "extra_forbidden":
        return unknown_key(path, _keys_beside(loc, section.model_json_schema()), rest)
    if kind in ("missing", "union_tag_not_found"):
        return f"{path}{'.name' if kind != 'missing' else ''} is missing{rest}; add it."
    if kind == "union_tag_invalid":
        table = TABLES[str(loc[0])]
        names = [*table.own, *table]  # `table` also holds those of plug-ins
        near = difflib.get_close_matches(str(given["name"]), names, n=1, cutoff=0.6)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        told = ", ".join(map(repr, names))
        return f"{path}.name should be one of {told}, not {given['name']!r}{rest}{hint}"
    expected = re.sub(r"^(Value error, |Input |List |Keys )|( after validation.*)$", "", first["msg"])
    if kind in ("dict_type", "model_type", "model_attributes_type"):
        expected = "should be a mapping of keys to values"
    return f"{path} {expected}, not {given!r}{rest}."


def unknown_key(path: str, known: list[str], rest: str = "") -> str:
    """The message for an unknown key, with the known ones."""
    near = difflib.get_close_matches(path.rpartition(".")[2], known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known there: {', '.join(known)}."
    return f"unknown key {path}{rest}; {hint}"


def _keys_beside(loc: tuple[int | str, ...], schema: dict[str, Any]) -> list[str]:
    """The keys that the schema knows at the place of `loc`'s last part."""
    node = schema
    for part in loc[:-1]:
        node = _resolve(schema, node, str(part))
    return list(node.get("properties", {}))


def _resolve(schema: dict[str, Any], node: dict[str, Any], part: str) -> dict[str, Any]:
    if "oneOf" in node:
        tags = node.get("discriminator", {}).get("mapping", {})
        child = {"$ref": tags.get(part, f"#/$defs/{part}")}
    elif part.isdigit():
        child = node.get("items", {})
    else:
        child = node.get("properties", {}).get(part, {})
    for option in child.get("anyOf", []):
        if "$ref" in option or "items" in option:
            child = option
    return schema["$defs"][child["$ref"].rsplit("/", 1)[-1]] if "$ref" in child else child
