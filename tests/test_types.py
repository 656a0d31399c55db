"""What type checkers make of the package: every public name has a type, and the strictest take the README's blocks."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
# torch.hub.load itself has no types.
BLOCKS = [code for code in re.findall(r"^```python\n(.*?)^```$", README, re.M | re.S) if "torch.hub" not in code]

USES = """
import zoo

model = zoo.create("mlp", pretrained=True)
print(model.zoo.weight, model.zoo.metrics["accuracy"] + 1.0)
features = model.eval()(model)
record: zoo.Record = zoo.record(model)
value: float = record.metrics["accuracy"]

read: zoo.Predictor[zoo.Classification] = zoo.predictor("bilstm_attn.imdb_v1")
print(read("fine").label.upper(), read(["fine", "bad"])[0].probability + 1.0)
forecast: zoo.Predictor[zoo.Forecast] = zoo.predictor("gru_forecast.etth1_v1")
print(forecast("a.csv").channels)

info: zoo.ModelInfo = zoo.info("mlp")
names: list[str] = zoo.list_models(["mlp", "res*"], task="image-classification")
recipe: zoo.Recipe = zoo.load_recipe("mlp.digits", {"train.epochs": 1})
"""

tool = pytest.mark.skipif(
    not (importlib.util.find_spec("pyright") and importlib.util.find_spec("mypy")), reason="needs the dev extra"
)


def check(*command: str, cwd: Path) -> str:
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    # pyright asks the first `python` on the path where packages are.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    ours = {"PATH": path, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "MYPYPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=cwd,
        env={**os.environ, **ours},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture
def uses(tmp_path: Path) -> Path:
    for number, code in enumerate([*BLOCKS, USES]):
        (tmp_path / f"block{number}.py").write_text(code, encoding="utf-8")
    return tmp_path


@tool
@pytest.mark.slow
def test_the_blocks_of_the_readme_are_typed_for_mypy(uses: Path) -> None:
    for file in sorted(uses.glob("*.py")):
        check("mypy", "--strict", "--follow-imports=silent", "--cache-dir", str(uses / "cache"), file.name, cwd=uses)


@tool
@pytest.mark.slow
def test_the_blocks_of_the_readme_are_typed_for_pyright(uses: Path) -> None:
    check("pyright", "--pythonpath", sys.executable, *(file.name for file in uses.glob("*.py")), cwd=uses)


@tool
@pytest.mark.slow
def test_every_public_name_has_a_type(tmp_path: Path) -> None:
    found = check("pyright", "--verifytypes", "zoo", "--ignoreexternal", cwd=tmp_path)
    assert "Type completeness score: 100%" in found
