"""The kinds of data: how a data set becomes batches, and how a person's raw input becomes a model's input.

Each kind has one file of its own name; the rest of the zoo uses only the file's `KIND`.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from zoo.data import DataSet, Split, hold_out
from zoo.data.text import tokenizer_of
from zoo.kinds.feed import Batches, Feed, Inputs
from zoo.plugins import Table

if TYPE_CHECKING:
    from zoo.bundles.format import Bundle
    from zoo.recipes import Recipe


F = TypeVar("F", bound=Callable[[], Any])


@dataclass(frozen=True)
class Input:
    """What a model reads: `settings` is `input` of its config.json; the tokenizer is read once and shared.

    `classes` is how many labels the targets have, 0 if they are not classes.
    """

    settings: dict[str, Any]
    tokenizer: Any = None  # from the package tokenizers, None if the kind has none
    classes: int = 0

    @property
    def kind(self) -> str:
        return self.settings["kind"]


Change = tuple[str, Any, str]
"""A change of a recipe's setting: (key path, new value, reason)."""


@dataclass(frozen=True)
class Described:
    """The parts of a bundle that the data set decides: `input` of its config.json, arguments of the model, the
    tokenizer."""

    input: dict[str, Any]
    model_args: dict[str, Any]
    tokenizer: Any = None


@dataclass(frozen=True)
class Kind:
    """A kind of data as a handful of functions.

    Of a recipe:
        section: a dataclass, or a pydantic model, of the settings in `data.<kind>`; None if there are none. Types may
            hold limits (`zoo.limits`). `recipe.data.<kind>` has its fields, checked.

    Of a data set:
        describe: (recipe, data set, training split, weight to begin from) -> `Described`. A tokenizer is trained only
            on that split, or taken from the weight (call it to read it; None if there is none).
        training: (recipe, split, input, device) -> the run's batches.
        evaluation: (split, input, batch size, device) -> every sample exactly once, without augmentation, as (inputs,
            targets) on the device. You can iterate over the batches again; slow work is done only once.
        check: (recipe, data set) -> None; raises `ZooError` with the key path for settings that the data refuse.
        hold_out: (split, fraction) -> (rest, held), for data sets without a validation split of their own.

    Of a recipe that is fitted to the user's data (`zoo.training.rules`), as its content:
        fitting: (content, data set, whether it begins from a weight, which then keeps its tokenizer and similar
            settings) -> the changes of the kind's own settings and of arguments of the model.
        count: (content, data set) -> how many samples there are to train on.
        passes: the largest number of epochs.

    Of `input` in config.json, called settings here:
        holds: (key, test of the settings, what is expected in words); a test runs only if all tests before it passed.
        blank: settings -> the arguments of the model's `forward` for two blank samples, on the CPU.
        shape: settings -> the shape of one sample, without the batch, as `ModelInfo.input_shape` has it; () if it is
            not fixed.
        samples: settings -> what one sample is, for messages.
        words: settings -> what happens to a raw input, in sentences for the card; "" if nobody says.
        golden: settings -> a raw input made from these alone, as JSON can hold it (`zoo.golden`), or None.

    Of a raw input, as a person has it:
        example: a line of Python that asks the predictor {} for an answer.
        prepare: (raw inputs, input) -> the arguments of the model's `forward`, one batch on the CPU. Raises
            `ZooError` for an input that is not of this kind.
        unpack: the raw inputs that one object holds, such as the rows of a file; None if the object is a raw input
            itself. The `str` of each is its name in messages.
        batch_ndim: an array or tensor with this many dimensions is a batch of raw inputs; 0 if arrays never are.
        cost: how long a raw input is. A batch takes as long as its longest member, so inputs of like cost share one.
        explain: (raw inputs, input, attention weights) -> for each input [(part, weight), …]; None if nothing of the
            input can be named.
    """

    describe: Callable[[Recipe, DataSet, Split, Callable[[], Input] | None], Described]
    training: Callable[[Recipe, Split, Input, torch.device], Feed]
    evaluation: Callable[[Split, Input, int, torch.device], Batches]
    holds: Sequence[tuple[str, Callable[[dict[str, Any]], bool], str]]
    blank: Callable[[dict[str, Any]], Inputs]
    samples: Callable[[dict[str, Any]], str]
    prepare: Callable[[list[Any], Input], Inputs]
    check: Callable[[Recipe, DataSet], None] = lambda recipe, data: None
    # The split does not depend on the run's seed, so that seeds are compared on the same samples.
    hold_out: Callable[[Split, float], tuple[Split, Split]] = lambda split, fraction: hold_out(split, fraction, seed=0)
    shape: Callable[[dict[str, Any]], tuple[int, ...]] = lambda settings: ()
    words: Callable[[dict[str, Any]], str] = lambda settings: ""
    example: str = 'answer = {}("input")'
    unpack: Callable[[Any], list[Any] | None] = lambda raw: None
    batch_ndim: int = 0
    cost: Callable[[Any], int] = lambda raw: 0
    section: type[Any] | None = None
    fitting: Callable[[dict[str, Any], DataSet, bool], Iterator[Change]] = lambda content, data, begun: iter(())
    count: Callable[[dict[str, Any], DataSet], int] = lambda content, data: len(data.train)
    passes: int = 40
    golden: Callable[[dict[str, Any]], Any] | None = None
    explain: Callable[[list[Any], Input, Tensor], list[list[tuple[str, float]]]] | None = field(default=None)


def register_kind(name: str | None = None) -> Callable[[F], F]:
    """Decorator that registers a function which gives a `Kind`, under the function's own name or `name`.

    The function is called when the kind is first asked for. Raises `ZooError` if the name is taken.

        >>> @zoo.register_kind("photograph")
        ... def photograph():
        ...     return zoo.kinds.get("image")
        >>> "photograph" in zoo.kinds.names()
        True
    """

    def register(give: F) -> F:
        KINDS.register(give.__name__ if name is None else name, cache(give), give)
        return give

    return register


def names() -> list[str]:
    """All kinds, including those of plug-ins."""
    return KINDS.names()


def get(name: str) -> Kind:
    """The kind of that name; `ZooError` with the nearest names if it does not exist."""
    return KINDS.find(name)()


def _own() -> None:
    """Every file beside this one that has a `KIND`."""
    for file in pkgutil.iter_modules(__path__):
        module = import_module(f"{__name__}.{file.name}")
        if hasattr(module, "KIND"):
            KINDS[file.name] = partial(getattr, module, "KIND")


KINDS: Table[Callable[[], Kind]] = Table("kind of data", "zoo.kinds", load=_own)


def input_of(bundle: Bundle) -> Input:
    """What the model of a bundle reads, with its tokenizer."""
    file = bundle.tokenizer
    tokenizer = None if file is None else tokenizer_of(bundle.content(file.name), str(file))
    return Input(bundle.config["input"], tokenizer, len(bundle.config["labels"]))
