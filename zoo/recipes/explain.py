"""What pydantic found wrong with a recipe, said in one sentence to the one who wrote it."""

from __future__ import annotations

import difflib
import re
from typing import Any

from pydantic import ValidationError


def explain(error: ValidationError, where: str, schema: dict[str, Any]) -> str:
    """One sentence: `where`, the key path, what was expected, and for an unknown key the nearest of `schema`."""
    # A misspelt key makes the right one missing as well; the misspelling is what tells the user more.
    first, *more = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    loc, kind, given = first["loc"], first["type"], first["input"]
    # The name of what is one of several stands in pydantic's location, but not in the file.
    several = loc[0] in ("loss", "optimizer", "schedule")
    place = [str(part) for part in (loc[:1] + loc[2:] if several else loc) if part != "[key]"]
    path = ".".join(place) or "the recipe"
    rest = f" ({len(more)} more)" if more else ""
    if kind == "extra_forbidden":
        known = _keys_beside(loc, schema)
        near = difflib.get_close_matches(place[-1], known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known there: {', '.join(known)}."
        return f"{where}: unknown key {path}{rest}; {hint}"
    if kind in ("missing", "union_tag_not_found"):
        return f"{where}: {path}{'.name' if kind != 'missing' else ''} is missing{rest}; add it."
    if kind == "union_tag_invalid":
        names = first.get("ctx", {})["expected_tags"]
        return f"{where}: {path}.name should be one of {names}, not {given['name']!r}{rest}."
    expected = re.sub(r"^(Value error, |Input |List |Keys )|( after validation.*)$", "", first["msg"])
    if kind in ("dict_type", "model_type", "model_attributes_type"):
        expected = "should be a mapping of keys to values"
    return f"{where}: {path} {expected}, not {given!r}{rest}."


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
