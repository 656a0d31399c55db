"""Layers that several families share."""

from zoo.nn.attention import AttentionPooling
from zoo.nn.recurrent import BiLSTM, length_mask, reverse_within

__all__ = ["AttentionPooling", "BiLSTM", "length_mask", "reverse_within"]
