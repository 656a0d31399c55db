"""Who may import whom, and what an import costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import forked
import pytest

import zoo

ROOT = Path(__file__).parents[1]
HEAVY = (
    *("torchvision", "timm", "accelerate", "torchmetrics", "pydantic", "huggingface_hub", "sklearn", "matplotlib"),
    *("numpy", "yaml", "tokenizers", "typer", "rich"),
)
GROUND = {
    *("errors", "display", "names", "plugins", "parts", "home", "integrity", "environment", "caller", "draws"),
    *("limits", "process", "streams", "tensors"),
}
# The lower layers, each with those it may import beside the ground floor.
LAYERS = {
    **{name: set[str]() for name in sorted(GROUND)},  # in one order in each process of pytest-xdist
    "registry": {"registry", "models"},  # it imports the models when a name is first looked up
    "construct": {"registry", "construct"},
    "init": {"init"},
    "nn": {"nn"},
    "models": {"registry", "init", "nn", "models"},
    "bundles": {"registry", "construct", "init", "nn", "models", "bundles"},
    "_create": {"registry", "construct", "init", "bundles", "models", "sources", "_create"},
}
ALSO = {"home": {"filelock"}, "models": {"timm"}}  # each imported by one function


# The upper rooms, each with those it may import at run time: no arrow leads from a lower one to those that train.
ROOMS = {
    "cells": set[str](),
    "decoding": set[str](),
    "sources": {"bundles", "models", "registry"},
    "foreign": set(),
    "kinds": {"cells", "data", "decoding", "foreign", "models", "timed"},
    "tasks": {"data", "nn", "registry"},
    "data": {"cells", "decoding", "foreign", "sources", "timed", "wording"},
    "check": {"bundles", "construct", "kinds", "registry", "tasks"},
    "recipes": {"bundles", "data", "init", "kinds", "registry", "tasks"},
    "baselines": {"bundles", "data", "kinds", "tasks"},
    "training": {
        *(
            "baselines",
            "bundles",
            "catalog",
            "check",
            "construct",
            "data",
            "init",
            "kinds",
            "nn",
            "recipes",
            "registry",
        ),
        *("sources", "tasks"),
    },
}
EVERYTHING = {"answering", "publishing", "viz", "cli", "_export", "site"}  # may import whatever it uses


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)


def files(layer: str) -> list[Path]:
    folder = ROOT / "zoo" / layer
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]


def imported(path: Path) -> set[str]:
    """Every module that a file imports, at its top or inside a function; of `from a import b` both a and a.b."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize(
    "path", [path for layer in LAYERS for path in files(layer)], ids=lambda p: str(p.relative_to(ROOT))
)
def test_a_lower_layer_needs_only_torch_safetensors_and_what_is_below(path: Path) -> None:
    layer = path.relative_to(ROOT / "zoo").parts[0].removesuffix(".py")
    allowed = LAYERS[layer] | GROUND
    for name in imported(path):
        top, *rest = name.split(".")
        if top == "zoo":
            # environment reads zoo.__version__
            assert (not rest and layer == "environment") or (rest and rest[0] in allowed), f"{path} imports {name}"
        else:
            assert top in {"torch", "safetensors", *ALSO.get(layer, ())} or top in sys.stdlib_module_names, (
                f"{path} imports {name}"
            )


