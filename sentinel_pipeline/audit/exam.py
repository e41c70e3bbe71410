"""The scorers' own exam: gold answers must pass, known-bad ones must be refused for the right
reason, always alike.

Any scorer can sit it: an ``Exam`` holds its questions and the function that answers them. The last
round runs while every core is kept busy, since a score that a loaded machine changes is worth
nothing. What this module does not do: make questions (``exams`` does), or decide what an unlicensed
scorer may not do (``licence`` does).
"""

from __future__ import annotations

import contextlib
import html
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any, NamedTuple

from ..critic.score import DEFAULTS
from ..markdown import cell
from ..rates import percent
from ..records import Task
from ..records.data_spec import CriticSpec
from .canaries import Canary

MIN_GOLD = 0.99
MAX_EXAMPLES = 5


class Material(NamedTuple):
    """What every exam is made from."""

    gold: Sequence[Task]
    """Tasks with references, of every suite that the recipe is judged on."""
    canaries: Sequence[Canary]
    spec: CriticSpec = DEFAULTS
    workers: int | None = None


class Question(NamedTuple):
    """``reasons`` is empty for a gold answer; for a known-bad one it holds the codes of which one
    must be given."""

    id: str
    suite: str
    item: Any
    """What the scorer is asked; its exam alone knows the type."""
    reasons: tuple[str, ...] = ()


class Answer(NamedTuple):
    """``accepted`` is None where infrastructure failed; ``reasons`` are all that the scorer says
    against the item, codes first."""

    accepted: bool | None
    reasons: tuple[str, ...]

    @property
    def codes(self) -> frozenset[str]:
        return frozenset(reason.partition(": ")[0] for reason in self.reasons)


