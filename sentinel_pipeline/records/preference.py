"""A preference pair: one prompt, an answer to prefer, an answer to avoid, and why the second one is
worse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from .messages import Message
from .rows import TableRow

RejectionKind = Literal["wrong", "unparsable", "refusal", "hallucination", "format_violation"]
REJECTION_KINDS: tuple[RejectionKind, ...] = get_args(RejectionKind)
"""The stage 1 plan's diversity of rejections, from the plain wrong answer on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferencePair(TableRow):
    """``chosen`` was accepted by the critic, ``rejected`` was not; both answer ``messages``."""

    id: str
    task_id: str
    category: str
    family: str
    messages: tuple[Message, ...]
    chosen: str
    rejected: str
    chosen_source: Literal["model", "reference"]
    """``reference``: none of the model's own answers was accepted."""
    kind: RejectionKind
    reason: str
    """The critic's word on the rejected side."""
    chosen_score: float
    rejected_score: float

    def to_trl(self) -> dict[str, Any]:
        """TRL's conversational preference format with an explicit prompt."""
        return {
            "prompt": [turn.to_dict() for turn in self.messages],
            "chosen": [{"role": "assistant", "content": self.chosen}],
            "rejected": [{"role": "assistant", "content": self.rejected}],
        }
