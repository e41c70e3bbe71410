"""A text under programmatic constraints: IFEval's instructions, the forms of answers that a probe
asks for, and hygiene.

A constraint is named by its id; ``check_constraints`` says before anything is asked whether ids and
arguments make sense, and ``judge_constraints`` names every one that a text breaks. What this module
does not do: read the prompt, or score content.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from ..records import Constraints
from .fences import fences
from .hygiene import no_repetition, no_secret
from .instructions import KINDS as INSTRUCTIONS
from .instructions import RELATIONS, Arguments, Kind
from .language import known_languages
from .repetition import BOILERPLATE, FILLER

# -- forms: the whole answer, nothing around it ----------------------------------------------------


def _only_json(text: str, arguments: Arguments) -> bool:
    """One bare JSON object with exactly these keys."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and value.keys() == set(arguments["keys"])


def _only_code(text: str, arguments: Arguments) -> bool:
    """One closed block of a language between fences, and nothing else."""
    blocks = fences(text)
    if len(blocks) != 1 or not blocks[0].closed or blocks[0].language != arguments["language"]:
        return False
    return text.startswith("```") and text.endswith("```") and bool(blocks[0].body.strip())


def _numbered(text: str, arguments: Arguments) -> bool:
    """Lines ``1. …`` to ``N. …`` in order, and no other."""
    lines = [line for line in text.splitlines() if line.strip()]
    return len(lines) == arguments["items"] and all(
        re.match(rf"{number}[.)] +\S", line) for number, line in enumerate(lines, 1)
    )


def _bulleted(text: str, arguments: Arguments) -> bool:
    lines = [line for line in text.splitlines() if line.strip()]
    return len(lines) == arguments["items"] and all(re.match(r"[-*] +\S", line) for line in lines)


def _csv(text: str, arguments: Arguments) -> bool:
    """So many lines of so many fields, none of them empty."""
    try:
        rows = list(csv.reader(text.splitlines(), strict=True))
    except csv.Error:
        return False
    return len(rows) == arguments["lines"] and all(
        len(row) == arguments["fields"] and all(field.strip() for field in row) for row in rows
    )


def _table(text: str, arguments: Arguments) -> bool:
    """A Markdown table with these column names and so many rows."""
    rows = [
        [cell.strip() for cell in line.strip().strip("|").split("|")]
        for line in text.splitlines()
        if line.strip()
    ]
    whole = len(rows) == arguments["rows"] + 2 and all(
        len(row) == len(arguments["columns"]) for row in rows
    )
    return (
        whole
        and rows[0] == arguments["columns"]
        and all(re.fullmatch(r":?-{3,}:?", cell) for cell in rows[1])
    )


def _one_word(text: str, arguments: Arguments) -> bool:
    return re.fullmatch(r"[\w'’-]+[.!]?", text) is not None


def _one_of(text: str, arguments: Arguments) -> bool:
    return text in arguments["choices"]


def _one_line(text: str, arguments: Arguments) -> bool:
    return "\n" not in text


# -- facts -----------------------------------------------------------------------------------------


def _holds(text: str, arguments: Arguments) -> bool:
    """Every one of ``words``, as whole words and without case."""
    return all(_has_word(text, word) for word in arguments["words"])


def _avoids(text: str, arguments: Arguments) -> bool:
    return not any(_has_word(text, word) for word in arguments["words"])


def _has_word(text: str, word: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.I) is not None


def _begins(text: str, arguments: Arguments) -> bool:
    return text.startswith(arguments["text"])


def _lines_hold(text: str, arguments: Arguments) -> bool:
    """Each line that is not empty holds the words of its own, which stand in ``lines`` in order,
    with spaces between them; numbers of lists at its beginning are not among them."""
    lines = [line for line in text.splitlines() if line.strip()]
    return len(lines) == len(arguments["lines"]) and all(
        _has_word(re.sub(r"^\s*\d+[.)]\s", "", line), word)
        for line, words in zip(lines, arguments["lines"], strict=True)
        for word in words.split()
    )


def _rows(text: str, arguments: Arguments) -> bool:
    """The rows of a Markdown table below its head, cell by cell, in order."""
    lines = [line.strip().strip("|") for line in text.splitlines() if line.strip()][2:]
    cells = [[cell.strip() for cell in line.split("|")] for line in lines]
    return cells == [[cell.strip() for cell in row.split("|")] for row in arguments["rows"]]


def _first_line(text: str, arguments: Arguments) -> bool:
    return bool(text.splitlines()[0].strip() == arguments["line"])


# -- hygiene ---------------------------------------------------------------------------------------

_REFUSALS = (
    "i cannot",
    "i can't",
    "i'm sorry, but",
    "i am sorry, but",
    "as an ai",
    "não posso",
    "sinto muito, mas",
)


