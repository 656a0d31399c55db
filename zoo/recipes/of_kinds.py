"""The sections of `data` that belong to kinds of data: made from the class that each kind gives for its settings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import MISSING, fields
from functools import cache
from typing import Any, get_type_hints

from pydantic import BaseModel, ValidationError, create_model

from zoo.errors import ZooError
from zoo.recipes.base import Strict
from zoo.recipes.explain import sentence, unknown_key


def names() -> list[str]:
    """The kinds that have a section."""
    from zoo import kinds

    return [name for name in kinds.names() if kinds.get(name).section is not None]


def section_of(kind: str) -> type[Strict]:
    """The section of a kind as a pydantic model: its fields with their types and defaults, and no key but these."""
    from zoo import kinds

    return _model(kinds.get(kind).section)


@cache
def _model(settings: Any) -> type[Strict]:
    if issubclass(settings, BaseModel):  # a plug-in may give one
        made: Any = create_model(settings.__name__, __base__=(Strict, settings))
        return made
    hints = get_type_hints(settings, include_extras=True)
    given: dict[str, Any] = {}
    for field in fields(settings):
        default = field.default if field.default_factory is MISSING else field.default_factory()
        given[field.name] = (hints[field.name], ... if default is MISSING else default)
    return create_model(settings.__name__, __base__=Strict, __doc__=settings.__doc__, **given)


def with_sections(content: dict[str, Any], known: Iterable[str]) -> dict[str, Any]:
    """The content of `data` with the section of every kind, checked. Raises `ZooError` with the key path for a key that
    is neither in `known` nor a kind's."""
    known, kinds = list(known), names()
    for key in content:
        if key not in known and key not in kinds:
            raise ZooError(unknown_key(f"data.{key}", [*known, *kinds]))
    found = {key: value for key, value in content.items() if key in known}
    for kind in kinds:
        section = section_of(kind)
        try:
            found[kind] = section.model_validate(content.get(kind, {}))
        except ValidationError as error:
            raise ZooError(sentence(error, section, under=f"data.{kind}")) from error
    return found


def add_sections(schema: dict[str, Any]) -> None:
    """Let the JSON Schema of `data` have the sections too."""
    for kind in names():
        section = section_of(kind)
        schema["properties"][kind] = {**section.model_json_schema(), "default": section().model_dump()}
    schema["additionalProperties"] = False
