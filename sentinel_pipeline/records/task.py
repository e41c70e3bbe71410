"""A task: a prompt, what family it is of, and how an answer is checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from .messages import Message
from .rows import TableRow
from .verifiers import Verifier

CATEGORIES = ("executable_code", "code_editing", "tool_use", "devops", "general_chat")
"""The five mix categories of the auto-critic plan (45/20/15/10/10), in its order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(TableRow):
    """One item of a task bank or a suite."""

    id: str
    suite: str
    """``train`` for the training bank, else the suite's name (``heldout``, ``smoke``,
    ``humaneval``, ``mbpp`` …)."""
    category: str
    family: str
    messages: tuple[Message, ...]
    """The prompt; ends with a user turn."""
    verifier: Verifier
    reference: str
    """A gold completion, as the model should write it; empty where the source has none."""
    composition: str = ""
    """What the task is made of (``sum|square|even``): no composition stands in both train and
    held-out."""

    @property
    def content_hash(self) -> str:
        """Identity of what is asked and how an answer is checked, whatever the id."""
        row = self.to_row()
        text = json.dumps([row["messages"], row["verifier"]], ensure_ascii=False, sort_keys=True)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def suite_hash(items: Iterable[str]) -> str:
    """Identity of a suite: of its items' content hashes, in whatever order and under whatever
    ids."""
    return hashlib.sha256("\n".join(sorted(items)).encode()).hexdigest()[:32]
