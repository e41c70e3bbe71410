"""Sixty short texts, in English and Portuguese, to be written as nested JSON of a given schema.

Valid JSON is the syntax rate, the schema and the values are the score. Numbers are drawn as numbers
and written as the sentence's language writes them (``4,5``, ``1.234,50``), so what is expected
never comes from parsing. Generated here, always the same.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

from ...records import JsonAnswer, Message, Task
from ..families.tools import draw_number
from ..families.words import NAMES

ITEMS = 60
ASK = "{text}\n\nWrite this as JSON of the schema below, and nothing else.\n\n{schema}"
WORDS = {
    "en": (
        "Order {number} of {who}: {items}. {paid}.",
        "{n} {what} at {price} each",
        "It is paid",
        "It is not paid",
    ),
    "pt": (
        "Pedido {number} de {who}: {items}. {paid}.",
        "{n} {what} a {price} cada",
        "Está pago",
        "Não está pago",
    ),
}
SCHEMA = {
    "type": "object",
    "properties": {
        "order": {"type": "integer"},
        "customer": {"type": "string"},
        "paid": {"type": "boolean"},
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "count": {"type": "integer"},
                    "price": {"type": "number"},
                },
                "required": ["name", "count", "price"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["order", "customer", "paid", "items"],
    "additionalProperties": False,
}


def tasks() -> list[Task]:
    """The sixty tasks; every other one is Portuguese."""
    return [_task(number, "pt" if number % 2 else "en") for number in range(ITEMS)]


def _task(number: int, language: str) -> Task:
    text, record = _draw(language, Random(f"json|{number}"))
    schema = json.dumps(SCHEMA)
    expected = json.dumps(record, ensure_ascii=False)
    return Task(
        id=f"json_records/{number:02}-{language}",
        suite="json_records",
        category="tool_use",
        family=language,
        messages=(Message("user", ASK.format(text=text, schema=schema)),),
        verifier=JsonAnswer(expected=expected, schema=schema),
        reference=expected,
    )


def _draw(language: str, rng: Random) -> tuple[str, dict[str, Any]]:
    whole, each, paid_words, unpaid_words = WORDS[language]
    who, *names = rng.sample(NAMES, rng.randint(2, 4))
    items = []
    phrases = []
    for name in names:
        count = rng.randint(2, 90)
        price = draw_number(rng.choice(("decimal", "money")), language, rng)
        items.append({"name": name, "count": count, "price": price.value})
        phrases.append(each.format(n=count, what=name, price=price.text))
    order = rng.randint(100, 999)
    paid = rng.random() < 0.5
    text = whole.format(
        number=order, who=who, items="; ".join(phrases), paid=paid_words if paid else unpaid_words
    )
    return text, {"order": order, "customer": who, "paid": paid, "items": items}
