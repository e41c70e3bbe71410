"""HumanEval rows as they are distributed: a stub to go on from, and tests that define
``check(candidate)``.

Only the format is known here, none of the problems.
"""

from __future__ import annotations

from ...records import Message, PythonTests, Task
from .rows import SuiteRow

FILE = "humaneval/HumanEval.jsonl.gz"
HUB = "openai/openai_humaneval"
FIELDS = {"prompt", "canonical_solution", "test", "entry_point"}
ASK = "Complete this Python function.\n\n"


def verifier(row: SuiteRow) -> PythonTests:
    """The tests of one row; ``prefix`` is its stub, because a solution may only continue it.

    Raises:
        BadInput: a field is missing or no text, the tests are not Python, or the stub does not
            define the entry point.
    """
    stub = row.text("prompt")
    name = row.text("entry_point")
    if f"def {name}" not in stub:
        raise row.bad("entry_point", f"{name!r} is not defined by the prompt's stub.")
    return PythonTests(tests=row.python("test", row.text("test")), entry_point=name, prefix=stub)


def task(row: SuiteRow) -> Task:
    """One task; its reference is the canonical solution, which continues the stub (empty where the
    file has none)."""
    checked = verifier(row)
    return Task(
        id=row.text("task_id"),
        suite="humaneval",
        category="executable_code",
        family="humaneval",
        messages=(Message("user", ASK + checked.prefix),),
        verifier=checked,
        reference=row.text("canonical_solution", "", empty=True),
    )
