"""Diagnosis of a configuration file: which lines have which fault, and how they read when they are
right. What Docker, nginx, systemd and others have in common here; each of them is a table of
faults.

A fault is a rule about one line, so that a file can be checked by the rules alone: ``faults_in``
finds what was planted and nothing else. The level is the number of blocks of the file; half of
them, rounded up, have a fault. What this module does not do: know a tool's whole grammar.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from random import Random
from typing import NamedTuple

from ...records import JsonAnswer
from ..families.family import Draft, Family, ask
from .material import WORDS, compositions, parted

LEVELS = (1, 6)


class Fault(NamedTuple):
    """A line as it should be and as it stands, and the rule that only the second breaks. ``{w}`` is
    a word, ``{n}`` a number from 2 to 9."""

    words: str
    good: str
    bad: str
    breaks: str
    """A regular expression that finds the bad line and no good one of the table."""


class Table(NamedTuple):
    """One tool."""

    name: str
    file: str
    tool: str
    head: str
    """The first line of each block; ``{w}`` is a word, ``{b}`` the block's number."""
    faults: dict[str, Fault]
    foot: str = ""
    """The last line of each block, where there is one."""
    lines: int = 3
    """Lines of a block between the two."""


def faults_in(table: Table, text: str) -> list[tuple[int, str]]:
    """Line and fault of every line that breaks a rule, by the rules alone."""
    return [
        (number, code)
        for number, line in enumerate(text.splitlines(), start=1)
        for code, fault in table.faults.items()
        if re.search(fault.breaks, line)
    ]


class Case(NamedTuple):
    """A file with faults, the file without them, and the lines that differ."""

    broken: str
    right: str
    answer: list[dict[str, str | int]]


def draw_case(table: Table, codes: list[str], level: int, rng: Random) -> Case:
    """A file of ``level`` blocks, with one of the faults in each of the first shuffled blocks."""
    broken: list[str] = []
    right: list[str] = []
    answer: list[dict[str, str | int]] = []
    words = rng.sample(WORDS, level)
    with_fault = dict(zip(rng.sample(range(level), len(codes)), codes, strict=True))
    for block in range(level):
        code = with_fault.get(block)
        others = [name for name in table.faults if name != code]
        names = rng.sample(others, table.lines - (code is not None)) + ([code] if code else [])
        rng.shuffle(names)
        head = table.head.format(w=words[block], b=block + 1)
        broken.append(head)
        right.append(head)
        for name in names:
            fault = table.faults[name]
            values = {"w": rng.choice(WORDS), "n": rng.randint(2, 9)}
            good = fault.good.format(**values)
            right.append(good)
            broken.append(fault.bad.format(**values) if name == code else good)
            if name == code:
                fixed = good.strip()
                answer.append({"line": len(broken), "fault": name, "fix": fixed})
        if table.foot:
            foot = table.foot.format(w=words[block], b=block + 1)
            broken.append(foot)
            right.append(foot)
    return Case("\n".join(broken), "\n".join(right), answer)


def _generate(table: Table) -> Callable[[str, Random], Draft]:
    choices = "\n".join(f"- {code}: {fault.words}" for code, fault in table.faults.items())

    def generate(composition: str, rng: Random) -> Draft:
        level, _, codes = parted(composition)
        case = draw_case(table, codes, level, rng)
        prompt = (
            f"{table.file} of {table.tool}:\n\n```\n{case.broken}\n```\n\nSome lines have one of these faults:\n{choices}\n\n"
            'Answer with a JSON list of {"line", "fault", "fix"} for each of them in the order of the lines: the '
            "line's number from 1, the fault's name, and the corrected line without the white space around it."
        )
        answer = json.dumps(case.answer, ensure_ascii=False)
        return Draft(ask(prompt), answer, JsonAnswer(expected=answer))

    return generate


def family(table: Table) -> Family:
    """The family of a tool."""

    def draw(level: int, rng: Random) -> list[str]:
        return rng.sample(sorted(table.faults), min((level + 1) // 2, len(table.faults)))

    return Family(
        table.name,
        "devops",
        compositions(table.name, LEVELS, ("lines",), draw),
        _generate(table),
        levels=LEVELS,
    )
