"""The contenders of `train.py`: each trains a job's model for all its epochs, notes their ends, and gives it back.

They begin with the same numbers and take steps of the same arithmetic: the recipe's model, fused optimizer, rate,
precision and memory layout. What differs is who makes the batches and who turns the loop.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from zoo import kinds
from zoo.construct import construct
from zoo.data import Split, files
from zoo.data.idx import MNIST
from zoo.kinds.feed import Feed, Inputs
from zoo.kinds.transforms import normalize
from zoo.nn.matmul_conv import use_matmul_conv
from zoo.recipes import Recipe
from zoo.training.loop import fit
from zoo.training.machine import memory
from zoo.training.setup import Setup, fresh_model
from zoo.training.update.build import optimizer

DEVICE = torch.device("cpu")
"""Where all train; `gpu.py` sets another."""
Batches = Iterable[tuple[Tensor | Inputs, Tensor]]


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


@dataclass(frozen=True)
class Job:
    """A recipe, and the data that it is trained on."""

    recipe: Recipe
    setup: Setup

    @property
    def epochs(self) -> range:
        return range(self.recipe.train.epochs or 0)

    def feed(self) -> Feed:
        return kinds.get(self.setup.input.kind).training(self.recipe, self.setup.train, self.setup.input, DEVICE)

    def fresh(self) -> tuple[nn.Module, torch.optim.Optimizer]:
        model = fresh_model(self.recipe, self.setup.config, DEVICE)
        if self.recipe.train.channels_last:
            model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self.recipe.train.matmul_conv:
            use_matmul_conv(model)
        return model.train(), optimizer(model, nn.Module(), self.recipe.optimizer)

    def loss(self, model: nn.Module, inputs: Tensor | Inputs, targets: Tensor) -> Tensor:
        inputs = (inputs,) if isinstance(inputs, Tensor) else inputs
        if self.recipe.train.channels_last:
            inputs = tuple(x.contiguous(memory_format=torch.channels_last) for x in inputs)
        with torch.autocast(DEVICE.type, torch.bfloat16, enabled=self.recipe.train.precision == "bf16"):
            outputs = model(*inputs)
        return F.cross_entropy(outputs.float(), targets)


def zoo(job: Job, laps: Laps) -> nn.Module:
    """The zoo's engine; a callback sees its epochs end."""
    with tempfile.TemporaryDirectory() as folder:
        ended = (lambda epoch, figures: laps.end(),)
        trained = fit(job.recipe, job.setup, Path(folder), DEVICE, callbacks=ended, progress=False)
    model = construct(job.recipe.model, job.setup.config["model_args"])
    model.load_state_dict(trained.state)
    return model


def bare(job: Job, laps: Laps) -> nn.Module:
    """The loop that one would write by hand around the engine's batches. It keeps no log and no checkpoint.

    Its memory is kept as the engine's is: beside it the engine's own cost is seen.
    """
    with memory.kept():
        return _by_hand(job, laps, _Batches(job.feed()))


def torchvision(job: Job, laps: Laps) -> nn.Module:
    """As in torchvision's references: its transforms on one picture after another, in a loader with two workers."""
    return _by_hand(job, laps, _torchvision_loader(job))


def timm(job: Job, laps: Laps) -> nn.Module:
    """timm's `create_loader` with two workers: crops of random sizes, as is its way; batches normalised as a whole."""
    from timm.data.loader import create_loader

    settings = job.setup.config["input"]
    loader = create_loader(
        Pictures(job.setup.train),  # type: ignore[arg-type]
        input_size=(settings["channels"], *settings["size"]),
        batch_size=job.recipe.data.batch_size,
        is_training=True,
        color_jitter=0.0,
        mean=settings["mean"],
        std=settings["std"],
        num_workers=2,
        persistent_workers=False,  # only those that are done can be asked for the seconds that they took
        device=DEVICE,
    )
    return _by_hand(job, laps, loader)


