"""`zoo.transform` and `zoo.embed`: what a predictor feeds, and what stands before the head."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import zoo
from zoo.cli import main
from zoo.cli.options import BAD_INPUT, DONE
from zoo.errors import ZooError

HERE = Path(__file__).parent
PACKAGE = Path(zoo.__file__).parent / "pretrained"
SHIPPED = sorted(json.loads((PACKAGE / "index.json").read_text())["weights"])
create: Any = zoo.create


def sample(weight: str) -> Any:
    data = json.loads((PACKAGE / weight / "config.json").read_text())["data"]
    found = json.loads((HERE / "samples" / f"{data}.json").read_text(encoding="utf-8"))["input"]
    is_file = isinstance(found, str) and (HERE / "samples" / found).is_file()
    return str(HERE / "samples" / found) if is_file else found


@pytest.mark.parametrize("weight", SHIPPED)
def test_a_transform_gives_what_the_predictor_feeds(weight: str) -> None:
    raw, predictor = sample(weight), zoo.predictor(weight)
    fed = predictor.prepare([raw])
    made = pickle.loads(pickle.dumps(zoo.transform(weight)))
    given = made(raw)
    given = given if isinstance(given, tuple) else (given,)
    assert len(given) == len(fed)
    for ours, theirs in zip(given, fed, strict=True):
        assert torch.equal(ours, theirs[0])
    for ours, theirs in zip(made.batch([raw, raw]), fed, strict=True):
        assert torch.equal(ours, torch.cat([theirs, theirs]))


@pytest.mark.parametrize("weight", SHIPPED)
def test_an_embedding_is_a_row_of_what_stands_before_the_head(weight: str) -> None:
    raw, model = sample(weight), create(weight)
    rows = zoo.embed(weight, [raw, raw])
    assert rows.dtype == torch.float32 and rows.ndim == 2 and len(rows) == 2 and not rows.is_inference()
    torch.testing.assert_close(rows[0], rows[1])
    torch.testing.assert_close(zoo.embed(weight, raw), rows[:1], rtol=1e-4, atol=1e-5)
    channels = len(model.zoo.input["channels"]) if model.zoo.task == "forecasting" else 1
    assert rows.shape[1] == channels * model.num_features
    if model.zoo.task in ("image-classification", "text-classification", "tabular-classification", "regression"):
        with torch.no_grad():  # the head does the rest
            inputs = zoo.transform(weight).batch([raw])
            outputs = model.get_classifier()(rows[:1])
            if getattr(model, "ngrams", None) is not None:  # a linear model of its own beside the head
                outputs = outputs + model.ngrams(*inputs)
            torch.testing.assert_close(outputs, model(*inputs), rtol=1e-4, atol=1e-4)


def test_rows_do_not_depend_on_what_an_input_is_batched_with() -> None:
    for weight, texts in {
        "bilstm_tagger": ["Dogs bark.", "A much longer sentence than that one, with commas, too."],
        "charlstm": ["To be", "Or not to be, that is the question"],
        "rnn_text": ["Who?", "What is the capital of the country of Burkina Faso?"],
    }.items():
        together = zoo.embed(weight, texts)
        for row, text in zip(together, texts, strict=True):
            torch.testing.assert_close(zoo.embed(weight, text)[0], row, rtol=1e-4, atol=1e-5)
        assert not torch.allclose(together[0], together[1])


def test_a_transform_works_in_the_workers_of_a_data_loader() -> None:
    paths = [sample("cnn_cifar.cifar10_v1")] * 5
    transform = zoo.transform("cnn_cifar")
    loaded = list(DataLoader(paths, batch_size=3, num_workers=2, collate_fn=transform.batch))  # type: ignore[arg-type]
    alone = transform(paths[0])
    assert isinstance(alone, torch.Tensor)
    assert [len(batch[0]) for batch in loaded] == [3, 2]
    assert all(torch.equal(image, alone) for (batch,) in loaded for image in batch)


def test_a_guests_transform_is_timms() -> None:
    image = torch.randint(256, (3, 224, 224), dtype=torch.uint8)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    given = zoo.transform("timm/resnet18.a1_in1k")(image)
    assert isinstance(given, torch.Tensor)
    torch.testing.assert_close(given, (image / 255 - mean) / std, rtol=1e-4, atol=1e-4)


def test_the_command_writes_an_array(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "rows.npy"
    assert main(["embed", "rnn_text", "Who was it?", "Where?", "-o", str(out)]) == DONE
    assert "2 x 128, float32" in capsys.readouterr().out
    np.testing.assert_array_equal(np.load(out), zoo.embed("rnn_text", ["Who was it?", "Where?"]).numpy())
    for arguments in (["Who?", "-o", str(tmp_path / "rows.txt")], ["Who?", "-o", str(out / "a.npy")]):
        assert main(["embed", "rnn_text", *arguments]) == BAD_INPUT
    assert [p.name for p in tmp_path.iterdir()] == ["rows.npy"]


def test_what_cannot_be_embedded(tmp_path: Path) -> None:
    with pytest.raises(ZooError, match="nothing to embed"):
        zoo.embed("rnn_text", [])
    with pytest.raises(ZooError, match="no file"):
        zoo.embed("cnn_cifar", str(tmp_path / "cat.png"))
    with pytest.raises(ZooError, match="unknown"):
        zoo.transform("cnn_cifra")
