"""How many small faults in the code the tests find: the share of mutants that die.

    python tools/mutation.py zoo/compare.py zoo/integrity.py        # every mutant of these files
    python tools/mutation.py --sample 100                           # 100 drawn from each of the files below

A mutant is the code with one small change (`<` for `<=`, `+` for `-`, a condition turned round, a call left out). It
dies if a test of its file fails or takes far too long. Survivors are printed; those that no test can kill, because the
mutant does the same as the code, stand in tools/mutation_survivors.txt with the reason.

mutmut runs on a copy of the sources, which pytest's importlib mode would not import, and cosmic-ray starts an
interpreter for each mutant, which would import torch for seconds; neither was measured here. In this tool one process
imports the libraries, and each mutant is a fork of it in which an import hook gives out the mutated module. A test
that starts a process of its own sees the code unchanged there.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib
import importlib.abc
import importlib.util
import os
import random
import select
import signal
import sys
import time
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
REASONS = Path(__file__).with_name("mutation_survivors.txt")
LIBRARIES = ("torch", "numpy", "safetensors.torch", "pydantic", "yaml", "pytest", "scipy.stats", "sklearn", "requests")

TESTS = {
    "zoo/compare.py": ["tests/test_compare.py"],
    "zoo/integrity.py": ["tests/bundles/test_integrity.py"],
    "zoo/registry.py": ["tests/test_registry.py", "tests/test_plugins.py"],
    "zoo/bundles/": ["tests/bundles"],
    "zoo/sources/": ["tests/sources"],
    "zoo/training/update/": [
        *("tests/training/test_optim.py", "tests/training/test_schedule.py", "tests/training/test_update.py"),
        *("tests/training/test_averaging.py", "tests/training/test_adversarial.py", "tests/training/test_step.py"),
    ],
}

COMPARISONS = {
    **{ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq},
    **{ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In},
}
OPERATORS = {
    **{ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Div},
    **{ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr},
}


def mutants(tree: ast.Module) -> Iterator[tuple[str, ast.Module]]:
    """Each mutant with what it is: the function, the old code and the new."""
    for number, (node, where) in enumerate(_places(tree)):
        for change in _changes(node):
            mutated = copy.deepcopy(tree)
            twin = next(one for index, (one, _) in enumerate(_places(mutated)) if index == number)
            old = ast.unparse(node)
            change(twin)
            new = "pass" if getattr(twin, "gone", False) else ast.unparse(twin)
            yield f"{where}: `{_short(old)}` -> `{_short(new)}`", ast.fix_missing_locations(mutated)


def _short(code: str) -> str:
    return " ".join(code.split())[:100]


def _places(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """The nodes that may be changed, each with its function: no annotation, decorator, message or docstring."""

    def walk(node: ast.AST, where: str) -> Iterator[tuple[ast.AST, str]]:
        if isinstance(node, (ast.Import, ast.ImportFrom, ast.JoinedStr, ast.Raise)):
            return
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            where = f"{where}.{node.name}" if where != "module" else node.name
        yield node, where
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list", "type_params"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from walk(child, where)

    for part in tree.body:
        yield from walk(part, "module")


def _changes(node: ast.AST) -> list:
    """The changes of one node, each a function that makes it in place."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARISONS:
        return [lambda twin: twin.ops.__setitem__(0, COMPARISONS[type(twin.ops[0])]())]
    if isinstance(node, ast.BoolOp):
        return [lambda twin: setattr(twin, "op", ast.Or() if isinstance(twin.op, ast.And) else ast.And())]
    if isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in OPERATORS:
        return [lambda twin: setattr(twin, "op", OPERATORS[type(twin.op)]())]
    if isinstance(node, (ast.If, ast.IfExp, ast.While)):
        return [lambda twin: setattr(twin, "test", ast.UnaryOp(ast.Not(), twin.test))]
    if isinstance(node, ast.Constant) and isinstance(node.value, (bool, int, float)):
        new = not node.value if isinstance(node.value, bool) else node.value * 2 if node.value > 999 else node.value + 1
        return [lambda twin: setattr(twin, "value", new)]
    if isinstance(node, ast.Return) and node.value and not _is_none(node.value):
        return [lambda twin: setattr(twin, "value", ast.Constant(None))]
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return [lambda twin: (setattr(twin, "value", ast.Constant(None)), setattr(twin, "gone", True))]
    return []


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


class Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives out one module with another tree."""

    def __init__(self, file: Path, tree: ast.Module) -> None:
        self.file, self.tree = file, tree
        parts = file.relative_to(ROOT).with_suffix("").parts
        self.is_package = parts[-1] == "__init__"
        self.name = ".".join(parts[:-1] if self.is_package else parts)

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if fullname != self.name:
            return None
        places = [str(self.file.parent)] if self.is_package else None
        return importlib.util.spec_from_file_location(
            fullname, self.file, loader=self, submodule_search_locations=places
        )

    def exec_module(self, module: object) -> None:
        exec(compile(self.tree, str(self.file), "exec"), module.__dict__)


def dies(file: Path, tree: ast.Module, tests: list[str], seconds: float) -> tuple[bool, float]:
    """Whether a test fails on the mutant, and how long that took; one that takes longer than `seconds` dies too."""
    begun = time.monotonic()
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.setsid()
        os.close(read)
        quiet = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(quiet, stream)
        sys.meta_path.insert(0, Mutated(file, tree))
        import pytest

        status = 3
        try:
            status = int(pytest.main(["-x", "-q", "-n0", "-p", "no:cacheprovider", "-W", "ignore", *tests]))
        finally:
            os._exit(status)
    os.close(write)
    try:
        ended = bool(select.select([read], [], [], seconds)[0])
    finally:
        os.close(read)
    if not ended:
        os.killpg(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if ended and os.waitstatus_to_exitcode(status) == 5:
        raise SystemExit(f"{tests} hold no test")
    return not ended or status != 0, time.monotonic() - begun


def tests_of(file: str) -> list[str]:
    return next(tests for place, tests in TESTS.items() if file == place or file.startswith(place))


def files(asked: list[str]) -> list[str]:
    found = []
    for place in asked or TESTS:
        path = ROOT / place
        found += [place] if path.is_file() else sorted(str(one.relative_to(ROOT)) for one in path.glob("*.py"))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", help="files or folders; by default all whose tests are known here")
    parser.add_argument("--sample", type=int, help="how many mutants to draw from each file; the seed is fixed")
    given = parser.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    for library in LIBRARIES:
        importlib.import_module(library)
    known = REASONS.read_text(encoding="utf-8") if REASONS.is_file() else ""
    for name in files(given.files):
        file, tests = ROOT / name, tests_of(name)
        tree = ast.parse(file.read_text(encoding="utf-8"))
        failed, usual = dies(file, tree, tests, 1200)
        if failed:
            raise SystemExit(f"{name}: its tests fail without any change: {' '.join(tests)}")
        every = list(mutants(tree))
        chosen = random.Random(0).sample(every, min(given.sample or len(every), len(every)))
        survived = []
        for what, mutant in chosen:
            killed, _ = dies(file, mutant, tests, 30 + 5 * usual)
            if not killed:
                survived.append(what)
                reason = "" if f"{name} {what}" not in known else "  (listed)"
                print(f"{name} {what}{reason}", flush=True)
        share = 1 - len(survived) / len(chosen) if chosen else 1.0
        unlisted = sum(f"{name} {what}" not in known for what in survived)
        print(
            f"{name}: {len(chosen) - len(survived)} of {len(chosen)} mutants die ({share:.0%}); "
            f"{unlisted} survivors without a reason",
            flush=True,
        )


if __name__ == "__main__":
    main()
