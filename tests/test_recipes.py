"""Recipes: what is refused and how, and what a resolved recipe holds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from forked import python

from zoo import ZooError
from zoo.recipes import Recipe, list_recipes, load_recipe, parse, read_yaml, recipe_folder, write_yaml

SMALL = """\
model: mlp
init: default
data: {name: digits}
optimizer: {name: adamw, lr: 1e-3}
train: {epochs: 1}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return path


def refusal(file: Path, **overrides: Any) -> str:
    """The error about the file after overrides; "." in a key path is written "__"."""
    with pytest.raises(ZooError) as raised:
        load_recipe(file, {key.replace("__", "."): value for key, value in overrides.items()})
    message = str(raised.value)
    assert str(file) in message and "\n" not in message
    return message.removeprefix(f"{file}: ")


@pytest.mark.parametrize(
    ("key", "value", "path", "near"),
    [
        ("optimzer", "{}", "optimzer", "optimizer"),
        ("train__epoch", "3", "train.epoch", "epochs"),
        ("optimizer__betaz", "[0.9, 0.9]", "optimizer.betaz", "betas"),
        ("data__augment__crop__paddin", "4", "data.augment.crop.paddin", "padding"),
        ("train__average__decai", "0.9", "train.average.decai", "decay"),
        ("optimizer__groups", "[{match: 'head.*', lr_scal: 2}]", "optimizer.groups.0.lr_scal", "lr_scale"),
        ("schedule", "{name: multi_step, milestones: [3], gama: 0.5}", "schedule.gama", "gamma"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest(file: Path, key: str, value: str, path: str, near: str):
    assert refusal(file, **{key: value}) == f"unknown key {path}; did you mean {near!r}?"


def test_a_key_near_to_none_gets_the_list(file: Path):
    message = refusal(file, optimizer__qqq=1)
    assert message == (
        "unknown key optimizer.qqq; known there: "
        "lr, weight_decay, decay_vectors, layer_decay, groups, fused, name, betas, eps."
    )
    # Those are AdamW's keys; SGD has others.
    assert "nesterov" in refusal(file, optimizer="{name: sgd, lr: 1, qqq: 1}")
    assert refusal(file, optimizer="{name: lamb, lr: 1, qqq: 1}").endswith("layer_decay, groups, name, args.")
    assert refusal(file, schedule="{name: step, qqq: 1}").endswith("known there: name, warmup, step_epochs, gamma.")


def test_a_misspelt_key_is_reported_before_the_one_that_is_missing_by_it(file: Path):
    file.write_text(SMALL.replace("init:", "innit:"))
    assert refusal(file) == "unknown key innit (1 more); did you mean 'init'?"


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("train__epochs", "few", "train.epochs should be a valid integer, not 'few'."),
        ("train__epochs", "3.5", "train.epochs should be a valid integer, not 3.5."),
        ("train__epochs", "true", "train.epochs should be a valid integer, not True."),
        ("train__clip", "'1'", "train.clip should be a valid number, not '1'."),
        ("model", "3", "model should be a valid string, not 3."),
        ("model_args", "3", "model_args should be a mapping of keys to values, not 3."),
        ("model_args", "{1: 2}", "model_args.1 should be a valid string, not 1."),
        ("data", "digits", "data should be a mapping of keys to values, not 'digits'."),
        ("optimizer", "adamw", "optimizer should be a mapping of keys to values, not 'adamw'."),
        ("optimizer__groups", "[1]", "optimizer.groups.0 should be a mapping of keys to values, not 1."),
        ("optimizer__name", "3", "optimizer.name should be a valid string, not 3."),
        ("optimizer", "{name: lamb, lr: 1, args: 3}", "optimizer.args should be a mapping of keys to values, not 3."),
        ("schedule", "cosine", "schedule should be a mapping of keys to values, not 'cosine'."),
        ("data__mean", "0.5", "data.mean should be a valid list, not 0.5."),
        ("data__augment__flip", "true", "data.augment.flip should be a mapping of keys to values, not True."),
    ],
)
def test_a_wrong_type_is_refused(file: Path, key: str, value: str, said: str):
    assert refusal(file, **{key: value}) == said


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("train__epochs", 0, "train.epochs should be greater than or equal to 1, not 0."),
        ("train__seed", -1, "train.seed should be greater than or equal to 0, not -1."),
        ("train__precision", "fp8", "train.precision should be 'fp32', 'bf16' or 'fp16', not 'fp8'."),
        ("train__average__decay", 1.0, "train.average.decay should be less than 1, not 1.0."),
        ("optimizer__lr", 0, "optimizer.lr should be greater than 0, not 0."),
        ("optimizer__lr", ".nan", "optimizer.lr should be a finite number, not nan."),
        ("optimizer__lr", float("inf"), "optimizer.lr should be a finite number, not inf."),
        ("optimizer__lr", -0.1, "optimizer.lr should be greater than 0, not -0.1."),
        ("optimizer__layer_decay", 0, "optimizer.layer_decay should be greater than 0, not 0."),
        ("optimizer__layer_decay", 1.5, "optimizer.layer_decay should be less than or equal to 1, not 1.5."),
        (
            "optimizer__groups",
            [{"match": "*", "frozen_epochs": -1}],
            "optimizer.groups.0.frozen_epochs should be greater than or equal to 0, not -1.",
        ),
        (
            "model_args__dropout",
            float("nan"),
            "model_args should hold finite numbers, text, lists and mappings alone, not {'dropout': nan}.",
        ),
        (
            "model_args__widths",
            {3},
            "model_args should hold finite numbers, text, lists and mappings alone, not {'widths': {3}}.",
        ),
        ("optimizer__betas", [0.9], "optimizer.betas should have at least 2 items, not [0.9]."),
        ("data__std", [], "data.std should have at least 1 item, not []."),
        ("data__std", [0.0], "data.std.0 should be greater than 0, not 0.0."),
        ("data__batch_size", 0, "data.batch_size should be greater than or equal to 1, not 0."),
        ("data__validation", 1, "data.validation should be less than 1, not 1."),
        (
            "schedule__name",
            "steps",
            "schedule.name should be one of 'constant', 'linear', 'cosine', 'one_cycle', 'step', 'multi_step', "
            "'plateau', not 'steps'; did you mean 'step'?",
        ),
        ("schedule__warmup", -0.1, "schedule.warmup should be greater than or equal to 0, not -0.1."),
        ("schedule__name", "step", "schedule.step_epochs is missing; add it."),
        (
            "schedule",
            {"name": "multi_step", "milestones": []},
            "schedule.milestones should have at least 1 item, not [].",
        ),
        (
            "schedule",
            {"name": "multi_step", "milestones": [30, 10]},
            "schedule.milestones should rise from one to the next, not [30, 10].",
        ),
        (
            "schedule",
            {"name": "multi_step", "milestones": [0, 10]},
            "schedule.milestones.0 should be greater than or equal to 1, not 0.",
        ),
        ("schedule", {"name": "plateau", "factor": 1.0}, "schedule.factor should be less than 1, not 1.0."),
        ("loss__name", "mse", "loss.name should be one of cross_entropy, focal for image-classification, not 'mse'."),
        (
            "evaluate__metric",
            "nats",
            "evaluate.metric should be one of accuracy, balanced_accuracy, precision, recall, f1, top5_accuracy, "
            "log_loss for image-classification, not 'nats'.",
        ),
        ("evaluate__margin", 0, "evaluate.margin should be greater than 0, not 0."),
        ("evaluate__margin", -1, "evaluate.margin should be greater than 0, not -1."),
    ],
)
def test_an_impossible_value_is_refused(file: Path, key: str, value: Any, said: str):
    assert refusal(file, **{key: value}) == said


