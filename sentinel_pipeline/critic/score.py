"""The one scorer: critic, benchmark and reward ask it whether an answer is right.

Executable verifiers go through the sandbox as one stream over warm workers; the others are judged in this process. Results
come in input order and memory does not grow with the items. What this module does not do: judge hygiene or form beyond what a
verifier demands (``labels`` does), or turn trouble of ours into a score: that is the outcome ``infra``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice
from typing import Any, NamedTuple, TypeVar

from ..records import (
    Constraints,
    FieldsAnswer,
    FunctionCalls,
    GroundedText,
    JsonAnswer,
    JudgedAnswer,
    Message,
    PatchApplies,
    PythonTests,
    ScriptTests,
    ShellEffect,
    SqlAnswer,
    StdioTests,
    TextAnswer,
    Verifier,
)
from ..records.data_spec import CriticSpec
from ..records.report import Outcome as ScoreOutcome
from ..sandbox import Executable, Grader, Level, Limits, Outcome, Program, RayGrader, Result
from . import formats, syntax
from .calls import judge_calls
from .constraints import judge_constraints
from .fields import judge_fields
from .graded import Graded
from .grounded import judge_grounded
from .reading import Reading, read
from .thoughts import UNFINISHED

T = TypeVar("T")

DEFAULTS = CriticSpec()
"""The limits of a scorer that no recipe asks."""
UNJUDGED = "infra: no judge was asked"
_SEGMENT = 4096
"""Items between two drains of the sandbox: bounds what waits behind a slow program."""


class Scorable(NamedTuple):
    """One answer to one prompt, and what is right."""

    id: str
    messages: tuple[Message, ...]
    completion: str
    verifier: Verifier
    stopped: bool = True
    """The model ended by itself; read only where the verifier demands a clean stop."""


class Score(NamedTuple):
    """``reason`` is ``passed``, or ``CODE: detail`` with a stable code; ``syntax_ok`` is None where syntax does not apply or
    infrastructure failed; ``evidence`` holds the extraction's leniencies, what the sandbox measured and, of a model that thought,
    ``thought``: its characters, whether it ended, and the answer's characters."""

    id: str
    outcome: ScoreOutcome
    reason: str
    syntax_ok: bool | None
    evidence: dict[str, Any]


class Plan(NamedTuple):
    """How an item is judged: a score already, or a program whose result completes ``score``; neither: nothing to judge."""

    score: Score | None = None
    program: Program | None = None


def score(
    items: Iterable[Scorable],
    *,
    spec: CriticSpec = DEFAULTS,
    workers: int | None = None,
    grader: Grader | RayGrader | None = None,
) -> Iterator[Score]:
    """Score ``items`` in order, streaming; a ``grader`` that is given keeps its own limits and its workers warm for the next call.

    Raises:
        GateRefused: there are programs to run and this machine (or a node of the cluster) isolates less than is demanded.
        BadInput: the engine is Ray and no cluster is there.
    """
    pairs = ((None, _plan_item(item)) for item in items)
    for _, scored in run_plans(pairs, spec=spec, workers=workers, grader=grader):
        assert scored is not None
        yield scored


def _plan_item(item: Scorable) -> Plan:
    reading = read(item.completion, item.verifier)
    planned = plan(item.id, reading, item.verifier)
    unclean = (
        _unclean_stop(item, reading)
        if isinstance(item.verifier, Constraints) and item.verifier.clean_stop
        else None
    )
    return Plan(_decided(planned.score, unclean)) if unclean and planned.score else planned


def _unclean_stop(item: Scorable, reading: Reading) -> str | None:
    if not reading.parted.finished:
        return None
    return formats.stop_problem(reading.parted.answer) or (
        None if item.stopped else "no_stop: ended by the length limit"
    )


def plan(name: str, reading: Reading, verifier: Verifier) -> Plan:
    """Judge what can be judged here; what must run becomes a program."""
    ok = None if reading.syntax is None else reading.syntax.ok
    evidence: dict[str, Any] = {"leniencies": list(reading.found.leniencies)}
    if reading.parted.thought or not reading.parted.finished:
        evidence["thought"] = {
            "chars": len(reading.parted.thought),
            "finished": reading.parted.finished,
            "answer_chars": len(reading.parted.answer.strip()),
        }
    ready = Score(name, "fail", "", ok, evidence)
    if not reading.parted.finished:
        return Plan(_decided(ready, UNFINISHED))
    if isinstance(verifier, (PythonTests, StdioTests, ScriptTests, SqlAnswer)):
        return _plan_program(ready, reading, verifier)
    if isinstance(verifier, FieldsAnswer):
        return Plan(_graded(ready, judge_fields(reading.found, verifier)))
    if isinstance(verifier, GroundedText):
        return Plan(_graded(ready, judge_grounded(reading.found.value or "", verifier)))
    if isinstance(verifier, JudgedAnswer):
        return Plan(ready._replace(outcome="infra", reason=UNJUDGED))
    problem = reading.found.error or (
        "several_values" if "several_values" in reading.found.leniencies else None
    )
    if problem is None and isinstance(verifier, ShellEffect):
        return Plan(ready, Program(id=name, code=str(reading.code), verifier=verifier))
    if problem is None and isinstance(verifier, PatchApplies):
        return _plan_patch(ready, reading, verifier)
    if problem is None and isinstance(verifier, JsonAnswer):
        problem = formats.judge_json(reading.found.value, verifier)
    if problem is None and isinstance(verifier, TextAnswer):
        problem = formats.judge_text(reading.found.value, verifier)
    if problem is None and isinstance(verifier, FunctionCalls):
        problem = judge_calls(reading.found.value, verifier)
    if problem is None and isinstance(verifier, Constraints):
        problem = judge_constraints(reading.found.value, verifier)
    return Plan(_decided(ready, problem))


