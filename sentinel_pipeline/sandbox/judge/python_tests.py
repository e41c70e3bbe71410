"""Judging one Python program: run its sample, run the tests over the answers, say why.

The tests execute here, in the harness; the candidate does not. What this module does not do: fork
or confine anything.
"""

from __future__ import annotations

import ast
import builtins
import os
import random
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

from ...errors import Infrastructure
from ...records import PythonTests
from ..guest import codec, pytest_like, wire
from ..outcomes import VALUE_CHARS, Limits, Trust, shortened
from .clock import TooSlow, bounded, interrupted, share
from .finding import Finding
from .remote import _PENDING, NeedsShared, Program, Session, Stop, read_failure, shown_error
from .sessions import Batch, Learner, Live, split_frames
from .suite import TESTS, BadTests, Suite
from .tools import Tools
from .zygotes import BATCH, SHARED, End, Zygote, frame

GUEST = "python"
PASSED = Finding("passed")
_LEARN_SECONDS = 2.0


class _RunBeside(Exception):
    """The tests must run in the program's process. ``always``: whatever the program is."""

    def __init__(self, always: bool) -> None:
        super().__init__()
        self.always = always


class Judgement(NamedTuple):
    """A finding, how the sample ended (None: none was started), and whether its zygote should be
    replaced."""

    finding: Finding
    end: End | None
    recycle: bool
    trust: Trust = "separate"


@lru_cache(maxsize=512)
def _suite(tests: str, entry_point: str | None, setup: str, prefix: str) -> Suite:
    return Suite(PythonTests(tests=tests, entry_point=entry_point, setup=setup, prefix=prefix))


def judge(
    code: str, verifier: PythonTests, limits: Limits, zygote: Zygote, tools: Tools
) -> Judgement:
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
    except _RunBeside as decision:
        suite.shared = suite.shared or decision.always
        return _beside(suite, source, limits, zygote)
    except BadTests as error:
        return Judgement(Finding("test_error", str(error)), None, False)


def _learn(suite: Suite) -> None:
    """Find the calls that the tests make, without any candidate."""
    learner = Learner()
    with suppress(Exception, Stop, NeedsShared, TooSlow):
        interrupted(_LEARN_SECONDS, lambda: _execute(suite, learner, suite.learning))
    suite.used_as_objects = frozenset(learner.used_as_objects)
    suite.compared_plainly = frozenset(learner.compared_plainly)
    # Tests that await are asked call by call from the start: what stops a replay that turned out
    # to ask something else would be thrown into the middle of an event loop.
    text = f"{suite.verifier.setup}\n{suite.text}"
    awaits = "async" in text.lower() or "await" in text
    suite.dynamic = learner.dependent or not learner.plan or awaits or learner.tells_answers()
    suite.plan = learner.plan
    suite.payload = b"".join(frame(request) for request in learner.plan)


def _replay(suite: Suite, source: bytes, limits: Limits, zygote: Zygote) -> Judgement | None:
    """All calls in one go; None where the tests turned out to ask something else."""
    plan = suite.plan or []
    end, raw, recycle = zygote.run(BATCH, source, len(plan), suite.payload, limits)
    answers = split_frames(raw)
    after = why_ended(end, limits, len(raw) > limits.output_kib * 1024)
    # The first answer says whether the program loaded, the others answer the plan in order.
    session = Batch(plan, answers[1:], after)
    finding = _load(session, _parsed(answers[0])) if answers else after
    if finding is None:
        finding = _run_tests(suite, session, limits)
        if session.mismatch:
            # Nothing of this is remembered: no candidate's reason may depend on the ones before it.
            return None
    return Judgement(in_time(finding, end, limits), end, recycle)


def _talk(suite: Suite, source: bytes, limits: Limits, zygote: Zygote) -> Judgement:
    """One round trip per call."""
    session = Live(zygote.start_live(source, limits), limits.output_kib * 1024)
    try:
        finding: Finding | None = None
        with suppress(Stop):
            finding = _load(session, session.read()) or _run_tests(suite, session, limits)
    finally:
        end, _, recycle = zygote.finish_live(session.channel, session.gone)
    if session.gone:
        finding = why_ended(end, limits, False)
    elif finding is None:
        finding = session.fatal or Finding("crash")
    return Judgement(in_time(finding, end, limits), end, recycle)