def _no_boilerplate(text: str, arguments: Arguments) -> bool:
    folded = " ".join(text.split()).casefold()
    return not any(phrase in folded for phrase in (*FILLER, *BOILERPLATE))


def _answers(text: str, arguments: Arguments) -> bool:
    """An ordinary question is answered, not refused."""
    return not " ".join(text.split()).casefold().startswith(_REFUSALS)


KINDS: dict[str, Kind] = {
    **INSTRUCTIONS,
    "form:only_json": Kind(_only_json, {"keys": list}),
    "form:only_code": Kind(_only_code, {"language": str}),
    "form:numbered": Kind(_numbered, {"items": int}),
    "form:bulleted": Kind(_bulleted, {"items": int}),
    "form:csv": Kind(_csv, {"lines": int, "fields": int}),
    "form:table": Kind(_table, {"rows": int, "columns": list}),
    "form:one_word": Kind(_one_word, {}),
    "form:one_of": Kind(_one_of, {"choices": list}),
    "form:one_line": Kind(_one_line, {}),
    "fact:holds": Kind(_holds, {"words": list}),
    "fact:avoids": Kind(_avoids, {"words": list}),
    "fact:begins": Kind(_begins, {"text": str}),
    "fact:lines": Kind(_lines_hold, {"lines": list}),
    "fact:rows": Kind(_rows, {"rows": list}),
    "fact:first_line": Kind(_first_line, {"line": str}),
    "hygiene:no_secret": Kind(lambda text, arguments: no_secret(text).value is not False, {}),
    "hygiene:no_repetition": Kind(
        lambda text, arguments: no_repetition(text).value is not False, {}
    ),
    "hygiene:no_boilerplate": Kind(_no_boilerplate, {}),
    "hygiene:answers": Kind(_answers, {}),
}
"""Every id that a suite may use."""


def judge_constraints(text: str, verifier: Constraints) -> str | None:
    """None when all hold, else ``constraints: 1 of 3 broken: ID, …``."""
    arguments = arguments_of(verifier)
    broken = [
        name
        for name, values in zip(verifier.instructions, arguments, strict=True)
        if not KINDS[name].follows(text, values)
    ]
    return (
        f"constraints: {len(broken)} of {len(arguments)} broken: {', '.join(broken)}"
        if broken
        else None
    )


def arguments_of(verifier: Constraints) -> list[Arguments]:
    """The arguments of each instruction, in order, without those that are null."""
    return _arguments(verifier.arguments) or [{} for _ in verifier.instructions]


@lru_cache(maxsize=1024)
def _arguments(text: str) -> list[Arguments]:
    rows = json.loads(text)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("arguments: expected a list of objects")
    return [{key: value for key, value in row.items() if value is not None} for row in rows]


def check_constraints(verifier: Constraints) -> None:
    """Raises ValueError: no instruction, an unknown id, arguments that are missing, unknown, of a
    wrong type or out of range."""
    if not verifier.instructions:
        raise ValueError("instructions: expected at least one")
    arguments = arguments_of(verifier)
    if len(arguments) != len(verifier.instructions):
        raise ValueError(
            f"arguments: expected {len(verifier.instructions)} objects, got {len(arguments)}"
        )
    for name, row in zip(verifier.instructions, arguments, strict=True):
        if name not in KINDS:
            raise ValueError(f"unknown instruction {name!r}. Known: {', '.join(sorted(KINDS))}")
        _check_arguments(name, row)


def _check_arguments(name: str, row: Arguments) -> None:
    takes = KINDS[name].takes
    if row.keys() != takes.keys():
        raise ValueError(
            f"{name} takes {', '.join(sorted(takes)) or 'no arguments'}, got {', '.join(sorted(row)) or 'none'}"
        )
    for key, kind in takes.items():
        problem = _wrong(key, row[key], kind)
        if problem:
            raise ValueError(f"{name}.{key}: {problem}")


def _wrong(key: str, value: Any, kind: type) -> str | None:
    checks: dict[type, Callable[[Any], bool]] = {
        int: lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= 0,
        str: lambda value: isinstance(value, str) and bool(value.strip()),
        list: lambda value: (
            isinstance(value, list)
            and bool(value)
            and all(isinstance(x, str) and x.strip() for x in value)
        ),
    }
    if not checks[kind](value):
        return f"expected {'a list of text' if kind is list else kind.__name__}, got {str(value)[:40]!r}"
    if key.endswith("relation") and value not in RELATIONS:
        return f"{value!r} is none of {', '.join(RELATIONS)}"
    if key == "language" and len(value) < 4 and value not in known_languages():
        return f"{value!r} is not a language code that can be identified"
    if key == "letter" and len(value) != 1:
        return f"expected one letter, got {value!r}"
    return None
