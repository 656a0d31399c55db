"""Keep the table of weights in README.md as the bundles have it.

python tools/readme_table.py            writes it
python tools/readme_table.py --check    exits 1 where it is not current
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the checkout's own, whatever is installed

from zoo.bundles.card import duration, spread  # noqa: E402

START, END = "<!-- weights: written by tools/readme_table.py -->\n", "<!-- /weights -->\n"
HEAD = (
    "| weight | task | data | measured | seeds | parameters | size | training |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- |\n"
)


def table() -> str:
    """One row for each shipped weight: the mean over the seeds, ± the standard deviation where there are several."""
    index = json.loads((ROOT / "zoo" / "pretrained" / "index.json").read_text(encoding="utf-8"))
    return HEAD + "".join(row(ROOT / "zoo" / "pretrained" / name) for name in sorted(index["weights"]))


def row(folder: Path) -> str:
    config, metrics = (json.loads((folder / f"{f}.json").read_text(encoding="utf-8")) for f in ("config", "metrics"))
    # The recipe's metric comes first among the task's, and one figure a row can be read.
    metric, figure = next(iter(metrics["metrics"].items()))
    size = (folder / "model.safetensors").stat().st_size / 1e6
    cells = (
        f"[`{folder.name}`](zoo/pretrained/{folder.name}/README.md)",
        config["task"],
        config["data"],
        f"{metric.replace('_', ' ')} {spread(metric, figure)}",
        str(figure["n"]),
        f"{config['num_parameters']:,}",
        f"{size:.1f} MB" if size >= 0.1 else f"{1000 * size:.0f} kB",
        duration(metrics["seconds"]),
    )
    return f"| {' | '.join(cells)} |\n"


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
