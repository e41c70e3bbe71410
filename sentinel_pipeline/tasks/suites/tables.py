"""Sixty short reports, in English and Portuguese, to be written as a Markdown table or as a JSON
list of rows, sorted as asked.

The numbers are counts, so no language writes them in another way. A table is right when its
columns, its rows and their order are; what stands around it is wrong. Generated here, always the
same.
"""

from __future__ import annotations

import json
from random import Random

from ...records import Constraints, JsonAnswer, Message, Task
from ..families.words import NAMES

ITEMS = 60
WORDS = {
    "en": (
        "{name} sold {sold} and returned {back}.",
        "Write this as a Markdown table with the columns {columns}, sorted by {by} from the largest "
        "to the smallest number, and nothing else.",
        "Write this as a JSON list of objects with the keys {columns}, sorted by {by} from the "
        "largest to the smallest number, and nothing else.",
        ("name", "sold", "returned"),
    ),
    "pt": (
        "{name} vendeu {sold} e devolveu {back}.",
        "Escreva isto como tabela Markdown com as colunas {columns}, em ordem decrescente de {by}, e "
        "mais nada.",
        "Escreva isto como lista JSON de objetos com as chaves {columns}, em ordem decrescente de "
        "{by}, e mais nada.",
        ("nome", "vendidos", "devolvidos"),
    ),
}


def tasks() -> list[Task]:
    """The sixty tasks: the languages in turn, and of each language the two forms in turn."""
    return [
        _task(number, "pt" if number % 2 else "en", "json" if number // 2 % 2 else "markdown")
        for number in range(ITEMS)
    ]


def _task(number: int, language: str, form: str) -> Task:
    rng = Random(f"tables|{number}")
    sentence, as_table, as_json, columns = WORDS[language]
    names = rng.sample(NAMES, rng.randint(3, 6))
    sold = rng.sample(range(10, 99), len(names))
    returned = rng.sample(range(1, 10), len(names))
    rows = list(zip(names, sold, returned, strict=True))
    by = rng.choice((1, 2))
    numbers = sold if by == 1 else returned
    text = " ".join(sentence.format(name=name, sold=count, back=back) for name, count, back in rows)
    ordered = [row for _, row in sorted(zip(numbers, rows, strict=True), reverse=True)]
    ask = (as_json if form == "json" else as_table).format(
        columns=", ".join(columns), by=columns[by]
    )
    verifier: JsonAnswer | Constraints
    if form == "json":
        reference = json.dumps(
            [dict(zip(columns, row, strict=True)) for row in ordered], ensure_ascii=False
        )
        verifier = JsonAnswer(expected=reference)
    else:
        lines = [f"| {' | '.join(map(str, row))} |" for row in ordered]
        reference = "\n".join([f"| {' | '.join(columns)} |", "| --- | --- | --- |", *lines])
        cells = [" | ".join(map(str, row)) for row in ordered]
        verifier = Constraints(
            instructions=("form:table", "fact:rows"),
            arguments=json.dumps([{"columns": list(columns), "rows": len(rows)}, {"rows": cells}]),
        )
    return Task(
        id=f"tables/{number:02}-{language}-{form}",
        suite="tables",
        category="tool_use",
        family=form,
        messages=(Message("user", f"{text}\n\n{ask}"),),
        verifier=verifier,
        reference=reference,
    )
