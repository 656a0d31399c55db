"""The sections of a recipe that belong to parts of other packages (`zoo.parts`): made from their arguments' types."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any, Literal

from pydantic import ValidationError, WrapValidator, create_model
from pydantic.errors import PydanticUserError

from zoo.errors import ZooError
from zoo.parts import Part, arguments
from zoo.plugins import Table, module_of
from zoo.recipes.base import Strict
from zoo.recipes.explain import sentence


def plugged(table: Table[Part], key: str, base: type[Strict] = Strict) -> WrapValidator:
    """Reads the section `key` with the settings of the plug-in that it names, if it names one."""

    def validate(value: Any, usual: Callable[[Any], Any]) -> Any:
        name = value.get("name") if isinstance(value, dict) else getattr(value, "name", None)
        part = table.outside(name) if isinstance(name, str) else None
        return usual(value) if part is None else read(part, base, key, value)

    return WrapValidator(validate)


def read(part: Part, base: type[Strict], key: str, value: Any, named: bool = True) -> Strict:
    """The section of a part; `named` if it holds the part's name. Raises `ZooError` with the key path."""
    section = section_of(part, base, named)
    if isinstance(value, section):
        return value
    try:
        return section.model_validate(value)
    except ValidationError as error:
        raise ZooError(sentence(error, section, under=key)) from error


@cache
def section_of(part: Part, base: type[Strict], named: bool) -> type[Strict]:
    """The part's own section, in addition to the keys that all parts of its sort have."""
    name: dict[str, Any] = {"name": (Literal[part.name], ...)} if named else {}
    where = f"{part.name} of {module_of(part.make)}"
    if taken := sorted(arguments(part).keys() & {*name, *base.model_fields}):
        raise ZooError(f"the setting {taken[0]!r} of {where} has a meaning in every recipe; give it another name.")
    try:
        if part.section is not None:
            return create_model(part.section.__name__, __base__=(part.section, base), **name)
        fields: dict[str, Any] = {**name, **arguments(part)}
        return create_model(part.name, __base__=base, __doc__=inspect.getdoc(part.make), **fields)
    except (PydanticUserError, TypeError) as error:
        why = str(error).splitlines()[0]
        raise ZooError(
            f"the settings of {where} cannot stand in a recipe ({why}); give section=, a pydantic model."
        ) from error
