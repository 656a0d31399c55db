"""Input that training refuses in one sentence, and the files that remain then."""

from __future__ import annotations

import copy
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import zoo
from zoo import ZooError, data, registry
from zoo.cli import main
from zoo.data import fingerprint
from zoo.data.entry import Entry
from zoo.training import Run, checkpoint, saving
from zoo.training.update import losses
from zoo.training.update.losses import build as build_loss


def refusal(recipe: Any, out: Path, **more: Any) -> str:
    with pytest.raises(ZooError) as raised:
        zoo.train(recipe, out=out, **{"device": "cpu", **more})
    message = str(raised.value)
    assert "\n" not in message and message.endswith((".", "…"))
    return message


def changed(recipe: dict[str, Any], **parts: dict[str, Any]) -> dict[str, Any]:
    """The recipe with keys of its parts replaced."""
    recipe = copy.deepcopy(recipe)
    for part, values in parts.items():
        recipe[part] = {**recipe.get(part, {}), **values}
    return recipe


@pytest.fixture
def nan_at(monkeypatch: pytest.MonkeyPatch):
    """nan_at(N): the N-th loss from now on, and every later one, is not a number."""

    def nan_at(step: int) -> None:
        seen = iter(range(1, 10**6))

        def build(*arguments: Any) -> nn.Module:
            criterion = build_loss(*arguments)
            criterion.register_forward_hook(
                lambda _, inputs, loss: torch.as_tensor(loss) * (math.nan if next(seen) >= step else 1.0)
            )
            return criterion

        monkeypatch.setattr(losses, "build", build)

    return nan_at


def test_a_loss_that_is_not_a_number_from_the_first_step_on(mlp: dict[str, Any], tmp_path: Path):
    # A deviation so small that normalised pixels are infinite, and zero pixels no number.
    message = refusal(changed(mlp, data={"std": [1e-39], "augment": {}}), tmp_path / "run")
    steps = 4 * 17
    assert message.startswith(f"the loss is nan in step 1 of {steps}; there is no checkpoint yet in ")
    assert "lower optimizer.lr" in message
    assert (
        not checkpoint.saved(tmp_path / "run" / "checkpoints") and not (tmp_path / "run" / "model.safetensors").exists()
    )


