"""Pages of the documentation that are made from the code: the recipe's reference, the catalogue, the API.

mkdocs calls `on_files` (see `hooks` in mkdocs.yml). `python tools/docs_pages.py DIR` writes the same pages as files.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


def on_files(files: Any, config: Any) -> Any:
    from mkdocs.structure.files import File

    for name, text in {**pages(), **notebooks()}.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **more: Any) -> str:
    """A link to the page as a notebook, if it is one, under its title."""
    if str(page.file.src_path).replace("\\", "/").removesuffix(".md") + ".ipynb" not in notebooks():
        return markdown
    title, _, rest = markdown.partition("\n")
    return f"{title}\n\n[Download as a notebook]({Path(page.file.src_path).stem}.ipynb)\n{rest}"


@cache
def notebooks() -> dict[str, str]:
    """Name -> content of each page with Python in it as a Jupyter notebook; `$ zoo …` becomes `!zoo …`."""
    import jupytext

    found = {}
    for path in sorted((ROOT / "docs").rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        if not re.search(r"^```python$", text, re.MULTILINE) or re.search(r"_v\d+$", path.stem):
            continue  # the copy of a weight's card is no lesson

        def commands(block: re.Match[str]) -> str:
            return f"```python\n{re.sub(r'^[$] zoo ', '!zoo ', block[1], flags=re.MULTILINE)}```"

        text = re.sub(r"^```console\n(.*?)^```$", commands, text, flags=re.MULTILINE | re.DOTALL)
        notebook = jupytext.reads(text, fmt="md")
        notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
        for number, cell in enumerate(notebook.cells):
            cell["id"] = f"cell-{number}"  # jupytext draws them, and a page is to be the same each time
        found[str(path.relative_to(ROOT / "docs").with_suffix(".ipynb").as_posix())] = jupytext.writes(
            notebook, fmt="ipynb"
        )
    return found


def pages() -> dict[str, str]:
    """Name -> Markdown of each generated page."""
    return {"recipe.md": recipe(), "catalogue.md": catalogue(), "api.md": api()}


def api() -> str:
    import zoo

    return "# API reference\n\n" + "\n".join(f"::: zoo.{name}\n" for name in sorted(zoo.__all__, key=str.lower))


def catalogue() -> str:
    """Every weight with its figures, and every model with its description and source."""
    import zoo

    lines = ["# Catalogue", "", "## Weights", "", "| weight | task | data | figure | seeds | parameters |"]
    lines.append("| --- | --- | --- | --- | --- | --- |")
    for name in zoo.list_weights():
        found = zoo.info(name)
        metric, figure = next(iter(found.figures.items()))
        spread = f" ± {figure['std']:.4g}" if figure["n"] > 1 else ""
        told = f"{metric.replace('_', ' ')} {figure['mean']:.4g}{spread}"
        lines.append(f"| `{name}` | {found.task} | {found.data} | {told} | {figure['n']} | {found.num_parameters:,} |")
    lines += ["", "## Models", "", "| model | task | what it is | source |", "| --- | --- | --- | --- |"]
    for name in zoo.list_models():
        found = zoo.info(name)
        lines.append(f"| `{name}` | {found.task} | {found.description} | {found.source} |")
    return "\n".join(lines) + "\n"


def recipe() -> str:
    """Every key of a recipe with its type, its default and its meaning, from the schema."""
    from zoo.recipes import Recipe

    schema = Recipe.model_json_schema()
    lines = [
        "# Recipe reference",
        "",
        "A recipe is a YAML file. `zoo train RECIPE key.path=value` changes any key; the resolved recipe in a run's "
        "folder holds every default that bears on the run. This page is made from the schema that checks recipes.",
    ]
    seen: set[str] = set()
    for title, section in _sections("", schema, schema, seen):
        lines += ["", f"## {title}", ""]
        if said := " ".join(str(section.get("description", "")).split()):
            lines += [_escaped(said), ""]
        lines += ["| key | type | default |", "| --- | --- | --- |"]
        required = section.get("required", ())
        for key, value in section.get("properties", {}).items():
            default = "required" if key in required else f"`{value['default']}`" if "default" in value else ""
            lines.append(f"| `{key}` | {_escaped(_type(value, schema))} | {_escaped(default)} |")
    return "\n".join(lines) + "\n"


def _sections(
    path: str, section: Mapping[str, Any], schema: Mapping[str, Any], seen: set[str]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield path or "The top level", section
    for key, value in section.get("properties", {}).items():
        for name in _references(value):
            place = f"{path}.{key}" if path else key
            if f"{place}:{name}" not in seen and "properties" in schema["$defs"][name]:
                seen.add(f"{place}:{name}")
                several = len(_references(value)) > 1
                for title, found in _sections(place, schema["$defs"][name], schema, seen):
                    yield (f"{title} ({name})" if several and title == place else title), found


def _references(value: Any) -> list[str]:
    """The names of the definitions that a key's value may be."""
    if isinstance(value, dict):
        own = [value["$ref"].rpartition("/")[2]] if "$ref" in value else []
        return own + [name for key, part in value.items() if key != "discriminator" for name in _references(part)]
    return [name for part in value for name in _references(part)] if isinstance(value, list) else []


def _type(value: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    if "$ref" in value:
        return value["$ref"].rpartition("/")[2]
    for key in ("anyOf", "oneOf"):
        if key in value:
            return " or ".join(dict.fromkeys(_type(part, schema) for part in value[key]))
    if "enum" in value:
        return ", ".join(f"`{one}`" for one in value["enum"])
    if "const" in value:
        return f"`{value['const']}`"
    if value.get("type") == "array":
        return f"list of {_type(value['items'], schema)}" if isinstance(value.get("items"), dict) else "list"
    limits = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    told = "".join(f" {sign} {value[key]:g}" for key, sign in limits.items() if key in value)
    return f"{value.get('type', 'any')}{told}"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    for name, text in pages().items():
        (Path(sys.argv[1]) / name).write_text(text, encoding="utf-8", newline="\n")