@pytest.mark.parametrize(
    ("old", "path"),
    [
        ("model: mlp\n", "model"),
        ("init: default\n", "init"),
        ("{name: digits}", "data.name"),
        (", lr: 1e-3", "optimizer.lr"),
        ("name: adamw, ", "optimizer.name"),
        ("train: {epochs: 1}\n", "train"),
    ],
)
def test_a_missing_key_is_named(file: Path, old: str, path: str):
    assert old in SMALL
    file.write_text(SMALL.replace(old, "{}" if old.startswith("{") else ""))
    assert refusal(file) == f"{path} is missing; add it."


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("model", "mpl", "model: unknown model 'mpl'; did you mean mlp"),
        ("init", "kaimin_normal", "init: unknown init scheme 'kaimin_normal'; did you mean kaiming_normal"),
        ("data__name", "mnst", "data.name: unknown data set 'mnst'; did you mean mnist"),
        ("model_args", {"width": [9]}, "model_args: unknown argument of mlp 'width'; did you mean widths?"),
        ("optimizer__name", "adamm", "optimizer.name: unknown optimizer 'adamm'; did you mean adam"),
        ("optimizer", {"name": "adamm", "betas": [0.9, 0.9]}, "optimizer.name: unknown optimizer 'adamm'"),
        ("optimizer__name", "lomb", "optimizer.name: unknown optimizer 'lomb'; did you mean lamb"),
    ],
)
def test_a_name_that_is_not_there_is_refused_with_the_nearest(file: Path, key: str, value: Any, said: str):
    assert refusal(file, **{key: value}).startswith(said)


