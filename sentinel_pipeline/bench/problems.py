"""Problem files as their authors distribute them, for grading samples of any model: task id -> what
checks a sample.

HumanEval and HumanEval+ (``test`` with ``check``), EvalPlus releases (``base_input``,
``plus_input``), MBPP and MBPP+, MultiPL-E, and rows of our own suites. Which format a row has is
read from its fields. Problem files are trusted: their tests and references run in the harness. What
this module does not do: grade.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args

from ..errors import BadInput
from ..records import Verifier
from ..records.verifiers import Executable
from ..tasks.suites import SUITES, evalplus, humaneval, load_suite, mbpp, multipl_e, own
from ..tasks.suites.rows import SuiteRow, read_rows

_BETWEEN = re.compile(r"[\s,\[]*")


class Problem(NamedTuple):
    """One task: its id, its checks, and a whole reference program (empty where the file has
    none)."""

    id: str
    verifier: Executable
    prefix: str
    """What a sample's ``completion`` continues; a ``solution`` stands alone."""
    reference: str


def load_problems(source: str) -> dict[str, Problem]:
    """Read a problem file, or a suite by its name.

    Raises:
        BadInput: no such file or suite, a row without tests or of an unknown format, or a duplicate
            task id: file, line and field.
        Infrastructure: a named suite is neither on this machine nor to be had from the hub.
    """
    path = Path(source)
    if source in SUITES and not path.is_file():
        tasks = load_suite(source)
        return {
            task.id: _of(
                SuiteRow({"task_id": task.id}, source, line), task.id, task.verifier, task.reference
            )
            for line, task in enumerate(tasks, start=1)
        }
    if not path.is_file():
        fix = f"Give a file, or one of: {', '.join(SUITES)}."
        raise BadInput("no such problem file.", file=source, fix=fix)
    problems: dict[str, Problem] = {}
    for row in _rows(path):
        problem = _problem(row)
        if problem.id in problems:
            raise row.bad("task_id", f"duplicate id {problem.id!r}.", "Make ids unique.")
        problems[problem.id] = problem
    if not problems:
        raise BadInput(
            "holds no problem.", file=path, fix="Add problems: nothing cannot be scored."
        )
    return problems


def _rows(path: Path) -> Iterator[SuiteRow]:
    """Rows of a JSONL file, or of one JSON array as sanitized MBPP is distributed: those by the
    line that they begin on."""
    try:
        text = path.read_text(encoding="utf-8-sig") if path.suffix == ".json" else ""
        rows = json.loads(text) if text.lstrip().startswith("[") else None
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"invalid JSON: {error}.", file=path) from error
    if rows is None:
        yield from read_rows(path)
        return
    place = 0
    line = 1
    for row in rows:
        begin = _BETWEEN.match(text, place).end()  # type: ignore[union-attr]  # matches any text
        line += text.count("\n", place, begin)
        if not isinstance(row, dict):
            raise BadInput(
                f"expected a JSON object, got {type(row).__name__}.", file=path, line=line
            )
        yield SuiteRow(row, path, line)
        place = json.JSONDecoder().raw_decode(text, begin)[1]
        line += text.count("\n", begin, place)


def _problem(row: SuiteRow) -> Problem:
    fields = row.fields.keys()
    if evalplus.fits(row):
        return _of(row, _name(row), evalplus.verifier(row), row.text("canonical_solution"))
    if humaneval.FIELDS - {"canonical_solution"} <= fields:
        checked = evalplus.without_numpy(humaneval.verifier(row))
        return _of(row, _name(row), checked, row.text("canonical_solution", "", empty=True))
    if {"code", "test", "test_list"} <= fields:
        return _of(row, _name(row), evalplus.mbpp_verifier(row), mbpp.solution(row))
    if fields >= mbpp.FIELDS:
        return _of(row, _name(row), mbpp.verifier(row), mbpp.solution(row))
    if fields >= multipl_e.FIELDS:
        return _of(row, row.text("name"), multipl_e.verifier(row), "")
    verifier = own.verifier(row)
    if verifier is None:
        raise row.bad(
            "test",
            f"has no tests; fields here: {', '.join(sorted(fields))}.",
            "Expected a problem file of HumanEval, MBPP, EvalPlus or MultiPL-E, or rows with tests or verifier.",
        )
    whole = row.text("reference", "", empty=True)
    return _of(row, _name(row, row.line), verifier, whole)._replace(reference=whole)


def _of(row: SuiteRow, name: str, verifier: Verifier, reference: str) -> Problem:
    """A problem whose reference goes on from its verifier's prefix.

    Raises:
        BadInput: nothing is run to check an answer.
    """
    if not isinstance(verifier, Executable):
        fix = f"One of: {', '.join(kind.kind for kind in get_args(Executable))}. `sentinel run` scores the others."
        raise row.bad(
            "verifier", f"{name!r} is checked by {verifier.kind}, which runs no program.", fix
        )
    prefix = getattr(verifier, "prefix", "")
    return Problem(name, verifier, prefix, prefix + reference if reference else "")


def _name(row: SuiteRow, default: int | None = None) -> str:
    """Ids as they stand: MBPP's are numbers in its own files and ``Mbpp/N`` in EvalPlus's."""
    value: Any = row.fields.get("task_id", default)
    name = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    if not name.strip() or not name.isprintable():
        raise row.bad("task_id", f"expected a number or printable text, got {value!r:.40}.")
    return name
