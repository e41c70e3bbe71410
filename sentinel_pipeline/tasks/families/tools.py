"""Function-call extraction: a signature and a sentence, in English or Portuguese, answered by a
JSON call.

Portuguese decimals are read as Portuguese writes them: ``4,5`` is 4.5 and ``R$ 1.234,50`` is
1234.5. The numbers are drawn as numbers and *written* in the sentence's locale, so the expected
value never comes from parsing. No tool is ever called.
"""

from __future__ import annotations

import json
from random import Random
from typing import NamedTuple

from ...records import JsonAnswer
from .family import Draft, Family, ask
from .words import NAMES


class Tool(NamedTuple):
    """A function of one text and one number; the argument names are drawn, so they have to be read
    from the signature."""

    text_names: tuple[str, ...]
    number_names: tuple[str, ...]
    formats: tuple[str, ...]
    """Of ``int`` (2 to 29), ``decimal`` (one digit after the point), ``money`` (cents,
    thousands)."""
    sentences: dict[str, tuple[str, ...]]
    """Language -> wordings, with the quoted text at ``{t}`` and the number at ``{n}``."""


TOOLS: dict[str, Tool] = {
    "set_price": Tool(
        ("item", "product"),
        ("price", "value"),
        ("int", "money"),
        {
            "en": ("The price of {t} is ${n}.", "Sell {t} at ${n}."),
            "pt": ("O preço de {t} é R$ {n}.", "Venda {t} por R$ {n}."),
        },
    ),
    "send_money": Tool(
        ("person", "name"),
        ("amount", "value"),
        ("int", "money"),
        {
            "en": ("Send {t} ${n}.", "Pay {t} ${n} today."),
            "pt": ("Envie a {t} R$ {n}.", "Pague a {t} R$ {n} hoje."),
        },
    ),
    "log_weather": Tool(
        ("city", "place"),
        ("degrees", "value"),
        ("int", "decimal"),
        {
            "en": ("In {t} it is {n} degrees.", "The city of {t} has {n} degrees."),
            "pt": ("Em {t} faz {n} graus.", "A cidade de {t} tem {n} graus."),
        },
    ),
    "buy_food": Tool(
        ("item", "food"),
        ("kilos", "weight"),
        ("int", "decimal"),
        {
            "en": ("Buy {t}, {n} kilos.", "We need {t}, {n} kilos."),
            "pt": ("Compre {t}, {n} quilos.", "Precisamos de {t}, {n} quilos."),
        },
    ),
    "log_run": Tool(
        ("person", "name"),
        ("distance", "length"),
        ("int", "decimal"),
        {
            "en": ("Today {t} ran {n} km.", "Yesterday {t} walked {n} km."),
            "pt": ("Hoje {t} correu {n} km.", "Ontem {t} andou {n} km."),
        },
    ),
    "rate_city": Tool(
        ("city", "place"),
        ("score", "stars"),
        ("int", "decimal"),
        {
            "en": ("I give {t} a {n}.", "My score for {t} is {n}."),
            "pt": ("Dou a {t} nota {n}.", "Minha nota para {t} é {n}."),
        },
    ),
}


class Number(NamedTuple):
    """A number as the answer holds it, and as a sentence of one language writes it."""

    value: int | float
    text: str


def draw_number(form: str, language: str, rng: Random) -> Number:
    """Never a whole float: whether ``20.0`` or ``20`` was meant is nothing that a task should turn
    on."""
    if form == "int":
        count = rng.randint(2, 29)
        return Number(count, str(count))
    tenth = rng.randint(1, 9)
    if form == "decimal":
        text = f"{rng.randint(1, 9)}.{tenth}"
    else:
        text = f"{rng.randrange(1000, 10000, 500) if rng.random() < 0.3 else rng.randint(2, 9):,}.{tenth}0"
    value = float(text.replace(",", ""))
    return Number(value, text.translate(str.maketrans(",.", ".,")) if language == "pt" else text)


class Call(NamedTuple):
    """One call, drawn: what was said, and what it means."""

    signature: str
    sentence: str
    arguments: dict[str, str | int | float]
    types: dict[str, str]
    tool: str

    def json(self) -> str:
        return json.dumps({"name": self.tool, "arguments": self.arguments}, ensure_ascii=False)

    def schema(self) -> str:
        """A JSON Schema that holds the answer to the signature: no other name, no other
        argument."""
        arguments = {
            "type": "object",
            "properties": {name: {"type": kind} for name, kind in self.types.items()},
            "required": list(self.types),
            "additionalProperties": False,
        }
        properties = {"name": {"const": self.tool}, "arguments": arguments}
        return json.dumps(
            {"type": "object", "properties": properties, "required": ["name", "arguments"]}
        )


def draw(composition: str, rng: Random) -> Call:
    name, language, wording, form = composition.split("|")
    tool = TOOLS[name]
    text = rng.choice(NAMES)
    number = draw_number(form, language, rng)
    kind = "integer" if form == "int" else "number"
    fields: list[tuple[str, str, str | int | float]] = [
        (rng.choice(tool.text_names), "string", text),
        (rng.choice(tool.number_names), kind, number.value),
    ]
    signature = f"{name}({', '.join(field for field, _, _ in fields)})"
    sentence = tool.sentences[language][int(wording)].format(t=f'"{text}"', n=number.text)
    arguments = {field: value for field, _, value in fields}
    return Call(signature, sentence, arguments, {field: kind for field, kind, _ in fields}, name)


def generate(composition: str, rng: Random) -> Draft:
    call = draw(composition, rng)
    return Draft(
        ask(f"Call {call.signature}: {call.sentence}"),
        call.json(),
        JsonAnswer(expected=call.json(), schema=call.schema()),
    )


def raw(composition: str, rng: Random) -> str:
    """A log of calls, or sentences as prose: never a sentence with its call."""
    calls = [draw(composition, rng) for _ in range(rng.randint(1, 3))]
    if rng.random() < 0.5:
        return "".join(call.json() + "\n" for call in calls)
    return " ".join(call.sentence for call in calls) + "\n"


FAMILY = Family(
    "tools",
    "tool_use",
    tuple(
        f"{name}|{language}|{wording}|{form}"
        for name, tool in TOOLS.items()
        for language, sentences in tool.sentences.items()
        for wording in range(len(sentences))
        for form in tool.formats
    ),
    generate,
    raw,
)
