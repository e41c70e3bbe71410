"""Twenty-four long texts whose parts depend on each other: does a model keep count, names and rules
over thousands of words?

``chronicle``: one numbered entry for each day, the keepers take turns, the market comes every
seventh day and the stock falls by a fixed number. ``catalogue``: every entry names the box before
its own, and the shelves come in turn. The shortest take about 2,000 tokens, the longest 8,000 and
more: a recipe needs ``bench.max_new_tokens`` of 12,000 for them. Every line is checked by a
program. Generated here, always the same. What this module does not do: judge style.
"""

import json
from random import Random

from ...records import Constraints, Message, Task
from ..families.words import NAMES

LENGTHS = (80, 160, 400)
"""Entries of a text."""
EACH = 4


def chronicle(rng: Random, entries: int) -> tuple[str, list[list[str]], list[str]]:
    """The request, the words that each line must hold, and lines that do."""
    keepers = rng.sample(NAMES, rng.choice((3, 4)))
    market = rng.choice(("market", "harbour", "fair"))
    fall = rng.choice((3, 4, 7))
    start = 5000
    request = (
        f"Write the chronicle of a lighthouse over {entries} days: {entries} numbered lines "
        f'("1. …"), one for each day, and nothing else. The keepers take turns in this order: '
        f"{', '.join(keepers)}; each line names the keeper of its day. On every seventh day, and "
        f"only then, the line holds the word {market}. The stock of oil is {start} on day 1 and "
        f"falls by {fall} each day; each line says how much is left. Each line is a sentence of at "
        "least twelve words."
    )
    words = []
    lines = []
    for day in range(1, entries + 1):
        keeper = keepers[(day - 1) % len(keepers)]
        stock = str(start - (day - 1) * fall)
        visit = f"went to the {market} and" if day % 7 == 0 else "stayed at home and"
        words.append([keeper, stock, *([market] if day % 7 == 0 else [])])
        lines.append(
            f"{day}. The keeper {keeper} {visit} kept the lamp burning with {stock} measures of oil."
        )
    return request, words, lines


def catalogue(rng: Random, entries: int) -> tuple[str, list[list[str]], list[str]]:
    """As ``chronicle``: a catalogue whose entries name the one before."""
    shelves = rng.sample(NAMES, 4)
    first = rng.randint(100, 400)
    step = rng.choice((3, 5, 11))
    request = (
        f'Write the catalogue of an archive: {entries} numbered lines ("1. …"), one for each box, '
        f"and nothing else. The boxes have the numbers {first}, {first + step}, {first + 2 * step} "
        "and so on. Each line names its box's number, from the second line on also the number of the "
        f"box before it, and the shelf: {', '.join(shelves)}, in this order, again and again. Each "
        "line is a sentence of at least twelve words."
    )
    words = []
    lines = []
    for index in range(entries):
        number = str(first + index * step)
        before = str(first + (index - 1) * step)
        shelf = shelves[index % len(shelves)]
        words.append([number, shelf, *([before] if index else [])])
        behind = f"right after box {before}" if index else "as the very first one of all"
        lines.append(
            f"{index + 1}. Box {number} stands on the shelf called {shelf} in the archive, {behind}."
        )
    return request, words, lines


FAMILIES = {"chronicle": chronicle, "catalogue": catalogue}


def tasks() -> list[Task]:
    """Four texts of each family and length."""
    return [
        _task(family, entries, number)
        for family in FAMILIES
        for entries in LENGTHS
        for number in range(EACH)
    ]


def _task(family: str, entries: int, number: int) -> Task:
    rng = Random(f"long_form|{family}|{entries}|{number}")
    request, words, lines = FAMILIES[family](rng, entries)
    arguments = [
        {"items": entries},
        {"lines": [" ".join(line) for line in words]},
        {"relation": "at least", "num_words": entries * 12},
    ]
    return Task(
        id=f"long_form/{family}-{entries}-{number}",
        suite="long_form",
        category="general_chat",
        family=family,
        messages=(Message("user", request),),
        verifier=Constraints(
            instructions=("form:numbered", "fact:lines", "length_constraints:number_words"),
            arguments=json.dumps(arguments),
            clean_stop=True,
        ),
        reference="\n".join(lines),
    )
