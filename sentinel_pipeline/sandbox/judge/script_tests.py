"""Judging one TypeScript or JavaScript program: its tests run here, in an engine of their own; the
program does not.

A name that the tests use and do not define is the candidate's: using it becomes a request to the
live sample. What comes back is checked here, in Python, before the tests' engine sees it. What this
module does not do: run a candidate, or wait for promises; tests must be synchronous.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from ...records import ScriptTests
from ..guest import script
from ..guest.codec import Malformed
from ..outcomes import Limits
from ..typescript import Parser
from .clock import bounded, share
from .finding import Finding
from .python_tests import PASSED, Judgement, in_time, why_ended
from .remote import Stop
from .script_values import check, read_failure
from .sessions import Live
from .suite import BadTests
from .tools import Tools
from .zygotes import Zygote

GUEST = "script"
_MEMORY_BYTES = 256 << 20
_STACK_BYTES = 2 << 20
_NAME = re.compile(r"[A-Za-z_$][\w$]*\Z", re.ASCII)
_ASYNCHRONOUS = re.compile(
    r"\basync\s*(?:function\b|\(|[\w$]+\s*(?:=>|\())|\bPromise\s*[.(<]|\.then\s*\("
)
"""A promise that nobody awaits would swallow a failed assertion, so such tests are refused rather
than passed."""
_IMPORT = re.compile(
    r"^import\s+(?:(?:\*\s*as\s+)?(?P<whole>[\w$]+)|\{(?P<parts>[^}]*)\})\s+from\s+(?P<module>['\"](?:node:)?assert(?:/strict)?['\"])\s*;?",
    re.MULTILINE,
)
_JUDGE_SCRIPT = Path(__file__).with_suffix(".js")


def judge(
    code: str, verifier: ScriptTests, limits: Limits, zygote: Zygote, tools: Tools
) -> Judgement:
    """Grade one program.

    Raises:
        Lost: the zygote ended; nothing is known about the program.
        Infrastructure: this machine lacks what parsing or running scripts takes.
    """
    quickjs = tools.quickjs()
    try:
        tests = _tests(tools.parser, verifier.tests, verifier.language)
        if verifier.entry_point is not None and not _NAME.match(verifier.entry_point):
            raise BadTests(f"{verifier.entry_point!r} is not a name")
    except BadTests as error:
        return Judgement(Finding("test_error", str(error)), None, False)
    program = tools.parser.read(code, verifier.language)
    if program.problem or not code.strip() or "\0" in program.js:
        problem = program.problem or "syntax_error: an empty program, or a NUL character"
        return Judgement(
            Finding("syntax_error", problem.removeprefix("syntax_error: ")), None, False
        )
    if program.module:
        problem = "it imports, exports or awaits as a module; modules are not loaded"
        return Judgement(Finding("exception", problem), None, False)
    return _talk(quickjs, program.js, tests, verifier.entry_point, limits, zygote)


@lru_cache(maxsize=512)
def _tests(parser: Parser, text: str, language: str) -> str:
    """The tests as JavaScript.

    Raises:
        BadTests: they do not parse, or are asynchronous.
    """
    read = parser.read(_IMPORT.sub(_required, text), language)
    if read.problem or read.module:
        raise BadTests(read.problem or "the tests import modules or await")
    if not read.js.strip():
        raise BadTests("there are no tests")
    if _ASYNCHRONOUS.search(text):
        raise BadTests("asynchronous tests are not supported")
    return read.js


def _required(statement: re.Match[str]) -> str:
    parts = statement["parts"]
    names = statement["whole"] or "{" + re.sub(r"\s+as\s+", ": ", parts or "") + "}"
    return f"const {names} = require({statement['module']});"


class _Session(Live):
    """The conversation with the sample, as the tests' engine uses it through ``ask``."""

    def __init__(self, channel: socket.socket, output_bytes: int) -> None:
        super().__init__(channel, output_bytes)
        self.called: Callable[[str], str] | None = None
        self.engine_errors: tuple[type[Exception], ...] = ()

    def answer(self, request: str) -> str:
        """One request of the tests -> what their engine reads. Never raises: the engine could not
        carry it."""
        try:
            if self.fatal is None:
                self.request_count += 1
                text = request if request.isascii() else json.dumps(json.loads(request))
                return json.dumps(self._checked(self.exchange(text.encode("ascii"))))
        except (Stop, Exception) as error:
            # The engine's own error, RecursionError, MemoryError: over what the program handed
            # over. Every other is a fault of ours.
            its_doing = isinstance(error, (*self.engine_errors, RecursionError, MemoryError))
            self.fatal = self.fatal or (
                Finding("exception", f"the answer cannot be carried: {type(error).__name__}")
                if its_doing
                else Finding(
                    "infra", f"the tests could not call the program: {type(error).__name__}"
                )
            )
        return '{"stop":true}'

    def _checked(self, answer: dict[str, Any]) -> dict[str, Any]:
        try:
            reply: dict[str, Any] = {}
            if "w" in answer:
                if type(answer["w"]) is not list:
                    raise Malformed("an argument was changed into something that has no plain form")
                reply["w"] = check(answer["w"])
            if type(answer.get("i")) is int:
                return reply | {"i": answer["i"]}
            if "v" in answer:
                return reply | {"v": check(answer["v"])}
            finding, error = read_failure(answer)
        except (Malformed, RecursionError, MemoryError) as problem:
            self.stop("exception", f"the answer cannot be read: {problem}")
        if error is None:
            self.stop(*finding)
        return reply | {"error": error | {"code": finding.code, "detail": finding.detail}}

    def _call_back(self, answer: dict[str, Any]) -> dict[str, Any]:
        if type(answer["c"]) is not int or type(answer.get("a")) is not list or self.called is None:
            self.stop("exception", "the answer cannot be read: not a call of a test's function")
        try:
            args = check(answer["a"])
        except (Malformed, RecursionError) as problem:
            self.stop("exception", f"the answer cannot be read: {problem}")
        reply: dict[str, Any] = json.loads(
            self.called(json.dumps({"number": answer["c"], "args": args}))
        )
        return reply


