"""One turn of a conversation, and the strict reading of a list of them."""

from __future__ import annotations

from typing import Any, NamedTuple

ROLES = ("system", "user", "assistant", "tool")


class Message(NamedTuple):
    """A turn: ``role`` is one of ``ROLES``; ``content`` is plain text, shown and stored as it
    is."""

    role: str
    content: str

    def to_dict(self) -> dict[str, str]:
        return {"role": self.role, "content": self.content}


def messages_from(value: Any) -> tuple[Message, ...]:
    """Read ChatML-style ``[{"role", "content"}, …]`` strictly.

    Raises:
        ValueError: not a list, an unknown role, an empty or non-text content, or a system turn that
            is not first.
    """
    if not isinstance(value, (list, tuple)) or not value:
        raise ValueError("messages: expected a non-empty list of {role, content}")
    turns = tuple(_one(turn, index) for index, turn in enumerate(value))
    late = [index for index, turn in enumerate(turns) if turn.role == "system" and index > 0]
    if late:
        raise ValueError(f"messages[{late[0]}]: a system turn must be the first and only one")
    return turns


def _one(turn: Any, index: int) -> Message:
    if isinstance(turn, Message):
        turn = turn.to_dict()
    if not isinstance(turn, dict):
        raise ValueError(
            f"messages[{index}]: expected an object with role and content, got {type(turn).__name__}"
        )
    role = turn.get("role")
    content = turn.get("content")
    if role not in ROLES:
        raise ValueError(f"messages[{index}].role: {role!r:.80} is not one of {', '.join(ROLES)}")
    if not isinstance(content, str) or not content.strip():
        raise ValueError(
            f"messages[{index}].content: expected non-empty text, got {type(content).__name__}"
        )
    return Message(role, content)
