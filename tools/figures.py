"""Draw the figures of the guide: run the blocks of each page of docs/guide and keep what they save.

python tools/figures.py [PAGE…]
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
ROOT = Path(__file__).resolve().parents[1]
GUIDE = ROOT / "docs" / "guide"
sys.path.insert(0, str(ROOT))


def draw(page: Path) -> list[str]:
    """The names of the pictures that the page's blocks saved."""
    code = re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    home = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            names: dict[str, object] = {"__name__": "page"}
            for block in code:
                exec(compile(block, page.name, "exec"), names)
            pictures = sorted(Path(folder).glob("*.png"))
            (GUIDE / "figures").mkdir(exist_ok=True)
            for picture in pictures:
                shutil.copyfile(picture, GUIDE / "figures" / picture.name)
        finally:
            os.chdir(home)
    return [picture.name for picture in pictures]


if __name__ == "__main__":
    for page in [GUIDE / f"{name}.md" for name in sys.argv[1:]] or sorted(GUIDE.glob("*.md")):
        print(page.stem, *draw(page))
