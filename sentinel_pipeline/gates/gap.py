"""The gap proof as a decision: base models fail in every prompt format where the instruct model succeeds, on the same items.

Seed 003: a base model that fails raw prompts may follow every instruction under an ``Instruction:/Response:`` cue; then there is
nothing to teach. Each base cell (model and format) is held against the instruct model, and *one* cell that closes the gap refuses
training. What this module does not do: answer, or ask the human who must confirm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..records import Interval
from ..records.gap_spec import GapProof
from ..records.report import MAX_INFRA_SHARE
from ..records.verdict import Verdict
from .effects import cohens_h, holm
from .measured import Paired
from .statistics import items_to_decide, wilson

BASES = ("base", "alternative")


class Rate(NamedTuple):
    """Outcomes of one model in one prompt format."""

    model: str
    prompt_format: str
    passed: int
    n: int
    infra: int


class Cell(NamedTuple):
    """One base model in one prompt format, held against the instruct model."""

    model: str
    prompt_format: str
    n: int
    rate: float
    interval: Interval
    gained: int
    """Items that only the instruct model passes."""
    lost: int
    p: float
    """Exact McNemar, after Holm over the cells."""
    h: float
    verdict: Verdict
    reason: str


class Gap(NamedTuple):
    """The proof's verdict; ``closed_by`` names the cells in which there is no gap."""

    verdict: Verdict
    reason: str
    cells: list[Cell]
    instruct: Rate
    instruct_interval: Interval | None
    closed_by: list[str]


def prove(
    spec: GapProof,
    rates: Sequence[Rate],
    pairs: Mapping[tuple[str, str], Paired],
    max_infra_share: float = MAX_INFRA_SHARE,
) -> Gap:
    """Decide the proof.

    Args:
        rates: of every model and format that was asked; ``instruct`` in ``chat`` among them.
        pairs: (base model, format) -> outcomes on the same items, the instruct model's as the second.

    A matrix that misses a base cell, or that infrastructure made void, is inconclusive: no evidence is not a pass.
    """
    by_key = {(one.model, one.prompt_format): one for one in rates}
    instruct = by_key.get(("instruct", "chat"), Rate("instruct", "chat", 0, 0, 0))
    interval = wilson(instruct.passed, instruct.n) if instruct.n else None
    adjusted = holm({key: pair.p for key, pair in pairs.items() if pair.n})
    cells = [_cell(spec, by_key[key], pairs[key], p) for key, p in adjusted.items()]
    closed = [f"{cell.model} in {cell.prompt_format}" for cell in cells if cell.verdict == "fail"]
    problem = _void(spec, by_key, adjusted, max_infra_share)
    if problem:
        return Gap("inconclusive", problem, cells, instruct, interval, closed)
    assert interval is not None
    verdict, reason = _overall(spec, cells, instruct, interval, closed)
    return Gap(verdict, reason, cells, instruct, interval, closed)


def _void(
    spec: GapProof,
    rates: Mapping[tuple[str, str], Rate],
    adjusted: Mapping[tuple[str, str], float],
    most: float,
) -> str | None:
    missing = [
        f"{m} in {f}"
        for m in BASES
        for f in spec.formats
        if (m, f) not in adjusted and (m, f) in rates
    ]
    asked = {one.model for one in rates.values() if one.n}
    if missing or not {"instruct", *BASES} <= asked:
        what = ", ".join(missing or sorted({"instruct", *BASES} - asked))
        return f"nothing was scored for {what}: no evidence is not a pass"
    for one in rates.values():
        if one.infra > most * (one.n + one.infra):
            share = one.infra / (one.n + one.infra)
            return (
                f"void: {share:.1%} infrastructure outcomes of {one.model} in {one.prompt_format}"
            )
    return None


def _cell(spec: GapProof, rate: Rate, pair: Paired, p: float) -> Cell:
    interval = wilson(rate.passed, rate.n)
    value, second = rate.passed / rate.n, (pair.both + pair.gained) / pair.n
    h = cohens_h(second, (pair.both + pair.lost) / pair.n)
    low, high = (interval.low, interval.high) if spec.decide_on == "interval" else (value, value)
    said = f"{value:.1%} [{interval.low:.1%}, {interval.high:.1%}] of {rate.n}"
    verdict: Verdict = "pass"
    if low > spec.max_base_rate:
        verdict, reason = (
            "fail",
            f"{said}: it can do the task, at most {spec.max_base_rate:.0%} allowed",
        )
    elif high > spec.max_base_rate:
        verdict, reason = (
            "inconclusive",
            f"{said}: not shown to be at most {spec.max_base_rate:.0%}",
        )
    elif p >= spec.p_below or h < spec.min_h:
        verdict, reason = (
            "fail",
            f"{said}: no clear distance to the instruct model (p = {p:.2g}, h = {h:+.2f})",
        )
    else:
        reason = f"{said}, p = {p:.2g}, h = {h:+.2f}"
    return Cell(
        rate.model,
        rate.prompt_format,
        rate.n,
        value,
        interval,
        pair.gained,
        pair.lost,
        p,
        h,
        verdict,
        reason,
    )


def _overall(
    spec: GapProof, cells: Sequence[Cell], instruct: Rate, interval: Interval, closed: Sequence[str]
) -> tuple[Verdict, str]:
    rate = instruct.passed / instruct.n
    low, high = (interval.low, interval.high) if spec.decide_on == "interval" else (rate, rate)
    said = f"instruct in chat {rate:.1%} [{interval.low:.1%}, {interval.high:.1%}] of {instruct.n}"
    rule = (
        f"rule: base models at most {spec.max_base_rate:.0%} in every format, instruct at least "
        f"{spec.min_instruct_rate:.0%}, McNemar p < {spec.p_below:g} after Holm, h >= {spec.min_h:g}"
    )
    if closed:
        reasons = "; ".join(
            f"{c.model} in {c.prompt_format}: {c.reason}" for c in cells if c.verdict == "fail"
        )
        return "fail", f"there is no gap: closed by {', '.join(closed)}; {reasons}; {rule}"
    if high < spec.min_instruct_rate:
        return "fail", f"{said}: not even an instruct model does the task; {rule}"
    open_cells = [
        f"{c.model} in {c.prompt_format}: {c.reason}" for c in cells if c.verdict == "inconclusive"
    ]
    if low < spec.min_instruct_rate:
        needed = items_to_decide(rate, spec.min_instruct_rate)
        more = (
            f", needs about {needed - instruct.n} more items"
            if needed and needed > instruct.n
            else ""
        )
        open_cells.append(f"{said}: not shown to be at least {spec.min_instruct_rate:.0%}{more}")
    if open_cells:
        return "inconclusive", f"{'; '.join(open_cells)}; {rule}"
    worst = max(cells, key=lambda cell: cell.rate)
    return (
        "pass",
        f"{said}; the best base cell is {worst.model} in {worst.prompt_format}, {worst.reason}; {rule}",
    )
