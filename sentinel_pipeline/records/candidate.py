"""Raw candidates and what becomes of them: rows of the mix, repair traces, quarantined lines."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from .labels import Quality
from .messages import Message
from .rows import TableRow
from .verifiers import Verifier


def content_id(messages: tuple[Message, ...], completion: str) -> str:
    """A stable id of *what was asked and answered*: the first 16 hex digits of a SHA-256."""
    text = json.dumps([[m.role, m.content] for m in messages] + [completion], ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate(TableRow):
    """A prompt and a completion from some source, unjudged. The completion is hostile until the
    critic accepted it."""

    id: str
    source: str
    """``reference``, ``corrupted``, ``file:NAME``, ``hub:NAME``, ``model:NAME`` or ``human``."""
    messages: tuple[Message, ...]
    completion: str
    category: str | None = None
    """The source's word, or ``None``. One that the recipe's mix does not know counts as none: the
    evidence in the row decides."""
    task_id: str | None = None
    verifier: Verifier | None = None
    file: str | None = None
    line: int | None = None
    """Where it was read, one-based."""
    corrected_by: str | None = None
    """Id of the candidate that its source (a person, a preference pair) put in the place of this
    one, which failed."""
    planted: str | None = None
    """The defect that was planted on purpose (``corrupted`` source). For audits only: the critic
    never reads it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """An input row that could not be read: counted, shown, never dropped."""

    file: str
    line: int
    reason: str
    excerpt: str
    """The first 200 characters of the line, as read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairTrace(TableRow):
    """A failed output, what failed, and the corrected output, rendered as a conversation ready for
    SFT."""

    id: str
    task_id: str | None
    category: str | None
    failed_id: str
    accepted_id: str
    reason: str
    messages: tuple[Message, ...]
    """prompt, failed answer, the failure told, then — as ``completion`` — the corrected answer."""
    completion: str
    quality: Quality = "unverified"
    """The evidence for the corrected answer; tables of earlier versions do not say it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row(TableRow):
    """A row of the rebalanced mix: ``prompt`` turns and the ``completion`` to learn, with its way
    back to the source."""

    id: str
    category: str
    messages: tuple[Message, ...]
    completion: str
    origin: str
    """``candidate`` or ``repair``."""
    task_id: str | None = None

    def to_trl(self) -> dict[str, Any]:
        """TRL's conversational prompt-completion format: masks the prompt by default."""
        return {
            "prompt": [turn.to_dict() for turn in self.messages],
            "completion": [{"role": "assistant", "content": self.completion}],
        }
