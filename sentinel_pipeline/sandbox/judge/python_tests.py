"""Judging one Python program: run its sample, run the tests over the answers, say why.

The tests execute here, in the judge; the candidate does not. What this module does not do: fork or confine anything.
"""

from __future__ import annotations

import ast
import builtins
import random
import signal
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from types import CodeType, FrameType
from typing import Any, NamedTuple

from ...records import PythonTests
from ..guest import codec, pytest_like, wire
from ..outcomes import VALUE_CHARS, Limits, Trust, shortened
from .remote import _PENDING, Finding, NeedsShared, Program, Remote, Session, Stop, read_failure
from .sessions import Batch, Learner, Live, split_frames
from .suite import TESTS, BadTests, Suite
from .zygotes import BATCH, SHARED, End, Zygote, frame

PASSED = Finding("passed")
_TEST_SHARE = 2.0
"""CPU time for the tests' own work, as a multiple of the program's limit: hostile answers can make comparisons slow."""
_LEARN_SECONDS = 2.0


class Judgement(NamedTuple):
    """A finding, how the sample ended (None: none was started), and whether its zygote should be replaced."""

    finding: Finding
    end: End | None
    recycle: bool
    trust: Trust = "separate"


@lru_cache(maxsize=512)
def _suite(tests: str, entry_point: str | None, setup: str, prefix: str) -> Suite:
    return Suite(PythonTests(tests=tests, entry_point=entry_point, setup=setup, prefix=prefix))


def judge(code: str, verifier: PythonTests, limits: Limits, zygote: Zygote) -> Judgement:
    """Grade one program.

    Raises:
        Lost: the zygote ended; nothing is known about the program.
    """
    try:
        suite = _suite(verifier.tests, verifier.entry_point, verifier.setup, verifier.prefix)
        source = code.encode("utf-8", "surrogatepass")
        if not suite.shared and suite.plan is None and not suite.dynamic:
            _learn(suite)
        if suite.shared:
            return _beside(suite, source, limits, zygote)
        judgement = None if suite.dynamic else _replay(suite, source, limits, zygote)
        return judgement or _talk(suite, source, limits, zygote)
    except NeedsShared:
        suite.shared = True
        return _beside(suite, source, limits, zygote)
    except BadTests as error:
        return Judgement(Finding("test_error", str(error)), None, False)


def _learn(suite: Suite) -> None:
    """Find the calls that the tests make, without any candidate."""
    learner = Learner()
    with suppress(Exception, Stop, _TooSlow):
        _with_clock(_LEARN_SECONDS, lambda: _execute(suite, learner, suite.learning))
    suite.dynamic = learner.dependent or not learner.plan
    suite.plan = learner.plan
    suite.payload = b"".join(frame(request) for request in learner.plan)


def _replay(suite: Suite, source: bytes, limits: Limits, zygote: Zygote) -> Judgement | None:
    """All calls in one go; None where the tests turned out to ask something else."""
    plan = suite.plan or []
    end, raw, recycle = zygote.run(BATCH, source, len(plan), suite.payload, limits)
    answers = split_frames(raw)
    after = why_ended(end, limits, len(raw) > limits.output_kib * 1024)
    finding = loaded(answers[0]) if answers else after
    if finding is None:
        session = Batch(plan, answers[1:], after)
        finding = _run_tests(suite, session, limits)
        if session.mismatch:
            suite.missed()
            return None
    return Judgement(in_time(finding, end, limits), end, recycle)


def _talk(suite: Suite, source: bytes, limits: Limits, zygote: Zygote) -> Judgement:
    """One round trip per call."""
    session = Live(zygote.start_live(source, limits), limits.output_kib * 1024)
    try:
        finding: Finding | None = None
        with suppress(Stop):
            finding = _loaded_answer(session.read()) or _run_tests(suite, session, limits)
    finally:
        end, _, recycle = zygote.finish_live(session.channel)
    if session.gone or finding is None:
        finding = (
            why_ended(end, limits, False) if session.gone else session.fatal or Finding("crash")
        )
    return Judgement(in_time(finding, end, limits), end, recycle)


def _beside(suite: Suite, source: bytes, limits: Limits, zygote: Zygote) -> Judgement:
    """Tests in the program's own process."""
    tests = suite.beside.encode("utf-8", "surrogatepass")
    end, raw, recycle = zygote.run(SHARED, source, 1, frame(tests), limits)
    answers = split_frames(raw)
    finding = why_ended(end, limits, False)
    if answers:
        finding = loaded(answers[0]) or (
            _beside_verdict(answers[1]) if len(answers) == 2 else finding
        )
    return Judgement(in_time(finding, end, limits), end, recycle, "shared")


def _beside_verdict(answer: bytes) -> Finding:
    with suppress(codec.Malformed):
        parsed = codec.from_text(answer)
        if parsed == {"v": True}:
            return PASSED
        finding, _ = read_failure(parsed)
        is_assertion = finding.detail.startswith("AssertionError")
        return Finding("assertion", finding.detail) if is_assertion else finding
    return Finding("exception", "the answer cannot be read")


def loaded(answer: bytes) -> Finding | None:
    """Why the program did not load, by its own first answer; None where it did."""
    try:
        return _loaded_answer(codec.from_text(answer))
    except codec.Malformed as error:
        return Finding("exception", f"the answer cannot be read: {error}")


def _loaded_answer(answer: Any) -> Finding | None:
    if answer == {"v": None}:
        return None
    try:
        return read_failure(answer)[0]
    except (codec.Malformed, AttributeError, TypeError) as error:
        return Finding("exception", f"the answer cannot be read: {error}")


