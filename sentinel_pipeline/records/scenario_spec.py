"""A decision tree as data: scenarios in order, each with its conditions and the recipe that would come next."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """About one metric of the finished run: exactly one of ``at_least``, ``below`` and ``weakest``."""

    metric: str
    at_least: float | None = None
    below: float | None = None
    weakest: bool = False
    """It is the lowest of the tasks' own metrics (``eval/TASK``)."""


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
