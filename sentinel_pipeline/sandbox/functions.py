"""Calling one function of a module that is not trusted: arguments in as data, its answer back as
data.

Each call runs in a sealed process of its own that is forked for it and dies afterwards, as a
candidate's program does, so a function remembers nothing between calls and reaches no file, no
network and no installed package. What it answers is read by the strict codec. What this module does
not do: say what an answer means, or hold tests.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from ..errors import Infrastructure
from .guest import codec
from .isolation import Level, isolation
from .judge.finding import Finding
from .judge.python_tests import in_time, loaded, why_ended
from .judge.remote import read_failure
from .judge.sessions import split_frames
from .judge.zygotes import BATCH, Lost, Zygote, frame
from .outcomes import Limits, one_line

NOT_PLAIN = "not_plain"
"""Code of an answer that is more than data: an object of the module's own, or not an answer."""
_TRIES = 2
_BY_A_LIMIT = frozenset({"timeout", "memory", "output_limit", "crash", "exit", "forbidden"})
"""Ends that may be of the moment: the call is made once more before they count."""


class Called(NamedTuple):
    """What a function returned, or why it returned nothing."""

    value: Any
    """Plain data; None where ``problem`` says why there is none."""
    problem: Finding | None = None


class SandboxedFunction:
    """A function of a module's source, called in the sandbox; one warm zygote, started when it is
    first called.

    Raises:
        GateRefused: this machine isolates less than ``require_isolation``.
    """

    def __init__(self, source: str, name: str, *, require_isolation: Level = Level.SECCOMP) -> None:
        self.source = source
        self.name = name
        self._isolation = isolation()
        self._isolation.demand(require_isolation)
        self._zygote: Zygote | None = None

    def __call__(self, arguments: dict[str, Any], limits: Limits) -> Called:
        """Call it with keyword arguments, of which those that are not plain data are left out.

        Raises:
            Infrastructure: the sandbox itself failed, twice.
        """
        request = _request(self.name, arguments)
        # Arguments that the function changes in place come back with its answer.
        limits = replace(limits, output_kib=limits.output_kib + 2 * len(request) // 1024)
        problem: Finding | None = None
        lost: Lost | None = None
        for _ in range(_TRIES):
            try:
                value, problem = self._call_once(request, limits)
            except Lost as error:
                self.close()
                lost = error
                continue
            lost = None
            if problem is None or problem.code not in _BY_A_LIMIT:
                return Called(value, problem)
        if lost is not None:
            raise Infrastructure(f"the sandbox lost the function {self.name!r}: {lost}") from lost
        return Called(None, problem)

    def close(self) -> None:
        """End its process; the next call starts another."""
        if self._zygote is not None:
            self._zygote.close()
            self._zygote = None

    def _call_once(self, request: bytes, limits: Limits) -> tuple[Any, Finding | None]:
        zygote = self._zygote
        if zygote is None:
            zygote = self._zygote = Zygote("python", self._isolation.active, limits.disk_mib)
        code = self.source.encode("utf-8", "surrogatepass")
        end, raw, recycle = zygote.run(BATCH, code, 1, frame(request), limits)
        if recycle:
            self.close()
        answers = split_frames(raw)
        # The first answer says whether the module loaded, the second is the function's.
        problem = loaded(answers[0]) if answers else None
        value: Any = None
        if problem is None:
            if len(answers) < 2:
                problem = why_ended(end, limits, len(raw) > limits.output_kib * 1024)
            else:
                value, problem = _read(answers[1])
        if problem is None:
            late = in_time(Finding("passed"), end, limits)
            problem = late if late.code != "passed" else None
        if problem is not None:
            return None, problem._replace(detail=one_line(problem.detail))
        return value, None


def _request(name: str, arguments: dict[str, Any]) -> bytes:
    """The one question that a sample is asked."""
    packed = []
    for key, value in arguments.items():
        try:
            packed.append([key, codec.pack(value, _no_handle)])
        except (codec.Malformed, RecursionError):
            continue
    head = codec.to_text(["call", name, ""])
    return head + b"\n" + codec.to_text([[], {"d": packed}])


def _read(answer: bytes) -> tuple[Any, Finding | None]:
    try:
        parsed = codec.from_text(answer)
        if type(parsed) is dict and "v" in parsed:
            return codec.unpack(parsed["v"], _no_handle), None
        return None, read_failure(parsed)
    except (codec.Malformed, RecursionError, MemoryError) as error:
        return None, Finding(NOT_PLAIN, str(error))


def _no_handle(_content: Any) -> Any:
    raise codec.Malformed("not plain data")