def _talk(
    quickjs: ModuleType, js: str, tests: str, entry: str | None, limits: Limits, zygote: Zygote
) -> Judgement:
    session = _Session(zygote.start_live(js.encode("utf-8"), limits), limits.output_kib * 1024)
    finding: Finding | None = None
    try:
        session.engine_errors = (quickjs.JSException,)
        context = _context(quickjs, session, entry)  # while the sample loads its program
        with suppress(Stop):
            finding = _loaded(session.read()) or _run(quickjs, context, session, tests, limits)
    except BadTests as error:
        finding = Finding("test_error", str(error))
    finally:
        end, _, recycle = zygote.finish_live(session.channel, session.gone)
    if session.gone:
        finding = why_ended(end, limits, False)
    elif finding is None:
        finding = session.fatal or Finding("crash")
    return Judgement(in_time(finding, end, limits), end, recycle)


def _loaded(answer: dict[str, Any]) -> Finding | None:
    if answer == {"v": None}:
        return None
    try:
        return read_failure(answer)[0]
    except (Malformed, RecursionError, MemoryError) as problem:
        return Finding("exception", f"the answer cannot be read: {problem}")


def _context(quickjs: ModuleType, session: _Session, entry: str | None) -> Any:
    """A new context for one run of tests, so that nothing of another run is in it; it leaves
    ``judge`` as its one name."""
    context = quickjs.Context()
    context.set_max_stack_size(_STACK_BYTES)
    context.set_memory_limit(_MEMORY_BYTES)
    context.add_callable("ask", session.answer)
    context.eval(script.source("newer.js"))
    context.eval(
        f"globalThis.judge = ({_judge_script()})({script.source('values.js')}, ask, {json.dumps(entry)});"
    )
    session.called = context.eval("delete globalThis.ask; judge.called")
    return context


def _run(
    quickjs: ModuleType, context: Any, session: _Session, tests: str, limits: Limits
) -> Finding:
    """Run the tests. What the session knows to be fatal counts more than how they ended.

    Raises:
        BadTests: they fail before they ask anything of the program, or never ask.
    """
    # No clock of ours can interrupt the engine.
    with bounded(share(limits)):
        try:
            run = context.eval("const { run } = judge; delete globalThis.judge; run")
            function = context.eval(f"(function (scope) {{ with (scope) {{ {tests}\n}} }})")
            finding = Finding(**json.loads(run(function)))
        except (quickjs.JSException, ValueError) as error:
            # Once the program has answered, what the engine cannot do is over its answers.
            code = "exception" if session.request_count else "test_error"
            finding = Finding(code, str(error).partition("\n")[0][:300])
    if session.fatal or finding.code == "stop":
        return session.fatal or Finding("crash")
    if finding.code == "test_error":
        raise BadTests(finding.detail)
    if not session.request_count:
        raise BadTests(
            "the tests end before they use the program"
            + (f": {finding.detail}" if finding.detail else "")
        )
    return PASSED if finding.code == "passed" else finding


@lru_cache(maxsize=1)
def _judge_script() -> str:
    return _JUDGE_SCRIPT.read_text(encoding="utf-8")
