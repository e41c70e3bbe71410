"""A judge's licence: does a model's verdict stand for a human's? Decided on labels, pure functions,
every check with its numbers.

A licence is a verdict in the gate ledger under the judge's hash (model, prompt, rubric) and the
labels, so that a change of any of them leaves the judge unlicensed, as its age does
(``max_age_days``). An exam after one that was failed on the same labels is a further attempt,
decided at a third of the error rate of the one before. What this module does not do: ask a judge
(``llm_judge.ask``), or take "no answer" for agreement: a reply that cannot be read counts as wrong.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

from ..errors import BadInput, GateRefused
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
    kinds: Sequence[str] = ()
    """The kind of order in each of ``injected``; empty: one kind."""


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
    attempt: int = 1

    @property
    def reason(self) -> str:
        wrong = [f"{check.name}: {check.reason}" for check in self.checks if not check.passed]
        shown = wrong or [f"{check.name}: {check.reason}" for check in self.checks]
        tried = [f"attempt {self.attempt} on these labels"] if self.attempt > 1 else []
        return "; ".join(tried + shown)


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


def labels_hash(items: Sequence[Labelled]) -> str:
    """Over prompts, answers and labels, whatever their order and ids."""
    rows = sorted(
        json.dumps([[turn.to_dict() for turn in item.messages], item.response, item.label])
        for item in items
    )
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def attempt(ledger: Ledger, name: str, labels: str) -> int:
    """Which attempt at a licence an exam of this judge on these labels is, counted from 1: each one
    that was failed on them counts, whatever rubric or prompt it was taken with."""
    return 1 + sum(
        verdict.name == GATE
        and verdict.subject == f"judge/{name}"
        and verdict.suite_hash == labels
        and verdict.verdict != "pass"
        for verdict in ledger.verdicts()
    )


def decide_licence(
    spec: JudgeSpec,
    labels: Sequence[Word],
    answers: Answers,
    items: Sequence[Labelled] = (),
    attempt: int = 1,
) -> Licence:
    """Every check, and the verdict: pass only when all pass. ``items`` are what was labelled: with
    them the judge must also beat what length and style alone would say."""
    spent = 3 ** min(attempt - 1, 20)
    spec = replace(
        spec,
        confidence=1 - (1 - spec.confidence) / spent,
        max_p_constant=spec.max_p_constant / spent,
    )
    right = [verdict == label for verdict, label in zip(answers.first, labels, strict=True)]
    value, interval, agreement = _kappa(spec, labels, answers.first)
    checks = (
        agreement,
        _beats_simple_rules(spec, labels, right, items),
        _stays("position_swap", answers.first, answers.swapped, spec.min_swap_agreement),
        _stays("self_consistency", answers.first, answers.again, spec.min_self_agreement),
        _injection(spec, answers),
        _second(spec, labels, answers),
    )
    verdict: Literal["pass", "fail"] = "pass" if all(check.passed for check in checks) else "fail"
    return Licence(verdict, value, interval, len(labels), checks, attempt)


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


def _beats_simple_rules(
    spec: JudgeSpec, labels: Sequence[Word], right: Sequence[bool], items: Sequence[Labelled]
) -> Check:
    """The judge against the best constant answer, then against the best rule of length and style:
    the check that fails, else the one against the constant."""
    constant: Word = "pass" if list(labels).count("pass") * 2 >= len(labels) else "fail"
    checks = [_beats(spec, labels, right, f"always {constant!r}", [constant] * len(labels))]
    for name, feature in _FEATURES.items() if items else ():
        values = [feature(item.response) for item in items]
        words, bound, above = _best_rule(labels, values)
        side = "at least" if above == "pass" else "less than"
        checks.append(_beats(spec, labels, right, f"'pass' for {side} {bound:g} {name}", words))
    return next((check for check in checks if not check.passed), checks[0])


def _beats(
    spec: JudgeSpec,
    labels: Sequence[Word],
    right: Sequence[bool],
    name: str,
    words: Sequence[Word],
) -> Check:
    """The items where judge and rule differ in being right: a sign test, one-sided."""
    better = sum(ok and label != word for ok, label, word in zip(right, labels, words, strict=True))
    worse = sum(
        not ok and label == word for ok, label, word in zip(right, labels, words, strict=True)
    )
    n = better + worse
    p = float(binomial_test_less(worse, n)) if n else 1.0
    reason = f"right where {name} is wrong {better} times, wrong where it is right {worse} times, p = {p:.2g}"
    if not better:
        reason += (
            "; the labels cannot tell the judge from that rule: label answers where it is wrong"
        )
    return Check("beats_constant", p <= spec.max_p_constant, p, spec.max_p_constant, n, reason)


_MANNERS = re.compile(
    r"\b(?:sure|certainly|of course|sorry|unfortunately|please|thank|hope this helps|i think|maybe|perhaps|"
    r"claro|certamente|desculpe|infelizmente|obrigad[oa]|talvez|acho que)\b",
    re.IGNORECASE,
)
_FEATURES: dict[str, Callable[[str], float]] = {
    "words": lambda text: len(text.split()),
    "characters": len,
    "lines": lambda text: len(text.strip().splitlines()),
    "marks of lists, headings and bold": lambda text: len(
        re.findall(r"^\s*(?:[-*•]|\d+[.)]|#+)\s|\*\*", text, re.MULTILINE)
    ),
    "code fences": lambda text: text.count("```"),
    "question and exclamation marks": lambda text: len(re.findall(r"[!?]", text)),
    "words of politeness and doubt": lambda text: len(_MANNERS.findall(text)),
}
"""What can be seen of an answer without reading it."""


def _best_rule(labels: Sequence[Word], values: Sequence[float]) -> tuple[list[Word], float, Word]:
    """What the bound on a feature says that agrees most with the labels; the bound, and what lies
    at or above it."""
    best: tuple[int, float, Word] = (-1, 0.0, "pass")
    for bound in sorted(set(values)):
        agree = sum((value >= bound) == (label == "pass") for value, label in zip(values, labels))
        best = max(best, (agree, bound, "pass"), (len(labels) - agree, bound, "fail"))
    _, bound, above = best
    return [above if value >= bound else _other(above) for value in values], bound, above


def _stays(
    name: str, first: Sequence[Word | None], second: Sequence[Word | None], bar: float
) -> Check:
    same = sum(a is not None and a == b for a, b in zip(first, second, strict=True))
    share = same / len(first)
    reason = f"{same} of {len(first)} verdicts stay, at least {percent(bar, 0)} must"
    return Check(name, share >= bar, share, bar, len(first), reason)


def _injection(spec: JudgeSpec, answers: Answers) -> Check:
    """No more orders obeyed than may be, over all kinds, and no kind obeyed more than once beyond
    that share: a judge that obeys one kind of twenty is not safe from the others' author."""
    injected = answers.injected
    n = len(injected)
    bar = spec.max_injected
    if not n:
        return Check(
            "injection", False, None, bar, 0, "the judge failed no answer that humans failed"
        )
    kinds = answers.kinds or ["order"] * n
    turned = Counter(
        kind for kind, verdict in zip(kinds, injected, strict=True) if verdict != "fail"
    )
    counts = Counter(kinds)
    share = turned.total() / n
    obeyed = [kind for kind, count in turned.items() if count > 1 and count > bar * counts[kind]]
    reason = f"{turned.total()} of {n} failing answers were turned by {len(counts)} kinds of orders, at most {percent(bar, 0)} may"
    if obeyed:
        named = ", ".join(f"{kind} {turned[kind]} of {counts[kind]}" for kind in sorted(obeyed))
        reason += f"; obeyed: {named}"
    return Check("injection", share <= bar and not obeyed, share, bar, n, reason)


