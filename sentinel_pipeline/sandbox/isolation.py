"""Which layers of isolation this machine gives (being written)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache


class Level(StrEnum):
    """How well candidates are held, weakest first."""

    NONE = "none"
    RLIMITS = "rlimits"
    SECCOMP = "seccomp"
    FULL = "full"

    @property
    def rank(self) -> int:
        return list(Level).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation:
    """What was probed: ``layers`` by name, and for each missing one why."""

    level: Level
    layers: dict[str, bool]
    missing: dict[str, str]

    def to_json(self) -> dict[str, object]:
        return {"level": self.level.value, "layers": dict(self.layers), "missing": dict(self.missing)}


@cache
def isolation() -> Isolation:
    """Probe each layer in throw-away children; cached for the process."""
    return Isolation(level=Level.NONE, layers={}, missing={})
