"""Checkpoints: the same bits come back, damaged ones are skipped and reported, a full disk is survived."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from zoo import ZooError
from zoo.recipes import SGD, Adam, Optimizer, Timm
from zoo.recipes.optimizers import timm_optimizers
from zoo.training import checkpoint, saving
from zoo.training.state import Learner, Place
from zoo.training.update.build import optimizer


def trained(recipe: Optimizer, steps: int) -> tuple[nn.Module, torch.optim.Optimizer]:
    """A small network in channels_last and its optimizer after some steps on fixed data."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(64, 2))
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    steps_ = optimizer(model, nn.Module(), recipe)
    go_on(model, steps_, range(steps))
    return model, steps_


def go_on(model: nn.Module, steps: torch.optim.Optimizer, which: range) -> None:
    for step in which:
        x = torch.randn(5, 3, 6, 6, generator=torch.Generator().manual_seed(step))
        steps.zero_grad()
        model(x.contiguous(memory_format=torch.channels_last)).square().mean().backward()
        steps.step()


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) and a[k].dtype == b[k].dtype for k in a)


RECIPES = [
    SGD(name="sgd", lr=0.1, weight_decay=0.01),
    Adam(name="adamw", lr=0.01, weight_decay=0.01),
    Adam(name="adam", lr=0.01),
]


def timms() -> list[Timm]:
    """One optimizer of each of timm's classes that the engine takes, but for `kron`, refused only when it is built."""
    found = {}
    for name in timm_optimizers().list_optimizers():
        with suppress(ZooError):
            found[timm_optimizers().get_optimizer_info(name).opt_class] = Timm(name=name, lr=0.01, weight_decay=0.01)
    return [recipe for recipe in found.values() if not recipe.name.startswith("kron")]


@pytest.mark.parametrize("recipe", [*RECIPES, *timms()], ids=lambda recipe: recipe.name)
def test_a_round_trip_keeps_every_bit_and_goes_on_alike(recipe: Optimizer, tmp_path: Path):
    model, steps = trained(recipe, 3)
    parts = {"model": model.state_dict(), "optimizer": checkpoint.optimizer_tensors(steps)}
    state = {"step": 3, "loss": 0.1 + 0.2, "data": "ab"}
    checkpoint.save(tmp_path / "checkpoints", 3, parts, state)
    found = checkpoint.newest(tmp_path / "checkpoints")
    assert found is not None and found[1] == state
    assert same(found[0]["model"], parts["model"]) and same(found[0]["optimizer"], parts["optimizer"])

    other, others = trained(recipe, 0)
    other.load_state_dict(found[0]["model"])
    checkpoint.load_optimizer(others, found[0]["optimizer"])
    for a, b in zip(steps.state.values(), others.state.values(), strict=True):
        # A fused optimizer walks through memory: in another order it would pair the wrong numbers.
        assert {k: v.stride() for k, v in a.items() if isinstance(v, Tensor)} == {
            k: v.stride() for k, v in b.items() if isinstance(v, Tensor)
        }
        assert {k: type(v) for k, v in a.items()} == {k: type(v) for k, v in b.items()}
    go_on(model, steps, range(3, 6))
    go_on(other, others, range(3, 6))
    assert same(model.state_dict(), other.state_dict())
    assert same(checkpoint.optimizer_tensors(steps), checkpoint.optimizer_tensors(others))


def test_a_state_that_a_checkpoint_does_not_hold_is_refused():
    _, steps = trained(RECIPES[0], 1)
    next(iter(steps.state.values()))["history"] = [torch.zeros(2)]
    with pytest.raises(ZooError) as raised:
        checkpoint.optimizer_tensors(steps)
    assert str(raised.value) == (
        "the optimizer keeps its history as list, which a checkpoint does not hold; take another optimizer.name."
    )


def test_a_loss_scaler_comes_back(tmp_path: Path):
    # The engine makes one for fp16 alone, which needs a GPU; what it does on a resume needs none.
    model, steps = trained(RECIPES[0], 1)
    scaler = torch.amp.GradScaler("cpu", init_scale=64.0, growth_interval=3)
    scaler.scale(torch.zeros(1))  # this is when it starts
    scaler.update(16.0)
    parts = {
        "model": model.state_dict(),
        "optimizer": checkpoint.optimizer_tensors(steps),
        "scaler": {name: torch.as_tensor(value) for name, value in scaler.state_dict().items()},
    }
    checkpoint.save(tmp_path / "checkpoints", 1, parts, {**vars(Place(step=1)), "data": "ab"})
    fresh = torch.amp.GradScaler("cpu")
    learner = Learner(model, None, nn.MSELoss(), steps, SimpleNamespace(scaler=fresh))
    assert saving.restore(tmp_path, "ab", learner) == Place(step=1)
    assert fresh.state_dict() == scaler.state_dict() and fresh.get_scale() == 16.0