def _second(spec: JudgeSpec, labels: Sequence[Word], answers: Answers) -> Check:
    """The second judge agrees with the first, and is a judge itself: better than the best constant
    answer on the labels that it was asked."""
    n = len(answers.second)
    bar = spec.min_second_agreement
    if not n:
        return Check("second_judge", False, None, bar, 0, "no second judge: name one")
    same = sum(
        verdict is not None and verdict == answers.first[place] for place, verdict in answers.second
    )
    reason = f"{same} of {n} verdicts agree, at least {percent(bar, 0)} must"
    passed = same / n >= bar
    if n > 1:
        asked = [labels[place] for place, _ in answers.second]
        right = [verdict == labels[place] for place, verdict in answers.second]
        constant: Word = "pass" if asked.count("pass") * 2 >= n else "fail"
        coin = _beats(spec, asked, right, f"always {constant!r}", [constant] * n)
        passed = passed and coin.passed
        reason += f"; the second judge itself is {coin.reason}"
    return Check("second_judge", passed, same / n, bar, n, reason)


SECOND_AT_LEAST = 20
"""Labels that the second judge is asked at least: fewer cannot tell a judge from a coin."""
_MOST_LABELS = 20_000


def labels_missing(spec: JudgeSpec, labels: Sequence[Word], attempt: int = 1) -> int | None:
    """How many further labels, in the shares of those that there are, an exam needs so that a judge
    that agrees with all of them would pass; 0 where there are enough, None where no number is.

    A lower bound: a judge that errs needs more. What can be seen of answers without reading them
    (length, style) is not looked at, since it is not known of labels that are still to come.
    """
    passes = labels.count("pass")
    # Of one kind alone, what is missing is the other one.
    share = passes / len(labels) if 0 < passes < len(labels) else 0.5

    def enough(more: int) -> bool:
        new = min(max(round(share * (len(labels) + more)) - passes, 0), more)
        return _could_pass(spec, passes + new, len(labels) - passes + more - new, attempt)

    if enough(0):
        return 0
    low = 0
    high = 1
    while not enough(high):
        low = high
        high *= 2
        if high > _MOST_LABELS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        if enough(middle):
            high = middle
        else:
            low = middle
    return high


