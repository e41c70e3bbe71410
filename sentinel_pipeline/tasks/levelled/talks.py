"""Long conversations: facts are told, corrected and exchanged over many turns, and the last turn
asks for one of them. The level is half the number of turns before the question.

The answer is a short sentence; the bare value is accepted too.
"""

from __future__ import annotations

from random import Random

from ...records import Message, TextAnswer
from ..families.family import Draft, Family
from .material import WORDS, compositions, parted

LEVELS = (2, 12)
TOPICS = ("boat", "code", "farm", "horse", "street", "team", "garden", "tower")
REPLIES = ("Noted.", "All right.", "I will remember it.", "Understood.")
EVENTS = ("correct", "swap", "copy", "aside")


def draw(level: int, rng: Random) -> list[str]:
    """Which fact is asked for, and what happens after all were told."""
    return ["asked" if rng.random() < 0.5 else "other", *rng.choices(EVENTS, k=level - 1)]


def generate(composition: str, rng: Random) -> Draft:
    _, _, (subject, *events) = parted(composition)
    topics = rng.sample(TOPICS, 3)
    words = rng.sample(WORDS, 4 + len(events))
    values = {topic: words.pop() for topic in topics}
    turns = [
        Message(
            "user", "".join(f"My {topic} is {value}. " for topic, value in values.items()).strip()
        ),
        Message("assistant", rng.choice(REPLIES)),
    ]
    for event in events:
        first, second = rng.sample(topics, 2)
        if event == "correct":
            values[first] = words.pop()
            text = f"I was wrong: my {first} is {values[first]}."
        elif event == "swap":
            old = values[first]
            values[first] = values[second]
            values[second] = old
            text = f"I mixed them up: what I said of my {first} is true of my {second}, and the other way round."
        elif event == "copy":
            values[first] = values[second]
            text = f"Call my {first} what my {second} is called now."
        else:
            text = f"My neighbour's {first} is {words.pop()}."
        turns += [Message("user", text), Message("assistant", rng.choice(REPLIES))]
    topic = topics[0] if subject == "asked" else topics[-1]
    turns.append(Message("user", f"What is my {topic} called now?"))
    value = values[topic]
    sentence = f"Your {topic} is {value}."
    return Draft(tuple(turns), sentence, TextAnswer(accepted=(sentence, value, f"{value}.")))


FAMILY = Family(
    "talks",
    "general_chat",
    compositions("talks", LEVELS, ("facts",), draw, count=20),
    generate,
    levels=LEVELS,
)