def save(folder: Path, step: int) -> Path:
    return checkpoint.save(folder, step, {"model": {"w": torch.full((256,), float(step))}}, {"step": step})


def test_only_the_newest_two_are_kept_and_leftovers_go(tmp_path: Path):
    folder = tmp_path / "checkpoints"
    for step in (5, 10, 100, 1000):
        save(folder, step)
        (folder / "000000003.tmp").write_text("of a process that was killed")
    save(folder, 2000)
    assert sorted(path.name for path in folder.iterdir()) == ["000001000.safetensors", "000002000.safetensors"]


def test_one_that_was_passed_over_counts_for_none(tmp_path: Path):
    """Else it would take the place of the second that is kept, with the next damage the whole run would be lost."""
    for step in (50, 100):
        path = save(tmp_path, step)
    path.write_bytes(b"")
    for step in (60, 70):
        path = save(tmp_path, step)
    path.write_bytes(b"")
    assert (checkpoint.newest(tmp_path) or ({}, {}))[1] == {"step": 60}


def test_none_yet(tmp_path: Path):
    assert checkpoint.newest(tmp_path / "checkpoints") is None and checkpoint.saved(tmp_path) == []


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


@pytest.mark.parametrize(
    "damage",
    [cut, lambda c: c[:4], lambda c: b"", lambda c: b"\xff" * 64 + c[64:]],
    ids=["half", "stub", "empty", "header"],
)
def test_a_damaged_newest_checkpoint_is_skipped_and_reported(damage, tmp_path: Path, capsys):
    save(tmp_path, 1)
    path = save(tmp_path, 2)
    path.write_bytes(damage(path.read_bytes()))
    parts, state = checkpoint.newest(tmp_path) or ({}, {})
    assert state == {"step": 1} and parts["model"]["w"].tolist() == [1.0] * 256
    said = capsys.readouterr().err
    assert (
        said.startswith("checkpoint 000000002.safetensors is damaged (") and "going back to the one of step 1" in said
    )
    (tmp_path / "000000001.safetensors").write_bytes(b"")
    assert checkpoint.newest(tmp_path) is None
    assert capsys.readouterr().err.count("; starting from the beginning.") == 1


def test_a_full_disk_keeps_the_last_good_one(small_disk: Path):
    folder = small_disk / "checkpoints"
    save(folder, 1)
    big = {"model": {"w": torch.zeros(500_000)}}
    with pytest.raises((OSError, SafetensorError), match="No space left on device"):
        checkpoint.save(folder, 2, big, {"step": 2})
    assert [path.name for path in folder.iterdir()] == ["000000001.safetensors"]
    assert (checkpoint.newest(folder) or ({}, {}))[1] == {"step": 1}


def test_training_on_a_disk_that_fills_up_says_so_and_goes_on_when_there_is_room(small_disk: Path, monkeypatch):
    import zoo

    monkeypatch.setattr(saving, "SAVE_EVERY", -1.0)
    recipe = {
        "model": "mlp",
        "model_args": {"widths": [256]},  # 76 kB of weights, thrice that in a checkpoint
        "init": "default",
        "data": {"name": "digits"},
        "optimizer": {"name": "adamw", "lr": 0.01},
        "train": {"epochs": 4},
    }
    whole = zoo.train(recipe, out=small_disk.parent / "whole", device="cpu")
    real, saves = checkpoint.save, []

    def save_until_full(*arguments):
        saves.append(arguments[1])
        if len(saves) == 3:
            (small_disk / "filler").write_bytes(b"x" * 400_000)
        return real(*arguments)

    monkeypatch.setattr(checkpoint, "save", save_until_full)
    run = small_disk / "run"
    with pytest.raises(zoo.ZooError, match=r"a checkpoint cannot be written to .*No space left.*--resume\.$"):
        zoo.train(recipe, out=run, device="cpu")
    assert [int(path.stem) for path in checkpoint.saved(run / "checkpoints")] == saves[:2]
    assert not (run / "model.safetensors").exists() and not list(run.rglob("*.tmp"))
    (small_disk / "filler").unlink()
    resumed = zoo.train(recipe, out=run, device="cpu", resume=True)
    assert (resumed.folder / "model.safetensors").read_bytes() == (whole.folder / "model.safetensors").read_bytes()