def in_time(finding: Finding, end: End, limits: Limits) -> Finding:
    over = end.cpu_seconds > limits.cpu_seconds and finding.code == "passed"
    return (
        Finding("timeout", f"{end.cpu_seconds:.2f} s of CPU time, limit {limits.cpu_seconds:g} s")
        if over
        else finding
    )


def why_ended(end: End, limits: Limits, too_long: bool) -> Finding:
    """The finding for a sample that ended before it answered everything."""
    if end.why == wire.OUT_OF_CPU:
        return Finding("timeout", f"more than {limits.cpu_seconds:g} s of CPU time")
    if end.why == wire.OUT_OF_WALL:
        return Finding("timeout", f"more than {limits.wall_seconds:g} s of wall time")
    if end.why == wire.STOPPED:
        return Finding("forbidden", "stopped its own process")
    if too_long:
        return Finding("output_limit", f"more than {limits.output_kib} KiB")
    number = end.status & 0x7F
    if number:
        name = signal.Signals(number).name if number in signal.valid_signals() else str(number)
        codes = {"SIGSYS": "forbidden", "SIGXCPU": "timeout", "SIGXFSZ": "output_limit"}
        return Finding(codes.get(name, "crash"), f"killed by {name}")
    status = end.status >> 8
    return (
        Finding("memory", "out of memory")
        if status == 77
        else Finding("exit", f"the process ended with code {status}")
    )


class _TooSlow(BaseException):
    """The tests' own work took too long."""


def _alarm(_number: int, _frame: FrameType | None) -> None:
    raise _TooSlow


def _with_clock(seconds: float, work: Callable[[], None]) -> None:
    signal.signal(signal.SIGVTALRM, _alarm)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, 1.0)
    try:
        work()
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def _execute(suite: Suite, session: Session, codes: list[CodeType]) -> None:
    random.seed(0)
    names: dict[str, Any] = {"__name__": "tests", "__builtins__": builtins, "__once__": suite.once}
    if suite.prefix:
        exec(suite.prefix, names)
    names.update({name: Remote(session, target) for name, target in suite.targets.items()})
    names.update({name: Program(session) for name in suite.imports.modules})
    for code in codes:
        exec(code, names)
    if suite.checks:
        names["check"](Remote(session, str(suite.entry_point)))
    if suite.runs:
        pytest_like.run_all(names, _tolerantly if codes is suite.learning else _plainly)


def _plainly(test: Callable[[], None]) -> None:
    test()


def _tolerantly(test: Callable[[], None]) -> None:
    with suppress(Exception):
        test()


def _run_tests(suite: Suite, session: Session, limits: Limits) -> Finding:
    """Run the tests over a session. What the session knows to be fatal counts more than how the tests ended.

    Raises:
        BadTests: they fail before they ask anything of the program, or never ask.
    """
    finding = PASSED
    try:
        _with_clock(
            1 + _TEST_SHARE * limits.cpu_seconds,
            lambda: _execute(suite, session, [suite.setup, suite.tests]),
        )
    except NeedsShared:
        raise
    except _TooSlow:
        finding = Finding("timeout", "the tests took too long over the program's answers")
    except Stop:
        pass
    except BaseException as error:
        finding = _explain(suite, session, error)
    if session.fatal:
        return session.fatal
    if not session.asked:
        raise BadTests(
            "the tests end before they use the program"
            + (f": {finding.detail}" if finding.detail else "")
        )
    return finding


def _explain(suite: Suite, session: Session, error: BaseException) -> Finding:
    known = error.__dict__.get("finding")
    if isinstance(known, Finding):
        return known
    lines = [
        step.lineno for step in traceback.extract_tb(error.__traceback__) if step.filename == TESTS
    ]
    statement = suite.text_at(lines[-1]) if lines and lines[-1] else None
    if isinstance(error, AssertionError):
        if statement is None and str(error):
            return Finding(
                "assertion", f"{_safe_text(error).strip().splitlines()[0]}{_last_call(session)}"
            )
        return Finding(
            "assertion",
            _shown_assertion(statement, session) or f"line {lines[-1] if lines else '?'}",
        )
    place = f" (tests, line {lines[-1]})" if lines else ""
    return Finding(
        "exception", f"{type(error).__name__}: {_safe_text(error)}{place}{_last_call(session)}"
    )


def _safe_text(error: BaseException) -> str:
    try:
        return str(error)[:200]
    except Exception:
        return ""


def _shown_assertion(statement: ast.Assert | None, session: Session) -> str:
    """``f(2): expected 4, got 5`` where the assert compares one call with a literal; else its text and the last call."""
    test = statement.test if statement else None
    if (
        isinstance(test, ast.Compare)
        and len(test.ops) == 1
        and isinstance(test.ops[0], ast.Eq)
        and session.last
    ):
        sides = [test.left, test.comparators[0]]
        for call, expected in (sides, sides[::-1]):
            if isinstance(call, ast.Call) and not isinstance(expected, ast.Call):
                with suppress(ValueError, TypeError):
                    literal = ast.literal_eval(expected)
                    return f"{_call_text(session)}: expected {_brief(literal)}, got {_brief(session.last[3])}"
    text = ast.unparse(test)[: 2 * VALUE_CHARS] if test else ""
    return f"{text}{_last_call(session)}"


def _last_call(session: Session) -> str:
    if not session.last or session.last[3] is _PENDING:
        return ""
    return f"; last call {_call_text(session)} gave {_brief(session.last[3])}"


def _call_text(session: Session) -> str:
    if not session.last:
        return ""
    name, args, kwargs, _ = session.last
    shown = [_brief(item) for item in args] + [
        f"{key}={_brief(item)}" for key, item in kwargs.items()
    ]
    return f"{name}({', '.join(shown)})"


def _brief(value: Any) -> str:
    try:
        return shortened(repr(value))
    except (Exception, Stop):
        return f"<{type(value).__name__}>"