@pytest.mark.parametrize(
    ("optimizer", "said"),
    [
        (
            {"name": "lamb", "args": {"betaz": 1}},
            "optimizer.args: unknown argument of lamb 'betaz'; did you mean betas?",
        ),
        ({"name": "lion", "args": {"lr": 1}}, "optimizer.args: unknown argument of lion 'lr'; "),
        (
            {"name": "lbfgs"},
            "optimizer.name: lbfgs needs more than one gradient a step; take one that does not, such as adamw.",
        ),
        (
            {"name": "bnblion"},
            "optimizer.name: bnblion belongs to bitsandbytes, which the zoo does not use; take another.",
        ),
    ],
)
def test_an_optimizer_that_timm_does_not_have_so_is_refused(file: Path, optimizer: dict[str, Any], said: str):
    assert refusal(file, optimizer={"lr": 0.1, **optimizer}).startswith(said)


def test_timm_is_imported_only_for_its_own_optimizers(file: Path):
    code = (
        "import sys, zoo.recipes as recipes\n"
        "def heavy(): return [name for name in ('torch', 'timm', 'torchvision') if name in sys.modules]\n"
        "before = heavy()\n"
        "recipe = recipes.load_recipe(sys.argv[1])\n"
        "recipes.load_recipe(sys.argv[1], {'optimizer': {'name': 'sgd', 'lr': 1}})\n"
        "print(before, 'timm' in heavy())\n"
        "sys.modules['timm'] = None\n"  # an import of it raises, and is spared the seconds that it takes
        "try: recipes.load_recipe(sys.argv[1], {'optimizer.name': 'lamb'})\n"
        "except ImportError as error: print(error.name)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True)
    assert done.stdout == "[] False\ntimm.optim\n", done.stderr


def test_epochs_and_steps_exclude_each_other(file: Path):
    both, neither = "train should hold exactly one of epochs and steps, not {}.", {"epochs": 1, "steps": 3}
    assert refusal(file, train__steps=3) == both.format(neither)
    assert refusal(file, train="{}") == both.format({})
    recipe = load_recipe(file, {"train.epochs": None, "train.steps": 3})
    assert (recipe.train.epochs, recipe.train.steps) == (None, 3)


def test_overrides_are_read_as_yaml_and_make_what_is_above_them(file: Path):
    overrides = {"optimizer.lr": "2e-3", "data.augment.crop.padding": "2", "model_args.widths": "[8, 8]", "loss": "{}"}
    recipe = load_recipe(file, overrides)
    assert recipe.optimizer.lr == 0.002
    assert recipe.data.augment.crop and recipe.data.augment.crop.padding == 2
    assert recipe.model_args == {"widths": [8, 8]}
    for key, value, said in (
        ("model.name", "1", "override model.name: model is a single value and holds no keys; check the key path."),
        (
            "model",
            "[a",
            "override model='[a' is not valid YAML (expected ',' or ']', but got '<stream end>'); quote the value.",
        ),
        (
            "train",
            "{seed: 1, seed: 2}",
            "override train='{seed: 1, seed: 2}' is not valid YAML (the key 'seed' is there twice); quote the value.",
        ),
    ):
        with pytest.raises(ZooError) as raised:
            load_recipe(file, {key: value})
        assert str(raised.value) == said


@pytest.mark.parametrize(
    ("text", "value"), [("1e-3", 1e-3), ("1E3", 1e3), ("-2.5e+1", -25.0), (".5e1", 5.0), ("3.0e-3", 3e-3), ("3", 3)]
)
def test_numbers_are_those_of_yaml_1_2(text: str, value: float):
    assert read_yaml(f"x: {text}") == {"x": value} and type(read_yaml(text)) is type(value)
    assert read_yaml(f"'{text}'") == text and read_yaml("e1") == "e1"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("010", 10), ("0o17", 15), ("0x1F", 31), ("+1", 1), ("~", None), ("TRUE", True), ("5.", 5.0)),
        *((text, text) for text in ("1:30", "no", "on", "Yes", "y", "off", "2024-01-01", "1_000", "0b1", "0o8", "=")),
    ],
)
def test_values_are_those_of_yaml_1_2(text: str, value: Any):
    assert read_yaml(text) == value and type(read_yaml(text)) is type(value)
    assert read_yaml(f"a: [{text}]") == {"a": [value]}
    for reader in (read_yaml, yaml.safe_load):  # a text that either version would take for something else is quoted
        assert reader(write_yaml({"a": text})) == {"a": text}


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("train.epochs", "1:30", "train.epochs"),
        ("train.deterministic", "no", "train.deterministic"),
        ("train.epochs", "1_000", "train.epochs"),
    ],
)
def test_what_yaml_1_1_would_have_read_as_another_number_is_refused(file: Path, key: str, value: str, said: str):
    with pytest.raises(ZooError, match=said):
        load_recipe(file, {key: value})
    assert load_recipe(file, {"train.seed": "010"}).train.seed == 10


