"""Tables of names: models, losses, data sets and everything else that other packages may bring.

A package brings its own things by an entry point of the table's group (`zoo.models`, `zoo.losses`, …) that names a
module; importing the module registers them. A script registers its own directly. Nothing is imported before a name is
looked up, and a plug-in that fails is left out with a warning, so that it does not harm the others.
"""

from __future__ import annotations

import hashlib
import inspect
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import (
    EntryPoint,
    EntryPoints,
    PackageNotFoundError,
    distributions,
    entry_points,
    version,
)
from pathlib import Path
from typing import Any, Generic, TypeVar

from zoo.errors import ZooError, unknown
from zoo.names import MODEL_NAME, natural

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

TABLES: dict[str, Table[Any]] = {}
"""Every table by its group of entry points."""

_lock = threading.RLock()  # re-entrant: a plug-in may look up a name while it is being imported


class Table(MutableMapping[str, T], Generic[T]):
    """The things of one sort by name: first the zoo's own, then those of plug-ins.

    Args:
        what: the word for one of them in messages, such as "model".
        group: the group of entry points.
        own: names of the zoo's own things that are known before the things are loaded.
        load: registers the zoo's own; it is called before anything is looked up or registered from outside.
    """

    def __init__(
        self, what: str, group: str, own: Sequence[str] = (), load: Callable[[], object] = lambda: None
    ) -> None:
        self.what = what
        self.group = group
        self.own: tuple[str, ...] = tuple(own)
        self.load: Callable[[], object] = load
        self.makers: dict[str, Callable[..., Any]] = {}  # what was registered, to find its source
        self._things: dict[str, T] = {}
        self._loaded = self._own_loaded = False
        TABLES[group] = self

    def begin(self, load: Callable[[], object]) -> None:
        """Set how the zoo's own are registered, for a table in a module that must not import them."""
        self.load, self._own_loaded = load, False

    def register(self, name: str, thing: T, maker: Callable[..., Any]) -> None:
        """Put a thing into the table. Raises `ZooError` if the name is taken, or cannot be part of a file's name."""
        if not re.fullmatch(MODEL_NAME, name):
            a = "an" if self.what[0] in "aeiou" else "a"
            raise ZooError(
                f"{name!r} cannot name {a} {self.what}; use letters, digits, _ and -, such as name='my_own'."
            )
        if not _is_ours(maker):
            self._load_own()  # so that a name of the zoo's own is refused, whatever is registered first
            if name in self.own:
                raise ZooError(f"{self.what} {name!r} is one of the zoo's own; choose another name.")
        if name in self._things:
            by = module_of(self.makers.get(name))
            raise ZooError(f"{self.what} {name!r} is already registered by {by}; choose another name.")
        self._things[name], self.makers[name] = thing, maker

    def find(self, name: str) -> T:
        """The thing of that name; `ZooError` with the nearest three names if it does not exist."""
        if name not in self:
            raise unknown(self.what, name, self.names())
        return self._things[name]

    def outside(self, name: str) -> T | None:
        """The thing of that name if it is a plug-in's; None if it is the zoo's own, or unknown."""
        if name in self.own or name not in self or _is_ours(self.makers.get(name)):
            return None
        return self._things[name]

    def origin(self, name: str) -> Origin | None:
        """The origin of the thing of that name; None if it is the zoo's own, or unknown."""
        return None if self.outside(name) is None else origin(self.what, name, self.makers[name])

    def names(self) -> list[str]:
        """All names in natural order."""
        self._load()
        return sorted({*self.own, *self._things}, key=natural)

    def __contains__(self, name: object) -> bool:
        self._load_own()
        if name not in self._things:  # for the zoo's own no plug-in need be imported
            self._load()
        return name in self._things

    def __getitem__(self, name: str) -> T:
        if name not in self:
            raise KeyError(name)
        return self._things[name]

    def __setitem__(self, name: str, thing: T) -> None:
        self._things[name] = thing

    def __delitem__(self, name: str) -> None:
        del self._things[name]
        self.makers.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(self._things)

    def __len__(self) -> int:
        self._load()
        return len(self._things)

    def _load_own(self) -> None:
        with _lock:
            if not self._own_loaded:
                self._own_loaded = True
                self.load()

    def _load(self) -> None:
        with _lock:  # taken every time: another thread may be loading them
            self._load_own()
            if self._loaded:
                return
            self._loaded = True
            for point in _points(self.group, tuple(sys.path)):
                _load_plug_in(point)


