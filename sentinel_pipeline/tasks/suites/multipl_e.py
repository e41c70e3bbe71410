"""MultiPL-E rows of HumanEval in TypeScript as they are distributed: a stub to go on from, tests
with ``node:assert``, no solution.

Only the format is known here, none of the problems.
"""

from __future__ import annotations

import re

from ...records import Message, ScriptTests, Task
from .rows import SuiteRow

FILE = "multipl_e_ts/humaneval-ts.jsonl"
HUB = "nuprl/MultiPL-E:humaneval-ts"
FIELDS = {"name", "language", "prompt", "tests"}
ASK = "Complete this TypeScript function.\n\n"
_HEAD = re.compile(r"^(?:async )?function ([A-Za-z_$][\w$]*)", re.MULTILINE)


def verifier(row: SuiteRow) -> ScriptTests:
    """The tests of one row; ``prefix`` is its stub, because a solution may only continue it.

    Raises:
        BadInput: a field is missing or no text, the language is not TypeScript, the stub begins no
            function, or the tests do not name the function that it begins.
    """
    language = row.text("language")
    stub = row.text("prompt")
    tests = row.text("tests")
    if language != "ts":
        raise row.bad("language", f"expected 'ts', got {language!r}.")
    names = _HEAD.findall(stub)
    if not names:
        raise row.bad("prompt", "begins no function.")
    if not re.search(rf"(?<![\w$]){re.escape(names[-1])}(?![\w$])", tests):
        raise row.bad("tests", f"do not name {names[-1]!r}, the function that the prompt begins.")
    return ScriptTests(tests=tests, language="typescript", entry_point=names[-1], prefix=stub)


def task(row: SuiteRow) -> Task:
    """One task, ``MultiPL-E/NAME``, without a reference: the file has none."""
    checked = verifier(row)
    return Task(
        id=f"MultiPL-E/{row.text('name')}",
        suite="multipl_e",
        category="executable_code",
        family="multipl_e",
        messages=(Message("user", ASK + checked.prefix),),
        verifier=checked,
        reference="",
    )
