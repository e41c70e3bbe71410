"""Answers in exactly the form that was asked, with nothing around them, which stop by themselves.

A composition is a form, what the answer is about and the wording; how the request ends is drawn.
What is said is not judged, only how. The forms are those of the suite ``format_probe``, the topics
and wordings are none of its: mind that a probe measures a form that was trained.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from ...records import Constraints
from ..families.family import Draft, Family, ask

TOPICS: dict[str, tuple[str, ...]] = {
    "fruits": ("apple", "banana", "cherry", "mango", "peach", "plum", "grape", "kiwi"),
    "colours": ("red", "green", "blue", "yellow", "orange", "purple", "brown", "white"),
    "cities": ("Paris", "Tokyo", "Cairo", "Madrid", "Boston", "Delhi", "Seoul", "Quito"),
    "sports": ("tennis", "rugby", "hockey", "golf", "judo", "cricket", "rowing", "boxing"),
    "drinks": ("tea", "coffee", "milk", "juice", "water", "cocoa", "cider", "soda"),
    "months": ("January", "March", "April", "May", "June", "July", "August", "October"),
    "clothes": ("shirt", "coat", "hat", "scarf", "shoes", "jacket", "socks", "gloves"),
    "jobs": ("baker", "nurse", "painter", "teacher", "farmer", "singer", "lawyer", "cook"),
    "vegetables": ("carrot", "onion", "potato", "leek", "pea", "bean", "cabbage", "radish"),
    "instruments": ("piano", "violin", "flute", "drum", "guitar", "harp", "trumpet", "cello"),
    "countries": ("France", "Japan", "Egypt", "Spain", "India", "Peru", "Kenya", "Norway"),
    "metals": ("iron", "gold", "copper", "zinc", "tin", "nickel", "lead", "steel"),
    "vehicles": ("car", "bus", "train", "truck", "tram", "van", "ferry", "scooter"),
    "rooms": ("kitchen", "bedroom", "office", "garage", "attic", "cellar", "hall", "bathroom"),
    "shapes": ("circle", "square", "triangle", "cube", "cone", "sphere", "oval", "star"),
    "languages": ("French", "Greek", "Hindi", "Danish", "Latin", "Korean", "Arabic", "Dutch"),
}
"""What is asked for -> things of that kind."""
KEYS = ("title", "owner", "size", "level", "price", "weight", "status", "origin", "note", "year")
"""Names of keys and columns that people often have; any word of a topic can be one as well."""
_WORDS = tuple(word.lower() for things in TOPICS.values() for word in things)
CLOSINGS = (
    "No other text.",
    "Do not explain it.",
    "Skip any introduction.",
    "Nothing before it, nothing after it.",
    "Leave out comments.",
    "I will read it with a program.",
    "No greeting, no remarks.",
    "",
)
"""How a request may end."""


class Asked(NamedTuple):
    """The request, what the form takes, and an answer of that form."""

    prompt: str
    arguments: dict[str, Any]
    answer: str


def _value(topic: str, rng: Random) -> Any:
    return rng.choice((rng.choice(TOPICS[topic]), rng.randint(1, 50)))


def _records(topic: str, lines: int, fields: int, rng: Random) -> list[list[str]]:
    """Rows as tables have them: things of the topic first, then numbers."""
    things = rng.sample(TOPICS[topic], lines)
    return [[thing, *(str(rng.randint(1, 9)) for _ in range(fields - 1))] for thing in things]


def _names(rng: Random, count: int) -> list[str]:
    """Names for keys and columns: usual ones, or any words."""
    return rng.sample(KEYS if rng.random() < 0.4 else _WORDS, count)


def _listed(names: list[str], rng: Random) -> str:
    return rng.choice((" and ".join(names), ", ".join(names)))


def _ended(requests: tuple[str, ...], wording: int, rng: Random) -> str:
    return f"{requests[wording]} {rng.choice(CLOSINGS)}".strip()


def only_json(topic: str, wording: int, rng: Random) -> Asked:
    keys = _names(rng, rng.randint(2, 3))
    names = _listed([f'"{key}"' for key in keys], rng)
    requests = (
        f"Make up one record about {topic} as a JSON object whose keys are {names}. Reply with the bare object.",
        f"Give a JSON object that has exactly {names} as keys, any values about {topic}. No fence.",
        f"Only JSON, please: an object about {topic} with {names}.",
        f"I need a JSON object for a test. Its keys: {names}. Its values: whatever you like.",
        f"Fill in {names} with anything about {topic} and give me the result as JSON.",
        f"Return JSON that holds {names} and no further keys.",
    )
    answer = json.dumps({key: _value(topic, rng) for key in keys})
    return Asked(_ended(requests, wording, rng), {"keys": keys}, answer)


def only_code(topic: str, wording: int, rng: Random) -> Asked:
    name = f"{rng.choice(('get', 'pick', 'show', 'find'))}_{rng.choice(TOPICS[topic]).lower()}"
    number = rng.randint(2, 9)
    task, sign = rng.choice(
        (
            (f"adds {number} to n", "+"),
            (f"multiplies n by {number}", "*"),
            (f"takes {number} from n", "-"),
        )
    )
    requests = (
        f"I need a Python function {name}(n) that {task}. Reply with a single ```python block only.",
        f"Python code for {name}(n), which {task}, in one ```python fence.",
        f"Show only a ```python block that defines {name}(n), which {task}.",
        f"{name}(n) {task}: put it in a ```python fence.",
        f"Define {name}(n) in Python. It {task}. Only a ```python block, please.",
        f"How is {name}(n) written in Python, if it {task}? A ```python block is all I want.",
    )
    answer = f"```python\ndef {name}(n):\n    return n {sign} {number}\n```"
    return Asked(_ended(requests, wording, rng), {"language": "python"}, answer)


def numbered(topic: str, wording: int, rng: Random) -> Asked:
    items = rng.randint(2, 6)
    requests = (
        f"Give me {items} {topic}, numbered from 1. to {items}., each on its own line.",
        f"Number {items} {topic} like 1. 2. 3. and write only those lines.",
        f"{items} {topic} please, as lines that begin with their number and a point.",
        f"Write down {items} {topic} and put 1., 2. and so on before them.",
        f"Put {items} {topic} below each other and number them from 1. to {items}.",
        f"Which {items} {topic} come to mind? Number them (1., 2., ...).",
        f"Count {items} {topic}: 1. the first, 2. the second, and so on to {items}.",
        f"My {items} favourite {topic} should stand here, with 1. to {items}. before them. Choose for me.",
    )
    lines = rng.sample(TOPICS[topic], items)
    answer = "\n".join(f"{at}. {item}" for at, item in enumerate(lines, 1))
    return Asked(_ended(requests, wording, rng), {"items": items}, answer)


def bulleted(topic: str, wording: int, rng: Random) -> Asked:
    items = rng.randint(2, 6)
    requests = (
        f"Give me {items} {topic}, each on a line that starts with a dash.",
        f"Write only a bullet list (-) of {items} {topic}.",
        f"{items} {topic} please, as dashes.",
        f"Write down {items} {topic} with a bullet (-) before each of them.",
        f"A list of {items} {topic} with bullets, please: a dash and a space, then the word.",
        f"Which {items} {topic} come to mind? One bullet (-) for each.",
        f"Name {items} {topic}; begin each line with a dash and write one thing on it.",
        f"My {items} favourite {topic} should stand here, a dash before each. Choose for me.",
    )
    answer = "\n".join(f"- {item}" for item in rng.sample(TOPICS[topic], items))
    return Asked(_ended(requests, wording, rng), {"items": items}, answer)


def csv(topic: str, wording: int, rng: Random) -> Asked:
    lines = rng.randint(2, 5)
    fields = rng.randint(2, 5)
    requests = (
        f"Give {lines} CSV rows about {topic}, {fields} values in each row. No header row.",
        f"Only CSV, please: {lines} rows, {fields} columns, about {topic}, no header.",
        f"Make up {lines} comma-separated lines about {topic}, each with {fields} values. Leave out headings.",
        f"I need CSV for a test: {lines} lines and {fields} values on each line. Do not name the columns.",
        f"Show data about {topic} as CSV that has {fields} columns and {lines} lines, all of them data.",
        f"{lines} records about {topic}, {fields} values each, as lines of values with commas between them.",
        f"Put {lines} {topic} into a CSV file with {fields} columns and no header: a line for each.",
        f"Invent a small CSV: {fields} fields a line, {lines} lines, no line of titles.",
        f"CSV, please. Lines: {lines}. Values on each: {fields}. Begin with the data at once.",
        f"Could you write {lines} lines in CSV? There are {fields} fields per line and there is no header.",
    )
    rows = _records(topic, lines, fields, rng)
    answer = "\n".join(",".join(row) for row in rows)
    return Asked(_ended(requests, wording, rng), {"lines": lines, "fields": fields}, answer)


def table(topic: str, wording: int, rng: Random) -> Asked:
    columns = _names(rng, rng.randint(2, 3))
    rows = rng.randint(2, 5)
    names = _listed(columns, rng)
    requests = (
        f"Show {rows} {topic} in a Markdown table whose columns are {names}. Only the table.",
        f"Only a Markdown table, please: {names} as its header, then {rows} rows about {topic}.",
        f"Put {rows} made-up rows about {topic} under the headings {names}, as a table in Markdown.",
        f"I need a Markdown table for a test. Its header: {names}. Below it: {rows} rows.",
        f"Draw a table in Markdown: {rows} rows of made-up values, the headings {names}.",
        f"Make a Markdown table of {rows} rows about {topic}; head it with {names}.",
        f"My table, in Markdown, has the columns {names} and it has {rows} rows. Fill it.",
        f"In Markdown: the headings {names} and {rows} rows of values, as a table.",
        f"A Markdown table: {rows} rows below a header of {names}.",
        f"Could you make a table in Markdown that has {rows} rows and the columns {names}?",
        f"Invent a Markdown table with the headings {names} and with {rows} lines of data.",
        f"Write {len(columns)} columns ({names}) and {rows} rows of data as a Markdown table.",
    )
    lines = [columns, ["---"] * len(columns)]
    lines += _records(topic, rows, len(columns), rng)
    answer = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return Asked(_ended(requests, wording, rng), {"columns": columns, "rows": rows}, answer)


def one_word(topic: str, wording: int, rng: Random) -> Asked:
    first, second, answer = rng.sample(TOPICS[topic], 3)
    prompt = (
        f"{first}, {second}: give one more of these {topic}. A single word.",
        f"Which of all {topic} would you take beside {first}? Use exactly one word.",
        f"Reply with one word: something like {first} and {second}.",
        f"One word, please: what comes to mind when you hear {first}?",
        f"What is found near {first}? Say it in a single word.",
        f"Think of {first}. Now write only one word that suits it.",
    )[wording]
    return Asked(prompt, {}, answer)


def one_of(topic: str, wording: int, rng: Random) -> Asked:
    """Half of the choices have nothing in common: what is chosen must stand in the request."""
    pool = TOPICS[topic] if rng.random() < 0.5 else _WORDS
    choices = rng.sample(pool, rng.randint(2, 3))
    names = ", ".join(choices[:-1]) + f" or {choices[-1]}"
    listed = ", ".join(choices[:-1]) + f" and {choices[-1]}"
    prompt = (
        f"{names}: which one? Reply with the name alone.",
        f"Pick either {names}. Write just the one you pick.",
        f"Decide between these: {listed}. Only the word, no sentence.",
        f"Would you take {names}? Say only which.",
        f"{names}? One of them, without any sentence around it.",
        f"I can have {names}. Tell me in one word which to take.",
        f"Here are {listed}. Take one of them and write its name, not a word more.",
        f"Of {listed}, keep one. Your answer is that one, alone.",
    )[wording]
    return Asked(prompt, {"choices": choices}, rng.choice(choices))


FORMS: dict[str, Callable[[str, int, Random], Asked]] = {
    "only_json": only_json, "only_code": only_code, "numbered": numbered, "bulleted": bulleted, "csv": csv,
    "table": table, "one_word": one_word, "one_of": one_of,
}  # fmt: skip
WORDINGS = {"numbered": 8, "bulleted": 8, "csv": 10, "table": 12, "one_of": 8}
"""How many wordings a form has where it is not ``USUAL_WORDINGS``: forms that count take longer to
learn."""
USUAL_WORDINGS = 6


def generate(composition: str, rng: Random) -> Draft:
    form, topic, wording = composition.split("|")
    asked = FORMS[form](topic, int(wording), rng)
    verifier = Constraints(
        instructions=(f"form:{form}",), arguments=json.dumps([asked.arguments]), clean_stop=True
    )
    return Draft(ask(asked.prompt), asked.answer, verifier)


def raw(composition: str, rng: Random) -> str:
    """A list of things, without a request."""
    return "\n".join(rng.sample(TOPICS[composition.split("|")[1]], 4)) + "\n"


FAMILY = Family(
    "forms",
    "general_chat",
    tuple(
        f"{form}|{topic}|{wording}"
        for form in FORMS
        for topic in TOPICS
        for wording in range(WORDINGS.get(form, USUAL_WORDINGS))
    ),
    generate,
    raw,
)
