"""The files that let a page run its model in the browser: the ONNX file and a description of its inputs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zoo import tasks
from zoo.bundles.format import Bundle
from zoo.errors import ZooError
from zoo.home import write_text

NEAR = 200
"""Test images among which the page of an embedding looks for neighbours: enough of each class, under a megabyte."""

ABOUT = "try.json"
SAMPLES = Path(__file__).parent / "samples"
"""One input of each of the zoo's own data sets."""


def prepare(bundle: Bundle, folder: Path) -> dict[str, str]:
    """Write the ONNX file, the tokenizer and try.json into `folder`; returns what the page says about them.

    `runs` is the size to fetch, or `why_not` a sentence, for a model that cannot be exported. Raises `ZooError` if
    the extra `export` is not installed.
    """
    from zoo._export.making import exported
    from zoo.integrity import sha256

    try:
        made = exported(bundle, bundle.name or bundle.folder.name)
    except ZooError as error:
        return {"why_not": f"It does not run in a browser: {error}"}
    if not made.agreement.ok:
        return {"why_not": f"It does not run in a browser: its ONNX file differs from it ({made.agreement.failed})."}
    (folder / "model.onnx").write_bytes(made.content)
    names = ["model.onnx"]
    if bundle.tokenizer is not None:
        (folder / "tokenizer.json").write_bytes(bundle.content(bundle.tokenizer.name))
        names.append("tokenizer.json")
    files = {
        name: {"name": name, "size": (folder / name).stat().st_size, "sha256": sha256(folder / name)} for name in names
    }
    config = bundle.config
    about = {
        "task": config["task"],
        "labels": config["labels"],
        "temperature": config.get("temperature", 1.0),
        "input": config["input"],
        "sample": _sample(bundle),
        "files": files,
        **_more(bundle),
    }
    write_text(folder / ABOUT, json.dumps(about, ensure_ascii=False) + "\n")
    return {"runs": f"{sum(file['size'] for file in files.values()) / 1e6:.1f} MB, and 14 MB of runtime once"}


def _more(bundle: Bundle) -> dict[str, Any]:
    config = bundle.config
    settings = config["input"]
    if settings["kind"] != "image":
        return {}
    more: dict[str, Any] = {}
    height, width = settings["size"]
    if settings["channels"] == 1 and height == width:
        # MNIST's digits lie in 20 of its 28 pixels (LeCun et al. 1998); scikit-learn's fill their 8.
        more["draw"] = {"size": height, "box": round(height * 20 / 28) if height >= 20 else height}
    if settings.get("tasks"):
        more["tasks"] = list(_tasks(settings["tasks"]))
    if not tasks.get(config["task"]).labelled and not settings.get("tasks"):  # an embedding
        more["gallery"] = _gallery(bundle)
    return more


def _tasks(tasks: dict[str, Any]) -> Iterator[dict[str, Any]]:
    start = 0
    for name, task in tasks.items():
        yield {"name": name, "kind": task["kind"], "from": start, "to": start + task["outputs"]}
        start += task["outputs"]


def _sample(bundle: Bundle) -> Any:
    """An input as a person gives it, a picture as numbers (C, H, W): of the weight's data set, else the golden one."""
    from zoo.bundles.index import parse_json
    from zoo.check import is_number

    path = SAMPLES / f"{bundle.config.get('data')}.json"
    if path.is_file():
        return json.loads(path.read_text(encoding="utf-8"))
    if not (bundle.folder / "golden.json").is_file():
        return None
    given = parse_json(bundle.content("golden.json").decode(errors="replace"), "golden.json").get("input")
    if not (isinstance(given, dict) and set(given) == {"array", "dtype"}):
        return given
    settings, array = bundle.config["input"], given["array"]
    if settings["kind"] != "image" or is_number(array):
        return array
    try:
        size = [len(array), len(array[0]), len(array[0][0])]
    except (TypeError, LookupError):  # a stranger's input, which is not a picture
        return None
    return array if size == [settings["channels"], *settings["size"]] else None


def _gallery(bundle: Bundle) -> list[dict[str, Any]]:
    """Test images with their labels and embeddings; none if the data are not at hand."""
    import torch

    from zoo import data
    from zoo.bundles.load import load_model
    from zoo.kinds.transforms import normalize

    config = bundle.config
    if config["data"] not in data.names() or not data.at_hand(config["data"]):
        return []
    test = data.load(config["data"]).test.take(range(NEAR))
    images = test.inputs
    assert isinstance(images, torch.Tensor)
    with torch.inference_mode():
        embeddings = load_model(bundle, device="cpu")(normalize(images, config["input"]))
    return [
        {"pixels": image.flatten().tolist(), "label": str(int(label)), "embedding": [round(x, 4) for x in point]}
        for image, label, point in zip(images, test.targets, embeddings.tolist(), strict=True)
    ]
