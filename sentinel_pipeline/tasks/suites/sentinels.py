"""The stage 1 plan's sentinels: is a base model a base model? Raw prompts, no chat template, no
special token.

Four families ask for something (a translation, a numbered list, JSON, a structured description): a
base model goes on writing instead, so it fails most of them. ``pattern`` can be completed by any
language model: its first line counts. A base model that passes the first four has seen
instructions; one that fails the last is broken, or its prompts are. That the prompts carry no
template and no special token is checked when they are encoded (``generation.prompts.encode``).
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from ...records import Constraints, Message, Task, TextAnswer, Verifier

TRANSLATIONS = (
    ("thank you", "Spanish", "gracias"), ("hello", "German", "hallo"), ("water", "Portuguese", "água"),
    ("cat", "French", "chat"), ("house", "Spanish", "casa"), ("bread", "Portuguese", "pão"),
    ("dog", "German", "hund"), ("good night", "French", "bonne nuit"), ("book", "Italian", "libro"), ("milk", "Spanish", "leche"),
)  # fmt: skip
LISTS = (
    (5, "planets"), (3, "colours"), (4, "seasons of the year"), (5, "animals"), (3, "countries in Europe"),
    (4, "musical instruments"), (6, "fruits"), (3, "rivers"), (5, "sports"), (4, "metals"),
)  # fmt: skip
OBJECTS = (
    ("a person", "name", "age"), ("a book", "title", "author"), ("a city", "name", "country"), ("a car", "brand", "year"),
    ("a film", "title", "year"), ("a song", "title", "length"), ("a dog", "name", "breed"), ("a meal", "dish", "price"),
    ("a house", "street", "rooms"), ("a phone", "model", "colour"),
)  # fmt: skip
DESCRIPTIONS = (
    (3, "a cat"), (4, "the sea"), (3, "a bicycle"), (5, "a school"), (4, "winter"),
    (3, "a tree"), (4, "a computer"), (5, "a market"), (3, "the moon"), (4, "a train"),
)  # fmt: skip
PATTERNS = (
    ("Monday\nTuesday\nWednesday", "Thursday"), ("1\n2\n3\n4", "5"), ("January\nFebruary\nMarch", "April"),
    ("a\nb\nc\nd", "e"), ("one\ntwo\nthree", "four"), ("2\n4\n6\n8", "10"), ("red apple\nred apple\nred apple", "red apple"),
    ("x = 1\nx = 2\nx = 3", "x = 4"), ("10\n20\n30\n40", "50"), ("first\nsecond\nthird", "fourth"),
)  # fmt: skip


def tasks() -> list[Task]:
    """Ten prompts of each family."""
    tasks = [
        *(
            _task("translation", f"Translate '{text}' to {to}.", _exactly(answer), answer)
            for text, to, answer in TRANSLATIONS
        ),
        *(
            _task(
                "list", f"List {n} {what} as a numbered list.", _form("numbered", items=n), _rows(n)
            )
            for n, what in LISTS
        ),
        *(
            _task(
                "json",
                f'Return JSON with the keys "{a}" and "{b}" for {what}.',
                _form("only_json", keys=[a, b]),
                f'{{"{a}": 1, "{b}": 2}}',
            )
            for what, a, b in OBJECTS
        ),
        *(
            _task(
                "structure",
                f"Describe {what} in exactly {n} bullet points.",
                _form("bulleted", items=n),
                "\n".join(["- so"] * n),
            )
            for n, what in DESCRIPTIONS
        ),
        *(_task("pattern", text, _first_line(line), line) for text, line in PATTERNS),
    ]
    return [
        replace(task, id=f"sentinels/{task.family}-{number % 10}")
        for number, task in enumerate(tasks)
    ]


def _exactly(answer: str) -> Verifier:
    return TextAnswer(accepted=(answer, f"{answer}.", f"'{answer}'", f'"{answer}"', f"{answer}!"))


def _form(name: str, **rules: Any) -> Verifier:
    return Constraints(instructions=(f"form:{name}",), arguments=json.dumps([rules]))


def _first_line(line: str) -> Verifier:
    return Constraints(instructions=("fact:first_line",), arguments=json.dumps([{"line": line}]))


def _rows(count: int) -> str:
    return "\n".join(f"{number}. thing" for number in range(1, count + 1))


def _task(family: str, prompt: str, verifier: Verifier, answer: str) -> Task:
    return Task(
        id="",
        suite="sentinels",
        category="general_chat",
        family=family,
        messages=(Message("user", prompt),),
        verifier=verifier,
        reference=answer,
    )
