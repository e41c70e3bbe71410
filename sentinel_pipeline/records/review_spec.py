"""Recipe section about people: which failures become cards, and what becomes of the corrections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .bounds import Count, Positive

Role = Literal["reviewer", "lead"]
ROLES: tuple[Role, ...] = ("reviewer", "lead")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewSpec:
    min_tokens_per_second: Positive = 5.0
    """Failures of a task family that the model answers more slowly than this are not candidates:
    the labelling request asks for models fast enough for the task."""
    firewall: Literal["retire", "withhold"] = "retire"
    """``retire``: a correction is exported, and its benchmark item with its near-duplicates judges
    no longer. ``withhold``: the item stays, and the correction is not exported. Never both."""
    rebuild_after: Count | None = None
    """Propose a new mix after this many approved corrections of this recipe that none of its mixes
    has seen; never when absent."""
