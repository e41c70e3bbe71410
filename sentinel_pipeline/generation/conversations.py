"""Conversations that a base model writes: what it is shown, how its text is read, and what programs
refuse before anybody judges it (stage 1 findings).

A base model goes on with a text; the text is conversations of the four kinds in which an earlier
turn decides a later answer. What this module does not do: ask a model (``self_instruct``), or say
whether an answer is good (the critic and the recipe's judge).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from ..records import Message
from .topics import TOPICS

CATEGORY = "general_chat"
"""What the rows count as in a mix."""
KINDS = ("memory", "preferences", "topic", "updates")
"""Of the stage 1 findings: what was said is needed later; how to answer is said once; "it" has to
be followed; a wish is changed on the way."""
CONVERSATION_TOPICS: dict[str, tuple[str, ...]] = dict.fromkeys(KINDS, TOPICS[CATEGORY])
NEXT = re.compile(r"\n\s*Kind:")
"""Where the next conversation of the text begins."""
_TURN = re.compile(r"^(User|Assistant):[ \t]*", re.MULTILINE)


class ShownConversation(NamedTuple):
    """A demonstration: turns of user and assistant by turns, the assistant's last."""

    kind: str
    topic: str
    turns: tuple[str, ...]


SHOWN_CONVERSATIONS: tuple[ShownConversation, ...] = (
    ShownConversation(
        "memory",
        "gardening",
        (
            "I planted radishes on the balcony and beans behind the house.",
            "Both grow well from seed. Do you water them every day?",
            "Only in the evening. What would you put beside them?",
            "Lettuce keeps the ground of both moist.",
            "And which of mine stand on the balcony?",
            "The radishes are on the balcony; the beans are behind the house.",
        ),
    ),
    ShownConversation(
        "preferences",
        "painting",
        (
            "Please keep every answer to one short sentence. What is a glaze?",
            "A thin, clear layer of colour over dry paint.",
            "Why do painters use it?",
            "It deepens a colour without covering it.",
            "Which brush suits it?",
            "A soft, wide one.",
        ),
    ),
    ShownConversation(
        "topic",
        "rivers",
        (
            "What is a delta?",
            "Land that a river builds where it slows down and drops its mud.",
            "Why does it have so many arms there?",
            "The river blocks its own way with mud and finds new ones.",
            "Do people live on it?",
            "Many do: the ground of a delta is fertile.",
        ),
    ),
    ShownConversation(
        "updates",
        "a party",
        (
            "Help me plan food for twelve guests; no nuts, please.",
            "Bread, two soups and a fruit salad would do for twelve.",
            "Two of them do not eat meat. What changes?",
            "Make both soups of vegetables; the rest can stay.",
            "Now there are only eight of us. How much soup is that?",
            "About two and a half litres for eight, still without nuts or meat.",
        ),
    ),
)


def shown_text(shown: ShownConversation) -> str:
    """A demonstration as the base model reads it."""
    names = ("User", "Assistant")
    lines = [f"{names[at % 2]}: {turn}" for at, turn in enumerate(shown.turns)]
    return "\n".join([f"Kind: {shown.kind}", f"Topic: {shown.topic}", *lines])


def request(kind: str, topic: str, chance: Random) -> str:
    """The text that a base model goes on with: three demonstrations, the last of the same kind, and
    the beginning of another conversation."""
    others = [each for each in SHOWN_CONVERSATIONS if each.kind != kind]
    same = [each for each in SHOWN_CONVERSATIONS if each.kind == kind]
    shown = [*chance.sample(others, 2), *same]
    return "\n\n".join([*map(shown_text, shown), f"Kind: {kind}\nTopic: {topic}\nUser:"])


def read_turns(text: str, least: int, most: int) -> tuple[list[Message], str]:
    """The turns that a base model wrote after ``User:``, and why they do not count; the
    reason is empty where they do.

    What it went on with after its ``most`` questions is cut off; a question without an answer at
    the end is, too.

    Args:
        text: the model's own words, before the next conversation.
        least: user turns that a conversation has to have.
        most: user turns that are kept.
    """
    parts = _TURN.split(f"User: {text}")[1:]
    turns = [
        Message("user" if name == "User" else "assistant", said.strip())
        for name, said in zip(parts[::2], parts[1::2], strict=True)
    ]
    for at, turn in enumerate(turns):
        if turn.role != ("user", "assistant")[at % 2]:
            return turns, "form: two turns of one speaker"
        if not turn.content:
            return turns, "form: an empty turn"
    turns = turns[: 2 * most]
    turns = turns[: len(turns) - len(turns) % 2]
    asked = [turn.content for turn in turns if turn.role == "user"]
    answered = [turn.content for turn in turns if turn.role == "assistant"]
    if len(asked) < least:
        return turns, f"length: {len(asked)} answered questions, expected {least} to {most}"
    for texts in (asked, answered):
        if len(set(map(str.casefold, texts))) < len(texts):
            return turns, "repetition: a turn is said twice"
    return turns, ""


def asked_text(turns: Sequence[Message]) -> str:
    """What the user says in a conversation, by which two are held to be near one another."""
    return "\n".join(turn.content for turn in turns if turn.role == "user")
