"""Running text as ids of characters: in windows of `length` characters, each is predicted from those before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Generator, Tensor
from torch.nn.utils.rnn import pad_sequence

from zoo.data import DataSet, Split, text
from zoo.data.split import IGNORED
from zoo.errors import ZooError
from zoo.kinds import Change, Described, Input, Kind, holds
from zoo.kinds.feed import Batches, Feed, Inputs, check_batch, mix, refuse_augment
from zoo.limits import Count
from zoo.models.charlm import encode

if TYPE_CHECKING:
    from zoo.recipes import Recipe


@dataclass(frozen=True)
class Characters:
    """Running text as windows of `length` characters."""

    length: Count = 256


def describe(recipe: Recipe, data: DataSet, train: Split[Tensor], begun: Callable[[], Input] | None) -> Described:
    symbols = "".join(data.labels)
    if begun and begun().settings["symbols"] != symbols:
        raise ZooError(
            f"init_from: {recipe.init_from} uses other symbols than {data.name}; name a weight that uses the same ones."
        )
    return Described(
        {"kind": "characters", "symbols": symbols, "length": recipe.data.characters.length}, {"symbols": symbols}
    )


def blank(settings: dict[str, Any]) -> Inputs:
    return (torch.zeros(2, 3, dtype=torch.int64),)


def training(recipe: Recipe, split: Split[Tensor], input: Input, device: torch.device) -> Feed:
    """Windows end to end, in random order; their first place is drawn again for each epoch."""
    written = Text(split, input.settings["length"], device)
    windows = len(split) // written.length - 1  # the number of windows, wherever the first begins
    size = check_batch(recipe, windows)
    count = windows // size

    def plan(epoch: int) -> list[Tensor]:
        generator = Generator().manual_seed(mix(recipe.train.seed, 0, epoch))
        first = torch.randint(written.length, (1,), generator=generator)
        order = torch.randperm(windows, generator=generator)[: count * size]
        return list((first + order * written.length).view(count, size).to(device))

    def load(begins: Tensor, generator: Generator, progress: float) -> tuple[Inputs, Tensor]:
        return written.at(begins, written.length)

    return Feed(count, plan, load)


def evaluation(split: Split[Tensor], input: Input, size: int, device: torch.device) -> Batches:
    """Windows twice as long: only the second half counts; the model looks back at the first."""
    written = Text(split, input.settings["length"], device)
    span = min(2 * written.length, len(split))
    ends = torch.arange(span, len(split) + written.length, written.length, device=device).clamp(max=len(split))
    counted = torch.cat([ends.new_zeros(1), ends[:-1]])

    def begin() -> Iterator[tuple[Inputs, Tensor]]:
        for end, before in zip(ends.split(size), counted.split(size), strict=True):
            inputs, targets = written.at(end - span, span)
            again = (end - span).unsqueeze(1) + torch.arange(span, device=device) < before.unsqueeze(1)
            yield inputs, targets.masked_fill(again, IGNORED)

    return Batches(size, begin)


class Text:
    """A split on a device, to be read in windows."""

    def __init__(self, split: Split[Tensor], length: int, device: torch.device) -> None:
        self.ids: Tensor = split.inputs.to(device)
        self.targets: Tensor = split.targets.to(device)
        self.length = length

    def at(self, begins: Tensor, steps: int) -> tuple[Inputs, Tensor]:
        """((ids (N, steps) int64,), the id after each, of the same shape) of the windows that begin at `begins`
        (N,)."""
        places = begins.unsqueeze(1) + torch.arange(steps, device=begins.device)
        return (self.ids[places].long(),), self.targets[places]


def fitting(content: dict[str, Any], data: DataSet, begun: bool) -> Iterator[Change]:
    length = content["data"]["characters"]["length"]
    new = max(8, min(length, len(data.train) // 50))
    if new != length:
        yield "data.characters.length", new, f"a fiftieth of {len(data.train):,} characters"


def hold_out(split: Split[Tensor], fraction: float) -> tuple[Split[Tensor], Split[Tensor]]:
    """Hold out the end of the text, as in the test split."""
    count = len(split) - round(fraction * len(split))
    return Split(split.inputs[:count], split.targets[:count]), Split(split.inputs[count:], split.targets[count:])


def prepare(raw: list[Any], input: Input) -> tuple[Tensor]:
    """Prompts -> ids (N, T) int64, 0 after each end; a model that reads forwards ignores those zeros.

    Raises `ZooError` for an object that is not a `str`, for an empty one, and for characters that the model has never
    seen.
    """
    text.check(raw)
    return (pad_sequence([encode(text.clean(one), input.settings["symbols"]) for one in raw], batch_first=True),)


def golden(settings: dict[str, Any]) -> Any:
    prompt = "".join(symbol for symbol in "ROMEO:" if symbol in settings["symbols"])
    return prompt or settings["symbols"][:8]


def words(settings: dict[str, Any]) -> str:
    return f"A text is read character by character; {len(settings['symbols'])} different ones are known."


KIND = Kind(
    words=words,
    example='answer = {}("ROMEO:")',
    golden=golden,
    section=Characters,
    describe=describe,
    blank=blank,
    training=training,
    evaluation=evaluation,
    shape=lambda settings: (settings["length"],),
    samples=lambda settings: "ids of characters",
    check=refuse_augment,
    hold_out=hold_out,
    fitting=fitting,
    count=lambda content, data: max(1, len(data.train) // content["data"]["characters"]["length"]),
    holds=(holds.key("symbols", lambda v: isinstance(v, str) and bool(v), "text"), holds.count("length")),
    prepare=prepare,
)
