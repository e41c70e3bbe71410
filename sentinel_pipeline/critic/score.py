"""The one scorer: critic, benchmark and reward ask it whether an answer is right.

Executable verifiers go through the sandbox as one stream over warm workers; the others are judged
in this process. Results come in input order and memory does not grow with the items. What this
module does not do: score hygiene or form beyond what a verifier demands (``labels`` does), or turn
trouble of ours into a score: that is the outcome ``infra``."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice
from typing import Any, NamedTuple, TypeVar

from ..records import Message, Verifier
from ..records.data_spec import CriticSpec
from ..records.report import Outcome as ScoreOutcome
from ..sandbox import Grader, Level, Limits, Outcome, Program, RayGrader, Result
from . import formats
from .graded import Graded
from .reading import read
from .scorers import scorer_of
from .scorers.scorer import Reading, Run, Unjudged
from .thoughts import UNFINISHED

T = TypeVar("T")

DEFAULTS = CriticSpec()
"""The limits of a scorer that no recipe asks."""
SEGMENT = 4096
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
    """``reason`` is ``passed``, or ``CODE: detail`` with a stable code; ``syntax_ok`` is None
    where syntax does not apply or infrastructure failed; ``evidence`` holds the extraction's
    leniencies, what the sandbox measured and, of a model that thought, ``thought``: its
    characters, whether it ended, and the answer's characters."""

    id: str
    outcome: ScoreOutcome
    reason: str
    syntax_ok: bool | None
    evidence: dict[str, Any]


class Plan(NamedTuple):
    """How an item is judged: a score already, or a program whose result completes ``score``;
    neither: nothing to judge."""

    score: Score | None = None
    program: Program | None = None


def score(
    items: Iterable[Scorable],
    *,
    spec: CriticSpec = DEFAULTS,
    workers: int | None = None,
    grader: Grader | RayGrader | None = None,
) -> Iterator[Score]:
    """Score ``items`` in order, streaming; a ``grader`` that is given keeps its own limits and its
    workers warm for the next call.

    Raises:
        GateRefused: there are programs to run and this machine (or a node of the cluster) isolates
            less than is demanded.
        BadInput: the engine is Ray and no cluster is there.
    """
    pairs = ((None, _plan_item(item)) for item in items)
    for _, scored in run_plans(pairs, spec=spec, workers=workers, grader=grader):
        assert scored is not None
        yield scored


def _plan_item(item: Scorable) -> Plan:
    reading = read(item.completion, item.verifier)
    planned = plan(item.id, reading, item.verifier)
    demands_stop = scorer_of(item.verifier).clean_stop
    if demands_stop is None or not demands_stop(item.verifier):
        return planned
    unclean = _unclean_stop(item, reading)
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
    finding = scorer_of(verifier).judge(reading, verifier)
    if isinstance(finding, Run):
        return Plan(ready, Program(id=name, code=finding.code, verifier=finding.verifier))
    if isinstance(finding, Unjudged):
        return Plan(ready._replace(outcome="infra", reason=finding.reason))
    if isinstance(finding, Graded):
        graded = {"parts": finding.parts, "credit": finding.credit}
        ready = ready._replace(evidence=ready.evidence | graded)
        finding = finding.problem
    return Plan(_decided(ready, finding))


def _decided(ready: Score, problem: str | None) -> Score:
    return (
        ready._replace(outcome="fail", reason=problem)
        if problem
        else ready._replace(outcome="pass", reason="passed")
    )


def run_plans(
    pairs: Iterable[tuple[T, Plan]],
    *,
    spec: CriticSpec = DEFAULTS,
    workers: int | None = None,
    grader: Grader | RayGrader | None = None,
) -> Iterator[tuple[T, Score | None]]:
    """Carry out plans in order; each comes with whatever the caller wants back beside its
    score."""
    source = iter(pairs)
    open_grader = grader
    try:
        for head in source:
            waiting: deque[tuple[T, Plan]] = deque()
            programs = _programs(chain([head], islice(source, SEGMENT - 1)), waiting)
            first = next(programs, None)
            if first is not None:
                grader = grader or grader_for(spec, workers)
                for result in grader.grade(chain([first], programs)):
                    yield from _ready(waiting)
                    beside, planned = waiting.popleft()
                    yield beside, _scored(planned, result)
            yield from _ready(waiting)
    finally:
        if grader is not None and open_grader is None:
            grader.close()


def grader_for(spec: CriticSpec, workers: int | None) -> Grader | RayGrader:
    """A grader under a recipe's limits, of this machine or of the cluster that it names."""
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