def lightning(job: Job, laps: Laps) -> nn.Module:
    """Lightning's `Trainer` without logger, bar or checkpoint. It leaves the loader to its user (`_usual_loader`)."""
    import lightning as L  # pyright: ignore[reportMissingImports] - it comes with the extra `bench` alone

    model, stepper = job.fresh()

    class Module(L.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def training_step(self, batch: tuple[Any, Tensor], index: int) -> Tensor:
            return job.loss(self.model, *batch)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return stepper

        def on_train_epoch_end(self) -> None:
            laps.end()

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    trainer = L.Trainer(
        max_epochs=len(job.epochs),
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Module(), _usual_loader(job))
    return model


def _by_hand(job: Job, laps: Laps, batches: Batches) -> nn.Module:
    model, stepper = job.fresh()
    for _ in job.epochs:
        for inputs, targets in batches:
            job.loss(model, inputs, targets).backward()
            stepper.step()
            stepper.zero_grad()
        laps.end()
    return model


class _Batches(IterableDataset):
    """The engine's batches; each pass over them is another epoch."""

    def __init__(self, feed: Feed) -> None:
        self.feed, self.epoch = feed, 0

    def __iter__(self) -> Iterator[tuple[Inputs, Tensor]]:
        generator = Generator()
        for indices in self.feed.plan(self.epoch):
            yield self.feed.load(indices, generator, 0.0)
        self.epoch += 1


def _usual_loader(job: Job) -> DataLoader:
    """Floats from memory where nothing is augmented, else torchvision's transforms; for texts the engine's batches."""
    images, targets, settings = job.setup.train.inputs, job.setup.train.targets, job.setup.config["input"]
    if not isinstance(images, Tensor):
        return DataLoader(_Batches(job.feed()), batch_size=None)
    if job.recipe.data.augment.crop:
        return _torchvision_loader(job)
    data = TensorDataset(normalize(images, settings), targets)
    return DataLoader(data, batch_size=job.recipe.data.batch_size, shuffle=True, drop_last=True)


def _torchvision_loader(job: Job) -> DataLoader:
    from torchvision import transforms as T

    settings, augment = job.setup.config["input"], job.recipe.data.augment
    steps: list[Any] = [T.ToTensor(), T.Normalize(settings["mean"], settings["std"])]
    if augment.flip:
        steps.insert(0, T.RandomHorizontalFlip(augment.flip.p))
    if augment.crop:
        steps.insert(0, T.RandomCrop(settings["size"], augment.crop.padding, padding_mode=augment.crop.mode))
    transform = T.Compose(steps)
    data = _mnist(transform) if job.recipe.data.name == "mnist" else Pictures(job.setup.train, transform)
    return DataLoader(data, batch_size=job.recipe.data.batch_size, shuffle=True, drop_last=True, num_workers=2)


def _mnist(transform: Any) -> Dataset:
    """torchvision's own reader of MNIST, its files laid where it looks. It keeps all that it reads in memory."""
    from torchvision import datasets

    assert MNIST.raw is not None
    source = files.in_zoo_data(MNIST.raw)
    if source is None:
        sys.exit("error: MNIST is not in ZOO_DATA; torchvision's reader needs its files there.")
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder, "MNIST", "raw")
        raw.mkdir(parents=True)
        for name in MNIST.raw.files:
            (raw / name).write_bytes(files.read(MNIST.raw, source, name))
        return datasets.MNIST(folder, download=False, transform=transform)


class Pictures(Dataset):
    """A split's images as (PIL picture, class), made when asked for as torchvision's own data sets do.

    It is for CIFAR-10, which theirs would read from a pickle; the zoo never opens one.
    """

    def __init__(self, split: Split, transform: Any = None) -> None:
        assert isinstance(split.inputs, Tensor)
        self.pixels = split.inputs.permute(0, 2, 3, 1).squeeze(-1).contiguous().numpy()
        self.targets = split.targets.tolist()
        self.transform = transform

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        from PIL import Image

        picture = Image.fromarray(self.pixels[index])
        return self.transform(picture) if self.transform else picture, self.targets[index]