@pytest.mark.parametrize("step", [1, 16, 17, 18, 40])
def test_a_loss_that_turns_nan_names_its_step_and_keeps_the_last_good_checkpoint(
    mlp: dict[str, Any], step: int, nan_at, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(saving, "SAVE_EVERY", -1.0)
    run, total = tmp_path / "run", 4 * 17
    nan_at(step)
    message = refusal(mlp, run)
    good = (step - 1) // 17 * 17  # the end of the last whole epoch
    left = f"the last good checkpoint, of step {good}, is kept" if good else "there is no checkpoint yet"
    assert message.startswith(f"the loss is nan in step {step} of {total}; {left} in {run}: ")
    assert not (run / "model.safetensors").exists()
    found = checkpoint.newest(run / "checkpoints")
    assert (found is None) == (good == 0)
    assert found is None or all(bool(t.isfinite().all()) for part in found[0].values() for t in part.values())
    # With the fault gone it goes on as if nothing had been.
    monkeypatch.setattr(losses, "build", build_loss)
    resumed, whole = (
        zoo.train(mlp, out=run, device="cpu", resume=True),
        zoo.train(mlp, out=tmp_path / "whole", device="cpu"),
    )
    assert (resumed.folder / "model.safetensors").read_bytes() == (whole.folder / "model.safetensors").read_bytes()


class Breaks(nn.Module):
    """Images (N, 1, 8, 8) -> logits (N, 10), which are NaN from the training step `at` on."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at
        self.head = nn.Linear(64, 10)
        self.register_buffer("steps", torch.tensor(0))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.steps += 1
        return self.head(x.flatten(1)) * (1.0 if self.steps < self.at else math.nan)


@pytest.mark.parametrize(("at", "good"), [(1, None), (1000, 28 * 35)])
def test_the_command_names_the_step_keeps_the_last_good_checkpoint_and_ends_with_2(
    own_models: Callable[..., None],
    at: int,
    good: int | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
):
    model = registry.Model("breaks", Breaks, "image-classification", "default", "a test", "this test", (1, 8, 8))
    own_models(model)
    monkeypatch.setattr(saving, "SAVE_EVERY", -1.0)
    recipe, run = tmp_path / "breaks.yaml", tmp_path / "run"
    recipe.write_text(
        f"{{model: breaks, model_args: {{at: {at}}}, init: default, data: {{name: digits, batch_size: 50}}, "
        "optimizer: {name: sgd, lr: 0.1}, train: {epochs: 40}}"
    )
    for more in ((), ("--resume",)) if good else ((),):  # resumed it stumbles over the same step
        assert main(["train", str(recipe), "--out", str(run), "--device", "cpu", *more]) == 2
        left = f"the last good checkpoint, of step {good}, is kept" if good else "there is no checkpoint yet"
        assert capfd.readouterr().err.splitlines()[-1] == (
            f"error: the loss is nan in step {at} of 1120; {left} in {run}: lower optimizer.lr, or set train.clip."
        )
        assert run.exists() == bool(good) and not (run / "model.safetensors").exists()
    if good:
        parts, state = checkpoint.newest(run / "checkpoints") or ({}, {})
        assert state["step"] == good and parts["model"]["steps"] == good
        assert all(bool(tensor.isfinite().all()) for part in parts.values() for tensor in part.values())
        assert [int(row["step"]) for row in Run(run).log] == list(range(28, good + 1, 28))


def test_a_learning_rate_that_is_far_too_high(mlp: dict[str, Any], tmp_path: Path):
    wild = changed(mlp, train={"clip": None}, schedule={"name": "constant"})
    wild["optimizer"] = {"name": "sgd", "lr": 1e18}
    assert "lower optimizer.lr, or set train.clip." in refusal(wild, tmp_path / "run")
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_weights_that_are_not_numbers_never_become_a_checkpoint(mlp: dict[str, Any], tmp_path: Path):
    # The only step has a good loss; its update is what overflows.
    wild = changed(
        mlp, train={"clip": None, "epochs": None, "steps": 1, "average": None}, schedule={"name": "constant"}
    )
    wild["optimizer"] = {"name": "sgd", "lr": 3e38, "weight_decay": 1e30}
    message = refusal(wild, tmp_path / "run")
    assert message.startswith("the weights are not finite after step 1 of 1; there is no checkpoint yet")
    assert not checkpoint.saved(tmp_path / "run" / "checkpoints")


def test_a_batch_larger_than_the_data(mlp: dict[str, Any], tmp_path: Path):
    message = refusal(changed(mlp, data={"batch_size": 5000}), tmp_path / "run")
    count = len(data.hold_out(data.load("digits").train, 0.2, seed=0)[0])
    assert message == f"data.batch_size is 5000, but there are {count} training samples; lower it."


def test_devices_that_cannot_be(mlp: dict[str, Any], tmp_path: Path):
    assert "abacus" in refusal(mlp, tmp_path / "run", device="abacus")
    if not torch.cuda.is_available():
        assert "cuda" in refusal(mlp, tmp_path / "run", device="cuda")
    message = refusal(changed(mlp, train={"precision": "fp16"}), tmp_path / "run")
    assert message == "train.precision fp16 needs a GPU, and this run is on the CPU; take bf16 or fp32."
    assert not (tmp_path / "run").exists(), "nothing is begun on a device that is not there"


def test_model_arguments_that_the_model_refuses(mlp: dict[str, Any], tmp_path: Path):
    message = refusal(changed(mlp, model_args={"widths": "many"}), tmp_path / "run")
    assert message.startswith("model_args: mlp cannot be built with {'widths': 'many'")


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"model_args": {"num_classes": 3}}, "model_args.num_classes is 3, but digits has 10 labels; leave it out."),
        ({"model_args": {"num_classes": 11}}, "model_args.num_classes is 11, but digits has 10 labels; leave it out."),
        ({"model_args": {"widths": [0]}}, "has no units in "),
        (
            {"data": {"name": "digits", "augment": {"progressive": {"size": 4}}}},
            "data.augment.progressive: model mlp with model_args {'widths': [32], 'dropout': 0.2, 'num_classes': 10} "
            "cannot take the samples of digits, which are images of 1 x 4 x 4 (",
        ),
        ({"model_args": {"in_features": 63}}, "cannot take the samples of digits, which are images of 1 x 8 x 8 ("),
        ({"model": "mnist_mlp", "model_args": {}}, "model mnist_mlp with model_args {'num_classes': 10} cannot take"),
        ({"model": "resnet18", "model_args": {}}, "model resnet18 with model_args {'num_classes': 10} cannot take"),
        (
            {"model": "bilstm_attn", "model_args": {}},
            "model bilstm_attn is for text-classification, but data.name digits is image data; change one of them.",
        ),
        ({"data": {"name": "digits", "validation": 0.0001}}, "data.validation 0.0001 leaves none of the "),
        ({"data": {"name": "digits", "validation": 0.9999}}, "of digits to train on; choose another share"),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("error")
def test_a_model_that_does_not_fit_the_data(mlp: dict[str, Any], parts: dict[str, Any], said: str, tmp_path: Path):
    assert said in refusal({**mlp, **parts}, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_model_for_images_does_not_read_text(mlp: dict[str, Any], tiny_reviews: None, tmp_path: Path):
    message = refusal({**mlp, "data": {"name": "tiny_reviews"}}, tmp_path)
    assert message == (
        "model mlp is for image-classification, but data.name tiny_reviews is text data; change one of them."
    )


def test_a_table_without_the_column_and_with_augmentation(table: dict[str, Any], tiny_table: None, tmp_path: Path):
    with pytest.raises(ZooError, match=r"^data\.table\.log: unknown number 'incomes'; did you mean income\?$"):
        zoo.train(changed(table, data={"table": {"log": ["age", "incomes"]}}), out=tmp_path / "run", device="cpu")
    assert "data.augment is for images" in refusal(changed(table, data={"augment": {"flip": {}}}), tmp_path / "run")
    regression = changed({**table, "model": "housing_mlp", "loss": {}}, model_args={"sigma": [1.0]})
    assert "sigma has 1 values for 2 numbers; give one or one each" in refusal(regression, tmp_path / "run")
    assert zoo.train(table, out=tmp_path / "run", device="cpu").finished


def test_a_text_model_that_does_not_fit(text: dict[str, Any], tiny_reviews: None, tmp_path: Path):
    run = tmp_path / "run"
    assert "has no units in " in refusal(changed(text, model_args={"attention": 0}), run)
    assert not run.exists(), "the tokenizer is gone too"
    assert zoo.train(changed(text, train={"epochs": 1}), out=run, device="cpu").finished


def test_a_refused_recipe_leaves_its_folder_free(mlp: dict[str, Any], tmp_path: Path):
    there, new = tmp_path / "there", tmp_path / "deep" / "down"
    there.mkdir()
    for folder in (there, new):
        for wrong in (
            changed(mlp, model_args={"num_classes": 3}),
            changed(mlp, data={"batch_size": 5000}),
            changed(mlp, optimizer={"groups": [{"match": "neck.*"}]}),
        ):
            refusal(wrong, folder)
            assert [path.name for path in folder.rglob("*") if path.name != ".lock"] == []
            assert folder == there or not new.parent.exists()
        assert zoo.train(changed(mlp, train={"epochs": 1}), out=folder, device="cpu").finished
    new_run = {path.name for path in new.iterdir()}
    refusal(changed(mlp, train={"epochs": 1}, model_args={"num_classes": 3}), new, resume=True)
    refusal(mlp, new)
    assert {path.name for path in new.iterdir()} == new_run


def test_out_may_begin_at_home(mlp: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    assert zoo.train(changed(mlp, train={"epochs": 1}), out="~/run", device="cpu").folder == tmp_path / "run"


def test_out_may_name_a_user_that_does_not_exist(mlp: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    run = zoo.train(changed(mlp, train={"epochs": 1}), out="~nosuchuser/run", device="cpu")
    assert run.finished and run.folder == Path("~nosuchuser/run")  # as a shell takes it


def test_a_group_that_matches_nothing(mlp: dict[str, Any], tmp_path: Path):
    message = refusal(changed(mlp, optimizer={"groups": [{"match": "neck.*"}]}), tmp_path / "run")
    assert message.startswith("optimizer.groups: no parameter matches 'neck.*'")


HOLD = """
import sys
from filelock import FileLock

with FileLock(sys.argv[1], timeout=5):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_folder_that_another_process_uses(mlp: dict[str, Any], tmp_path: Path):
    run = tmp_path / "run"
    run.mkdir()
    command = [sys.executable, "-c", HOLD, str(run / ".lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout and other.stdout.readline() == "held\n"
        for resume in (False, True):
            message = refusal(mlp, run, resume=resume)
            assert message == f"{run} is in use by another process; wait for it, or choose another with --out."
        assert [path.name for path in run.iterdir()] == [".lock"]
        other.communicate()
    assert zoo.train(mlp, out=run, device="cpu").finished


def test_a_folder_that_holds_something_else(mlp: dict[str, Any], tmp_path: Path):
    (tmp_path / "thesis.tex").write_text("all I have")
    for resume in (False, True):
        message = refusal(mlp, tmp_path, resume=resume)
        assert message == f"{tmp_path} is not empty and holds no run; choose another folder with --out."
    assert {path.name for path in tmp_path.iterdir()} <= {"thesis.tex", ".lock"}
    message = refusal(mlp, tmp_path / "thesis.tex")
    assert message == f"{tmp_path / 'thesis.tex'} cannot be a run folder (File exists); choose another with --out."
    assert (tmp_path / "thesis.tex").read_text() == "all I have"


def test_a_folder_that_holds_a_run_is_not_trained_into(mlp: dict[str, Any], tmp_path: Path):
    run = zoo.train(changed(mlp, train={"epochs": 1}), out=tmp_path, device="cpu")
    before = (tmp_path / "model.safetensors").read_bytes()
    message = refusal(mlp, tmp_path)
    assert message == f"{tmp_path} holds a run already; continue it with --resume, or choose another folder with --out."
    assert run.finished and (tmp_path / "model.safetensors").read_bytes() == before


def test_resuming_with_another_recipe_or_seed_says_what_differs(mlp: dict[str, Any], tmp_path: Path):
    zoo.train(changed(mlp, train={"epochs": 1}), out=tmp_path, device="cpu")
    same = changed(mlp, train={"epochs": 1})
    for other, said in (
        (changed(same, train={"seed": 7}), "train.seed: 0 -> 7"),
        (changed(same, optimizer={"lr": 0.5}), "optimizer.lr: 0.003 -> 0.5"),
        (changed(same, data={"augment": {}}), "data.augment.affine: None -> None"),
        (changed(same, train={"average": None}), "train.average: None -> None"),
    ):
        message = refusal(other, tmp_path, resume=True)
        if "None" not in said:
            assert f"({said})" in message
        assert message.startswith(f"{tmp_path} was started with another recipe (") and said.split(":")[0] in message
    assert zoo.train(same, out=tmp_path, device="cpu", resume=True).finished


def test_resuming_with_other_data_says_so(mlp: dict[str, Any], nan_at, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(saving, "SAVE_EVERY", -1.0)
    nan_at(40)
    refusal(mlp, tmp_path)
    digits = data.load("digits")
    train = digits.train.take(range(len(digits.train) - 64))
    other = fingerprint.of(train, digits.test)
    entry = Entry("digits", "image", digits.labels, digits.maximum, None, lambda folder: (train, digits.test), other)
    monkeypatch.setitem(data.ENTRIES, "digits", entry)
    message = refusal(mlp, tmp_path, resume=True)
    assert f"was trained on other data (fingerprint {digits.fingerprint[:12]}…)" in message and other[:12] in message


def test_a_checkpoint_of_another_model(mlp: dict[str, Any], nan_at, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(saving, "SAVE_EVERY", -1.0)
    for folder, widths in (("small", [32]), ("large", [64])):
        nan_at(40)
        refusal(changed(mlp, model_args={"widths": widths}), tmp_path / folder)
    for path in checkpoint.saved(tmp_path / "small" / "checkpoints"):
        path.replace(tmp_path / "large" / "checkpoints" / path.name)
    message = refusal(changed(mlp, model_args={"widths": [64]}), tmp_path / "large", resume=True)
    assert message == f"the checkpoint in {tmp_path / 'large'} belongs to another model; start a new run with --out."


def test_a_single_sample_for_batch_norm(tmp_path: Path):
    recipe = {"model": "mlp_bn", "model_args": {"widths": [8], "in_features": 64}, "init": "default"}
    recipe |= {"data": {"name": "digits"}, "optimizer": {"name": "sgd", "lr": 0.1}, "train": {"steps": 3}}
    assert refusal(recipe, tmp_path / "run", **{"data.batch_size": 1}) == (
        "batch norm needs at least two samples, but only 1 of the batch is computed at a time; raise data.batch_size."
    )
    assert refusal(recipe, tmp_path / "run", **{"data.batch_size": 64, "train.accumulate": 4}) == (
        "train.accumulate is 4, but the model has batch norm, which would see only a piece of the batch and "
        "so give another model; set it to 1, and lower data.batch_size if memory is short."
    )
    assert not (tmp_path / "run").exists()


def test_a_missing_folder_to_resume_is_reported(mlp: dict[str, Any], tmp_path: Path, capsys):
    zoo.train(changed(mlp, train={"epochs": 1}), out=tmp_path / "typo", resume=True, device="cpu")
    assert (
        f"there is no run in {tmp_path / 'typo'} to resume; it starts from the beginning.\n" in capsys.readouterr().err
    )


def test_curves_of_a_run_that_fails_at_once_are_given_back_with_its_folder(nan_at, mlp, tmp_path: Path):
    nan_at(1)
    refusal(mlp, tmp_path / "run", track="tensorboard")
    assert not (tmp_path / "run").exists()
