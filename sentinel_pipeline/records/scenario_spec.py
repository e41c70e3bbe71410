"""A decision tree as data: scenarios in order, each with its conditions and the recipe that would come next."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .decode import Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """About one metric of the finished run: exactly one of ``at_least``, ``below`` and ``weakest``."""

    metric: str
    at_least: float | None = None
    below: float | None = None
    weakest: bool = False
    """It is the lowest of the tasks' own metrics (``eval/TASK``)."""

    def check(self) -> None:
        bounds = (self.at_least is not None) + (self.below is not None) + self.weakest
        if bounds != 1:
            raise Fault("expected exactly one of at_least, below and weakest")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """The first scenario whose conditions all hold decides; one before it that is open leaves the decision open."""

    name: str
    title: str
    when: tuple[Condition, ...]
    recipe: str
    """Name of the next recipe."""
    set: dict[str, Any] = field(default_factory=dict)
    """Dotted keys of the recipe and their new values."""
    because: str = ""

    def check(self) -> None:
        if not self.when:
            raise Fault("has no condition", "when", "A scenario needs evidence.")
        if not self.recipe or Path(self.recipe).name != self.recipe:
            raise Fault(f"{self.recipe!r} is no recipe's name", "recipe", "Leave out its folder.")
