"""Two models on the same items: the paired difference with its interval, the exact test, and the flips.

What this module does not do: compare reports of different items, or of different scorers. It refuses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from ..errors import BadInput
from ..gates.statistics import mcnemar_exact, newcombe_paired
from ..records import PairedComparison, SampleScore
from ..store import Artefact
from .report import percent
from .samples import read_samples

STAGES = ("base", "sft", "dpo")
"""Stages that have a report, in the order in which each is compared with the one before."""


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


def compare(
    first: Sequence[SampleScore], second: Sequence[SampleScore], *, from_stage: str, to_stage: str, suite: str
) -> tuple[PairedComparison, list[Flip]]:
    """Pair by task id and compare; items with an infrastructure outcome on either side are left out of both.

    Raises:
        BadInput: the two answered different items, or no item was scored on both sides.
    """
    a, b = {s.task_id: s for s in first}, {s.task_id: s for s in second}
    if a.keys() != b.keys():
        only = sorted(a.keys() ^ b.keys())
        raise BadInput(
            f"{from_stage} and {to_stage} answered different items of {suite}: {len(only)} stand on one side only, "
            f"{only[0]!r} among them.",
            fix="Answer the suite again with both models.",
        )
    pairs = [(a[key], b[key]) for key in a if "infra" not in (a[key].outcome, b[key].outcome)]
    if not pairs:
        raise BadInput(f"no item of {suite} was scored for both {from_stage} and {to_stage}.", fix="Score them again.")
    flips = [_flip(x, y) for x, y in pairs if x.outcome != y.outcome]
    return _summary(pairs, flips, from_stage, to_stage, suite), flips


def compare_reports(
    reports: Mapping[str, Artefact], suites: Sequence[str]
) -> list[tuple[PairedComparison, list[Flip]]]:
    """Each stage of ``reports`` (in the order of ``STAGES``) against the one before it, suite by suite."""
    present = [name for name in STAGES if name in reports]
    return [
        compare(
            *(read_samples(reports[name], suite) for name in pair), from_stage=pair[0], to_stage=pair[1], suite=suite
        )
        for pair in pairwise(present)
        for suite in suites
    ]


def _summary(
    pairs: list[tuple[SampleScore, SampleScore]], flips: list[Flip], from_stage: str, to_stage: str, suite: str
) -> PairedComparison:
    gained = sum(flip.gained for flip in flips)
    lost, n = len(flips) - gained, len(pairs)
    both = sum(x.outcome == "pass" and y.outcome == "pass" for x, y in pairs)
    return PairedComparison(
        from_stage=from_stage,
        to_stage=to_stage,
        suite=suite,
        n=n,
        gained=gained,
        lost=lost,
        difference=(gained - lost) / n,
        interval=newcombe_paired(both, gained, lost, n - both - gained - lost),
        p=mcnemar_exact(gained, lost),
    )


def _flip(x: SampleScore, y: SampleScore) -> Flip:
    gained = y.outcome == "pass"
    reason = x.reason if gained else y.reason
    return Flip(x.task_id, x.family, gained, x.completion, y.completion, reason)


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


def comparison_markdown(comparisons: Sequence[PairedComparison]) -> str:
    """A table, one line a comparison."""
    lines = [
        "| from | to | suite | n | gained | lost | difference [95 %] | exact McNemar p |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for c in comparisons:
        interval = f"[{percent(c.interval.low)}, {percent(c.interval.high)}]"
        lines.append(
            f"| {c.from_stage} | {c.to_stage} | {c.suite} | {c.n} | {c.gained} | {c.lost} "
            f"| {percent(c.difference)} {interval} | {c.p:.2g} |"
        )
    return "\n".join(lines) + "\n"