def _beside(suite: Suite, source: bytes, limits: Limits, zygote: Zygote) -> Judgement:
    """Tests in the program's own process."""
    tests = suite.beside.encode("utf-8", "surrogatepass")
    end, raw, recycle = zygote.run(SHARED, source, 1, frame(tests), limits)
    answers = split_frames(raw)
    finding = why_ended(end, limits, False)
    if answers:
        finding = loaded(answers[0]) or finding
    if len(answers) > 1 and loaded(answers[0]) is None:
        shown = [_parsed(answer) for answer in answers[1:]]
        verdicts = [answer for answer in shown if type(answer) is not dict or "q" not in answer]
        if verdicts:
            finding = _beside_verdict(verdicts)
        if finding == PASSED:
            finding = _compared_here(suite, [answer for answer in shown if "q" in answer])
    return Judgement(in_time(finding, end, limits), end, recycle, "shared")


def _compared_here(suite: Suite, shown: list[dict[str, Any]]) -> Finding:
    """What tests beside the program found equal to a literal, compared again on plain values: an
    object of the program decides ``==`` there by itself."""
    for answer in shown:
        place = answer["q"]
        if type(place) is not int or not 0 <= place < len(suite.shown.values):
            return Finding("exception", "the answer cannot be read: not a comparison of the tests")
        if answer.get("r") is not True:
            continue
        expected = suite.shown.values[place]
        if answer.get("l") is not False:
            detail = f"expected {_brief(expected)}, got an object that equals other values as well"
            return Finding("assertion", detail)
        opaque: list[Any] = []
        try:
            if "a" in answer:
                value = codec.unpack(answer["a"], opaque.append)
            else:
                opaque.append(None)  # not shown: too large, or not to be packed
        except (codec.Malformed, RecursionError, MemoryError) as problem:
            return Finding("exception", f"the answer cannot be read: {problem}")
        if not opaque and not _same(value, expected):
            detail = f"expected {_brief(expected)}, got {_brief(value)} (compared by the harness)"
            return Finding("assertion", detail)
    return PASSED


def _same(value: Any, expected: Any) -> bool:
    """Equality of two plain values; what cannot be compared is not equal."""
    try:
        return bool(value == expected)
    except Exception:
        return False


def _beside_verdict(answers: list[Any]) -> Finding:
    if len(answers) > 1:
        return Finding("exception", "the answer cannot be read: more than one verdict")
    parsed = answers[0]
    if parsed == {"v": True}:
        return PASSED
    try:
        finding = read_failure(parsed)
    except codec.Malformed:
        return Finding("exception", "the answer cannot be read")
    is_assertion = finding.detail.startswith("AssertionError")
    return Finding("assertion", finding.detail) if is_assertion else finding


def _parsed(answer: bytes) -> Any:
    """An answer as JSON; None where it is none, which is no answer either."""
    try:
        return codec.from_text(answer)
    except (codec.Malformed, RecursionError, MemoryError):
        return None


def loaded(answer: bytes) -> Finding | None:
    """Why the program did not load, by its own first answer; None where it did."""
    return _loaded_answer(_parsed(answer))


def _load(session: Session, answer: Any) -> Finding | None:
    """Why the program did not load; where it did, the session learns the program's classes."""
    finding = _loaded_answer(answer)
    if finding is None:
        session.own_classes = answer.get("k", {})
    return finding


def _loaded_answer(answer: Any) -> Finding | None:
    if answer == {"v": None}:
        return None
    if type(answer) is dict and answer.keys() == {"v", "k"} and type(answer["k"]) is dict:
        return None
    try:
        return read_failure(answer)
    except codec.Malformed as error:
        return Finding("exception", f"the answer cannot be read: {error}")


def in_time(finding: Finding, end: End, limits: Limits) -> Finding:
    if finding.code == "passed" and end.cpu_seconds > limits.cpu_seconds:
        spent = f"{end.cpu_seconds:.2f} s of CPU time, limit {limits.cpu_seconds:g} s"
        return Finding("timeout", spent)
    return finding


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
    if status == 77:
        return Finding("memory", "out of memory")
    return Finding("exit", f"the process ended with code {status}")


def _execute(suite: Suite, session: Session, codes: list[CodeType]) -> None:
    stderr = sys.stderr
    sys.stderr = _NOWHERE
    try:
        random.seed(0)
        names: dict[str, Any] = {
            "__name__": "tests", "__builtins__": builtins, "__once__": suite.once
        }  # fmt: skip
        if suite.prefix:
            exec(suite.prefix, names)
        names.update({name: session.global_name(target) for name, target in suite.targets.items()})
        names.update({name: Program(session) for name in suite.imports.modules})
        for code in codes:
            exec(code, names)
        if suite.checks:
            names["check"](session.global_name(str(suite.entry_point)))
        if suite.runs and codes is suite.learning:
            pytest_like.run_all(names, _tolerantly)
        elif suite.runs:
            pytest_like.run_all(names)
    finally:
        sys.stderr = stderr


