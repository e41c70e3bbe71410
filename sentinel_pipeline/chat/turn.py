"""What is asked of a model in chat, and what became of it. What this module does not do: load
anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..records import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """How to answer one conversation."""

    messages: tuple[Message, ...]
    max_tokens: int = 512
    temperature: float = 0.0
    """Below ``session.COLDEST``, and so at 0, greedy."""
    top_p: float = 1.0
    seed: int | None = None


@dataclass(slots=True)
class Reply:
    """What became of an answer, complete once its text has been read to the end."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    finish: Literal["stop", "length", "cancelled"] = "stop"