def test_numbers_of_numpy_are_numbers(file: Path):
    changes = {"train.epochs": np.int64(3), "optimizer.lr": np.float32(0.5), "train.deterministic": np.bool_(True)}
    recipe = load_recipe(file, changes)
    assert (recipe.train.epochs, recipe.optimizer.lr, recipe.train.deterministic) == (3, 0.5, True)
    assert read_yaml(recipe.to_yaml())["train"]["epochs"] == 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"model: [mlp", "is not valid YAML"),
        (b"\xff\xfe", "is not valid YAML"),
        (b"- 1", "holds no recipe"),
        (b"", "holds no recipe"),
        (b"model: !!python/object:os.system {}", "is not valid YAML"),
    ],
)
def test_a_file_that_holds_no_recipe(file: Path, content: bytes, said: str):
    file.write_bytes(content)
    assert said in refusal(file)


def test_a_key_that_is_there_twice_is_named(file: Path):
    file.write_text(SMALL + "init: kaiming_normal\n")
    assert "is not valid YAML: the key 'init' is there twice in " in refusal(file)
    file.write_text(SMALL.replace("epochs: 1", "epochs: 1, seed: 1, 'epochs': 2"))
    assert "the key 'epochs' is there twice" in refusal(file)
    # A key that a merge brings in may stand beside it again: that is what merging is for.
    assert read_yaml("a: &a {x: 1, y: 1}\nb: {<<: *a, x: 2}") == {"a": {"x": 1, "y": 1}, "b": {"x": 2, "y": 1}}


def test_yaml_that_is_nested_too_deep(file: Path):
    for levels in (51, 400, 5000):
        deep = "[" * levels + "]" * levels
        with pytest.raises(ZooError, match=r"^override x=.* is not valid YAML \(it is nested deeper than 50 levels\)"):
            load_recipe("mlp.digits", {"x": deep})
        file.write_text(SMALL + f"model_args: {{widths: {deep}}}\n")
        assert refusal(file) == f"{file} is not valid YAML: it is nested deeper than 50 levels."
    assert read_yaml("[" * 50 + "]" * 50) and read_yaml(f"[{'1, ' * 100}]") == [1] * 100


def test_where_recipes_are_looked_for(file: Path, tmp_path: Path):
    assert load_recipe(str(file)).name == "small"
    assert (
        load_recipe("mlp.digits").name == load_recipe("mlp").name == load_recipe("mlp.digits_v1").name == "mlp.digits"
    )
    for asked, said in (
        ("mlp.digit", r"unknown recipe 'mlp.digit'; did you mean mlp.digits"),
        ("mnist_mlp", r"'mnist_mlp' has 2 recipes; name one of: mnist_mlp.mnist, mnist_mlp.mnist_plain\."),
        (tmp_path / "none.yaml", r"there is no recipe file .*none\.yaml"),
        (tmp_path, r"holds no recipe\.yaml"),
    ):
        with pytest.raises(ZooError, match=said):
            load_recipe(asked)