_NOWHERE = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
"""What tests, and asyncio for them, write to standard error: nobody reads that pipe until the
harness ends, so it would fill up."""


def _tolerantly(test: Callable[[], None]) -> None:
    with suppress(Exception):
        test()


def _run_tests(suite: Suite, session: Session, limits: Limits) -> Finding:
    """Run the tests over a session. What the session knows to be fatal counts more than how the
    tests ended.

    Raises:
        BadTests: they fail before they ask anything of the program, or never ask.
    """
    session.used_as_objects.update(suite.used_as_objects)
    session.compared_plainly.update(suite.compared_plainly)
    finding = PASSED
    error: BaseException | None = None
    try:
        seconds = share(limits)
        with bounded(seconds):
            interrupted(seconds, lambda: _execute(suite, session, [suite.setup, suite.tests]))
    except TooSlow:
        finding = Finding("timeout", "the tests took too long over the program's answers")
    except (Stop, NeedsShared):
        pass
    except codec.Malformed as problem:
        finding = Finding("exception", f"the answer cannot be read: {problem}")
    except BaseException as raised:
        error = raised
    session.closed = True
    # The order matters: a fault of ours is no verdict, and what ended the session is one whatever
    # the tests made of it; a test that catches everything cannot pass a program that way.
    if session.fault is not None:
        raise _fault(session.fault)
    if session.fatal:
        return session.fatal
    if session.shared:
        raise _RunBeside(session.handed_over)
    error = error or session.swallowed
    if _wants_files(suite, session, error):
        raise _RunBeside(True)
    if error is not None:
        finding = _explain(suite, session, error)
    if not session.request_count:
        raise BadTests(
            "the tests end before they use the program"
            + (f": {finding.detail}" if finding.detail else "")
        )
    return finding


def _wants_files(suite: Suite, session: Session, error: BaseException | None) -> bool:
    """Whether the tests ended because this process has no files, processes or network: by their own
    text, or before they asked the program anything, so that no program decides it."""
    return (
        isinstance(error, OSError)
        and "finding" not in error.__dict__
        and (suite.uses_files or not session.request_count)
    )


_ROOM = str(Path(__file__).resolve().parents[1])


def _fault(error: BaseException) -> Infrastructure:
    """An exception in this package's own code, as what it is: nothing is known about the
    program."""
    # Not what it says: that may be the program's text, and pages and digests show this.
    return Infrastructure(f"a fault of the harness: {type(error).__name__}{place_of(error)}")


def place_of(error: BaseException) -> str:
    """Where an exception of this package's own was raised, for a reason; empty where nobody
    knows."""
    steps = traceback.extract_tb(error.__traceback__)
    return f" ({Path(steps[-1].filename).name}, line {steps[-1].lineno})" if steps else ""


def _is_a_fault(error: BaseException) -> bool:
    """Whether an exception comes of this package's own code: neither of the tests, nor of what they
    use, nor of the program."""
    if isinstance(error, (pytest_like.Failed, pytest_like.Skipped, RecursionError, MemoryError)):
        return False
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code.co_filename.startswith(_ROOM)


def _explain(suite: Suite, session: Session, error: BaseException) -> Finding:
    """Why the tests failed.

    Raises:
        Infrastructure: they did not; this package's own code did.
    """
    finding = error.__dict__.get("finding")
    if isinstance(finding, Finding):
        return finding
    if _is_a_fault(error) and session.request_count:
        raise _fault(error)
    lines = [
        step.lineno for step in traceback.extract_tb(error.__traceback__) if step.filename == TESTS
    ]
    statement = suite.text_at(lines[-1]) if lines and lines[-1] else None
    text = shown_error(error)[:200]
    if isinstance(error, AssertionError):
        if statement is None and text.strip():
            return Finding("assertion", f"{text.strip().splitlines()[0]}{_last_call(session)}")
        return Finding(
            "assertion",
            _shown_assertion(statement, session) or f"line {lines[-1] if lines else '?'}",
        )
    place = f" (tests, line {lines[-1]})" if lines else ""
    return Finding("exception", f"{type(error).__name__}: {text}{place}{_last_call(session)}")


def _shown_assertion(statement: ast.Assert | None, session: Session) -> str:
    """``f(2): expected 4, got 5`` where the assert compares one call with a literal; else its text
    and the last call."""
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
