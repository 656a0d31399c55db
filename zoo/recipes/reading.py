"""YAML read as its author means it."""

from __future__ import annotations

import re
from typing import Any

import yaml

DEEPEST = 50
MOST = 100_000
"""The most values in a document; each alias counts as all values that it stands for, because nine lines can mean a
billion."""


class _Loader(yaml.SafeLoader):
    """YAML 1.2's core schema, where 010 is ten, 1e-3 is a number, and 1:30, no, on, 1_000 and dates are text.

    PyYAML reads version 1.1, where they are 8, text, 90, false, true, 1000 and dates. A key may occur only once in
    its mapping, as every version demands but PyYAML does not check. Nesting is limited, because the code that reads
    and writes recipes is recursive.
    """

    yaml_implicit_resolvers = {"<": yaml.SafeLoader.yaml_implicit_resolvers["<"]}  # a merge, which people use
    depth = 0
    sizes: dict[int, int] | None = None

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise yaml.MarkedYAMLError(problem=f"it is nested deeper than {DEEPEST} levels")
        node = super().compose_node(parent, index)
        self.depth -= 1
        if node is not None:
            self._count(node)
        return node

    def _count(self, node: yaml.Node) -> None:
        """Note how many values a node holds. Its inner nodes were counted before; an alias is the same node."""
        if self.sizes is None:
            self.sizes = {}
        inside = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
        held = [self.sizes.get(id(part), 1) for part in inside] if isinstance(inside, list) else []
        self.sizes[id(node)] = 1 + sum(held)
        if self.sizes[id(node)] > MOST:
            raise yaml.MarkedYAMLError(problem=f"it holds more than {MOST:,} values", problem_mark=node.start_mark)

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


class _Dumper(yaml.SafeDumper):
    """Quotes any text that one of the versions would read as something else."""


_CORE = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
)
"""(tag, pattern of its texts, their first characters): YAML 1.2.2, section 10.3.2."""

for _tag, _pattern, _first in _CORE:
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^({_pattern})$"), _first)


def _whole(loader: _Loader, node: yaml.ScalarNode) -> int:
    text = node.value
    try:
        return int(text[2:], {"0o": 8, "0x": 16}[text[:2]]) if text[:2] in ("0o", "0x") else int(text)
    except ValueError as error:  # more digits than Python reads
        raise yaml.MarkedYAMLError(
            problem=f"a number has too many digits ({len(text)})", problem_mark=node.start_mark
        ) from error


def _real(loader: _Loader, node: yaml.ScalarNode) -> float:
    return float(node.value.lower().replace(".inf", "inf").replace(".nan", "nan"))


def _text(loader: _Loader, node: yaml.ScalarNode) -> str:
    try:
        node.value.encode("utf-8", "surrogateescape")  # this is how bytes of a file name that is not UTF-8 appear
    except UnicodeEncodeError as error:
        raise yaml.MarkedYAMLError(
            problem="a text holds an unpaired surrogate", problem_mark=node.start_mark
        ) from error
    return node.value


_Loader.add_constructor("tag:yaml.org,2002:str", _text)
_Loader.add_constructor("tag:yaml.org,2002:int", _whole)
_Loader.add_constructor("tag:yaml.org,2002:float", _real)


def read_yaml(text: str) -> Any:
    """The value that YAML text holds. Raises `yaml.YAMLError` if it holds none."""
    return yaml.load(text, Loader=_Loader)


def write_yaml(content: Any) -> str:
    """YAML text that every reader, of version 1.1 or 1.2, reads as `content`; keys in their order."""
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
