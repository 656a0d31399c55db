"""The pages of a site, from templates; every text from a bundle is escaped."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zoo.site.collect import Weight, weight
from zoo.site.runtime import runtime
from zoo.site.trying import prepare

HERE = Path(__file__).parent


def write(folder: Path, source: str | os.PathLike[str] | None, tell: Callable[[str], None]) -> None:
    """Write every file of the site into `folder`, which exists and is empty."""
    from zoo.sources import cache
    from zoo.sources.finding import Found, fetched
    from zoo.sources.folder import PACKAGE, Folder
    from zoo.sources.place import at

    place = Folder(PACKAGE) if source is None else at(os.fspath(source))
    index = cache.read_index(place)
    shutil.copytree(HERE / "static", folder, dirs_exist_ok=True)
    (folder / "runtime").mkdir()
    for file in runtime():
        shutil.copyfile(file, folder / "runtime" / file.name)
    pages: list[Weight] = []
    for name in sorted(index.names):
        entry = index.get(name)
        assert entry is not None  # the index just named it
        bundle = fetched(Found(place, entry))
        own = folder / entry.name
        own.mkdir()
        shown = dataclasses.replace(weight(bundle), **prepare(bundle, own))
        for _, file in shown.pictures:
            shutil.copyfile(bundle.path(file), own / file)
        pages.append(shown)
        tell(shown.name)
    common = _common(len(pages), "the zoo" if source is None else place.url)
    for shown in pages:
        _page(folder / shown.name / "index.html", "weight.html", common, root="../", w=shown, title=shown.name)
    _page(
        folder / "index.html",
        "index.html",
        common,
        root="",
        weights=pages,
        title=common["heading"],
        tasks=sorted({shown.task for shown in pages}),
        datas=sorted({shown.data for shown in pages}),
    )


def _common(count: int, heading: str) -> dict[str, Any]:
    import zoo

    said = "Small PyTorch networks with the recipes that grow them again, each running in your browser."
    return {"count": count, "heading": heading, "version": zoo.__version__, "description": said}


def _page(path: Path, template: str, common: dict[str, Any], **content: Any) -> None:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    pages = Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    path.write_text(pages.get_template(template).render({**common, **content}), encoding="utf-8", newline="\n")
