"""Two models on the same items: the paired difference with its interval, the exact test, the flips,
and what may explain them.

What this module does not do: compare reports of different items, decodings or scorers. It refuses
(``pairing.unlike``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple

from .. import advice
from ..errors import BadInput
from ..gates.effects import cohens_h, holm
from ..rates import difference
from ..records import Interval, PairedComparison, SampleScore
from ..records.stages import BASE, REPORT_STAGES, SFT
from ..secrets import mask
from ..store import Artifact
from .confounds import CutScorer, Finding, explained
from .pairing import Pairs, counted, scored_pairs, unlike
from .report import report_from_json
from .samples import read_samples

ALPHA = 0.05


class Flip(NamedTuple):
    """An item whose outcome differs between the two models."""

    task_id: str
    family: str
    gained: bool
    """True when only the second model passes."""
    first: str
    second: str
    """The two completions, as written: hostile text, escape it."""
    reason: str
    """Why the failing side failed."""


class Part(NamedTuple):
    """The comparison within one family or category."""

    kind: Literal["category", "family"]
    name: str
    n: int
    a: float
    b: float
    gained: int
    lost: int
    interval: Interval
    p: float


class SuiteComparison(NamedTuple):
    """All that is known of two models on one suite."""

    summary: PairedComparison
    a: float
    b: float
    """Pass@1 of the first and the second model on the items that both were scored on."""
    h: float
    p_adjusted: float
    """After Holm over the suites compared together."""
    parts: list[Part]
    errors: dict[str, tuple[int, int]]
    """Reason code of failing answers -> how many of the first and of the second model."""
    tokens: tuple[int, int]
    flips: list[Flip]
    findings: list[Finding]

    @property
    def void(self) -> str | None:
        """Why the difference does not count as evidence, or None."""
        return "; ".join(finding.reason for finding in self.findings if finding.explains) or None

    @property
    def verdict(self) -> Literal["better", "worse", "inconclusive", "void"]:
        if self.void:
            return "void"
        if self.p_adjusted >= ALPHA:
            return "inconclusive"
        return "better" if self.summary.difference > 0 else "worse"


def compare(
    first: Sequence[SampleScore],
    second: Sequence[SampleScore],
    *,
    from_stage: str,
    to_stage: str,
    suite: str,
) -> tuple[PairedComparison, list[Flip]]:
    """Pair by task id and compare; items with an infrastructure outcome on either side are left out
    of both.

    Raises:
        BadInput: the two answered different items, or no item was scored on both sides.
    """
    pairs = scored_pairs(first, second, from_stage, to_stage, suite)
    flips = [_flip(x, y) for x, y in pairs if x.outcome != y.outcome]
    return _summary(pairs, from_stage, to_stage, suite), flips


def compare_suites(
    first: Mapping[str, Sequence[SampleScore]],
    second: Mapping[str, Sequence[SampleScore]],
    *,
    from_stage: str,
    to_stage: str,
    rescore: Callable[[str], CutScorer | None] = lambda suite: None,
) -> dict[str, SuiteComparison]:
    """Compare two models on every suite that both answered, p-values adjusted over these suites.

    Args:
        rescore: for a suite's name, a scorer of answers to its items, where one is at hand.

    Raises:
        BadInput: no suite in common, or see ``compare``.
    """
    suites = [name for name in first if name in second]
    if not suites:
        raise BadInput(
            f"{from_stage} ({', '.join(first)}) and {to_stage} ({', '.join(second)}) have no suite in common.",
            fix="Answer one suite with both models.",
        )
    paired = {
        name: scored_pairs(first[name], second[name], from_stage, to_stage, name) for name in suites
    }
    summaries = {
        name: _summary(pairs, from_stage, to_stage, name) for name, pairs in paired.items()
    }
    adjusted = holm({name: summary.p for name, summary in summaries.items()})
    return {
        name: _suite(
            pairs,
            summaries[name],
            adjusted[name],
            explained(first[name], second[name], rescore(name)),
        )
        for name, pairs in paired.items()
    }


def stage_pairs(present: Sequence[str]) -> list[tuple[str, str]]:
    """Each stage with the one before it, then the last with the first."""
    return (
        list(dict.fromkeys([*pairwise(present), (present[0], present[-1])]))
        if len(present) > 1
        else []
    )


def refuse_unlike(first: Artifact, second: Artifact, suites: Sequence[str]) -> None:
    """
    Raises:
        BadInput: two reports are about other items, another decoding or another scorer.
    """
    for suite in suites:
        ours, theirs = (
            report_from_json(report.json(f"{suite}/report.json")) for report in (first, second)
        )
        if reason := unlike(ours, theirs):
            raise BadInput(
                f"{suite}: not comparable: {reason}.",
                file=second.folder,
                fix=f"Rebuild {first.manifest.asset} and {second.manifest.asset}.",
            )


def compare_reports(
    reports: Mapping[str, Artifact], suites: Sequence[str]
) -> list[tuple[PairedComparison, list[Flip]]]:
    """The pairs of ``stage_pairs`` among ``reports``, suite by suite.

    Raises:
        BadInput: two of them are not comparable.
    """
    pairs = stage_pairs([name for name in REPORT_STAGES if name in reports])
    for before, after in pairs:
        refuse_unlike(reports[before], reports[after], suites)
    return [
        compare(
            *(read_samples(reports[name], suite) for name in pair),
            from_stage=pair[0],
            to_stage=pair[1],
            suite=suite,
        )
        for pair in pairs
        for suite in suites
    ]


def _summary(pairs: Pairs, from_stage: str, to_stage: str, suite: str) -> PairedComparison:
    table = counted(pairs)
    return PairedComparison(
        from_stage=from_stage,
        to_stage=to_stage,
        suite=suite,
        n=table.n,
        gained=table.gained,
        lost=table.lost,
        difference=table.difference,
        interval=table.interval(),
        p=table.p,
    )


def _suite(
    pairs: Pairs, summary: PairedComparison, adjusted: float, findings: list[Finding]
) -> SuiteComparison:
    a, b = (sum(pair[side].outcome == "pass" for pair in pairs) / len(pairs) for side in (0, 1))
    # The stable part of a reason: the class of the error.
    failed = [
        Counter(
            pair[side].reason.partition(":")[0][:60]
            for pair in pairs
            if pair[side].outcome == "fail"
        )
        for side in (0, 1)
    ]
    codes = sorted(
        failed[0] | failed[1], key=lambda code: (-failed[0][code] - failed[1][code], code)
    )
    return SuiteComparison(
        summary=summary,
        a=a,
        b=b,
        h=cohens_h(b, a),
        p_adjusted=adjusted,
        parts=_parts(pairs),
        errors={code: (failed[0][code], failed[1][code]) for code in codes},
        tokens=(sum(x.tokens for x, _ in pairs), sum(y.tokens for _, y in pairs)),
        flips=[_flip(x, y) for x, y in pairs if x.outcome != y.outcome],
        findings=findings,
    )


def _parts(pairs: Pairs) -> list[Part]:
    groups: dict[tuple[Literal["category", "family"], str], Pairs] = {}
    for pair in pairs:
        groups.setdefault(("category", pair[0].category), []).append(pair)
        groups.setdefault(("family", pair[0].family), []).append(pair)
    parts = []
    for (kind, name), mine in sorted(groups.items()):
        table = counted(mine)
        a = (table.both + table.lost) / table.n
        b = (table.both + table.gained) / table.n
        parts.append(
            Part(kind, name, table.n, a, b, table.gained, table.lost, table.interval(), table.p)
        )
    return parts


def _flip(x: SampleScore, y: SampleScore) -> Flip:
    gained = y.outcome == "pass"
    reason = x.reason if gained else y.reason
    return Flip(x.task_id, x.family, gained, mask(x.completion), mask(y.completion), mask(reason))


def comparison_line(row: dict[str, Any]) -> str:
    """What ``comparison_to_json`` made, as a sentence."""
    return (
        f"{row['from']} → {row['to']} on {row['suite']}: "
        f"{difference(row['difference'], row['interval'])}, n {row['n']}, "
        f"exact paired p = {row['p']:.2g}"
    )


def no_gain(rows: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """What to try where SFT is shown to be better than the base model on no suite, of what
    ``comparison_to_json`` made: one row, or none."""
    pairs = [row for row in rows if (row["from"], row["to"]) == (BASE, SFT.name)]
    if not pairs or any(row["interval"][0] > 0 for row in pairs):
        return []
    measured = [
        f"{row['suite']} {difference(row['difference'], row['interval'])}, n {row['n']}"
        for row in pairs
    ]
    text = advice.sft_not_better(measured)
    return [{"asset": SFT.report, "symptom": advice.NO_GAIN, "text": text}]


def comparison_to_json(comparison: PairedComparison) -> dict[str, Any]:
    """The keys that ``sentinel run --json`` prints for a comparison."""
    return {
        "from": comparison.from_stage,
        "to": comparison.to_stage,
        "suite": comparison.suite,
        "n": comparison.n,
        "gained": comparison.gained,
        "lost": comparison.lost,
        "difference": comparison.difference,
        "interval": list(comparison.interval[:2]),
        "p": comparison.p,
    }
