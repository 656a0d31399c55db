"""What several families share: layers, losses, autograd functions."""

from zoo.nn.attention import AttentionPooling
from zoo.nn.embedding_losses import ContrastiveLoss, TripletLoss
from zoo.nn.focal import FocalLoss
from zoo.nn.functions import bias_relu, sigmoid
from zoo.nn.members import Members
from zoo.nn.multi_task import MultiTaskLoss
from zoo.nn.ngrams import Ngrams
from zoo.nn.numbers import Periodic, PiecewiseLinear
from zoo.nn.recurrent import Recurrent, length_mask, reverse_within

__all__ = [
    "AttentionPooling",
    "ContrastiveLoss",
    "FocalLoss",
    "Members",
    "MultiTaskLoss",
    "Ngrams",
    "Periodic",
    "PiecewiseLinear",
    "Recurrent",
    "TripletLoss",
    "bias_relu",
    "length_mask",
    "reverse_within",
    "sigmoid",
]
