"""A conversation as tasks, one for each user turn, whose prompts hold places for the model's own
earlier answers.

The place of an answer is an assistant turn whose whole text is ``{answer:ID}``; who answers fills
it in (``generation.answers``), who scores brings the turns of a conversation together again by
their ids, ``CONVERSATION#TURN``. Several samples of one task are told apart as ``TASK~2``,
``TASK~3`` …, the first is the task's own id. Pure text, nothing else.
"""

from __future__ import annotations

import re

from .messages import Message

_PLACE = re.compile(r"\{answer:(\S+)\}")


def turn_id(conversation: str, turn: int) -> str:
    """``turn`` counts from 1."""
    return f"{conversation}#{turn}"


def conversation_of(task_id: str) -> str:
    """The conversation that a task is a turn of; a task that is none is its own."""
    name, _, turn = task_of(task_id).rpartition("#")
    return name if name and turn.isdecimal() else task_id


def place_of(task_id: str) -> Message:
    """The assistant turn that stands for the answer to ``task_id``."""
    return Message("assistant", f"{{answer:{task_id}}}")


def sample_id(task_id: str, sample: int) -> str:
    """``sample`` counts from 1."""
    return task_id if sample == 1 else f"{task_id}~{sample}"


def task_of(name: str) -> str:
    """The task that a sample belongs to."""
    task, sign, number = name.rpartition("~")
    return task if sign and number.isdecimal() else name


def sample_number(name: str) -> int:
    """What ``sample_id`` was given."""
    return int(name[len(task_of(name)) + 1 :] or 1)


def sampled(messages: tuple[Message, ...], sample: int) -> tuple[Message, ...]:
    """The prompt of a further sample: its places are those of the same sample's earlier answers."""
    return tuple(
        place_of(sample_id(place[0], sample)) if (place := needs((turn,))) else turn
        for turn in messages
    )


def needs(messages: tuple[Message, ...]) -> list[str]:
    """Ids of the tasks whose answers a prompt waits for, in order."""
    return [
        match[1]
        for turn in messages
        if turn.role == "assistant" and (match := _PLACE.fullmatch(turn.content))
    ]


def filled(messages: tuple[Message, ...], answers: dict[str, str]) -> tuple[Message, ...]:
    """The prompt with the answers in their places, as they were written: an empty one stays empty.

    Raises:
        KeyError: an answer is missing.
    """
    return tuple(
        Message("assistant", answers[match[1]])
        if turn.role == "assistant" and (match := _PLACE.fullmatch(turn.content))
        else turn
        for turn in messages
    )
