"""A training epoch of `mnist_mlp` on the 60,000 digits of MNIST, by the zoo's engine and by its peers.

    python benchmarks/train.py [--rounds N] [--processor]

Needs torchvision, lightning (the extra `bench`) and MNIST in ZOO_DATA. All train the same model from the same numbers
with the same fused AdamW at the same rate, batch 256, the last and smaller batch dropped, float32, nothing augmented:

- **zoo**: `zoo.train`, as a caller calls it; its epochs end where it prints their lines.
- **bare**: the loop one would write by hand around the same tensors. It keeps no log and no checkpoint.
- **torchvision**: `datasets.MNIST`, `ToTensor`, `Normalize`, and a `DataLoader` with two workers, as in its references.
- **Lightning**: its `Trainer` over a `DataLoader` of a `TensorDataset` of floats, without logger, bar or checkpoint.

A round runs each for three epochs. The first one pays for what is made once (imports, data, model, optimizer) and is
not counted; the engine's second includes writing a checkpoint. Every other round goes through them backwards. A ratio
is the median of the rounds' ratios, because a machine's speed drifts by more than the few per cent that are looked for;
times are medians over all rounds. The accuracies show that nobody left out the work. Prints a Markdown table; exits 1
where a target is missed.

`--processor` compares the processor seconds of a contender and its workers in place of those on the clock. On a machine
that others use too they are what can be compared; they credit a peer with nothing for working on two cores at once.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from load import Row, report
from torch import Tensor, nn

import zoo
from zoo.data import DataSet, files, load
from zoo.data.idx import MNIST
from zoo.data.transforms import normalize

EPOCHS = 3
BATCH = 256
RATE = 1e-3
INPUT = {"mean": [0.1307], "std": [0.3081], "maximum": 255.0}
RECIPE = {
    "model": "mnist_mlp",
    "init": "kaiming_normal",
    "data": {"name": "mnist", "batch_size": BATCH, "mean": INPUT["mean"], "std": INPUT["std"]},
    "optimizer": {"name": "adamw", "lr": RATE, "weight_decay": 0.01},
    "train": {"epochs": EPOCHS},
}


@dataclass
class Laps:
    """When epochs ended: seconds on the clock and of the processor, the latter with those of workers that are done."""

    ends: list[tuple[float, float]] = field(default_factory=list)

    def end(self) -> None:
        self.ends.append((time.perf_counter(), sum(os.times()[:4])))

    def seconds(self, processor: bool) -> list[float]:
        """What each epoch after the first took."""
        times = [end[processor] for end in self.ends]
        return [after - before for before, after in pairwise(times)]


def main() -> int:
    parser = argparse.ArgumentParser(description="A training epoch of mnist_mlp by the zoo's engine and by its peers.")
    parser.add_argument("--rounds", type=int, default=6, help="times that each contender trains")
    parser.add_argument("--processor", action="store_true", help="compare processor seconds, not those on the clock")
    arguments = parser.parse_args()
    data = load("mnist")
    taken: dict[str, list[float]] = {}  # name -> seconds an epoch, one number a round
    accuracies: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        contenders = contenders_of(data, Path(folder))
        for turn in range(arguments.rounds):
            for name in list(contenders)[:: -1 if turn % 2 else 1]:
                laps = Laps()
                accuracies[name] = contenders[name](laps)
                taken.setdefault(name, []).append(statistics.mean(laps.seconds(arguments.processor)))
    rows = compared(taken, accuracies)
    print(f"Seconds {'of the processor' if arguments.processor else 'on the clock'}, an epoch.")
    report(rows)
    return 0 if all(row.met for row in rows) else 1


def compared(taken: dict[str, list[float]], accuracies: dict[str, float]) -> list[Row]:
    def ratio(one: str, other: str) -> float:
        return statistics.median(a / b for a, b in zip(taken[one], taken[other], strict=True))

    rows = [
        Row(f"epoch, {name}", f"{statistics.median(seconds):.3f} s (accuracy {100 * accuracies[name]:.1f} %)")
        for name, seconds in taken.items()
    ]
    overhead = ratio("zoo", "bare") - 1
    rows.append(Row("zoo over bare", f"{100 * overhead:+.1f} %", "≤ 5 %", overhead <= 0.05))
    for peer, target in (("torchvision", 8), ("Lightning", 2)):
        times = ratio(peer, "zoo")
        rows.append(Row(f"{peer} / zoo", f"{times:.1f}×", f"≥ {target}×", times >= target))
        # What the arithmetic of the model leaves room for: an engine that costs nothing would reach this.
        rows.append(Row(f"{peer} / bare", f"{ratio(peer, 'bare'):.1f}×"))
    return rows


def contenders_of(data: DataSet, folder: Path) -> dict[str, Callable[[Laps], float]]:
    """Each trains `EPOCHS` epochs, notes the end of each, and gives the accuracy on the test split."""
    from torch.utils.data import DataLoader, TensorDataset

    assert isinstance(data.train.inputs, Tensor) and isinstance(data.test.inputs, Tensor)
    images, targets = data.train.inputs, data.train.targets
    test = normalize(data.test.inputs, INPUT), data.test.targets
    pictures = torchvision_set(folder)
    tensors = TensorDataset(normalize(images, INPUT), targets)

    def with_zoo(laps: Laps) -> float:
        with tempfile.TemporaryDirectory() as out, contextlib.redirect_stderr(Lines(laps)):
            return zoo.train(RECIPE, out=out).metrics["accuracy"]

    def bare(laps: Laps) -> float:
        mean, std = 255 * INPUT["mean"][0], 255 * INPUT["std"][0]
        model, optimizer = fresh()
        for _ in range(EPOCHS):
            order = torch.randperm(len(targets))
            plan = order.split(BATCH)[: len(targets) // BATCH]
            epoch(model, optimizer, (((images[i] - mean) / std, targets[i]) for i in plan))
            laps.end()
        return accuracy(model, *test)

    def with_torchvision(laps: Laps) -> float:
        loader = DataLoader(pictures, batch_size=BATCH, shuffle=True, drop_last=True, num_workers=2)
        model, optimizer = fresh()
        for _ in range(EPOCHS):
            epoch(model, optimizer, loader)
            laps.end()
        return accuracy(model, *test)

    def with_lightning(laps: Laps) -> float:
        loader = DataLoader(tensors, batch_size=BATCH, shuffle=True, drop_last=True)
        model, optimizer = fresh()
        lightning_fit(model, optimizer, loader, laps)
        return accuracy(model, *test)

    return {"zoo": with_zoo, "bare": bare, "torchvision": with_torchvision, "Lightning": with_lightning}


class Lines(io.StringIO):
    """In place of standard error: the engine's line at the end of an epoch ends a lap."""

    def __init__(self, laps: Laps) -> None:
        super().__init__()
        self.laps = laps

    def write(self, text: str) -> int:
        if "epoch" in text:
            self.laps.end()
        return super().write(text)