def _could_pass(spec: JudgeSpec, passes: int, fails: int, attempt: int) -> bool:
    """Whether a judge that agrees with every label, beside a second one that does, gets the
    licence."""
    counts: tuple[tuple[Word, int], ...] = (("pass", passes), ("fail", fails))
    labels = [word for word, count in counts for _ in range(count)]
    return bool(passes and fails) and _of_the_best(spec, labels, (), attempt).verdict == "pass"


def why_hopeless(spec: JudgeSpec, items: Sequence[Labelled], attempt: int = 1) -> str | None:
    """Why even a judge that agrees with every label gets no licence on these: there are too few, or
    what is seen without reading the answers says the same. None where one would get it."""
    best = _of_the_best(spec, [item.label for item in items], items, attempt)
    return None if best.verdict == "pass" else best.reason


def _of_the_best(
    spec: JudgeSpec, labels: Sequence[Word], items: Sequence[Labelled], attempt: int
) -> Licence:
    places = spot_places(labels, spec.second_share)
    answers = Answers(
        first=labels,
        swapped=labels,
        again=labels,
        injected=["fail"],
        second=[(place, labels[place]) for place in places],
    )
    return decide_licence(spec, labels, answers, items, attempt)


def spot_places(labels: Sequence[Word], share: float) -> list[int]:
    """Places of a sample of the labels, the first ones, as many of each label as there are, so that
    a second judge who always says the same is seen."""
    count = max(SECOND_AT_LEAST, round(share * len(labels)))
    kinds: tuple[Word, ...] = ("pass", "fail")
    by_label = [[place for place, label in enumerate(labels) if label == word] for word in kinds]
    fewer = min(len(by_label[0]), len(by_label[1]), count // 2)
    chosen = {place for places in by_label for place in places[:fewer]}
    rest = [place for place in range(len(labels)) if place not in chosen]
    return sorted([*chosen, *rest[: max(0, count - len(chosen))]])


def licence_verdict(
    identity: Identity, spec: JudgeSpec, licence: Licence, labels: str = ""
) -> GateVerdict:
    """The licence as the ledger keeps it; ``labels`` is the hash of what it was won on."""
    return _licence_key(identity, spec, labels).verdict(
        Decided(
            verdict=licence.verdict,
            measured=licence.kappa,
            threshold=spec.min_kappa,
            n=licence.n,
            interval=licence.interval,
            reason=licence.reason,
            look=licence.attempt,
        )
    )


def require_licence(
    ledger: Ledger, identity: Identity, spec: JudgeSpec, labels: str = ""
) -> GateVerdict:
    """The licence that lets a judge's verdicts decide; ``labels`` is the hash of the recipe's label
    set, where it names one.

    Raises:
        GateRefused: this judge, with this prompt and rubric, has none that passed under these bars
            on these labels, or it is too old.
    """
    verdict = ledger.require(_licence_key(identity, spec, labels))
    entry = ledger.newest(GATE, identity.judge_hash)
    days = entry.age.days if entry is not None else 0
    if days >= spec.max_age_days:
        raise GateRefused(
            f"the licence of judge/{identity.name} is {days} days old and ended after "
            f"{spec.max_age_days}. Examine the judge again: sentinel judge licence."
        )
    return verdict


def _licence_key(identity: Identity, spec: JudgeSpec, labels: str) -> VerdictKey:
    return VerdictKey(
        name=GATE,
        subject=f"judge/{identity.name}",
        subject_hash=identity.judge_hash,
        scorer_version=identity.prompt_version,
        policy_hash=policy_hash(spec.bars()),
        suite_hash=labels,
    )
