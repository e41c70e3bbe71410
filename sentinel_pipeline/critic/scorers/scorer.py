"""What a scorer is: one kind of verifier with everything that is particular to it, and what a
scorer may say of an answer.

What this module does not do: list the scorers (the folder does), or read and score (``reading``
and ``score`` do, by them)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, TypeVar

from ...records.verifiers import Executable
from .. import syntax
from ..extract import Kind
from ..graded import Graded
from ..json_reader import Extracted, JsonReading
from ..syntax import Check
from ..thoughts import Parted

if TYPE_CHECKING:
    from .examples import Examples

V = TypeVar("V")


class Reading(NamedTuple):
    """``language`` is None for plain text and where there is no answer; ``code`` is the whole
    program or text that ``syntax`` is about."""

    language: Kind | None
    found: Extracted
    code: str | None
    syntax: Check | None
    parted: Parted
    """Thought and answer; the answer is what all the others are about."""


class Run(NamedTuple):
    """The sandbox decides: ``code`` under an executable verifier, the scorer's own or one that it
    makes."""

    code: str
    verifier: Executable


class Unjudged(NamedTuple):
    """No scorer here can score the answer: infrastructure, never a score."""

    reason: str


Finding = str | Graded | Run | Unjudged | None
"""None: right. Text: wrong, as ``CODE: detail``. Else a grade, a program to run, or no verdict."""


def nothing_named(verifier: Any) -> None:
    """No entry point."""
    return


def as_extracted(code: str, verifier: Any) -> str:
    """The answer is the whole program already."""
    return code


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer(Generic[V]):
    """One kind of verifier: how its answers are read, judged and examined. Every table about kinds
    is made of these."""

    verifier: type[V]
    language: Kind
    """What its answers are written in; ``text`` for prose."""
    judge: Callable[[Reading, V], Finding]
    """Judges what was read, in this process; what must run becomes ``Run``."""
    examples: Examples[V]
    """Right, wrong and dirty answers for exams and for the critic's own training rows. They score
    nothing: ``version`` leaves this field out of its hash."""
    json_reading: JsonReading = "strict"
    """How much is forgiven in JSON."""
    entry_point: Callable[[V], str | None] = nothing_named
    """The name that picks among several blocks of code."""
    whole: Callable[[str, V], str] = as_extracted
    """The whole program, where the answer only continues what the verifier holds."""
    dialect: Callable[[V], Literal["typescript", "javascript"]] | None = None
    """The language of one verifier, where its kind has several."""
    form: Callable[[Any, V], str | None] | None = None
    """The form that only the verifier knows (a schema, files that a diff must apply to): a
    problem, or None."""
    clean_stop: Callable[[V], bool] | None = None
    """Whether the answer must have ended by itself and without text after a stop token."""
    check: Callable[[V], object] | None = None
    """Raises ValueError for a verifier of a user's suite whose fields are of the right types and
    mean nothing."""
    quotes: bool = False
    """Whether a right answer has its words from the prompt: others in it are invented. Code and
    diffs may name freely."""
    examined: bool = True
    """False: licensed elsewhere, as a language model that judges is."""


def problem_of(reading: Reading) -> str | None:
    """Why there is not exactly one answer to judge; None when there is."""
    if reading.found.error is None and "several_values" in reading.found.leniencies:
        return "several_values"
    return reading.found.error


def run_program(reading: Reading, verifier: Executable) -> Finding:
    """The program that was read, unless there is none or it does not parse."""
    if reading.code is None or (reading.syntax is not None and not reading.syntax.ok):
        return reading.syntax.reason if reading.syntax else "empty"
    return Run(reading.code, verifier)


def parses(code: str, scorer: Scorer[V], verifier: V) -> Check | None:
    """What the parser of the verifier's language says of a whole program."""
    return syntax.check(code, scorer.dialect(verifier) if scorer.dialect else scorer.language)
