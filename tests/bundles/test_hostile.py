"""Bundles of strangers: what would fill the memory, hang the machine or write on its terminal gets a sentence."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

import zoo
from zoo.bundles.format import open_bundle
from zoo.bundles.index import parse_json
from zoo.check import check_schema
from zoo.integrity import sha256
from zoo.recipes.reading import read_yaml, write_yaml
from zoo.sources.folder import PACKAGE


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A copy of a shipped bundle that no index vouches for."""
    folder = tmp_path / "mlp.digits_v1"
    shutil.copytree(PACKAGE / "mlp.digits_v1", folder)
    return folder


def changed(folder: Path, file: str, change: Callable[[dict[str, Any]], Any]) -> Path:
    content = json.loads((folder / file).read_text(encoding="utf-8"))
    change(content)
    (folder / file).write_text(json.dumps(content), encoding="utf-8")
    return folder


def with_tensors(folder: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> Path:
    tensors = {name: tensor.clone() for name, tensor in load_file(folder / "model.safetensors").items()}
    change(tensors)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    digest = sha256(folder / "model.safetensors")
    return changed(folder, "metrics.json", lambda metrics: metrics.update(sha256=digest))


@pytest.mark.parametrize(
    "arguments", [{"widths": [128] * 30_000}, {"widths": [1_000_000, 1_000_000]}, {"in_features": 10**9}]
)
def test_arguments_of_a_larger_model_are_refused_before_it_is_built(bundle: Path, arguments: dict[str, Any]) -> None:
    changed(bundle, "config.json", lambda config: config["model_args"].update(arguments))
    began = time.perf_counter()
    for use in (zoo.create, zoo.predictor):
        with pytest.raises(zoo.ZooError, match="far larger model"):
            use(str(bundle))
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize("dtype", [torch.int32, torch.bool, torch.complex64])
def test_tensors_of_a_type_that_no_weight_has_are_refused(bundle: Path, dtype: torch.dtype) -> None:
    with_tensors(bundle, lambda tensors: tensors.update({"head.bias": torch.zeros(10, dtype=dtype)}))
    with pytest.raises(zoo.ZooError, match=r"of another type: head\.bias"):
        zoo.create(str(bundle))


def test_tensors_that_are_not_numbers_give_no_answer(bundle: Path) -> None:
    with_tensors(bundle, lambda tensors: tensors["head.bias"].fill_(float("nan")))
    with pytest.raises(zoo.ZooError, match="gives no number"):
        zoo.predictor(str(bundle))(np.zeros((8, 8)))


@pytest.mark.parametrize(
    "text", ['{"schema": 1, "a": NaN}', '{"a": Infinity}', '{"a": ' + "9" * 5000 + "}", "[" * 100_000]
)
def test_text_that_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(zoo.ZooError, match="not JSON"):
        parse_json(text, "metrics.json")


LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    "text",
    [
        LAUGHS,
        "a: " + "9" * 5000,
        "a: !!int abc",
        "a: 0x",
        "[" * 1000,
        "a: !!python/object/apply:os.system [ls]",
        "? ? ?",
    ],
)
def test_yaml_that_is_a_trap_is_refused_at_once(bundle: Path, text: str) -> None:
    (bundle / "recipe.yaml").write_text(text)
    began = time.perf_counter()
    with pytest.raises(zoo.ZooError):
        zoo.load_recipe(bundle / "recipe.yaml")
    assert time.perf_counter() - began < 2


def test_aliases_that_people_write_are_read() -> None:
    assert read_yaml("a: &x {b: 1}\nc: *x\nd: {<<: *x, e: 2}") == {"a": {"b": 1}, "c": {"b": 1}, "d": {"b": 1, "e": 2}}


@pytest.mark.parametrize("place", ["file:/etc/passwd", "imagefolder:/sys", "imagefolder:.", "file:../secret.csv"])
@pytest.mark.parametrize("use", [zoo.evaluate, zoo.reproduce])
def test_a_foreign_recipe_reads_no_file_of_the_machine(bundle: Path, place: str, use: Callable[..., Any]) -> None:
    content = read_yaml((bundle / "recipe.yaml").read_text())
    content["data"]["name"] = place
    (bundle / "recipe.yaml").write_text(write_yaml(content))
    with pytest.raises(zoo.ZooError, match="names a place on a machine"):
        use(str(bundle))
    assert not zoo.verify(str(bundle)).ok