def keys(content: Any, prefix: str = "") -> set[str]:
    return (
        {prefix}.union(*(keys(v, f"{prefix}.{k}") for k, v in content.items()))
        if isinstance(content, dict)
        else {prefix}
    )


def test_a_resolved_recipe_writes_every_default_out(file: Path):
    written = yaml.safe_load(load_recipe(file).to_yaml())
    for part, kind in Recipe.model_fields.items():
        assert part in written
        inner = set(getattr(kind.annotation, "model_fields", {}))
        if part == "data":  # a recipe for pictures writes out only the settings for pictures
            inner -= {"text", "tagged", "table", "characters", "series", "files", "columns", "split"}
            assert inner == set(written[part])
        assert inner <= set(written[part] or inner)
    assert written["data"]["augment"] == dict.fromkeys(
        (
            "crop",
            "flip",
            "affine",
            "elastic",
            "cutout",
            "erase",
            "mixup",
            "resized_crop",
            "jitter",
            "cutmix",
            "trivial_augment",
            "rand_augment",
            "progressive",
        )
    )
    assert {".train.clip", ".evaluate.margin", ".optimizer.eps", ".data.workers"} <= keys(written)


def test_only_the_section_of_its_own_kind_is_written_and_the_old_form_is_read():
    text = load_recipe("bilstm_attn.imdb")
    content = text.content()
    assert set(content["data"]) == {"name", "batch_size", "validation", "text"}
    content["data"] |= text.model_dump()["data"]  # as recipes were written until now, with all sections
    assert parse(content, name=text.name) == text
    content["data"]["table"] = {"log": ["price"]}
    with pytest.raises(ZooError, match=r"data\.table is for table data, but bilstm_attn reads text data; remove it"):
        parse(content)


@pytest.mark.parametrize("name", list_recipes())
def test_every_shipped_recipe_loads_and_resolving_is_a_fixed_point(name: str, tmp_path: Path):
    recipe = load_recipe(name)
    assert recipe.name == name and name.split(".")[0] == recipe.model
    assert name.split(".")[1].startswith(recipe.data.name)
    (tmp_path / "again.yaml").write_text(recipe.to_yaml())
    again = load_recipe(tmp_path / "again.yaml")
    assert again.to_yaml() == recipe.to_yaml() and again.sha256() == recipe.sha256()


def test_the_hash_is_that_of_the_written_text(file: Path):
    import hashlib

    recipe = load_recipe(file)
    assert recipe.sha256() == hashlib.sha256(recipe.to_yaml().encode()).hexdigest()
    assert recipe.sha256() != load_recipe(file, {"train.seed": 1}).sha256()


def test_the_schema_for_editors_is_current():
    made = subprocess.run([*python(), "-m", "zoo.recipes"], capture_output=True, text=True, check=True).stdout
    kept = (recipe_folder() / "schema.json").read_text(encoding="utf-8")
    assert json.loads(kept) == json.loads(made), "run: python -m zoo.recipes > recipes/schema.json"


@pytest.mark.parametrize("name", list_recipes())
def test_every_shipped_recipe_fits_the_schema_for_editors(name: str):
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(json.loads((recipe_folder() / "schema.json").read_text(encoding="utf-8")))
    content = read_yaml((recipe_folder() / f"{name}.yaml").read_text(encoding="utf-8"))
    validator.validate(content)
    validator.validate(yaml.safe_load(load_recipe(name).to_yaml()))
    for wrong in ({**content, "modle": 1}, {**content, "train": {"epochs": 0}}, {**content, "optimizer": {"lr": 1}}):
        assert not validator.is_valid(wrong)


def test_a_dict_is_a_recipe_too():
    assert parse(read_yaml(SMALL), name="mine").name == "mine"
    with pytest.raises(ZooError, match=r"^recipe: train is missing; add it\.$"):
        parse({k: v for k, v in read_yaml(SMALL).items() if k != "train"})


def test_arguments_that_a_file_keeps_otherwise_are_kept_as_the_file_does():
    content = {**read_yaml(SMALL), "model_args": {"widths": (3, 4), "dropout": np.float64(0.5)}}
    recipe = parse(content)
    assert recipe.model_args == {"widths": [3, 4], "dropout": 0.5} == read_yaml(recipe.to_yaml())["model_args"]