class Exam(NamedTuple):
    """One scorer's questions; ``grade`` answers items in order, whichever exam they are of."""

    scorer: str
    version: str
    questions: tuple[Question, ...]
    grade: Callable[[Sequence[Any]], Iterable[Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorerAudit:
    """One scorer's marks."""

    name: str
    version: str
    gold: float | None
    """Share of gold answers accepted, of the suite where it is least; None when there were none."""
    n_gold: int
    gold_suite: str
    """The suite of that share."""
    n_bad: int
    bad_accepted: int
    wrong_reason: int
    """Known-bad answers that were refused, but not for what is wrong with them."""
    infra: int
    stable: bool
    """Every round gave the same verdicts for the same reasons, also under load."""
    rounds: int
    examples: tuple[str, ...] = ()
    """Up to five questions that were answered wrongly."""

    @property
    def licensed(self) -> bool:
        """At least 99 % of every suite's gold accepted, no bad answer accepted or refused for
        another reason, stable."""
        return self.refusal is None

    @property
    def refusal(self) -> str | None:
        """Why there is no licence; None when there is one."""
        if self.gold is None or not self.n_bad:
            return "not examined: no gold or no known-bad answer was asked"
        faults = [
            (self.infra, f"{self.infra} answers lost to infrastructure"),
            (
                self.gold < MIN_GOLD,
                f"{percent(self.gold)} of {self.gold_suite}'s gold answers accepted, {percent(MIN_GOLD, 0)} needed",
            ),
            (self.bad_accepted, f"{self.bad_accepted} of {self.n_bad} known-bad answers accepted"),
            (
                self.wrong_reason,
                f"{self.wrong_reason} of {self.n_bad} known-bad answers refused for another reason",
            ),
            (not self.stable, "scores changed from round to round"),
        ]
        faults_found = [text for fault, text in faults if fault]
        return "; ".join(faults_found) or None

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__} | {"licensed": self.licensed}


def examine(exam: Exam, *, repeats: int = 2) -> ScorerAudit:
    """The marks of one exam; see ``examine_all``."""
    return examine_all([exam], repeats=repeats)[0]


def examine_all(exams: Sequence[Exam], *, repeats: int = 2) -> list[ScorerAudit]:
    """Ask everything ``repeats`` times, the last time under load; holds all answers.

    Neighbours that share a ``grade`` are asked in one call: to start a grader's processes takes
    longer than most exams.

    Raises:
        ValueError: fewer than two rounds, which could not tell whether the scorer is stable, or a
            grader that did not answer each item.
    """
    if repeats < 2:
        raise ValueError("an audit takes at least two rounds")
    rounds = [_ask(exams) for _ in range(repeats - 1)]
    with busy_cores():
        rounds.append(_ask(exams))
    return [_marks(exam, list(answers)) for exam, *answers in zip(exams, *rounds, strict=True)]


def _ask(exams: Sequence[Exam]) -> list[tuple[Answer, ...]]:
    """The answers of each exam."""
    answers: list[tuple[Answer, ...]] = []
    for _, group in groupby(exams, key=lambda exam: id(exam.grade)):
        together = list(group)
        items = [question.item for exam in together for question in exam.questions]
        graded = tuple(together[0].grade(items))
        if len(graded) != len(items):
            raise ValueError(f"{len(graded)} answers to {len(items)} items")
        rest = iter(graded)
        answers += [tuple(islice(rest, len(exam.questions))) for exam in together]
    return answers


def _marks(exam: Exam, rounds: list[tuple[Answer, ...]]) -> ScorerAudit:
    counts: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    passed: Counter[str] = Counter()
    examples: list[str] = []
    for question, answer in zip(exam.questions, rounds[0], strict=True):
        fault = _fault(question, answer)
        counts[fault or "right"] += 1
        if not question.reasons:
            asked[question.suite] += 1
            passed[question.suite] += answer.accepted is True
        if fault and len(examples) < MAX_EXAMPLES:
            examples.append(f"{question.id}: {fault}: {'; '.join(answer.reasons)}"[:200])
    suite = min(asked, key=lambda name: passed[name] / asked[name], default="")
    return ScorerAudit(
        name=exam.scorer,
        version=exam.version,
        gold=passed[suite] / asked[suite] if suite else None,
        n_gold=asked.total(),
        gold_suite=suite,
        n_bad=len(exam.questions) - asked.total(),
        bad_accepted=counts["bad_accepted"],
        wrong_reason=counts["wrong_reason"],
        infra=sum(answer.accepted is None for marks in rounds for answer in marks),
        stable=all(
            len({(answer.accepted, answer.codes) for answer in answers}) == 1
            for answers in zip(*rounds, strict=True)
        ),
        rounds=len(rounds),
        examples=tuple(examples),
    )


def _fault(question: Question, answer: Answer) -> str | None:
    if answer.accepted is None:
        return "infra"
    if not question.reasons:
        return None if answer.accepted else "gold_refused"
    if answer.accepted:
        return "bad_accepted"
    return None if answer.codes & set(question.reasons) else "wrong_reason"


@contextlib.contextmanager
def busy_cores() -> Iterator[None]:
    """Keep every core busy with an endless loop of ours."""
    command = [
        sys.executable,
        "-I",
        "-S",
        "-c",
        "import os\nwhile os.getppid() == " + str(os.getpid()) + ": sum(range(10**6))",
    ]
    loops = [subprocess.Popen(command) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def audit_markdown(audits: Iterable[ScorerAudit]) -> str:
    """A table for the asset's page; what a scorer said of hostile text is escaped."""
    lines = [
        "| scorer | version | gold accepted | bad accepted | wrong reason | stable | licence |",
        "|---|---|---|---|---|---|---|",
    ]
    for scorer in audits:
        gold = "-" if scorer.gold is None else f"{percent(scorer.gold)} of {scorer.n_gold}"
        stable = "yes" if scorer.stable else "NO"
        bad = f"{scorer.bad_accepted} of {scorer.n_bad}"
        licence = scorer.refusal or "licensed"
        lines.append(
            f"| {scorer.name} | {scorer.version} | {gold} | {bad} | {scorer.wrong_reason} | {stable} | {cell(licence)} |"
        )
    wrong = [
        html.escape(f"{scorer.name}: {example}").replace("|", "\\|")
        for scorer in audits
        for example in scorer.examples
    ]
    return "\n".join([*lines, "", *(f"- `{text.replace('`', '')}`" for text in wrong)])
