"""Adversarial training: the loss a second time, with the embeddings moved a small step in the direction that raises it.

Miyato, Dai & Goodfellow 2017, Adversarial Training Methods for Semi-Supervised Text Classification, section 3, except
that the step moves the embedding tables and not each text's vectors, so that the model need not support it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase

import torch
from torch import nn

from zoo.errors import ZooError
from zoo.recipes import Adversarial


def tables(model: nn.Module, recipe: Adversarial) -> list[nn.Parameter]:
    """The parameters that take the step. Raises `ZooError` for a glob that matches no parameter."""
    named = dict(model.named_parameters())
    for glob in recipe.match:
        if not any(fnmatchcase(name, glob) for name in named):
            raise ZooError(f"train.adversarial.match: no parameter matches {glob!r}; there are {', '.join(named)}.")
    return [p for name, p in named.items() if any(fnmatchcase(name, glob) for glob in recipe.match)]


@contextmanager
def perturbed(parameters: list[nn.Parameter], epsilon: float) -> Iterator[None]:
    """Move `parameters` together by `epsilon` along their gradient while the body runs; frozen ones stay."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    if not gradients:
        yield
        return
    norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g) for g in gradients])) + 1e-12
    kept = [p.detach().clone() for p in parameters]
    with torch.no_grad():
        for parameter in parameters:
            if parameter.grad is not None:
                parameter.add_(parameter.grad * (epsilon / norm))
    try:
        yield
    finally:
        with torch.no_grad():
            for parameter, before in zip(parameters, kept, strict=True):
                parameter.copy_(before)
