"""Rates of dropout, as models take them."""

from __future__ import annotations


def rate(name: str, value: float) -> float:
    """`value`, if it is a share in [0, 1]; else `ValueError` with the argument's name.

    `nn.Dropout` asks the same of its own; models that keep a rate and drop by function would meet a wrong one in the
    first training step, or never.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise ValueError(f"{name} is {value!r}, expected a share in [0, 1]")
    return value
