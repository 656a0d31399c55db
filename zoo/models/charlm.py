"""Language models over characters."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.errors import ZooError
from zoo.nn.head import WithHead, linear_head
from zoo.nn.rates import rate
from zoo.nn.recurrent import time_dropout
from zoo.registry import register_model

PRINTABLE = "\n" + "".join(map(chr, range(32, 127)))

Memory = list[tuple[Tensor, Tensor]]
"""For each layer its state and its cell, both (1, N, hidden)."""


def encode(prompt: str, symbols: str) -> Tensor:
    """The place of each character among `symbols`: int64 (T,). Raises `ZooError` for an unknown one, and for none."""
    if not isinstance(prompt, str):
        raise ZooError(f"{type(prompt).__name__} is not a prompt; give a str.")
    if not prompt:
        raise ZooError("the prompt is empty; give at least one character to go on from.")
    if unknown := sorted(set(prompt) - set(symbols)):
        raise ZooError(
            f"the prompt {prompt[:40]!r} holds {', '.join(map(repr, unknown[:5]))}, which the model has never seen; "
            f"use only {symbols!r}."
        )
    return torch.tensor([symbols.index(character) for character in prompt])


@register_model(
    task="language-modelling",
    init="recurrent",
    description="LSTM over characters that writes on where a text ends",
    source="Graves 2013, Generating Sequences With Recurrent Neural Networks, sections 2 and 3",
    input_shape=(256,),
)
class charlstm(WithHead):
    """Embedding -> LSTM layers -> linear head: from the characters so far, which comes next.

    Args:
        symbols: the characters that it knows; an id is a place among them. Printable ASCII by default.
        embedding_dim: numbers in a character's vector.
        hidden: LSTM units of each layer.
        layers: LSTM layers.
        dropout: share of channels dropped in training mode from what each layer gives, one mask a row for all time
            steps (Gal & Ghahramani 2016, section 4). It is not left to `nn.LSTM(dropout=)`, which draws a fresh mask at
            every step and which cuDNN does not repeat exactly. A character's vector is spared: it is short, and all
            that is known of the character.

    Shapes: ids (N, T) int64 -> logits (N, T, symbols); those at t tell what follows the first t + 1 characters. The
    features are the last layer's states (N, T, hidden).
    """

    def __init__(
        self,
        symbols: str = PRINTABLE,
        embedding_dim: int = 64,
        hidden: int = 512,
        layers: int = 2,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.symbols: str = symbols
        self.dropout: float = rate("dropout", dropout)
        self.embedding: nn.Embedding = nn.Embedding(len(symbols), embedding_dim)
        widths = [embedding_dim] + [hidden] * (layers - 1)
        self.layers: nn.ModuleList = nn.ModuleList(nn.LSTM(width, hidden, batch_first=True) for width in widths)
        self.num_features = hidden
        self.head: nn.Linear | nn.Identity = linear_head(hidden, len(symbols))

    def forward(self, ids: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(ids))

    def forward_features(self, ids: Tensor) -> Tensor:
        return self.remember(ids, [])[0]

    def read(self, ids: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """(logits, memory after the last character) of ids that follow those of `memory`, [] for none."""
        features, after = self.remember(ids, memory)
        return self.head(features), after

    def remember(self, ids: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """(features, memory after the last character) of ids that follow those of `memory`, [] for none."""
        x, after = self.embedding(ids), []
        for i, layer in enumerate(self.layers):
            x, state = layer(x, memory[i] if memory else None)
            x = time_dropout(x, self.dropout, self.training)
            after.append(state)
        return x, after

    def generate(
        self, prompt: str, length: int = 500, *, temperature: float = 1.0, top_k: int | None = None, seed: int = 0
    ) -> Iterator[str]:
        """Continue the text: yields `length` characters, each as soon as it is drawn; `"".join(…)` makes a text of
        them.

        Args:
            prompt: what the text begins with, at least one character; it is not given out again.
            temperature: what logits are divided by. Below 1 the likely becomes likelier, at 0 the likeliest is taken.
            top_k: draw only from this many of the likeliest; None for all.
            seed: the same gives the same text on every device that computes the same logits.

        Raises `ZooError` at once for an empty prompt and one with a character that the model has never seen, for
        settings without meaning, and in training mode.
        """
        if not (math.isfinite(temperature) and temperature >= 0):
            raise ZooError(f"temperature is {temperature}; give a number from 0.")
        if top_k is not None and not (isinstance(top_k, int) and top_k >= 1):
            raise ZooError(f"top_k is {top_k}; give a whole number of 1 or more, or None for all symbols.")
        if not (isinstance(length, int) and length >= 0):
            raise ZooError(f"length is {length}; give a whole number of characters.")
        if not isinstance(seed, int):
            raise ZooError(f"seed is {seed!r}; give a whole number.")
        if isinstance(self.head, nn.Identity):
            raise ZooError("the model has no head to write with; create it without num_classes=0.")
        if self.training:
            raise ZooError("the model is in training mode, where dropout would garble the text; call eval() first.")
        ids = encode(prompt, self.symbols)
        return self._write(ids, length, temperature, top_k, torch.Generator().manual_seed(seed))

    @torch.inference_mode()
    def _write(
        self, ids: Tensor, length: int, temperature: float, top_k: int | None, generator: torch.Generator
    ) -> Iterator[str]:
        memory: Memory = []
        for _ in range(length):
            logits, memory = self.read(ids.view(1, -1).to(self.embedding.weight.device), memory)
            ids = draw(logits[0, -1].float().cpu(), temperature, top_k, generator)
            yield self.symbols[int(ids)]


def draw(logits: Tensor, temperature: float, top_k: int | None, generator: torch.Generator) -> Tensor:
    """A place (1,) among logits (K,), drawn by softmax(logits / temperature) over the `top_k` largest."""
    if temperature == 0:
        return logits.argmax().view(1)
    if top_k is not None:
        least = logits.topk(min(top_k, len(logits))).values[-1]
        logits = logits.masked_fill(logits < least, -math.inf)
    # Less the largest, so that no temperature, however low, makes an infinity of the likeliest; in float64, where even
    # the least of Python's numbers is above zero.
    scaled = (logits - logits.max()).double() / temperature
    return torch.multinomial(F.softmax(scaled, 0).float(), 1, generator=generator)
