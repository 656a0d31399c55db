"""Keep the table of weights in README.md as the index has it; it is what `zoo list` shows.

python tools/readme_table.py            writes it
python tools/readme_table.py --check    exits 1 if it is not current
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the checkout's own, whatever is installed

from zoo.display import duration  # noqa: E402
from zoo.listing import HEAD, cells, listed, markdown  # noqa: E402
from zoo.sources.folder import PACKAGE  # noqa: E402

START, END = "<!-- weights: written by tools/readme_table.py -->\n", "<!-- /weights -->\n"


def table() -> str:
    """One row for each shipped weight, with the time that one seed takes to train."""
    for name in ("ZOO_SOURCES", "ZOO_LOCK"):
        os.environ.pop(name, None)
    return markdown([row(name, cells(facts)) for name, facts in listed()], (*HEAD, "training"))


def row(name: str, shown: tuple[str, ...]) -> tuple[str, ...]:
    metrics = json.loads((PACKAGE / name / "metrics.json").read_text(encoding="utf-8"))
    return f"[`{name}`](zoo/pretrained/{name}/README.md)", *shown, duration(metrics["seconds"])


def current(readme: str) -> str:
    """The README's text with the table as it should be."""
    before, _, rest = readme.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}{table()}{END}{after}"


def main() -> int:
    path = ROOT / "README.md"
    readme = path.read_text(encoding="utf-8")
    if readme == current(readme):
        return 0
    if "--check" in sys.argv:
        print("the table of weights in README.md is not current; run python tools/readme_table.py", file=sys.stderr)
        return 1
    path.write_text(current(readme), encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