def at_run_time(path: Path) -> set[str]:
    """As `imported`, without what is there for type checkers alone."""
    found = set()

    def walk(node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
                continue
            if isinstance(child, ast.Import):
                found.update(alias.name for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                found.update(f"{child.module}.{alias.name}" for alias in child.names)
            walk(child)

    walk(ast.parse(path.read_text(encoding="utf-8")))
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    for path in files(room):
        for name in at_run_time(path):
            top, *rest = name.split(".")
            allowed = ROOMS[room] | GROUND | {room, "__version__"}
            assert top != "zoo" or not rest or rest[0] in allowed, f"{path} imports {name}"


def test_no_room_imports_itself_through_others() -> None:
    """But for the registry, which imports the models when a name is first looked up."""
    rooms: dict[str, set[str]] = {}
    for path in sorted((ROOT / "zoo").rglob("*.py")):
        room = path.relative_to(ROOT / "zoo").parts[0].removesuffix(".py")
        names = (name.split(".") for name in at_run_time(path))
        rooms.setdefault(room, set()).update(name[1] for name in names if name[0] == "zoo" and len(name) > 1)
    rooms = {room: others - {room} for room, others in rooms.items() if not room.startswith("__")}
    assert "models" in rooms["registry"] and "registry" in rooms["models"]
    rooms["registry"].remove("models")
    TopologicalSorter(rooms).prepare()  # raises for a circle, and names it


def test_every_folder_has_a_row() -> None:
    folders = {path.parent.name for path in (ROOT / "zoo").glob("*/__init__.py")}
    assert not folders - {*LAYERS, *ROOMS, *EVERYTHING}


def test_importing_zoo_imports_nothing_to_speak_of() -> None:
    done = python("import sys, zoo; print(*sys.modules)")
    loaded = set(done.stdout.split())
    assert "zoo" in loaded, done.stderr
    assert not loaded & {"torch", "safetensors", *HEAVY}
    assert not {name for name in loaded if name.startswith("zoo.")}


def test_the_version_costs_no_torch() -> None:
    done = python("import sys, zoo; print(zoo.__version__, 'torch' in sys.modules)")
    assert done.stdout.split()[1] == "False", done.stderr
    assert done.stdout[0].isdigit()


def test_creating_loading_and_answering_import_none_of_the_heavy_and_the_rest_says_what_it_needs(
    image_bundle: Path,
) -> None:
    code = (
        "import sys\n"
        "for name in sys.argv[2].split(): sys.modules[name] = None\n"  # an import of it raises
        "import torch, zoo\n"
        "zoo.create('mnist_mlp'); zoo.create('resnet18_cifar'); zoo.create('bilstm_attn')\n"
        "print(zoo.create(sys.argv[1]).zoo.weight)\n"
        "print(len(zoo.predictor(sys.argv[1])(torch.zeros(1, 1, 8, 8))))\n"
        "for call in (lambda: zoo.verify(sys.argv[1]), lambda: zoo.train('mlp.digits'),"
        " lambda: zoo.predictor('bilstm_attn')):\n"
        "    try: call()\n"
        "    except zoo.ZooError as error: print(error)"
    )
    # numpy is not the zoo's but torch's own choice: it warns where it is blocked.
    done = python(code, str(image_bundle), " ".join({*HEAVY} - {"numpy"}))
    said = "this needs the package {0}, which is not here; run: pip install {0}."
    told = [said.format("PyYAML"), said.format("PyYAML"), said.format("tokenizers")]
    assert done.stdout.splitlines() == ["mlp.tiny_v1", "1", *told], done.stderr


def test_an_answer_on_the_command_line_imports_no_recipes_no_data_set_and_nothing_of_other_tasks() -> None:
    code = (
        "import sys\n"
        "from zoo.cli import main\n"
        "status = main(['predict', 'mlp.digits_v1', sys.argv[1], '--json'])\n"
        "print(status, *sys.modules)"
    )
    status, *loaded = python(code, str(ROOT / "tests" / "samples" / "digits.npy")).stdout.splitlines()[-1].split()
    assert status == "0"
    needless = {*HEAVY, "pandas", "pyarrow", "PIL", "onnxruntime", "zoo.recipes", "zoo.training", "zoo.data.imdb"}
    # typer reads its parameters with pydantic; torch itself imports numpy for an array.
    assert not set(loaded) & (needless - {"typer", "pydantic", "numpy"})


def test_every_public_name_is_there_and_no_submodule_takes_its_place() -> None:
    code = (
        "import importlib, pkgutil, types, zoo\n"
        "skipped = ('zoo.__main__', 'zoo.recipes.__main__')\n"
        "for module in pkgutil.walk_packages(zoo.__path__, 'zoo.'):\n"  # an import binds a submodule to its package
        "    module.name in skipped or importlib.import_module(module.name)\n"
        "for name in zoo.__all__:\n"
        "    assert name in dir(zoo), name\n"
        "    assert not isinstance(getattr(zoo, name), types.ModuleType), name\n"
        "print(callable(zoo.create))"
    )
    done = subprocess.run([*forked.python(), "-c", code], capture_output=True, text=True)
    assert done.stdout == "True\n", done.stderr


def test_names_for_type_checkers_are_those_there_are() -> None:
    tree = ast.parse(Path(zoo.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If) and isinstance(node.test, ast.Name))
    stated = {
        alias.asname: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert stated == zoo._HOME


def test_an_unknown_attribute_is_an_ordinary_error() -> None:
    with pytest.raises(AttributeError, match="module 'zoo' has no attribute 'creat'"):
        zoo.creat  # noqa: B018