def _decided(ready: Score, problem: str | None) -> Score:
    return (
        ready._replace(outcome="fail", reason=problem)
        if problem
        else ready._replace(outcome="pass", reason="passed")
    )


def _graded(ready: Score, graded: Graded) -> Score:
    """With the parts and the credit of a graded answer as evidence."""
    evidence = ready.evidence | {"parts": graded.parts, "credit": graded.credit}
    return _decided(ready._replace(evidence=evidence), graded.problem)


def _plan_program(ready: Score, reading: Reading, verifier: Executable) -> Plan:
    if reading.code is None or (reading.syntax is not None and not reading.syntax.ok):
        return Plan(_decided(ready, reading.syntax.reason if reading.syntax else "empty"))
    return Plan(ready, Program(id=ready.id, code=reading.code, verifier=verifier))


def _plan_patch(ready: Score, reading: Reading, verifier: PatchApplies) -> Plan:
    """The patched files must equal ``expected``; an empty ``expected`` beside tests leaves it to the tests."""
    patched = formats.apply_diff(reading.found.value, verifier.files)
    if isinstance(patched, str):
        return Plan(_decided(ready, patched))
    if verifier.expected or not verifier.tests:
        problem = formats.files_difference(patched, verifier.expected)
        if problem or not verifier.tests:
            return Plan(_decided(ready, problem))
    code = "\n\n".join(patched[path] for path in sorted(patched) if path.endswith(".py"))
    parsed = syntax.check(code, "python")
    if parsed is not None and not parsed.ok:
        return Plan(_decided(ready, parsed.reason))
    return Plan(ready, Program(id=ready.id, code=code, verifier=PythonTests(tests=verifier.tests)))


def run_plans(
    pairs: Iterable[tuple[T, Plan]],
    *,
    spec: CriticSpec = DEFAULTS,
    workers: int | None = None,
    grader: Grader | RayGrader | None = None,
) -> Iterator[tuple[T, Score | None]]:
    """Carry out plans in order; each comes with whatever the caller wants back beside its score."""
    source = iter(pairs)
    given = grader
    try:
        for head in source:
            waiting: deque[tuple[T, Plan]] = deque()
            programs = _programs(chain([head], islice(source, _SEGMENT - 1)), waiting)
            first = next(programs, None)
            if first is not None:
                grader = grader or _open(spec, workers)
                for result in grader.grade(chain([first], programs)):
                    yield from _ready(waiting)
                    beside, planned = waiting.popleft()
                    yield beside, _scored(planned, result)
            yield from _ready(waiting)
    finally:
        if grader is not None and given is None:
            grader.close()


def _open(spec: CriticSpec, workers: int | None) -> Grader | RayGrader:
    limits = replace(Limits(), cpu_seconds=spec.cpu_seconds, memory_mib=spec.memory_mib)
    least = Level(spec.require_isolation)
    if spec.engine == "ray":
        return RayGrader(limits=limits, require_isolation=least)
    return Grader(workers=workers or spec.workers, limits=limits, require_isolation=least)


def _programs(pairs: Iterable[tuple[T, Plan]], waiting: deque[tuple[T, Plan]]) -> Iterator[Program]:
    for pair in pairs:
        waiting.append(pair)
        if pair[1].program is not None:
            yield pair[1].program


def _ready(waiting: deque[tuple[T, Plan]]) -> Iterator[tuple[T, Score | None]]:
    while waiting and waiting[0][1].program is None:
        beside, planned = waiting.popleft()
        yield beside, planned.score


def _scored(planned: Plan, result: Result) -> Score:
    assert planned.score is not None
    evidence = planned.score.evidence | {"trust": result.trust, "cpu_seconds": result.cpu_seconds}
    ready = planned.score._replace(evidence=evidence)
    if result.outcome is Outcome.INFRA:
        reason = (
            result.reason
            if result.reason.startswith("infra:")
            else f"infra: {result.detail or result.code}"
        )
        return ready._replace(outcome="infra", reason=reason, syntax_ok=None)
    return _decided(ready, None if result.outcome is Outcome.PASS else result.reason)
