"""Short conversations of two user turns whose last answer depends on the first: recall, correction, order in a list.

The answer is a short sentence; the bare value is accepted too. No knowledge of the world is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from sentinel_pipeline.records import Message, TextAnswer

from .family import Draft, Family
from .words import CITIES, ITEMS_EN, PEOPLE, pick

TOPICS: dict[str, tuple[str, ...]] = {
    "name": PEOPLE,
    "city": CITIES,
    "pet": ("cat", "dog", "horse", "rabbit", "parrot", "turtle", "hamster", "goat", "duck", "lizard"),
    "color": ("red", "blue", "green", "yellow", "purple", "orange", "black", "white", "pink", "brown"),
    "food": ITEMS_EN,
    "day": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}
ORDINALS = ("first", "second", "third")
REPLY = "Noted."


class Talk(NamedTuple):
    """Both user turns, what was said between them, and the answer."""

    told: str
    reply: str
    asked: str
    topic: str
    value: str


def recall(first: str, second: str, asked: str, rng: Random) -> Talk:
    values = {topic: rng.choice(TOPICS[topic]) for topic in (first, second)}
    told = f"My {first} is {values[first]} and my {second} is {values[second]}."
    return Talk(told, REPLY, f"What is my {asked}?", asked, values[asked])


def correction(topic: str, other: str, asked: str, rng: Random) -> Talk:
    old, new = pick(rng, TOPICS[topic], 2)
    same = rng.choice(TOPICS[other])
    told = f"My {topic} is {old} and my {other} is {same}."
    turn = f"Sorry, my {topic} is {new}. What is my {asked}?"
    return Talk(told, REPLY, turn, asked, new if asked == topic else same)


def order(first: str, second: str, ordinal: str, rng: Random) -> Talk:
    values = [rng.choice(TOPICS[first]), rng.choice(TOPICS[second]), rng.choice(TOPICS[first])]
    told = f"The list is {values[0]}, {values[1]}, {values[2]}."
    return Talk(told, REPLY, f"What was {ordinal}?", ordinal, values[ORDINALS.index(ordinal)])


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
    sentence = f"The {talk.topic} is {talk.value}." if is_order else f"Your {talk.topic} is {talk.value}."
    turns = (Message("user", talk.told), Message("assistant", talk.reply), Message("user", talk.asked))
    return Draft(turns, sentence, TextAnswer(accepted=(sentence, talk.value, f"{talk.value}.")))


def raw(composition: str, rng: Random) -> str:
    """A note: what somebody told, over a few lines, with no question and no answer."""
    lines = [draw(composition, rng).told for _ in range(rng.randint(2, 3))]
    return "\n".join(lines) + "\n"


def compositions() -> tuple[str, ...]:
    topics = tuple(TOPICS)
    pairs = [(a, b) for a in topics for b in topics if a != b]
    return (
        *(f"{kind}|{a}|{b}|{asked}" for kind in ("recall", "correct") for a, b in pairs for asked in (a, b)),
        *(f"order|{a}|{b}|{o}" for a, b in pairs for o in ORDINALS if "name" not in (a, b)),
    )


FAMILY = Family("chat", "general_chat", compositions(), generate, raw)
