"""A static site of a zoo: a list of its weights, and a page for each, on which it runs in the visitor's browser."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from zoo.errors import ZooError

_HERE = Path(__file__).parent


def build(
    to: str | os.PathLike[str],
    *,
    source: str | os.PathLike[str] | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Path:
    """Write the site of a source's weights into the new or empty folder `to`, and return it.

    Args:
        to: the folder. It appears whole or not at all, and holds plain files: any file server shows them.
        source: a folder, `https://…` or `hf://…`; by default the weights that come with the package.
        tell: called with one line for each weight as it is done.

    Raises `ZooError` if the folder holds something already, the source cannot be read, the runtime of the browser
    cannot be fetched, and if the extra `export` is not installed.
    """
    from zoo.site.pages import write

    folder = Path(os.path.expanduser(to)).absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ZooError(f"{folder} holds something already; give a new or an empty folder.")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as scratch:
            staged = Path(scratch) / "site"
            staged.mkdir()
            write(staged, source, tell)
            if folder.exists():
                folder.rmdir()
            os.replace(staged, folder)
    except OSError as error:
        raise ZooError(f"{folder} cannot be written ({error.strerror or error}); choose another place.") from error
    return folder
