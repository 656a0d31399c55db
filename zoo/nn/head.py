"""The last layer of a model, by the names that timm's models have for it."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


def linear_head(features: int, outputs: int) -> nn.Linear | nn.Identity:
    """`nn.Linear(features, outputs)`; for 0 outputs a layer that passes the features on."""
    return nn.Linear(features, outputs) if outputs else nn.Identity()


class WithHead(nn.Module, ABC):
    """A model whose last layer is `head`, with timm's names for what stands before that layer and for changing it.

    A model of this kind sets `num_features` and `head`, gives its features by `forward_features(*inputs)`, and has a
    `forward` that gives what `forward_head(forward_features(*inputs))` does.

    Attributes:
        num_features: numbers in the features that the head reads, so also in what the model gives without a head.
        head: a linear layer, or an `nn.Identity` in a model without a head (`num_classes=0`).
    """

    num_features: int
    head: nn.Module
    __jit_unused_properties__: ClassVar[list[str]] = ["num_classes"]

    @abstractmethod
    def forward_features(self, *inputs: Tensor) -> Tensor:
        """What the model finds in its inputs, before the head: (N, num_features) for most models."""

    def forward_head(self, features: Tensor, pre_logits: bool = False) -> Tensor:
        """The outputs for features of `forward_features`; with `pre_logits` what the head reads (…, num_features)."""
        return features if pre_logits else self.head(features)

    @property
    def num_classes(self) -> int:
        """Outputs of the head; 0 in a model without one."""
        return getattr(self.head, "out_features", 0)

    def get_classifier(self) -> nn.Module:
        """The last layer: `nn.Linear`, or `nn.Identity` in a model without a head."""
        return self.head

    def reset_classifier(self, num_classes: int) -> None:
        """Replace the head by a fresh one with `num_classes` outputs, as torch draws it; 0 leaves the head out.

        The fresh head has the device and dtype of the model. The labels and figures of `model.zoo` go with the old one.
        """
        self.head = self._like_us(linear_head(self.num_features, num_classes))
        self._forget_labels(num_classes)

    def _like_us(self, module: M) -> M:
        """The module with our device, dtype and mode."""
        example = next((p for p in self.parameters() if p.is_floating_point()), torch.empty(0))
        return module.to(device=example.device, dtype=example.dtype).train(self.training)

    def _forget_labels(self, outputs: int) -> None:
        record: Any = getattr(self, "zoo", None)
        if record is not None:
            labels = tuple(map(str, range(outputs))) if record.labels else ()
            self.zoo: Any = dataclasses.replace(record, labels=labels, metrics={}, figures={})