def fresh() -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = zoo.create("mnist_mlp")
    return model, torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01, fused=True)


def epoch(model: nn.Module, optimizer: torch.optim.Optimizer, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
    model.train()
    for x, y in batches:
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        optimizer.zero_grad()


def accuracy(model: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    model.eval()
    with torch.inference_mode():
        return (model(inputs).argmax(1) == targets).float().mean().item()


def torchvision_set(folder: Path) -> torch.utils.data.Dataset:
    """MNIST as torchvision's references read it, its files laid where torchvision looks."""
    from torchvision import datasets, transforms

    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    assert MNIST.raw is not None
    source = files.in_zoo_data(MNIST.raw)
    if source is None:
        sys.exit("error: MNIST is not in ZOO_DATA; torchvision's reader needs its files there.")
    for name in MNIST.raw.files:
        (raw / name).write_bytes(files.read(MNIST.raw, source, name))
    steps = [transforms.ToTensor(), transforms.Normalize(INPUT["mean"], INPUT["std"])]
    return datasets.MNIST(folder, download=False, transform=transforms.Compose(steps))


def lightning_fit(model: nn.Module, optimizer: torch.optim.Optimizer, loader: Iterable, laps: Laps) -> None:
    import logging

    import lightning  # pyright: ignore[reportMissingImports] - it comes with the extra `bench` alone

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
            return F.cross_entropy(self.model(batch[0]), batch[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return optimizer

        def on_train_epoch_end(self) -> None:
            laps.end()

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    trainer = lightning.Trainer(
        max_epochs=EPOCHS,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Module(), loader)


if __name__ == "__main__":
    sys.exit(main())
