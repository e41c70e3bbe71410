"""Verdicts about a finished GRPO run, from its recorded curves: the mean reward on held-out prompts, and what the rules found.

What this module does not do: look at single answers. The gates of ``grpo_report`` judge the checkpoint on the suites; held-out here
are the window's prompts, among whose looks the kept one was chosen, so that its reward is a little too high.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..records import GateVerdict
from ..records.gate_spec import GatePolicy
from ..records.grpo_spec import GrpoSpec, WatchRule
from ..records.recipe import section_hash
from ..records.stages import GRPO
from ..records.verdict import Verdict
from .curve_files import curves_of, evidence_of
from .curves import unseen
from .policies import Measured, policy_hash, verdict_of

EVAL_REWARD, WATCH_RULES = "eval_reward", "watch_rules"
METRIC = "eval/mean_reward"


def judge_eval_reward(
    spec: GrpoSpec,
    rows: Sequence[Mapping[str, Any]],
    kept: int | None,
    *,
    subject: str,
    subject_hash: str,
    scorer: str,
) -> GateVerdict:
    """Is the mean reward of the weights that were kept, those of step ``kept``, at least ``spec.min_eval_reward``?

    The whole 95 % interval decides; nothing measured at that step is inconclusive.
    """
    policy = GatePolicy(
        metric="pass_at_1", stage=GRPO.name, suite="window", threshold=spec.min_eval_reward
    )
    found = evidence_of(dict(row) for row in rows if row["step"] == kept).get(METRIC)
    verdict: Verdict = "inconclusive"
    reason = "no held-out prompt was judged with these weights: no evidence is not a pass"
    if found is not None:
        low, high = found.interval[:2]
        text = f"mean reward {found.value:.3f} [{low:.3f}, {high:.3f}] on {found.n} held-out prompts at step {kept}"
        verdict = verdict_of(policy, Measured(found.value, found.interval, found.n, text, 0.0))
        reason = f"{text}; rule: at least {spec.min_eval_reward:g}, decided on the whole interval"
    return GateVerdict(
        name=EVAL_REWARD,
        subject=subject,
        subject_hash=subject_hash,
        verdict=verdict,
        measured=found.value if found else None,
        threshold=spec.min_eval_reward,
        n=found.n if found else 0,
        interval=found.interval if found else None,
        reason=reason,
        scorer_version=scorer,
        policy_hash=policy_hash(policy),
    )


def judge_watch(
    rules: Sequence[WatchRule],
    rows: Sequence[Mapping[str, Any]],
    findings: Sequence[Mapping[str, Any]],
    *,
    subject: str,
    subject_hash: str,
    scorer: str,
) -> GateVerdict:
    """Fail where a rule stopped the run, inconclusive where one warned or had nothing to look at, pass else."""
    stops = [one["reason"] for one in findings if one["action"] == "stop"]
    warned = [f"step {one['step']}: {one['reason']}" for one in findings if one["action"] != "stop"]
    blind = [f"{name} had nothing to look at" for name in unseen(rules, curves_of(map(dict, rows)))]
    verdict: Verdict = (
        "fail" if stops else "inconclusive" if warned or blind or not rules else "pass"
    )
    told = [*(f"stopped: {one}" for one in stops), *warned, *blind]
    none = "none held" if rules else "this recipe watches nothing"
    return GateVerdict(
        name=WATCH_RULES,
        subject=subject,
        subject_hash=subject_hash,
        verdict=verdict,
        measured=float(len(findings)),
        threshold=0.0,
        n=len(rules),
        interval=None,
        reason=f"{len(rules)} rules: {'; '.join(told) or none}",
        scorer_version=scorer,
        policy_hash=section_hash(GrpoSpec(watch=tuple(rules)))[:16],
    )
