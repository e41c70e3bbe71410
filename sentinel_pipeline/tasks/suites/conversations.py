"""The stage 1 findings' conversation benchmark: 200 generated conversations of three to five turns,
scored per turn.

``memory``: what was said must be known later. ``preferences``: how to answer is said once and holds
for all turns. ``topic``: "it" and "before" must be followed. ``updates``: constraints are changed
on the way, and the newest ones hold. Every turn has expected entities or constraints and is checked
by a program; the model's own earlier answers stand in each prompt (``records.conversation``). A
conversation passes when every turn does. ``judged`` holds the same conversations for a licensed
judge, which is the primary score of the stage 1 findings; the programs are the triage beside it.
Generated here, always the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any, NamedTuple

from ...records import Constraints, JudgedAnswer, Message, Task
from ...records.conversation import place_of, turn_id
from ..families.words import NAMES

EACH = 50


class Turn(NamedTuple):
    """What the user says, what the answer must hold and keep to, and an answer that does."""

    says: str
    checks: tuple[tuple[str, dict[str, Any]], ...]
    answer: str


def holds(*words: str) -> tuple[str, dict[str, Any]]:
    return "fact:holds", {"words": list(words)}


def avoids(*words: str) -> tuple[str, dict[str, Any]]:
    return "fact:avoids", {"words": list(words)}


# -- memory ----------------------------------------------------------------------------------------

FACTS = ("dog", "boat", "street", "school", "team", "horse", "shop", "cat")


def memory(rng: Random, turns: int) -> list[Turn]:
    me, *values = rng.sample(NAMES, 4)
    things = rng.sample(FACTS, 3)
    memory_of = dict(zip(things, values))
    conversation = [
        Turn(
            f"Hello! My name is {me.title()}. Please greet me by my name.",
            (holds(me),),
            f"Hello, {me.title()}!",
        ),
        Turn(
            f"My {things[0]} is called {values[0]} and my {things[1]} is called {values[1]}. What is my {things[1]} called?",
            (holds(values[1]),),
            f"Your {things[1]} is called {values[1]}.",
        ),
    ]
    if turns > 3:
        remark = f"I also have a {things[2]} called {values[2]}. Repeat its name."
        conversation.append(Turn(remark, (holds(values[2]),), f"{values[2]}"))
    remembered = things[0]
    if turns > 4:
        conversation.append(
            Turn("And what is my own name?", (holds(me),), f"Your name is {me.title()}.")
        )
    wrong = [value for thing, value in memory_of.items() if thing != remembered]
    conversation.append(
        Turn(
            f"Now tell me only the name of my {remembered}.",
            (holds(memory_of[remembered]), avoids(*wrong)),
            memory_of[remembered],
        )
    )
    return conversation


# -- preferences -----------------------------------------------------------------------------------


class Preference(NamedTuple):
    says: str
    check: tuple[str, dict[str, Any]]
    shape: Callable[[str], str]


def _preferences(rng: Random) -> Preference:
    word, other = rng.sample(NAMES, 2)
    return rng.choice(
        (
            Preference(
                "Please answer in lower case letters only.",
                ("change_case:english_lowercase", {}),
                str.lower,
            ),
            Preference(
                "PLEASE ANSWER IN CAPITAL LETTERS ONLY.",
                ("change_case:english_capital", {}),
                str.upper,
            ),
            Preference("Please never use a comma.", ("punctuation:no_comma", {}), str),
            Preference(
                f'Please end every answer with the word "{word}".',
                ("startend:end_checker", {"end_phrase": word}),
                lambda t: f"{t} {word}",
            ),
            Preference(
                "Please put every answer between double quotation marks.",
                ("startend:quotation", {}),
                lambda t: f'"{t}"',
            ),
            Preference(
                "Please write every answer as exactly one bullet point.",
                ("detectable_format:number_bullet_lists", {"num_bullets": 1}),
                lambda t: f"- {t}",
            ),
            Preference(f'Please never use the word "{other}".', avoids(other), str),
            Preference("Please keep every answer on one line.", ("form:one_line", {}), str),
        )
    )


def preferences(rng: Random, turns: int) -> list[Turn]:
    wish = _preferences(rng)
    used = rng.sample(NAMES, 10)
    words = [word for word in used if word not in wish.says][:turns]
    conversation = [
        Turn(
            f"{wish.says} Do so from now on. Write the word {words[0]}.",
            (holds(words[0]), wish.check),
            wish.shape(words[0]),
        )
    ]
    asks = (
        "Write a short sentence with the word {w}.",
        "Which of these is longer: {w} or ox?",
        "Write the word {w} once more.",
        "Write a short sentence about a thing called {w}.",
    )
    for word, ask in zip(words[1:], asks):
        conversation.append(
            Turn(ask.format(w=word), (holds(word), wish.check), wish.shape(f"this is {word}"))
        )
    return conversation


# -- topic continuity ------------------------------------------------------------------------------

COLOURS = ("red", "green", "blue", "yellow", "black", "white")
PLACES = ("garden", "kitchen", "office", "cellar", "hall", "attic")


def topic(rng: Random, turns: int) -> list[Turn]:
    thing = rng.choice(FACTS)
    name = rng.choice(NAMES)
    old, new = rng.sample(COLOURS, 2)
    place, later = rng.sample(PLACES, 2)
    conversation = [
        Turn(
            f"Let us talk about my toy {thing}. It is called {name}. It is {old}. What is it called?",
            (holds(name),),
            name,
        ),
        Turn("What colour is it?", (holds(old),), f"It is {old}."),
        Turn(
            f"I painted it {new}. What colour is it now?",
            (holds(new), avoids(old)),
            f"It is {new} now.",
        ),
    ]
    if turns > 3:
        conversation.append(
            Turn("And what colour was it before that?", (holds(old),), f"It was {old}.")
        )
    if turns > 4:
        remark = (
            f"It stood in the {place}, and I took it from there to the {later}. Where is it now?"
        )
        conversation.append(Turn(remark, (holds(later),), f"It is in the {later}."))
    return conversation


# -- constraint updates ----------------------------------------------------------------------------


def updates(rng: Random, turns: int) -> list[Turn]:
    words = rng.sample(NAMES, 6)
    count = 3
    more = rng.choice((4, 5))
    banned = words[0]
    ending = words[5]

    def rows(n: int, items: list[str], mark: str = "- ") -> str:
        return "\n".join(
            f"{mark if mark == '- ' else f'{i}. '}{item}" for i, item in enumerate(items[:n], 1)
        )

    bullets = ("form:bulleted", {"items": count})
    conversation = [
        Turn(
            f"List {count} of these words as bullet points and write nothing else: {', '.join(words[:5])}.",
            (bullets,),
            rows(count, words),
        ),
        Turn(
            f"Now without the word {banned}, still {count} bullet points.",
            (bullets, avoids(banned)),
            rows(count, words[1:]),
        ),
    ]
    numbered = ("form:numbered", {"items": count})
    if turns > 3:
        conversation.append(
            Turn(
                "Now as a numbered list instead.",
                (numbered, avoids(banned)),
                rows(count, words[1:], "1"),
            )
        )
    form = numbered if turns > 3 else bullets
    name = form[0]
    facts = {"items": more - 1}
    mark = "1" if turns > 3 else "- "
    remark = f"Now with {more - 1} items; the other rules stay."
    conversation.append(
        Turn(remark, ((name, facts), avoids(banned)), rows(more - 1, words[1:], mark))
    )
    if turns > 4:
        remark = f"Forget the list and all rules about it. Write one line that holds the words {banned} and {ending}."
        conversation.append(
            Turn(remark, (holds(banned, ending), ("form:one_line", {})), f"{banned} and {ending}")
        )
    return conversation


CATEGORIES: dict[str, Callable[[Random, int], list[Turn]]] = {
    "memory": memory,
    "preferences": preferences,
    "topic": topic,
    "updates": updates,
}


def tasks() -> list[Task]:
    """A task for each turn, conversation after conversation, fifty of each category."""
    return [
        task
        for category in CATEGORIES
        for number in range(EACH)
        for task in _conversation(category, number)
    ]


def judged() -> list[Task]:
    """The same turns, each for the judge by its general rubric. No reference: nothing but a reader
    says what is right here."""
    return [
        replace(
            task,
            id=task.id.replace("conversations/", "conversations_judged/", 1),
            suite="conversations_judged",
            messages=tuple(
                Message(
                    turn.role,
                    turn.content.replace("{answer:conversations/", "{answer:conversations_judged/"),
                )
                for turn in task.messages
            ),
            verifier=JudgedAnswer(),
            reference="",
        )
        for task in tasks()
    ]


def _conversation(category: str, number: int) -> list[Task]:
    name = f"conversations/{category}-{number:03}"
    turns = CATEGORIES[category](Random(f"conversations|{category}|{number}"), 3 + number % 3)
    tasks: list[Task] = []
    prompt: tuple[Message, ...] = ()
    for place, turn in enumerate(turns, start=1):
        prompt = (*prompt, Message("user", turn.says))
        tasks.append(_task(turn_id(name, place), category, prompt, turn))
        prompt = (*prompt, place_of(tasks[-1].id))
    return tasks


def _task(name: str, category: str, prompt: tuple[Message, ...], turn: Turn) -> Task:
    ids, facts = zip(*turn.checks)
    return Task(
        id=name,
        suite="conversations",
        category="general_chat",
        family=category,
        messages=prompt,
        verifier=Constraints(instructions=ids, arguments=json.dumps(facts)),
        reference=turn.answer,
    )
