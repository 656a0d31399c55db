"""What every shipped weight must do, whatever it is: answer a sample as expected, with the outputs that it had.

`samples/` holds for each data set an input as a person has it and, where the answer is a label, the right one; where
several tasks are answered, what some of them have to say.
`golden/` holds each weight's outputs for it: `python tests/test_every_weight.py [WEIGHT…]` writes them. The bytes of a
weight never change, so neither do they.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import zoo
from zoo import sources
from zoo._predictor import Predictor
from zoo.bundles.index import read_index
from zoo.environment import environment
from zoo.sources.folder import PACKAGE

HERE = Path(__file__).parent
SHIPPED = sorted(read_index(PACKAGE / "index.json"))


def sample(weight: str) -> dict[str, Any]:
    """{"input": …, "label": …, "answer": {TASK: …}} for the weight's data; input that names a file is its path."""
    data = sources.find(PACKAGE / weight).config["data"]
    found = json.loads((HERE / "samples" / f"{data}.json").read_text(encoding="utf-8"))
    if isinstance(found["input"], str) and (HERE / "samples" / found["input"]).is_file():
        found["input"] = HERE / "samples" / found["input"]
    return found


@torch.inference_mode()
def outputs(predictor: Predictor, raw: Any) -> torch.Tensor:
    return predictor.model(*predictor.prepare([raw]))


def platform() -> dict[str, str]:
    return {key: value for key, value in environment().items() if key in ("platform", "cpu", "torch")}


@pytest.mark.parametrize("weight", SHIPPED)
def test_the_sample_gets_the_right_answer(weight: str):
    expected, predictor = sample(weight), zoo.predictor(weight)
    answer: Any = predictor(expected["input"])
    said = json.dumps(answer.to_dict())
    assert json.loads(said)
    if predictor.labels and "label" in expected:
        assert answer.label == expected["label"], said
    if "answer" in expected:
        assert expected["answer"].items() <= answer.answer.items(), said
    assert [type(a) for a in predictor([expected["input"]] * 2)] == [type(answer)] * 2, "a list in, a list out"


@pytest.mark.parametrize("weight", SHIPPED)
def test_the_outputs_are_what_they_were(weight: str):
    golden = json.loads((HERE / "golden" / f"{weight}.json").read_text(encoding="utf-8"))
    # Another processor or torch adds in another order.
    tolerance = 1e-5 if golden["environment"] == platform() else 1e-3
    found = outputs(zoo.predictor(weight), sample(weight)["input"]).flatten()
    torch.testing.assert_close(found, torch.tensor(golden["outputs"]), rtol=tolerance, atol=tolerance)


def smallest() -> dict[str, str]:
    """The smallest weight of every kind of input."""
    found: dict[str, str] = {}
    for weight in sorted(SHIPPED, key=lambda name: (PACKAGE / name / "model.safetensors").stat().st_size):
        config = json.loads((PACKAGE / weight / "config.json").read_text(encoding="utf-8"))
        found.setdefault(config["input"]["kind"], weight)
    return found


@pytest.mark.parametrize("weight", smallest().values())
def test_a_compiled_model_gives_the_same(weight: str):
    """Of what a predictor feeds it; tests/models/test_every_model.py compiles every model."""
    predictor = zoo.predictor(weight)
    inputs = predictor.prepare([sample(weight)["input"]])
    with torch.no_grad():
        plain = predictor.model(*inputs)
        compiled = torch.compile(predictor.model, backend="aot_eager")(*inputs)
    torch.testing.assert_close(compiled, plain, rtol=1e-5, atol=1e-5)


def test_weights_that_are_gone_have_no_golden_outputs():
    assert {path.stem for path in (HERE / "golden").glob("*.json")} == set(SHIPPED)


if __name__ == "__main__":
    for weight in sys.argv[1:] or SHIPPED:
        found = outputs(zoo.predictor(weight), sample(weight)["input"]).flatten().tolist()
        content = {"environment": platform(), "outputs": found}
        (HERE / "golden" / f"{weight}.json").write_text(json.dumps(content) + "\n", encoding="utf-8")
