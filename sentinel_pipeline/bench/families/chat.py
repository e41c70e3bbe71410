"""Short conversations of two user turns whose last answer depends on the first: recall, correction, order in a list.

The answer is a short sentence; the bare value is accepted too. No knowledge of the world is asked for.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from sentinel_pipeline.records import Message, TextAnswer

from .family import Draft, Family
from .words import CITIES, ITEMS_EN, NAMES, PEOPLE, pick

TOPICS: dict[str, tuple[str, ...]] = {
    "name": PEOPLE,
    "city": CITIES,
    "pet": ("cat", "dog", "horse", "rabbit", "parrot", "turtle", "hamster", "goat", "duck", "lizard"),
    "color": ("red", "blue", "green", "yellow", "purple", "orange", "black", "white", "pink", "brown"),
    "food": ITEMS_EN,
    "job": ("nurse", "pilot", "baker", "lawyer", "painter", "farmer", "singer", "teacher", "driver", "writer"),
    "day": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "code": NAMES,
}
ORDINALS = ("first", "second", "third", "last")
LISTS = ("city", "color", "pet", "food", "code")


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
    return Talk(told, rng.choice(("Noted.", "Thanks.", "Okay.")), f"What is my {asked}?", asked, values[asked])


def correction(topic: str, other: str, asked: str, rng: Random) -> Talk:
    old, new = pick(rng, TOPICS[topic], 2)
    same = rng.choice(TOPICS[other])
    told = f"My {topic} is {old} and my {other} is {same}."
    turn = f"Sorry, my {topic} is {new}. What is my {asked}?"
    return Talk(told, rng.choice(("Noted.", "Thanks.", "Okay.")), turn, asked, new if asked == topic else same)


def order(topic: str, count: str, ordinal: str, rng: Random) -> Talk:
    values = pick(rng, TOPICS[topic], int(count))
    index = ORDINALS.index(ordinal)
    value = values[-1] if ordinal == "last" else values[index]
    told = f"Remember these: {', '.join(values)}."
    return Talk(told, rng.choice(("Noted.", "Done.", "Okay.")), f"Which was the {ordinal}?", ordinal, value)


KINDS = {"recall": recall, "correct": correction, "order": order}


def draw(composition: str, rng: Random) -> Talk:
    kind, *parts = composition.split("|")
    return KINDS[kind](*parts, rng)


def generate(composition: str, rng: Random) -> Draft:
    talk = draw(composition, rng)
    is_order = composition.startswith("order")
    sentence = f"The {talk.topic} was {talk.value}." if is_order else f"Your {talk.topic} is {talk.value}."
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
        *(f"order|{t}|{n}|{o}" for t in LISTS for n in (3, 4) for o in ORDINALS),
    )


FAMILY = Family("chat", "general_chat", compositions(), generate, raw)
