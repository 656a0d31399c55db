"""What a setting may be beyond its type. pydantic reads these limits, and they stand in files that do not import it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any


@dataclass(frozen=True)
class AtLeast:
    """A number that is not below `low`."""

    low: int

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        return {**handler(source), "ge": self.low}


Count = Annotated[int, AtLeast(1)]
