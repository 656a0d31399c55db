"""Run the tests with the lowest versions that pyproject.toml allows, on the oldest Python at hand.

    python tools/lowest.py                       # the whole suite
    python tools/lowest.py tests/test_cli.py -x  # what follows goes to pytest

uv (pip install uv) makes a new environment in the folder `.lowest`, or in the one that `--in` names. It needs some
gigabytes, because torch comes with its libraries for GPUs; with UV_EXTRA_INDEX_URL or UV_TORCH_BACKEND=cpu uv installs
a smaller torch.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--in", dest="folder", type=Path, default=ROOT / ".lowest", help="the environment's folder")
    parser.add_argument("--python", default=oldest(), help="the version; by default the oldest supported")
    parser.add_argument("--keep", action="store_true", help="use the environment that is there already")
    arguments, rest = parser.parse_known_args()
    if shutil.which("uv") is None:
        raise SystemExit("uv is not there; install it with: pip install uv")
    if not (arguments.keep and arguments.folder.is_dir()):
        run("uv", "venv", "--clear", "--python", arguments.python, str(arguments.folder))
        python = ("--python", str(arguments.folder))
        run("uv", "pip", "install", *python, "--resolution", "lowest-direct", "--editable", f"{ROOT}[test]")
        run("uv", "pip", "freeze", *python)
    program = arguments.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    return subprocess.run([str(program), "-m", "pytest", "-q", *rest], cwd=ROOT).returncode


def oldest() -> str:
    """The lowest Python of `requires-python`."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r'requires-python = ">=([\d.]+)"', text)
    assert found, "pyproject.toml says which Python it needs"
    return found[1]


def run(*command: str) -> None:
    print("+", *command, flush=True)
    subprocess.run(command, check=True, cwd=ROOT)


if __name__ == "__main__":
    sys.exit(main())