@dataclass(frozen=True)
class Origin:
    """The origin of a plug-in's thing: `what` it is, its package with the version, its module, and the SHA-256 of
    that module's source; unknown fields are ""."""

    what: str
    name: str
    package: str
    version: str
    module: str
    sha256: str


def origin(what: str, name: str, maker: Callable[..., Any]) -> Origin:
    """The origin of `maker`, a function or class."""
    module = module_of(maker)
    package, its_version = _distribution(module.partition(".")[0], tuple(sys.path))
    source = ""
    with suppress(OSError, TypeError):  # typed into a console, or of a module without a file
        text = Path(inspect.getsourcefile(maker) or "").read_bytes()
        source = hashlib.sha256(text.replace(b"\r\n", b"\n")).hexdigest()
    return Origin(what, name, package, its_version, module, source)


@lru_cache(maxsize=256)
def _distribution(top: str, path: tuple[str, ...]) -> tuple[str, str]:
    """Name and version of the package that a top-level module was installed with; "" for a script's own."""
    for group in TABLES:
        for point in _points(group, path):
            if point.module.partition(".")[0] == top and point.dist is not None:
                return point.dist.name, point.dist.version
    with suppress(PackageNotFoundError):  # most packages have the name of their module
        return top, version(top)
    # Not packages_distributions, which reads the list of all files of all packages: seconds with torch among them.
    for found in distributions():
        if top in (found.read_text("top_level.txt") or "").split():
            return found.name, found.version
    return "", ""


@contextmanager
def temporary() -> Iterator[None]:
    """Things registered while the body runs are removed afterwards; new packages on the path are found.

    For tests of a plug-in.
    """
    for table in TABLES.values():
        table._load_own()
    before = {
        group: (dict(table._things), dict(table.makers), table._loaded, table.load) for group, table in TABLES.items()
    }
    for table in TABLES.values():
        table._loaded = False
    try:
        yield
    finally:
        for group, table in TABLES.items():
            if group in before:
                things, makers, table._loaded, load = before[group]
                table._own_loaded = table.load is load
            else:  # its module was first imported meanwhile
                ours = [name for name in table._things if _is_ours(table.makers.get(name))]
                things = {name: table._things[name] for name in ours}
                makers = {name: table.makers[name] for name in ours if name in table.makers}
                table._loaded = False
            table._things, table.makers = things, makers


def module_of(maker: Callable[..., Any] | None) -> str:
    """The module in which a function or class was written."""
    return getattr(maker, "__module__", None) or "the zoo"


def _is_ours(maker: Callable[..., Any] | None) -> bool:
    """Whether the zoo itself registered it; the zoo registers some things without a function."""
    return maker is None or module_of(maker).partition(".")[0] == "zoo"


@lru_cache(maxsize=64)
def _points(group: str, path: tuple[str, ...]) -> EntryPoints:
    """The entry points of a group, of all packages on the path; reading them is slow."""
    return entry_points(group=group)


def _load_plug_in(point: EntryPoint) -> None:
    before = {(group, name) for group, table in TABLES.items() for name in table._things}
    try:
        point.load()
    except (
        Exception,
        SystemExit,
    ) as error:  # a plug-in may raise anything
        # Things that the module registered before it failed are removed. Those of modules that it imported stay:
        # Python imports each module only once, so they could not register again.
        for group, table in TABLES.items():
            for name in [name for name in table._things if (group, name) not in before]:
                if module_of(table.makers.get(name)) not in sys.modules:
                    del table[name]
        why = f"{type(error).__name__}: {error}"
        warnings.warn(f"the {point.group} plug-in {point.name!r} ({point.value}) was left out: {why}", stacklevel=4)
