"""Problem files as their authors distribute them, for grading samples of any model: task id -> what checks a sample.

HumanEval and HumanEval+ (``test`` with ``check``), EvalPlus releases (``base_input``, ``plus_input``), MBPP and MBPP+, MultiPL-E,
and rows of our own suites. Which format a row has is read from its fields. What this module does not do: grade.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ..errors import BadInput
from ..records import PythonTests, Verifier
from .suites import SUITES, evalplus, humaneval, load_suite, mbpp, own
from .suites.rows import SuiteRow, read_rows


class Problem(NamedTuple):
    """One task: its id, its checks, and a whole reference program (empty where the file has none)."""

    id: str
    verifier: Verifier
    prefix: str
    """What a sample's ``completion`` continues; a ``solution`` stands alone."""
    reference: str


def load_problems(source: str) -> dict[str, Problem]:
    """Read a problem file, or a suite by its name.

    Raises:
        BadInput: no such file or suite, a row without tests or of an unknown format, or a task id twice: file, line and field.
        Infrastructure: a named suite is neither on this machine nor to be had from the hub.
    """
    path = Path(source)
    if source in SUITES and not path.exists():
        found = [_of_task(task.id, task.verifier, task.reference) for task in load_suite(source)]
        return {problem.id: problem for problem in found}
    if not path.is_file():
        raise BadInput("no such problem file.", file=source, fix=f"Give a file, or one of: {', '.join(SUITES)}.")
    rows = list(read_rows(path))
    if not rows:
        raise BadInput("holds no problem.", file=path, fix="A score of nothing is no score.")
    problems: dict[str, Problem] = {}
    for row in rows:
        problem = _problem(row)
        if problem.id in problems:
            raise row.bad("task_id", f"{problem.id!r} stands twice.", "Make ids unique.")
        problems[problem.id] = problem
    return problems


def _problem(row: SuiteRow) -> Problem:
    fields = row.fields.keys()
    if evalplus.fits(row):
        checked = evalplus.verifier(row)
        return Problem(row.text("task_id"), checked, checked.prefix, checked.prefix + row.text("canonical_solution"))
    if humaneval.FIELDS - {"canonical_solution"} <= fields:
        checked = humaneval.verifier(row)
        reference = row.text("canonical_solution", "", empty=True)
        return Problem(row.text("task_id"), checked, checked.prefix, checked.prefix + reference if reference else "")
    if {"code", "test", "test_list"} <= fields:
        checked = evalplus.mbpp_verifier(row)
        return Problem(_number(row), checked, "", mbpp.solution(row))
    if fields >= mbpp.FIELDS:
        return Problem(_number(row), mbpp.verifier(row), "", mbpp.solution(row))
    given = own.verifier(row)
    if given is None:
        raise row.bad(
            "test",
            f"has no tests; fields here: {', '.join(sorted(fields))}.",
            "Expected a problem file of HumanEval, MBPP, EvalPlus or MultiPL-E, or rows with tests or verifier.",
        )
    name = str(row.fields.get("task_id", row.line))
    return Problem(name, given, getattr(given, "prefix", ""), row.text("reference", "", empty=True))


def _of_task(name: str, verifier: Verifier, reference: str) -> Problem:
    prefix = verifier.prefix if isinstance(verifier, PythonTests) else ""
    return Problem(name, verifier, prefix, prefix + reference if reference else "")


def _number(row: SuiteRow) -> str:
    """MBPP's ids are numbers in its own files and ``Mbpp/N`` in EvalPlus's: both are kept as they stand."""
    value = row.fields.get("task_id")
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise row.bad("task_id", f"expected a number or text, got {type(value).__name__}.")
    return str(value)
