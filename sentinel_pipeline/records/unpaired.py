"""A labelled answer: one prompt, one answer, whether it is desirable, and who says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from .candidate import Candidate, content_id
from .messages import Message


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

    def to_row(self) -> dict[str, Any]:
        """Everything but the texts, which ``to_trl`` holds: where a row of the training file came
        from."""
        names = ("id", "desirable", "origin", "source", "reason", "task_id")
        return {name: getattr(self, name) for name in names}

    def to_trl(self) -> dict[str, Any]:
        """TRL's conversational unpaired preference format with an explicit prompt."""
        return {
            "prompt": [turn.to_dict() for turn in self.messages],
            "completion": [{"role": "assistant", "content": self.completion}],
            "label": self.desirable,
        }
