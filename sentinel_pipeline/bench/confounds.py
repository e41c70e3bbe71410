"""Artifact detectors: is a difference between two models explained by how long, how fenced, how
refused or how cut off answers are?

Answers are matched on the feature (strata that predict the outcome *within* each model, so that
model identity cannot pose as the feature) and the difference is estimated again inside the strata.
A difference that vanishes there is explained: the stage 1 findings' 57 gains and 2 losses, all by
length, are not evidence at p = 10^-12. Where a scorer is at hand, length is settled by experiment
instead: the longer answers are cut to the length of their partners and scored again. What this
module does not do: void a gate (``gates`` does).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log, sqrt
from typing import NamedTuple

from ..critic.refusals import refuses
from ..critic.thoughts import part
from ..gates.statistics import newcombe_paired
from ..rates import difference, percent
from ..records import Interval, SampleScore
from .pairing import by_item

CutScorer = Callable[[Sequence[tuple[str, str]]], Sequence[str]]
"""Scores (task id, completion) pairs: their outcomes, in order."""
_CUTS = 2
_Z = 1.959963984540054
KEPT = 0.5
"""A matched difference of less than this share of the raw one, not distinguishable from none, has
vanished."""


RULED = 0.4
"""Share of a model's pass-or-fail uncertainty that the feature must remove to be what rules the
outcome.

