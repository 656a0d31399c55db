"""The pictures below a folder, each found once, whatever the links between folders."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from zoo.foreign import FORMATS

EXTENSIONS: frozenset[str] = frozenset(ending for endings in FORMATS.values() for ending in endings)
"""The endings of files that are read as pictures, in upper or lower case; of several pictures in a file the first is
read."""


@dataclass
class Found:
    """Paths in the order of folders and names; `links` are links to folders that were not followed."""

    pictures: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)


def is_picture(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in EXTENSIONS


def leads_inside(link: Path, root: Path) -> bool:
    """Whether a link leads to a folder that is read anyway: inside `root`, or one that holds `root`."""
    if not link.is_symlink():
        return False
    to, here = Path(os.path.realpath(link)), Path(os.path.realpath(root))
    return to == here or here in to.parents or to in here.parents


def walk(folder: Path, root: Path) -> Found:
    """All files below `folder`, which lies in the tree `root`; what is hidden is left out.

    A link to a folder is followed only if that folder lies outside the tree, and only once: otherwise every picture
    would count twice, or the walk would never end.
    """
    found, seen, places = Found(), {os.path.realpath(folder)}, [str(folder)]
    folders: list[tuple[str, list[str]]] = []
    while places:
        place = places.pop()
        names = []
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if not entry.is_dir():
                    names.append(entry.name)
                elif entry.is_symlink():
                    real = os.path.realpath(entry.path)
                    if leads_inside(Path(entry.path), root) or real in seen:
                        found.links.append(entry.path)
                        continue
                    seen.add(real)
                    places.append(entry.path)
                else:
                    places.append(entry.path)
        folders.append((place, names))
    for place, names in sorted(folders):
        for name in sorted(names):
            (found.pictures if is_picture(name) else found.others).append(os.path.join(place, name))
    return found
