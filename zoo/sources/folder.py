"""A folder as a source: ROOT/index.json and ROOT/<weight>/FILE, or ROOT/FILE for a copy of a Hub repository.

The package's own bundles lie in such a folder.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from zoo.bundles.index import TENSORS, Entry, entry_of, read_index, read_text
from zoo.errors import ZooError
from zoo.home import replacing

PACKAGE = Path(__file__).parents[1] / "pretrained"


@dataclass(frozen=True)
class Folder:
    """The source whose index is `root`/index.json. Its bundles are used where they lie."""

    root: Path

    @property
    def url(self) -> str:
        return str(self.root)

    def read_index(self) -> dict[str, Entry]:
        """The weights of the folder by name; `ZooError` where it has no index or one that cannot be used."""
        path = self.root / "index.json"
        if not path.is_file():
            raise ZooError(
                f"the source {self.root} holds no index.json; publish a weight to it or correct ZOO_SOURCES."
            )
        return read_index(path)

    def has_index(self) -> bool:
        """Whether the folder's index.json is an index, and not some other program's file of that name.

        One that is not JSON counts: it may well be an index that was damaged, and `read_index` says so.
        """
        path = self.root / "index.json"
        if not path.is_file():
            return False
        try:
            content = json.loads(read_text(path))
        except (ValueError, RecursionError):
            return True
        return isinstance(content, dict) and "weights" in content

    def folder_of(self, entry: Entry) -> Path:
        """Where the weight's files lie: in a folder of its name, or beside the index as in a repository on the Hub."""
        folder = self.root / entry.name
        return self.root if (self.root / TENSORS).is_file() and not folder.is_dir() else folder

    def fetch(self, entry: Entry, file: str, dest: Path) -> None:
        """Copy one file of a weight to `dest`, unchecked."""
        path = self.folder_of(entry) / file
        if not path.is_file():
            raise ZooError(f"{path} is listed in {self.root / 'index.json'} but is not there; publish the weight anew.")
        shutil.copyfile(path, dest)


def copy_bundle(files: Mapping[str, Path], entry: Entry, to: Path) -> Path:
    """Copy the `files` of a weight to `to`/<weight>, all or none; the same bytes there already are left as they are."""
    target = to / entry.name
    if target.exists():
        if target.is_dir() and entry_of(target, entry.name, entry.default).files == entry.files:
            return target
        raise ZooError(f"{target} exists and holds something else; remove it or choose another folder.")
    try:
        with replacing(target) as staging:
            staging.mkdir()
            for file, path in files.items():
                shutil.copyfile(path, staging / file)
            if entry_of(staging, entry.name, entry.default).files != entry.files:
                raise ZooError(f"the files of {entry.name} changed while they were copied to {to}; try again.")
    except OSError as error:
        raise ZooError(
            f"{target} cannot be written ({error.strerror or error}); free some space or choose another folder."
        ) from error
    return target
