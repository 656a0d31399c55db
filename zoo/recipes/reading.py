"""YAML as a person means it."""

from __future__ import annotations

import re
from typing import Any

import yaml

DEEPEST = 50


class _Loader(yaml.SafeLoader):
    """YAML as in version 1.2 where it concerns numbers: 1e-3 is a float, which YAML 1.1 reads as a string.

    And as every version demands, but PyYAML does not: a key stands in its mapping but once. Nesting has a limit, as all
    that reads or writes a recipe is recursive.
    """

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise yaml.MarkedYAMLError(problem=f"it is nested deeper than {DEEPEST} levels")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise yaml.MarkedYAMLError(
                        problem=f"the key {key.value!r} is there twice", problem_mark=key.start_mark
                    )
                seen.add((key.tag, key.value))
        return node


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"), list("-+0123456789.")
)


def read_yaml(text: str) -> Any:
    """The value that YAML text holds. Raises `yaml.YAMLError` where it holds none."""
    return yaml.load(text, Loader=_Loader)
