"""A labelled answer: one prompt, one answer, whether it is desirable, and who says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from .candidate import Candidate, content_id
from .messages import Message, messages_from


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpairedAnswer:
    """``completion`` answers ``messages``; nothing else need be said of the same prompt."""

    messages: tuple[Message, ...]
    completion: str
    desirable: bool
    origin: Literal["critic", "person"]
    """Who gave the label; a person's word outweighs the critic's."""
    source: str
    """Where the answer came from: a candidate's source, or ``review``."""
    reason: str
    """Why it has its label, in the critic's words or the reviewer's decision."""
    task_id: str | None = None

    @property
    def id(self) -> str:
        """Of prompt and answer together, as a candidate's."""
        return content_id(self.messages, self.completion)

    def candidate(self) -> Candidate:
        """What decontamination compares with the suites."""
        return Candidate(
            id=self.id,
            source=self.source,
            messages=self.messages,
            completion=self.completion,
            task_id=self.task_id,
        )

    @property
    def label(self) -> Literal["desirable", "undesirable"]:
        return "desirable" if self.desirable else "undesirable"

    def to_row(self) -> dict[str, Any]:
        """A row of the ``rows`` table, whose category is the label: a plan counts each class."""
        return {
            "id": self.id,
            "category": self.label,
            "messages": [turn.to_dict() for turn in self.messages],
            "completion": self.completion,
            "origin": self.origin,
            "task_id": self.task_id,
        }

    def to_label(self) -> dict[str, Any]:
        """Who labelled the answer and why, without its texts."""
        names = ("id", "label", "origin", "source", "reason", "task_id")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_row(cls, row: dict[str, Any], label: dict[str, Any]) -> UnpairedAnswer:
        """What ``to_row`` and ``to_label`` wrote of one answer."""
        return cls(
            messages=messages_from(row["messages"]),
            completion=row["completion"],
            desirable=row["category"] == "desirable",
            origin=row["origin"],
            source=label["source"],
            reason=label["reason"],
            task_id=row["task_id"],
        )

    def to_trl(self) -> dict[str, Any]:
        """TRL's conversational unpaired preference format with an explicit prompt."""
        return {
            "prompt": [turn.to_dict() for turn in self.messages],
            "completion": [{"role": "assistant", "content": self.completion}],
            "label": self.desirable,
        }
