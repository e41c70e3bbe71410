"""Does the model answer in the form that was asked, with nothing around it, and stop by itself?
Forty prompts, eight forms.

What is said is not judged, only how. Generated here, always the same.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any, NamedTuple

from ...records import Constraints, Message, Task
from ..families.words import NAMES

EACH = 5
ANIMALS = ("cat", "horse", "owl", "whale", "lizard", "bee")
TOOLS = ("hammer", "saw", "drill", "pliers", "chisel", "rasp")


class Probe(NamedTuple):
    """A prompt, what its answer's form takes, and an answer of that form."""

    prompt: str
    arguments: dict[str, Any]
    answer: str


def only_json(rng: Random) -> Probe:
    first, two = rng.sample(NAMES, 2)
    prompt = f'Answer with one JSON object with the keys "{first}" and "{two}" and nothing else; choose the values.'
    return Probe(prompt, {"keys": [first, two]}, json.dumps({first: 1, two: "x"}))


def only_code(rng: Random) -> Probe:
    name = rng.choice(NAMES)
    prompt = f"Write a Python function {name}(x) that returns x. Answer with one ```python block and nothing else."
    return Probe(prompt, {"language": "python"}, f"```python\ndef {name}(x):\n    return x\n```")


def numbered(rng: Random) -> Probe:
    items = rng.randint(3, 6)
    prompt = f'List {items} animals as a numbered list ("1. …"), one a line, and nothing else.'
    lines = [f"{number}. {animal}" for number, animal in enumerate(ANIMALS[:items], 1)]
    return Probe(prompt, {"items": items}, "\n".join(lines))


def bulleted(rng: Random) -> Probe:
    items = rng.randint(3, 6)
    prompt = f'List {items} tools as bullet points ("- …"), one a line, and nothing else.'
    return Probe(prompt, {"items": items}, "\n".join(f"- {tool}" for tool in TOOLS[:items]))


def csv(rng: Random) -> Probe:
    lines = rng.randint(2, 4)
    fields = rng.randint(2, 4)
    prompt = (
        f"Write {lines} lines of CSV with {fields} fields each, without a header, and nothing else."
    )
    return Probe(
        prompt,
        {"lines": lines, "fields": fields},
        "\n".join(",".join("a" * fields) for _ in range(lines)),
    )


def table(rng: Random) -> Probe:
    columns = rng.sample(NAMES, 2)
    rows = rng.randint(2, 4)
    prompt = f"Write a Markdown table with the columns {columns[0]} and {columns[1]} and {rows} rows, and nothing else."
    answer = "\n".join([f"| {columns[0]} | {columns[1]} |", "| --- | --- |", *["| a | b |"] * rows])
    return Probe(prompt, {"columns": columns, "rows": rows}, answer)


def one_word(rng: Random) -> Probe:
    return Probe(f"Name something that goes with {rng.choice(NAMES)}, in one word.", {}, "Thing")


def one_of(rng: Random) -> Probe:
    first, two = rng.sample(NAMES, 2)
    request = f"Choose one of {first} and {two}. Answer with that word and nothing else."
    return Probe(request, {"choices": [first, two]}, first)


FORMS = (only_json, only_code, numbered, bulleted, csv, table, one_word, one_of)


def tasks() -> list[Task]:
    """Five prompts of each form."""
    return [
        _task(form.__name__, form(Random(f"form|{form.__name__}|{i}")), i)
        for form in FORMS
        for i in range(EACH)
    ]


def _task(form: str, probe: Probe, number: int) -> Task:
    checked = Constraints(
        instructions=(f"form:{form}",), arguments=json.dumps([probe.arguments]), clean_stop=True
    )
    return Task(
        id=f"format_probe/{form}-{number}",
        suite="format_probe",
        category="general_chat",
        family=form,
        messages=(Message("user", probe.prompt),),
        verifier=checked,
        reference=probe.answer,
    )