def test_a_tokenizer_that_makes_its_library_panic_is_an_ordinary_error(tmp_path: Path) -> None:
    from zoo.data.text import read_tokenizer

    for content in (
        "{}",
        "[]",
        '{"version":"1.0","model":{"type":"WordLevel","vocab":{"a":-1},"unk_token":"b"}}',
        "\0",
    ):
        (tmp_path / "tokenizer.json").write_text(content)
        with pytest.raises(zoo.ZooError, match="not a tokenizer"):
            read_tokenizer(tmp_path / "tokenizer.json")


def test_no_label_reaches_the_terminal_as_a_command(bundle: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from zoo.cli import main

    evil = "\x1b]0;owned\x07\x9b31m\u202e7"
    changed(bundle, "config.json", lambda config: config.update(labels=[evil] * 10))
    np.save(bundle.parent / "x.npy", np.zeros((8, 8)))
    assert main(["predict", str(bundle), str(bundle.parent / "x.npy")]) == 0
    shown = capfd.readouterr().out
    assert "\\u001b]0;owned\\u0007\\u009b31m\\u202e7" in shown
    assert main(["predict", str(bundle), "\x1b[2Jnowhere.png"]) == 2
    assert "\x1b" not in capfd.readouterr().err
    assert main(["predict", str(bundle), str(bundle.parent / "x.npy"), "--json"]) == 0
    assert json.loads(capfd.readouterr().out)[0]["label"] == evil


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("file", ["config.json", "metrics.json"])
def test_whatever_stands_in_a_file_only_a_zoo_error_comes_of_it(
    tmp_path_factory: pytest.TempPathFactory, file: str
) -> None:
    folder = tmp_path_factory.mktemp("fuzzed") / "mlp.digits_v1"
    shutil.copytree(PACKAGE / "mlp.digits_v1", folder)
    whole = json.loads((folder / file).read_text(encoding="utf-8"))
    paths = [(key,) for key in whole] + [
        (key, inner) for key in whole if isinstance(whole[key], dict) for inner in whole[key]
    ]

    @settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
    @given(st.sampled_from(paths), JSON)
    def tried(path: tuple[str, ...], value: Any) -> None:
        content = json.loads(json.dumps(whole))
        place = content
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        (folder / file).write_text(json.dumps(content), encoding="utf-8")
        with suppress(zoo.ZooError):
            check_schema(open_bundle(folder))

    tried()


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(max_size=200))
def test_any_text_is_a_recipe_or_a_zoo_error(text: str) -> None:
    import yaml

    with suppress(yaml.YAMLError):
        read_yaml(text)


def test_an_input_of_30_000_pixels_a_side_is_refused(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(PACKAGE / "resnet18_cifar.cifar10_v1", tmp_path / "resnet18_cifar.cifar10_v1"))
    changed(folder, "config.json", lambda config: config["input"].update(size=[30_000, 30_000]))
    with pytest.raises(zoo.ZooError, match=r"input\.size is \[30000, 30000\]"):
        zoo.predictor(str(folder))


