"""Short conversations of two user turns whose last answer depends on the first: recall, correction,
order in a list.

The answer is a short sentence; the bare value is accepted too. No knowledge of the world is asked
for.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from ...records import Message, TextAnswer
from .family import Draft, Family
from .words import NAMES, pick

TOPICS = ("boat", "code", "farm", "horse", "street", "team")
ORDINALS = ("first", "second", "third")
REPLY = "Noted."


class Talk(NamedTuple):
    """Both user turns, what was said between them, and the answer."""

    statement: str
    reply: str
    question: str
    topic: str
    value: str


def recall(first: str, second: str, subject: str, rng: Random) -> Talk:
    values = dict(zip((first, second), pick(rng, NAMES, 2)))
    statement = f"My {first} is {values[first]} and my {second} is {values[second]}."
    return Talk(statement, REPLY, f"What is my {subject}?", subject, values[subject])


def correction(topic: str, other: str, subject: str, rng: Random) -> Talk:
    old, new, same = pick(rng, NAMES, 3)
    statement = f"My {topic} is {old} and my {other} is {same}."
    turn = f"Sorry, my {topic} is {new}. What is my {subject}?"
    return Talk(statement, REPLY, turn, subject, new if subject == topic else same)


def order(topic: str, count: str, subject: str, rng: Random) -> Talk:
    values = pick(rng, NAMES, int(count))
    listing = ", ".join(f"{ordinal} is {value}" for ordinal, value in zip(ORDINALS, values))
    facts = f"Of my {topic}s, {listing}."
    return Talk(facts, REPLY, f"What is {subject}?", subject, values[ORDINALS.index(subject)])


def draw(composition: str, rng: Random) -> Talk:
    kind, first, second, third = composition.split("|")
    kinds: dict[str, Callable[[str, str, str, Random], Talk]] = {
        "recall": recall,
        "correct": correction,
        "order": order,
    }
    return kinds[kind](first, second, third, rng)


def generate(composition: str, rng: Random) -> Draft:
    talk = draw(composition, rng)
    is_order = composition.startswith("order")
    sentence = (
        f"The {talk.topic} is {talk.value}." if is_order else f"Your {talk.topic} is {talk.value}."
    )
    turns = (
        Message("user", talk.statement),
        Message("assistant", talk.reply),
        Message("user", talk.question),
    )
    return Draft(turns, sentence, TextAnswer(accepted=(sentence, talk.value, f"{talk.value}.")))


def raw(composition: str, rng: Random) -> str:
    """A note: what somebody told, over a few lines, with no question and no answer."""
    lines = [draw(composition, rng).statement for _ in range(rng.randint(2, 3))]
    return "\n".join(lines) + "\n"


def compositions() -> tuple[str, ...]:
    pairs = [(a, b) for a in TOPICS for b in TOPICS if a != b]
    return (
        *(
            f"{kind}|{a}|{b}|{subject}"
            for kind in ("recall", "correct")
            for a, b in pairs
            for subject in (a, b)
        ),
        *(
            f"order|{topic}|{n}|{subject}"
            for topic in TOPICS
            for n in (2, 3)
            for subject in ORDINALS[:n]
        ),
    )


FAMILY = Family("chat", "general_chat", compositions(), generate, raw)
