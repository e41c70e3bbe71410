"""Verdicts about a finished GRPO run, from its recorded curves: the mean reward on held-out
prompts, and what the rules found.

What this module does not do: look at single answers. The gates of ``grpo_report`` judge the
checkpoint on the suites; held-out here are the window's prompts, among whose looks the kept one was
chosen, so that its reward is a little too high: the interval that decides is wider, the more
windows there were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any, Literal

from ..records import Decided, Interval
from ..records.grpo_spec import WatchRule
from ..records.verdict import Verdict
from .curve_files import curves_of, evidence_of
from .curve_rules import unseen
from .measured import measure_reward
from .policies import decide

EVAL_REWARD = "eval_reward"
WATCH_RULES = "watch_rules"
METRIC = "eval/mean_reward"


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardPolicy:
    """The bar of the check ``eval_reward``: the whole 95 % interval of the mean reward must be at
    least ``threshold``."""

    threshold: float
    metric: Literal["mean_reward"] = "mean_reward"
    suite: str = "window"
    direction: Literal["at_least", "at_most"] = "at_least"
    decide_on: Literal["interval", "point"] = "interval"
    confidence: float = 0.95
    against: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchPolicy:
    """The rules of the check ``watch_rules``."""

    watch: tuple[WatchRule, ...]


def decide_eval_reward(
    policy: RewardPolicy, rows: Sequence[Mapping[str, Any]], kept_step: int | None
) -> Decided:
    """Is the mean reward of the weights that were kept, those of step ``kept_step``, at least the
    policy's? They are the best of many windows: each window has its part of the error rate."""
    at_step = evidence_of(dict(row) for row in rows if row["step"] == kept_step)
    measured = measure_reward(at_step.get(METRIC), kept_step)
    windows = sum(row.get(METRIC) is not None for row in rows)
    if windows > 1 and measured.value is not None and measured.interval is not None:
        level = 1 - (1 - policy.confidence) / windows
        wider = _z(level) / _z(policy.confidence)
        low = measured.value - (measured.value - measured.interval.low) * wider
        high = measured.value + (measured.interval.high - measured.value) * wider
        text = f"the best of {windows} windows, so decided on [{low:.3f}, {high:.3f}]"
        measured = replace(
            measured, interval=Interval(low, high, level), text=f"{measured.text}, {text}"
        )
    return decide(policy, measured)


def _z(confidence: float) -> float:
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def decide_watch(
    policy: WatchPolicy, rows: Sequence[Mapping[str, Any]], findings: Sequence[Mapping[str, Any]]
) -> Decided:
    """Fail where a rule stopped the run, inconclusive where one warned or had nothing to look at,
    pass else."""
    stops = [row["reason"] for row in findings if row["action"] == "stop"]
    warnings = [
        f"step {row['step']}: {row['reason']}" for row in findings if row["action"] != "stop"
    ]
    blind = [
        f"{name} had nothing to look at"
        for name in unseen(policy.watch, curves_of(map(dict, rows)))
    ]
    verdict: Verdict = "pass"
    if stops:
        verdict = "fail"
    elif warnings or blind or not policy.watch:
        verdict = "inconclusive"
    reasons = [*(f"stopped: {reason}" for reason in stops), *warnings, *blind]
    none = "none held" if policy.watch else "this recipe watches nothing"
    return Decided(
        verdict=verdict,
        measured=float(len(findings)),
        threshold=0.0,
        n=len(policy.watch),
        interval=None,
        reason=f"{len(policy.watch)} rules: {'; '.join(reasons) or none}",
    )
