"""docs/with.md: each block is run. Ray's answers 100,000 rows, and one of its workers is killed meanwhile."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from forked import python

PAGE = Path(__file__).parents[1] / "docs" / "with.md"
BLOCK = re.compile(r"(?:<!-- (\w+) -->\n)?```python\n(.*?)```", re.DOTALL)
BLOCKS = BLOCK.findall(PAGE.read_text(encoding="utf-8"))


def block(name: str) -> str:
    (found,) = (code for mark, code in BLOCKS if mark == name)
    return found


def run(code: str, folder: Path, timeout: int = 500) -> subprocess.CompletedProcess[str]:
    script = folder / "script.py"
    script.write_text(code, encoding="utf-8")
    root = str(Path(__file__).parents[1])
    paths = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": paths, "RAY_DEDUP_LOGS": "0"}
    command = [*python(), script.name]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=timeout, env=environment)


def test_the_plain_blocks_run(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    plain = [code for mark, code in BLOCKS if not mark]
    assert len(plain) == 4
    indented = "\n".join(plain)
    # Workers of a DataLoader may be spawned, and import the script.
    code = "if __name__ == '__main__':\n" + "\n".join(f"    {line}" for line in indented.splitlines())
    done = run(code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "lr" in done.stdout and (tmp_path / "sweep" / "1" / "model.safetensors").is_file()


def test_the_pandas_udf_answers_an_iterator_of_series(tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    code = block("spark") + (
        "\nbatches = [pd.Series(['Who wrote it ?', 'How many people live there ?']), pd.Series(['Where is it ?'])]\n"
        "print([len(one) for one in label(iter(batches))])\n"
        "print([one for batch in label(iter(batches)) for one in batch] =="
        " [a.label for a in zoo.predictor('rnn_text')([*batches[0], *batches[1]])])\n"
    )
    assert run(code, tmp_path).stdout.split("\n")[:2] == ["[2, 1]", "True"]


@pytest.mark.slow
def test_ray_answers_every_row_once_though_a_worker_dies(tmp_path: Path) -> None:
    pytest.importorskip("ray.data")
    before = f"""
import json, pandas as pd
row = json.load(open({str(Path(__file__).parent / "samples" / "telco_churn.json")!r}))["input"]
frame = pd.DataFrame([row] * 100_000).assign(number=range(100_000))
frame["tenure"] = frame.number % 72
import os; os.makedirs("customers")
for part in range(10):
    frame.iloc[part * 10_000 : (part + 1) * 10_000].to_parquet(f"customers/{{part}}.parquet")
import ray; ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False)
"""
    # Once, in the midst of the work, the process of a worker ends without a word.
    dying = block("ray").replace(
        "        answers =",
        f"        flag = {str(tmp_path / 'died')!r}\n"
        "        import os\n"
        "        if frame.number.max() > 30_000 and not os.path.exists(flag):\n"
        "            open(flag, 'w').close(); os._exit(1)\n"
        "        answers =",
    )
    after = """
found = pd.read_parquet("answers").sort_values("number")
assert found.number.tolist() == list(range(100_000)), "rows were lost or doubled"
sample = found.sample(500, random_state=0)
alone = zoo.predictor("churn_mlp")(sample.drop(columns=["label", "probability", "number"]).to_dict("records"))
assert [a.label for a in alone] == sample.label.tolist()
assert max(abs(a.probability - p) for a, p in zip(alone, sample.probability)) < 1e-5
print("every row once")
"""
    done = run(before + dying + after, tmp_path, timeout=580)
    assert "every row once" in done.stdout, done.stdout[-2000:] + done.stderr[-4000:]
    assert (tmp_path / "died").exists()
