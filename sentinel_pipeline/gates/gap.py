"""The gap proof as a decision: base models fail in every prompt format where the instruct model
succeeds, on the same items.

From the stage 1 findings: a base model that fails raw prompts may follow every instruction under an
``Instruction:/Response:`` cue; then there is nothing to teach. Each base cell (model and format) is
held against the instruct model, and *one* cell that closes the gap refuses training. What this
module does not do: answer, or ask the human who must confirm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..rates import percent, with_interval
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
        pairs: (base model, format) -> outcomes on the same items, the instruct model's as the
            second.

    A matrix that misses a base cell, or that infrastructure made void, is inconclusive: no evidence
    is not a pass.
    """
    by_key = {(rate.model, rate.prompt_format): rate for rate in rates}
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
        f"{model} in {prompt_format}"
        for model in BASES
        for prompt_format in spec.formats
        if (model, prompt_format) not in adjusted and (model, prompt_format) in rates
    ]
    scored = {rate.model for rate in rates.values() if rate.n}
    if missing or not {"instruct", *BASES} <= scored:
        what = ", ".join(missing or sorted({"instruct", *BASES} - scored))
        return f"nothing was scored for {what}: no evidence is not a pass"
    for rate in rates.values():
        if rate.infra > most * (rate.n + rate.infra):
            share = rate.infra / (rate.n + rate.infra)
            return f"void: {percent(share)} infrastructure outcomes of {rate.model} in {rate.prompt_format}"
    return None


def _cell(spec: GapProof, rate: Rate, pair: Paired, p: float) -> Cell:
    interval = wilson(rate.passed, rate.n)
    value = rate.passed / rate.n
    h = cohens_h((pair.both + pair.gained) / pair.n, (pair.both + pair.lost) / pair.n)
    low, high = _bounds(spec, value, interval)
    numbers = f"{with_interval(value, interval)} of {rate.n}"
    verdict: Verdict = "pass"
    reason = f"{numbers}, p = {p:.2g}, h = {h:+.2f}"
    if low > spec.max_base_rate:
        verdict = "fail"
        reason = f"{numbers}: it can do the task, at most {percent(spec.max_base_rate, 0)} allowed"
    elif high > spec.max_base_rate:
        verdict = "inconclusive"
        reason = f"{numbers}: not shown to be at most {percent(spec.max_base_rate, 0)}"
    elif p >= spec.p_below or h < spec.min_h:
        verdict = "fail"
        reason = f"{numbers}: no clear distance to the instruct model (p = {p:.2g}, h = {h:+.2f})"
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


def _bounds(spec: GapProof, rate: float, interval: Interval) -> tuple[float, float]:
    """What must lie beyond a bound: the whole interval, or the rate alone."""
    return (interval.low, interval.high) if spec.decide_on == "interval" else (rate, rate)


def _overall(
    spec: GapProof, cells: Sequence[Cell], instruct: Rate, interval: Interval, closed: Sequence[str]
) -> tuple[Verdict, str]:
    rate = instruct.passed / instruct.n
    low, high = _bounds(spec, rate, interval)
    numbers = f"instruct in chat {with_interval(rate, interval)} of {instruct.n}"
    rule = (
        f"rule: base models at most {percent(spec.max_base_rate, 0)} in every format, instruct at least "
        f"{percent(spec.min_instruct_rate, 0)}, McNemar p < {spec.p_below:g} after Holm, h >= {spec.min_h:g}"
    )
    if closed:
        reasons = "; ".join(
            f"{cell.model} in {cell.prompt_format}: {cell.reason}"
            for cell in cells
            if cell.verdict == "fail"
        )
        return "fail", f"there is no gap: closed by {', '.join(closed)}; {reasons}; {rule}"
    if high < spec.min_instruct_rate:
        return "fail", f"{numbers}: not even an instruct model does the task; {rule}"
    open_reasons = [
        f"{cell.model} in {cell.prompt_format}: {cell.reason}"
        for cell in cells
        if cell.verdict == "inconclusive"
    ]
    if low < spec.min_instruct_rate:
        needed = items_to_decide(rate, spec.min_instruct_rate)
        more = ""
        if needed and needed > instruct.n:
            more = f", needs about {needed - instruct.n} more items"
        open_reasons.append(
            f"{numbers}: not shown to be at least {percent(spec.min_instruct_rate, 0)}{more}"
        )
    if open_reasons:
        return "inconclusive", f"{'; '.join(open_reasons)}; {rule}"
    worst = max(cells, key=lambda cell: cell.rate)
    return (
        "pass",
        f"{numbers}; the best base cell is {worst.model} in {worst.prompt_format}, {worst.reason}; {rule}",
    )
