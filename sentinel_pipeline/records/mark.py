"""What a person said of an artifact later: that it is archived or superseded, and why.

What this module does not do: keep marks (``store.ledger``), or say what follows from one
(``store.marks``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MarkState = Literal["archived", "superseded", "active"]
"""``archived``: kept for good, out of sight. ``superseded``: not to be used any more, and deleted
when it is old. ``active``: an earlier mark is undone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    artifact: str
    """``RECIPE/ASSET/RUN_ID``."""
    content_hash: str
    """Of the artifact when it was marked."""
    state: MarkState
    reason: str
    marked_by: str
    replaced_by: str = ""
    """The artifact that takes its place; empty where none was named."""
    recorded_at: str = ""
    """UTC, ISO 8601; set by the ledger."""

    @property
    def words(self) -> str:
        """``superseded by tiny/sft_checkpoint/1f0f (wrong template)``."""
        by = f" by {self.replaced_by}" if self.replaced_by else ""
        return f"{self.state}{by} ({self.reason})"
