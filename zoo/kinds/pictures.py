"""Pictures that stay files until a batch needs them: read, resized and handed on by torch's `DataLoader`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Generator, Tensor
from torch.utils.data import DataLoader, Dataset

from zoo.errors import ZooError
from zoo.kinds.feed import Feed, Inputs, shuffled_batches

if TYPE_CHECKING:
    from zoo.recipes import Recipe

AHEAD = 2
"""Batches that each worker has ready, torch's own choice."""

Augmented = Callable[[Tensor, Tensor, Generator, float], tuple[Inputs, Tensor]]


@dataclass(frozen=True)
class Pictures(Dataset[Tensor]):
    """Files as uint8 (C, H, W), prepared as the bundle's input transform prepares a raw picture."""

    paths: list[str]
    input: dict[str, Any]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        from zoo.kinds.raw_image import pixels

        return pixels(self.paths[index], self.input).round().clamp(0, 255).to(torch.uint8)


def read_batches(
    paths: list[str], batches: Iterable[Tensor], input: dict[str, Any], workers: int = 0
) -> Iterator[Tensor]:
    """The pictures of each batch of indices, uint8 (N, C, H, W), in order; `workers` processes read ahead."""
    order = [batch.tolist() for batch in batches]
    # A loader draws a seed for its workers. If it took the seed from torch's own generator, it would take a number
    # that a step's dropout should get: in the first step of an epoch, or after a resume in another step.
    own = Generator()
    pictures = Pictures(paths, input)
    most = max(map(len, order), default=0) * input["channels"] * input["size"][0] * input["size"][1]
    collate = torch.stack if _is_room(most * (AHEAD + 1) * workers) else _stacked
    ahead = AHEAD if workers else None
    loader = DataLoader(
        pictures, batch_sampler=order, num_workers=workers, collate_fn=collate, generator=own, prefetch_factor=ahead
    )
    return (torch.as_tensor(batch) for batch in loader)


def _is_room(size: int) -> bool:
    """Whether this many bytes fit into the shared memory between processes; containers often have only 64 MB.

    If it runs full, the system kills the writing process, or all processes wait for each other.
    """
    try:
        space = os.statvfs("/dev/shm")
    except (AttributeError, OSError):  # other systems have no such limit here
        return True
    return size < space.f_bavail * space.f_frsize // 2


def _stacked(images: list[Tensor]) -> Any:
    """A batch as an array, which goes through a pipe."""
    return torch.stack(images).numpy()


@contextmanager
def readers() -> Iterator[None]:
    """Raise `ZooError` if a process that reads pictures ahead ends while the body runs."""
    try:
        yield
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        why = " ".join(str(error).split()).rstrip(".")
        raise ZooError(
            f"a process that read pictures ended ({why}); go on with --resume, and if memory is short, lower "
            "data.workers."
        ) from error


def stream(recipe: Recipe, paths: list[str], input: dict[str, Any], device: torch.device, augment: Augmented) -> Feed:
    """Shuffled batches of files, read ahead in the order of the epoch, from the batch at which a run continues."""
    shuffled = shuffled_batches(recipe, len(paths), device, lambda *_: ((), torch.empty(0)))
    # More processes than processors read no faster, and a stranger's recipe may ask for any number.
    ahead = _Ahead(paths, input, min(recipe.data.workers, os.cpu_count() or 1))

    def plan(epoch: int) -> list[Tensor]:
        ahead.batches, ahead.next = shuffled.plan(epoch), -1
        return ahead.batches

    def load(indices: Tensor, generator: Generator, progress: float) -> tuple[Inputs, Tensor]:
        return augment(ahead.read(indices).to(device), indices, generator, progress)

    return Feed(shuffled.size, plan, load)


class _Ahead:
    """The epoch's batches, and an iterator whose next element is the batch asked for next."""

    def __init__(self, paths: list[str], input: dict[str, Any], workers: int) -> None:
        self.paths, self.input, self.workers = paths, input, workers
        self.batches: list[Tensor] = []
        self.next = -1

    def read(self, indices: Tensor) -> Tensor:
        if not (0 <= self.next < len(self.batches) and self.batches[self.next] is indices):
            self.next = next(place for place, batch in enumerate(self.batches) if batch is indices)
            self.images = read_batches(self.paths, self.batches[self.next :], self.input, self.workers)
        self.next += 1
        try:
            with readers():
                return next(self.images)
        except ZooError as error:  # from a worker, which puts its stack trace before our sentence
            if "ZooError: " not in str(error):
                raise
            raise ZooError(str(error).rpartition("ZooError: ")[2].strip()) from error