TOKENIZER = {
    **{"version": "1.0", "added_tokens": [], "post_processor": None, "decoder": None, "pre_tokenizer": None},
    "model": {"type": "WordLevel", "vocab": {"<pad>": 0, "<unk>": 1, "a": 2}, "unk_token": "<unk>"},
}
DOUBLED = {"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}


def test_no_tokenizer_fills_the_memory_or_fails_with_its_own_error(tmp_path: Path) -> None:
    from zoo.data.text import encode, read_tokenizer

    def read(**changes: Any) -> Any:
        content = {"normalizer": None, "padding": None, "truncation": None, **TOKENIZER, **changes}
        (tmp_path / "tokenizer.json").write_text(json.dumps(content))
        return read_tokenizer(tmp_path / "tokenizer.json")

    with pytest.raises(zoo.ZooError, match="more than 64 times as long"):
        read(normalizer={"type": "Sequence", "normalizers": [DOUBLED] * 40})
    filled = {"strategy": {"Fixed": 10**9}, "direction": "Right", "pad_to_multiple_of": None}
    padded = read(padding={**filled, "pad_id": 0, "pad_type_id": 0, "pad_token": "<pad>"})
    assert encode(padded, ["a"]) == [[2]]
    lacking = {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "<unk>"}
    with pytest.raises(zoo.ZooError, match="the weight's tokenizer fails on this text"):
        encode(read(model=lacking), ["b"])


@pytest.mark.parametrize(
    "name", ["CON", "nul.json", "aux", "a.", "x" * 300, "com1.safetensors", "..", "a/b", "a\\b", ""]
)
def test_names_that_are_devices_elsewhere_or_leave_their_folder_are_refused(name: str) -> None:
    from zoo.bundles.index import read_index

    index = json.loads((PACKAGE / "index.json").read_text())
    entry = index["weights"]["mlp.digits_v1"]
    record = next(iter(entry["files"].values()))
    for weights in (
        {"mlp.digits_v1": {**entry, "files": {**entry["files"], name: record}}},
        {f"{name}.digits_v1": entry},
        {"mlp.digits_v1": {**entry, "files": {**entry["files"], "readme.MD": record}}},
        {"mlp.digits_v1": entry, "MLP.digits_v1": entry},
    ):
        with pytest.raises(zoo.ZooError, match="the index"):
            read_index(json.dumps({"schema": 1, "weights": weights}))


def test_no_name_of_others_makes_a_line_of_its_own(bundle: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from zoo.cli import main

    evil = "seven\nFORGED: all ok\x1b[2J"
    changed(bundle, "config.json", lambda config: config.update(labels=[evil] * 10))
    changed(bundle, "metrics.json", lambda metrics: metrics.update(metrics={evil: metrics["metrics"]["accuracy"]}))
    with_tensors(bundle, lambda tensors: tensors.update({evil: torch.zeros(1)}))
    np.save(bundle.parent / "x\ny.npy", np.zeros((8, 8)))
    for command in (["verify"], ["info"], ["evaluate"], ["predict"], ["reproduce"]):
        main([*command, str(bundle), *([str(bundle.parent / "x\ny.npy")] if command == ["predict"] else [])])
    with_tensors(bundle, lambda tensors: tensors.pop(evil))
    assert main(["predict", str(bundle), str(bundle.parent / "x\ny.npy")]) == 0
    main(["info", str(bundle)])
    shown = capfd.readouterr()
    for text in (shown.out, shown.err):
        assert "\x1b" not in text
        assert not [line for line in text.splitlines() if line.startswith(("FORGED", "y.npy"))]
    model = zoo.create(str(bundle))
    assert "\x1b" not in repr(model.zoo) and "\nFORGED" not in repr(model.zoo)


def test_a_sentence_has_an_end(bundle: Path) -> None:
    with_tensors(bundle, lambda tensors: tensors.update({"x" * 1_000_000: torch.zeros(1)}))
    with pytest.raises(zoo.ZooError) as raised:
        zoo.create(str(bundle))
    assert len(str(raised.value)) < 11_000
    assert len(zoo.verify(str(bundle)).message) < 11_000


@pytest.mark.parametrize("package", ["a; rm -rf ~", "$(reboot)", "--index-url=http://a.example x", "a\nb"])
def test_no_command_that_a_stranger_wrote_is_advised(bundle: Path, package: str) -> None:
    noted = {"what": "model", "name": "x", "package": package, "version": "1", "module": "m", "sha256": ""}
    changed(bundle, "config.json", lambda config: config.update(plug_ins=[noted]))
    with pytest.raises(zoo.ZooError, match="plug_ins is"):
        zoo.evaluate(str(bundle))


def test_a_temperature_that_no_probability_survives_is_refused(bundle: Path) -> None:
    changed(bundle, "config.json", lambda config: config.update(temperature=1e-320))
    with pytest.raises(zoo.ZooError, match=r"temperature is 1e-320"):
        zoo.predictor(str(bundle))