A scorer that looks at length is ruled by it. Where long answers merely belong to hard items far
less is removed, and answers of equal length are not of equally hard items.
"""


class Finding(NamedTuple):
    """What one detector found."""

    feature: str
    raw: float
    """The difference as it was measured."""
    matched: float | None
    """The difference among matched answers; None where the two models' answers cannot be
    matched."""
    interval: Interval | None
    explains: bool
    reason: str


Pair = tuple[SampleScore, SampleScore]


def explained(
    first: Sequence[SampleScore], second: Sequence[SampleScore], rescore: CutScorer | None = None
) -> list[Finding]:
    """Every detector's finding about the difference between two models' answers to the same items.

    Items that infrastructure left open on either side are left out. Without a difference there is
    nothing to explain.
    """
    ours, theirs = by_item(first, second)
    pairs = [(a, theirs[key]) for key, a in ours.items() if key in theirs]
    pairs = [(a, b) for a, b in pairs if "infra" not in (a.outcome, b.outcome)]
    raw = _difference(pairs) if pairs else None
    if raw is None or raw[1].low <= 0 <= raw[1].high:
        return []
    features: tuple[tuple[str, Callable[[SampleScore], float]], ...] = (
        ("length", lambda s: float(len(s.completion))),
        ("format", lambda s: float("```" in part(s.completion).answer)),
        ("refusal", lambda s: float(refuses(part(s.completion).answer))),
        ("truncation", lambda s: float(not s.stopped)),
    )
    findings = [_matched(name, value, pairs, raw[0]) for name, value in features]
    if rescore is None:
        return findings
    experiment = _cut_to_length(pairs, raw[0], rescore)
    # Cutting settles what matching only suspects, where it is the longer answers that fail; of a
    # scorer that fails short answers, or answers that were cut off, it says nothing.
    discordant = [
        pair for pair in pairs if (pair[0].outcome == "pass") != (pair[1].outcome == "pass")
    ]
    longer = sum(_failing_is_longer(*pair) for pair in discordant)
    settled = 2 * longer >= len(discordant)
    return [
        experiment
        if finding.feature == "length" and (settled or experiment.explains or not finding.explains)
        else finding
        for finding in findings
    ]


def _failing_is_longer(a: SampleScore, b: SampleScore) -> bool:
    failing, passing = (a, b) if b.outcome == "pass" else (b, a)
    return len(failing.completion) > len(passing.completion)


def _difference(pairs: Sequence[Pair]) -> tuple[float, Interval]:
    both = sum(a.outcome == "pass" == b.outcome for a, b in pairs)
    gained = sum(a.outcome != "pass" == b.outcome for a, b in pairs)
    lost = sum(a.outcome == "pass" != b.outcome for a, b in pairs)
    interval = newcombe_paired(both, gained, lost, len(pairs) - both - gained - lost)
    return (gained - lost) / len(pairs), interval


def _vanished(raw: float, matched: float, interval: Interval) -> bool:
    """Not distinguishable from none, and distinguishable from what was measured: not merely too few
    to tell."""
    inside = interval.low <= 0 <= interval.high
    return inside and not interval.low <= raw <= interval.high and abs(matched) < KEPT * abs(raw)


def _matched(
    feature: str, value: Callable[[SampleScore], float], pairs: Sequence[Pair], raw: float
) -> Finding:
    answers = [
        (value(sample), side, sample.outcome == "pass")
        for pair in pairs
        for side, sample in enumerate(pair)
    ]
    strata = _split(answers, _CUTS)
    estimate = _stratified(strata) if len(strata) > 1 else None
    if estimate is None:
        return Finding(
            feature,
            raw,
            None,
            None,
            False,
            f"{feature}: cannot be matched, or tells nothing within a model",
        )
    matched, interval = estimate
    ruled = _ruled(answers, strata)
    explains = _vanished(raw, matched, interval) and ruled >= RULED
    word = "explains it" if explains else "does not explain it"
    reason = (
        f"{feature} {word}: {percent(raw, signed=True)} as measured, {difference(matched, interval)} "
        f"among answers matched on {feature}, which settles {percent(ruled, 0)} of what passes and what fails"
    )
    return Finding(feature, raw, matched, interval, explains, reason)


Answer = tuple[float, int, bool]
"""Feature, side (0 or 1), passed."""


def _split(answers: list[Answer], cuts: int) -> list[list[Answer]]:
    """Strata by at most ``cuts`` cuts of the feature, each the one that best tells pass from fail
    within the models."""
    strata = [sorted(answers)]
    for _ in range(cuts):
        best = max(
            ((*_best_cut(stratum), index) for index, stratum in enumerate(strata)),
            default=(0.0, 0, 0),
        )
        gain, place, index = best
        if gain < log(
            len(answers)
        ):  # a cut must earn its keep: the Bayesian information criterion's price of one
            break
        strata[index : index + 1] = [strata[index][:place], strata[index][place:]]
    return strata


def _best_cut(stratum: list[Answer]) -> tuple[float, int]:
    """The gain in log-likelihood of the best cut, with a rate for each model on each side, and its
    place in the sorted stratum."""
    total = [[0, 0], [0, 0]]
    for _, side, passed in stratum:
        total[side][passed] += 1
    whole = sum(_likelihood(*counts) for counts in total)
    left = [[0, 0], [0, 0]]
    best = (0.0, 0)
    for place, (value, side, passed) in enumerate(stratum[:-1], start=1):
        left[side][passed] += 1
        if value == stratum[place][0]:
            continue  # no cut parts equal values
        apart = sum(
            _likelihood(*left[s]) + _likelihood(total[s][0] - left[s][0], total[s][1] - left[s][1])
            for s in (0, 1)
        )
        best = max(best, (apart - whole, place))
    return best


def _ruled(answers: Sequence[Answer], strata: Sequence[Sequence[Answer]]) -> float:
    """Share of the deviance within the models that the strata explain (McFadden 1974)."""

    def deviance(of: Sequence[Answer]) -> float:
        counts = [
            [sum(side == s and ok == passed for _, side, passed in of) for ok in (False, True)]
            for s in (0, 1)
        ]
        return -sum(_likelihood(*count) for count in counts)

    whole = deviance(answers)
    return 1 - sum(deviance(stratum) for stratum in strata) / whole if whole > 0 else 0.0


def _likelihood(failed: int, passed: int) -> float:
    n = failed + passed
    return sum(count * log(count / n) for count in (failed, passed) if count)


def _stratified(strata: Sequence[Sequence[Answer]]) -> tuple[float, Interval] | None:
    """Mantel and Haenszel's weighted difference over strata that hold both models; None where none
    does.

    The variance takes each rate with one success and one failure added (Agresti and Caffo 2000), so
    that strata in which all or none pass are not taken for certain.
    """
    weight = total = variance = 0.0
    for stratum in strata:
        n = [sum(side == s for _, side, _ in stratum) for s in (0, 1)]
        if not all(n):
            continue
        passed = [sum(side == s and ok for _, side, ok in stratum) for s in (0, 1)]
        share = n[0] * n[1] / (n[0] + n[1])
        smooth = [(passed[s] + 1) / (n[s] + 2) for s in (0, 1)]
        weight += share
        total += share * (passed[1] / n[1] - passed[0] / n[0])
        variance += share**2 * sum(smooth[s] * (1 - smooth[s]) / (n[s] + 2) for s in (0, 1))
    if weight == 0:
        return None
    matched = total / weight
    half = _Z * sqrt(variance) / weight
    return matched, Interval(max(-1.0, matched - half), min(1.0, matched + half))


def _cut_to_length(pairs: Sequence[Pair], raw: float, rescore: CutScorer) -> Finding:
    """Of every pair in which the longer answer fails, that answer is cut to its partner's length
    and scored again: also where both fail, else the cut answers could only ever make up ground."""
    cut = [
        (place, side, pair[side].task_id, pair[side].completion[: len(pair[1 - side].completion)])
        for place, pair in enumerate(pairs)
        for side in (0, 1)
        if pair[side].outcome != "pass"
        and len(pair[side].completion) > len(pair[1 - side].completion)
    ]
    outcomes = rescore([(task, text) for *_, task, text in cut]) if cut else []
    saved = {
        (place, side)
        for (place, side, *_), outcome in zip(cut, outcomes, strict=True)
        if outcome == "pass"
    }
    passes = [
        tuple(pair[side].outcome == "pass" or (place, side) in saved for side in (0, 1))
        for place, pair in enumerate(pairs)
    ]
    both = passes.count((True, True))
    gained = passes.count((False, True))
    lost = passes.count((True, False))
    matched = (gained - lost) / len(pairs)
    interval = newcombe_paired(both, gained, lost, len(pairs) - both - gained - lost)
    explains = _vanished(raw, matched, interval)
    word = "explains it" if explains else "does not explain it"
    reason = (
        f"length {word}: {len(saved)} of {len(cut)} failing answers pass when cut to the length of the other model's; "
        f"{percent(raw, signed=True)} as measured, {difference(matched, interval)} after that"
    )
    return Finding("length", raw, matched, interval, explains, reason)
