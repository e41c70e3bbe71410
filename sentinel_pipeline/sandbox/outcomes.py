"""The nouns of grading: limits, programs, outcomes, results.

What this module does not do: run anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from ..records.verifiers import Executable

DETAIL_CHARS = 400
"""Longest ``Result.detail``: enough for a call with expected and got, bounded so that hostile text
stays small."""
VALUE_CHARS = 120
"""Longest text of one value inside a detail."""

Trust = Literal["separate", "shared"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one program may use."""

    cpu_seconds: float = 2.0
    """CPU time of the program and all that it starts, in seconds of the reference machine
    (``guest.speed``): this decides a timeout, so a loaded or slow machine changes no verdict. A
    program that comes near it runs once more, without neighbours."""
    wall_seconds: float = 20.0
    """Wall-clock backstop, for programs that sleep or wait."""
    memory_mib: int = 512
    """Address space of each process of the program."""
    output_kib: int = 256
    """Bytes of standard output, or of one encoded answer, that are read at all."""
    disk_mib: int = 16
    """Size of the private working folder."""


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One program to grade."""

    id: str
    code: str
    """The whole candidate program (``verifier.prefix`` already put in front where it is needed), or
    the shell command."""
    verifier: Executable
    limits: Limits | None = None
    """``None`` takes the limits of the ``grade`` call."""


class Outcome(StrEnum):
    """What became of a program; ``INFRA`` is ours, is never a score and may be retried."""

    PASS = "pass"
    FAIL = "fail"
    TIMEOUT = "timeout"
    INFRA = "infra"


CODES = (
    "passed", "assertion", "wrong_entry_point", "syntax_error", "exception", "timeout", "memory",
    "output_limit", "forbidden", "crash", "exit", "output_differs", "files_differ", "test_error",
    "infra",
)  # fmt: skip
"""Stable reasons. ``exit``: the program ended before its tests did; ``output_differs`` and
``files_differ``: shell effects; ``test_error``: the tests themselves cannot run (they do not
compile, or fail before they call the program)."""


RESOURCE_CODES = frozenset({"timeout", "memory", "output_limit", "infra"})
"""Reasons that say something of the day or the limits as well as of the program: what was decided
by one of them is never remembered in place of running the program again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The verdict on one program."""

    id: str
    outcome: Outcome
    code: str
    """One of ``CODES``."""
    detail: str
    """One bounded line, control characters escaped. Holds candidate text: show it, never interpret
    it."""
    trust: Trust = "separate"
    """``separate``: the tests ran in another process than the program; ``shared``: they had to live
    beside it."""
    cpu_seconds: float = 0.0
    """In seconds of the reference machine, as in ``Limits``."""
    wall_seconds: float = 0.0

    @property
    def reason(self) -> str:
        """``"code: detail"``, or the code alone."""
        return f"{self.code}: {self.detail}" if self.detail else self.code

    def to_row(self) -> dict[str, Any]:
        """Plain JSON values, ``reason`` included."""
        row: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        return row | {"outcome": self.outcome.value, "reason": self.reason}


def one_line(text: str, limit: int = DETAIL_CHARS) -> str:
    """Bound and escape text of unknown origin: control characters, line ends, surrogates and bidi
    marks become escapes."""
    escaped = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in text[: limit + 1]
    )
    return shortened(escaped, limit)


def shortened(text: str, limit: int = VALUE_CHARS) -> str:
    """At most ``limit`` characters, the last an ellipsis where some are missing."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def shown(data: bytes) -> str:
    """Output or a file's content for people, shortened."""
    return shortened(repr(data.decode("utf-8", "replace")))
