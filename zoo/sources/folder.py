"""A folder as a source: ROOT/index.json and ROOT/<weight>/FILE. The package's own bundles lie in such a folder."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from zoo.bundles.index import Entry, read_index
from zoo.errors import ZooError

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

    def fetch(self, entry: Entry, file: str, dest: Path) -> None:
        """Copy one file of a weight to `dest`, unchecked."""
        path = self.root / entry.name / file
        if not path.is_file():
            raise ZooError(f"{path} is listed in {self.root / 'index.json'} but is not there; publish the weight anew.")
        shutil.copyfile(path, dest)
