"""A task: a prompt, what family it is of, and how an answer is checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .messages import Message, messages_from
from .verifiers import Verifier, verifier_from_json, verifier_to_json

CATEGORIES = ("executable_code", "code_editing", "tool_use", "devops", "general_chat")
"""The five mix categories of seed 000 (45/20/15/10/10), in its order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One item of a task bank or a suite."""

    id: str
    suite: str
    """``train`` for the training bank, else the suite's name (``heldout``, ``smoke``, ``humaneval``, ``mbpp`` …)."""
    category: str
    family: str
    messages: tuple[Message, ...]
    """The prompt; ends with a user turn."""
    verifier: Verifier
    reference: str
    """A gold completion, as the model should write it; empty where the source has none."""
    composition: str = ""
    """What the task is made of (``sum|square|even``): no composition stands in both train and held-out."""

    def to_row(self) -> dict[str, Any]:
        """A flat row for a table; ``from_row`` reads it back."""
        return {
            "id": self.id,
            "suite": self.suite,
            "category": self.category,
            "family": self.family,
            "messages": [turn.to_dict() for turn in self.messages],
            "verifier": verifier_to_json(self.verifier),
            "reference": self.reference,
            "composition": self.composition,
        }

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Task:
        verifier = verifier_from_json(row["verifier"])
        if verifier is None:
            raise ValueError(f"task {row.get('id')!r}: has no verifier")
        rest = {
            key: row[key]
            for key in ("id", "suite", "category", "family", "reference", "composition")
        }
        return cls(messages=messages_from(row["messages"]), verifier=verifier, **rest)
