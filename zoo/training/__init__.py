"""The engine: recipe -> run."""

from zoo.training.run import Run
from zoo.training.train import train

__all__ = ["Run", "train"]
