"""Judging one SQL query: run the gold query in a process of its own, the candidate's in another,
compare their rows.

The gold query runs twice, with other seeds, once per task: rows that differ then are the task's
fault. What this module does not do: run SQL, tell the candidate's process anything but the tables,
or notice that a gold query depends on the day.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import Any, NamedTuple

from ...records import SqlAnswer
from ..guest import codec
from ..guest.codec import Malformed
from ..outcomes import Limits
from .finding import Finding
from .python_tests import PASSED, Judgement, in_time, why_ended
from .rows import Row, Unreadable, first_difference, read_row
from .sessions import split_frames
from .tools import Tools
from .zygotes import BATCH, End, Zygote, frame

GUEST = "sql"
_CODES = {"syntax_error", "exception", "forbidden", "memory", "output_limit"}
"""What a sample can say of its query."""
_SEEDS = (0.25, -0.25)
_CANDIDATE_SEED = 0.75
_KEPT_BYTES = 8 << 20


class Table(NamedTuple):
    """A query's answer."""

    columns: int
    rows: list[Row]


class Ran(NamedTuple):
    """One query's run: its rows, or why there are none."""

    table: Table | None
    finding: Finding
    end: End
    recycle: bool
    size: int


class _Golds:
    """The latest gold tables, by what they were made of; as many as fit."""

    def __init__(self) -> None:
        self.tables: OrderedDict[Any, tuple[Table, int]] = OrderedDict()
        self.size = 0

    def get(self, key: Any) -> Table | None:
        if key not in self.tables:
            return None
        self.tables.move_to_end(key)
        return self.tables[key][0]

    def put(self, key: Any, table: Table, size: int) -> None:
        self.tables[key] = table, size
        self.size += size
        while self.size > _KEPT_BYTES and len(self.tables) > 1:
            _, (_, freed) = self.tables.popitem(last=False)
            self.size -= freed


_golds = _Golds()


def judge(
    code: str, verifier: SqlAnswer, limits: Limits, zygote: Zygote, tools: Tools
) -> Judgement:
    """Grade one query.

    Raises:
        Lost: the zygote ended; nothing is known about the query.
    """
    recycle = False
    judged = None
    for setup in (verifier.setup, *verifier.other_setups):
        judged = _judge_on(setup, code, verifier, limits, zygote)
        recycle |= judged.recycle
        if judged.finding.code != PASSED.code:
            break
    assert judged is not None
    return judged._replace(recycle=recycle)


def _judge_on(
    setup: str, code: str, verifier: SqlAnswer, limits: Limits, zygote: Zygote
) -> Judgement:
    """Grade the query on one database."""
    gold, recycle = _gold(setup, verifier, limits, zygote)
    if isinstance(gold, Finding):
        return Judgement(gold, None, recycle)
    ran = _run(code, setup, _CANDIDATE_SEED, limits, zygote)
    finding = ran.finding
    if ran.table is not None:
        problem = _difference(gold, ran.table, verifier.ordered)
        finding = Finding("output_differs", problem) if problem else PASSED
    return Judgement(in_time(finding, ran.end, limits), ran.end, recycle or ran.recycle)


def _gold(
    setup: str, verifier: SqlAnswer, limits: Limits, zygote: Zygote
) -> tuple[Table | Finding, bool]:
    """The expected table, or what is wrong with the task."""
    key = (setup, verifier.query, limits)
    table = _golds.get(key)
    if table is not None:
        return table, False
    first, again = (_run(verifier.query, setup, seed, limits, zygote) for seed in _SEEDS)
    recycle = first.recycle or again.recycle
    for ran in (first, again):
        if ran.table is None:
            problem = f"the gold query: {ran.finding.code}: {ran.finding.detail}"
            return Finding("test_error", problem), recycle
    assert first.table and again.table
    difference = _difference(first.table, again.table, verifier.ordered)
    if difference:
        problem = f"the gold query gives other rows when it runs again: {difference}"
        return Finding("test_error", problem), recycle
    _golds.put(key, first.table, first.size)
    return first.table, recycle


def _difference(expected: Table, actual: Table, ordered: bool) -> str | None:
    if expected.columns != actual.columns:
        return f"expected {expected.columns} columns, got {actual.columns}"
    return first_difference(expected.rows, actual.rows, ordered)


def _run(query: str, setup: str, seed: float, limits: Limits, zygote: Zygote) -> Ran:
    task = json.dumps({"setup": setup, "seed": seed, "memory_mib": limits.memory_mib})
    request = frame(task.encode("ascii"))
    end, raw, recycle = zygote.run(BATCH, query.encode("utf-8", "replace"), 1, request, limits)
    table = None
    finding = why_ended(end, limits, len(raw) > limits.output_kib * 1024)
    try:
        answer = _read([codec.from_text(text) for text in split_frames(raw)])
    except (Malformed, Unreadable, RecursionError, MemoryError) as error:
        problem = f"the answer cannot be read: {error}"
        return Ran(None, Finding("exception", problem), end, recycle, 0)
    if isinstance(answer, Finding):
        finding = answer
        if answer.code == "output_limit":
            finding = answer._replace(detail=f"more than {limits.output_kib} KiB of rows")
    elif answer is not None and not end.why and not end.status:
        table = answer
        finding = PASSED
    return Ran(table, finding, end, recycle, len(raw))


def _read(answers: list[Any]) -> Table | Finding | None:
    """The frames of one sample: a table, a failure, or None where the end is missing."""
    if any(type(answer) is not dict for answer in answers):
        raise Malformed("an answer is an object")
    if answers and "x" in answers[-1]:
        code = answers[-1]["x"]
        message = answers[-1].get("m", "")
        if type(message) is not str:
            raise Malformed("unknown kind of end")
        known = type(code) is str and code in _CODES
        return Finding(code if known else "exception", message)
    if len(answers) < 2 or answers[-1] != {"end": True}:
        return None
    columns = answers[0].get("columns")
    parts = [answer.get("rows") for answer in answers[1:-1]]
    if any(type(part) is not list for part in parts):
        raise Malformed("rows are a list")
    rows = [read_row(codec.unpack(row, _no_handle)) for part in parts for row in part]
    if type(columns) is not int or any(len(row.values) != columns for row in rows):
        raise Malformed("a row without its columns")
    return Table(columns, rows)


def _no_handle(_content: Any) -> Any:
    raise Malformed("not a plain value")
