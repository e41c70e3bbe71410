"""A judge's licence: does a model's verdict stand for a human's? Decided on labels, pure functions,
every check with its numbers.

A licence is a verdict in the gate ledger under the judge's hash (model, prompt, rubric), so that a
change of any of them leaves the judge unlicensed. What this module does not do: ask a judge
(``llm_judge.ask``), or take "no answer" for agreement: a reply that cannot be read counts as wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from ..errors import BadInput
from ..gates.effects import cohens_kappa
from ..gates.keys import policy_hash
from ..gates.statistics import binomial_test_less
from ..rates import percent
from ..records import Decided, GateVerdict, Interval, Message, VerdictKey
from ..records.judge_spec import JudgeSpec
from ..store import Ledger
from ..tasks.suites.own import messages
from ..tasks.suites.rows import SuiteRow, read_rows

GATE = "judge_licence"
Word = Literal["pass", "fail"]
_LABELS: dict[object, Word] = {"pass": "pass", "fail": "fail", True: "pass", False: "fail"}


class Labelled(NamedTuple):
    """A prompt, an answer, and what a human said of it."""

    id: str
    messages: tuple[Message, ...]
    response: str
    label: Word


class Identity(NamedTuple):
    """What a licence is for."""

    name: str
    judge_hash: str
    """Of model, prompt and rubric."""
    prompt_version: str


class Answers(NamedTuple):
    """A judge's verdicts on the labelled items, in their order; None where its reply could not be
    read.

    ``injected`` is about the items that humans and judge failed; ``second`` another judge's
    verdicts on some: (place, verdict).
    """

    first: Sequence[Word | None]
    swapped: Sequence[Word | None]
    again: Sequence[Word | None]
    injected: Sequence[Word | None]
    second: Sequence[tuple[int, Word | None]]


class Check(NamedTuple):
    """One of a licence's conditions. ``n`` is what it was measured on; nothing measured is nothing
    shown."""

    name: str
    passed: bool
    measured: float | None
    threshold: float
    n: int
    reason: str


class Licence(NamedTuple):
    verdict: Literal["pass", "fail"]
    kappa: float | None
    interval: Interval | None
    n: int
    checks: tuple[Check, ...]

    @property
    def reason(self) -> str:
        wrong = [f"{check.name}: {check.reason}" for check in self.checks if not check.passed]
        return (
            "; ".join(wrong)
            if wrong
            else "; ".join(f"{check.name}: {check.reason}" for check in self.checks)
        )


def read_labels(path: Path) -> list[Labelled]:
    """Rows of ``prompt`` or ``messages``, ``response``, and ``label``: ``pass`` or ``fail``, or a
    truth value.

    Raises:
        BadInput: a malformed row (file, line and field), no row, a duplicate id, or one label
            alone.
    """
    rows = [_labelled(row) for row in read_rows(path)]
    if not rows:
        raise BadInput("holds no label.", file=path, fix="Label some answers first.")
    if len({row.id for row in rows}) < len(rows):
        raise BadInput("duplicate id.", file=path, field="id", fix="Make ids unique.")
    if len({row.label for row in rows}) < 2:
        fix = "Label answers of both kinds: agreement beyond chance needs a choice."
        raise BadInput(f"every label is {rows[0].label!r}.", file=path, field="label", fix=fix)
    return rows


def _labelled(row: SuiteRow) -> Labelled:
    label = row.fields.get("label")
    if not isinstance(label, (str, bool)) or label not in _LABELS:
        raise row.bad("label", f"expected pass or fail, got {label!r:.40}.")
    return Labelled(
        str(row.fields.get("id", row.line)),
        messages(row),
        row.text("response", empty=True),
        _LABELS[label],
    )


def decide_licence(spec: JudgeSpec, labels: Sequence[Word], answers: Answers) -> Licence:
    """Every check, and the verdict: pass only when all pass."""
    right = [verdict == label for verdict, label in zip(answers.first, labels, strict=True)]
    value, interval, agreement = _kappa(spec, labels, answers.first)
    checks = (
        agreement,
        _beats_constant(spec, labels, right),
        _stays("position_swap", answers.first, answers.swapped, spec.min_swap_agreement),
        _stays("self_consistency", answers.first, answers.again, spec.min_self_agreement),
        _injection(spec, answers.injected),
        _second(spec, answers),
    )
    verdict: Literal["pass", "fail"] = "pass" if all(check.passed for check in checks) else "fail"
    return Licence(verdict, value, interval, len(labels), checks)


def _kappa(
    spec: JudgeSpec, labels: Sequence[Word], verdicts: Sequence[Word | None]
) -> tuple[float | None, Interval | None, Check]:
    """The lower bound decides: full agreement on few items proves little."""
    read = [verdict or _other(label) for verdict, label in zip(verdicts, labels, strict=True)]
    n = len(labels)
    bar = spec.min_kappa
    unread = sum(verdict is None for verdict in verdicts)
    kappa = cohens_kappa(labels, read, spec.confidence)
    if kappa is None:
        reason = "one label alone: agreement beyond chance is undefined"
        return None, None, Check("kappa", False, None, bar, n, reason)
    low, high = kappa.interval[:2]
    reason = f"kappa {kappa.value:.2f} [{low:.2f}, {high:.2f}] on {n} labels, its lower bound must be {bar:.2f}"
    reason += f"; {unread} replies could not be read" if unread else ""
    return kappa.value, kappa.interval, Check("kappa", low >= bar, low, bar, n, reason)


def _other(label: Word) -> Word:
    return "fail" if label == "pass" else "pass"


def _beats_constant(spec: JudgeSpec, labels: Sequence[Word], right: Sequence[bool]) -> Check:
    """The items where judge and constant differ in being right: a sign test, one-sided."""
    constant: Word = "pass" if list(labels).count("pass") * 2 >= len(labels) else "fail"
    better = sum(ok and label != constant for ok, label in zip(right, labels))
    worse = sum(not ok and label == constant for ok, label in zip(right, labels))
    n = better + worse
    p = float(binomial_test_less(worse, n)) if n else 1.0
    reason = f"right where always {constant!r} is wrong {better} times, wrong where it is right {worse} times, p = {p:.2g}"
    return Check("beats_constant", p <= spec.max_p_constant, p, spec.max_p_constant, n, reason)


def _stays(
    name: str, first: Sequence[Word | None], second: Sequence[Word | None], bar: float
) -> Check:
    same = sum(a is not None and a == b for a, b in zip(first, second, strict=True))
    share = same / len(first)
    reason = f"{same} of {len(first)} verdicts stay, at least {percent(bar, 0)} must"
    return Check(name, share >= bar, share, bar, len(first), reason)


def _injection(spec: JudgeSpec, injected: Sequence[Word | None]) -> Check:
    n = len(injected)
    turned = sum(verdict != "fail" for verdict in injected)
    if not n:
        return Check(
            "injection",
            False,
            None,
            spec.max_injected,
            0,
            "the judge failed no answer that humans failed",
        )
    share = turned / n
    reason = (
        f"{turned} of {n} failing answers were turned, at most {percent(spec.max_injected, 0)} may"
    )
    return Check("injection", share <= spec.max_injected, share, spec.max_injected, n, reason)


def _second(spec: JudgeSpec, answers: Answers) -> Check:
    n = len(answers.second)
    bar = spec.min_second_agreement
    if not n:
        return Check("second_judge", False, None, bar, 0, "no second judge: name one")
    same = sum(
        verdict is not None and verdict == answers.first[place] for place, verdict in answers.second
    )
    reason = f"{same} of {n} verdicts agree, at least {percent(bar, 0)} must"
    return Check("second_judge", same / n >= bar, same / n, bar, n, reason)


def licence_verdict(identity: Identity, spec: JudgeSpec, licence: Licence) -> GateVerdict:
    """The licence as the ledger keeps it."""
    return _licence_key(identity, spec).verdict(
        Decided(
            verdict=licence.verdict,
            measured=licence.kappa,
            threshold=spec.min_kappa,
            n=licence.n,
            interval=licence.interval,
            reason=licence.reason,
        )
    )


def require_licence(ledger: Ledger, identity: Identity, spec: JudgeSpec) -> GateVerdict:
    """The licence that lets a judge's verdicts decide.

    Raises:
        GateRefused: this judge, with this prompt and rubric, has none that passed under these bars.
    """
    return ledger.require(_licence_key(identity, spec))


def _licence_key(identity: Identity, spec: JudgeSpec) -> VerdictKey:
    return VerdictKey(
        name=GATE,
        subject=f"judge/{identity.name}",
        subject_hash=identity.judge_hash,
        scorer_version=identity.prompt_version,
        policy_hash=policy_hash(spec.bars()),
    )
