"""Keep the table of weights in README.md as the index has it; it is what `zoo list` shows.

python tools/readme_table.py            writes it
python tools/readme_table.py --check    exits 1 if it is not current
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the checkout's own, whatever is installed

from zoo.display import duration  # noqa: E402
from zoo.listing import HEAD, cells, listed, markdown  # noqa: E402
from zoo.sources.folder import PACKAGE  # noqa: E402
from zoo.tasks.measures import find  # noqa: E402

START, END = "<!-- weights: written by tools/readme_table.py -->\n", "<!-- /weights -->\n"


def table() -> str:
    """One row for each shipped weight, with the time that one seed takes to train."""
    for name in ("ZOO_SOURCES", "ZOO_LOCK"):
        os.environ.pop(name, None)
    return markdown([row(name, cells(facts)) for name, facts in listed()], (*HEAD, "training"))


def row(name: str, shown: tuple[str, ...]) -> tuple[str, ...]:
    metrics = json.loads((PACKAGE / name / "metrics.json").read_text(encoding="utf-8"))
    figure, *rest = shown
    config = json.loads((PACKAGE / name / "config.json").read_text(encoding="utf-8"))
    mark = " †" if loses(metrics, config["task"]) else ""
    return f"[`{name}`](zoo/pretrained/{name}/README.md)", f"{figure}{mark}", *rest, duration(metrics["seconds"])


def loses(metrics: dict[str, Any], task: str) -> bool:
    """Whether a plain baseline on its card does better than the weight's mean."""
    first = next(iter(metrics["metrics"]))
    for value in (metrics.get("baselines") or {}).values():
        given = value if isinstance(value, dict) else {"value": value}
        metric = given.get("metric", first)
        ahead = metrics["metrics"][metric]["mean"] - given["value"]
        if (ahead if find(task, metric).more_is_better else -ahead) < 0:
            return True
    return False


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
