"""The parts of a bundle that other packages brought: noted when it is trained, checked when it is used.

`plug_ins` of config.json lists them; it is absent if every part is the zoo's own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from zoo import registry
from zoo.bundles.format import Bundle
from zoo.errors import ZooError
from zoo.plugins import TABLES, Origin

LOADED = ("model",)
ANSWERS = ("model", "task", "kind of data")
"""The parts needed to load a bundle and to answer; training it again needs all that it lists."""


def require(bundle: Bundle, whats: Sequence[str] = ()) -> None:
    """Raise `ZooError`, naming the package to install, if the bundle needs one that is not here.

    `whats` are the sorts of parts to look at; all if empty.
    """
    for noted in _noted(bundle, whats):
        if _here(noted) is None and not _known(noted):
            wanted = noted.package + (f"=={noted.version}" if noted.version else "")
            # A stranger's bundle may name any package.
            how = f"if you trust its publisher, run: pip install {wanted}" if wanted else f"import {noted.module} first"
            raise ZooError(f"{_name(bundle)} needs the {noted.what} {noted.name!r} of another package; {how}.")


def differing(bundle: Bundle, whats: Sequence[str] = ()) -> list[str]:
    """A sentence for each part whose source code here differs from the one that the bundle was trained with."""
    said = []
    for noted in _noted(bundle, whats):
        found = _here(noted)
        if found is not None and found.sha256 != noted.sha256:
            said.append(
                f"the source of the {noted.what} {noted.name!r} here ({_package(found)}) is not the one that "
                f"{_name(bundle)} was trained with ({_package(noted)}); what was measured need not hold for it."
            )
    return said


def _name(bundle: Bundle) -> str:
    return bundle.name or bundle.folder.name


def _package(origin: Origin) -> str:
    return f"{origin.package or origin.module} {origin.version}".rstrip()


def _noted(bundle: Bundle, whats: Sequence[str]) -> list[Origin]:
    listed = bundle.config.get("plug_ins", [])
    if not isinstance(listed, list) or not all(map(_is_right, listed)):
        raise ZooError(f"{bundle.folder / 'config.json'}: plug_ins is {str(listed)[:60]}; publish the weight again.")
    return [Origin(**one) for one in listed if not whats or one["what"] in whats]


def _is_right(one: Any) -> bool:
    """Whether it is an object with an `Origin`'s fields, without anything that a terminal or a shell would execute."""
    return (
        isinstance(one, dict)
        and one.keys() == Origin.__dataclass_fields__.keys()
        and all(isinstance(value, str) and re.fullmatch(r"[\w .+/-]*", value) for value in one.values())
        and re.fullmatch(r"([A-Za-z0-9][A-Za-z0-9._-]*)?", one["package"]) is not None  # users will type it
        and re.fullmatch(r"[A-Za-z0-9.+!_-]*", one["version"]) is not None
    )


def _here(noted: Origin) -> Origin | None:
    if noted.what == "model":
        return registry.origin(noted.name)
    table = next((table for table in TABLES.values() if table.what == noted.what), None)
    return None if table is None else table.origin(noted.name)


def _known(noted: Origin) -> bool:
    """Whether the zoo itself now has something of that name."""
    return any(noted.name in table for table in TABLES.values() if table.what == noted.what)
