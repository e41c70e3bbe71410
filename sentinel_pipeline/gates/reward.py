"""Verdicts about a finished GRPO run: the mean reward of the kept weights on fresh prompts, and
what the rules found in its curves.

The kept weights are the best of many windows, and look too good on the windows' prompts. They
answer prompts that no window asked (``training.loop.kept_reward``), and that measurement decides.
What this module does not do: measure, or look at single answers. The gates of ``grpo_report`` judge
the checkpoint on the suites.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, NamedTuple

from ..rates import percent
from ..records import Decided
from ..records.decoding import Decoding
from ..records.grpo_spec import WatchRule
from ..records.report import MAX_INFRA_SHARE
from ..records.verdict import Verdict
from .curve_files import curves_of
from .curve_rules import unseen
from .measured import Measured, measure_reward
from .policies import decide

EVAL_REWARD = "eval_reward"
WATCH_RULES = "watch_rules"
KEPT_REWARD = "kept_reward.json"
"""The measurement of the kept weights, in the checkpoint's artifact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardPolicy:
    """The bar of the check ``eval_reward``: the whole 95 % interval of the mean reward on fresh
    prompts must be at least ``threshold``."""

    threshold: float
    items: int
    """Prompts asked, at most."""
    decoding: str
    """How their answers are drawn, as ``decoding_of`` writes it."""
    report_temperature: float
    """That of the gates' reports, said beside this one's where they differ."""
    metric: Literal["mean_reward"] = "mean_reward"
    suite: str = "fresh prompts"
    direction: Literal["at_least", "at_most"] = "at_least"
    decide_on: Literal["interval", "point"] = "interval"
    confidence: float = 0.95
    against: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchPolicy:
    """The rules of the check ``watch_rules``."""

    watch: tuple[WatchRule, ...]


class RewardBound(NamedTuple):
    """What a measurement must be of to decide: these weights, these prompts, by this scorer."""

    weights: str
    prompts: str
    scorer_version: str


def decoding_of(decoding: Decoding) -> str:
    """A decoding as it stands in policies and measurements; the batch changes no answer."""
    drawn = asdict(decoding)
    del drawn["batch_size"]
    return json.dumps(drawn, sort_keys=True)


def weights_hash(files: Mapping[str, str]) -> str:
    """Identity of a checkpoint's ``model/``: of its files' names and SHA-256s, others are left
    out."""
    model = {name: sha256 for name, sha256 in files.items() if name.startswith("model/")}
    return hashlib.sha256(json.dumps(model, sort_keys=True).encode()).hexdigest()[:32]


def decide_eval_reward(
    policy: RewardPolicy, kept: Mapping[str, Any] | None, bound: RewardBound
) -> Decided:
    """Is the mean reward of the kept weights on fresh prompts at least the policy's? ``kept`` is
    what ``kept_reward.json`` holds, None where there is no such file."""
    return decide(policy, _measured(policy, kept, bound))


def _measured(policy: RewardPolicy, kept: Mapping[str, Any] | None, bound: RewardBound) -> Measured:
    if kept is None:
        return measure_reward((), policy.threshold, policy.confidence, None, "")
    rewards = [float(reward) for reward in kept["rewards"] if reward is not None]
    temperature = json.loads(kept["decoding"])["temperature"]
    how = f"at the rollouts' temperature {temperature:g}"
    if temperature != policy.report_temperature:
        how += f" (reports are answered at {policy.report_temperature:g})"
    measured = measure_reward(rewards, policy.threshold, policy.confidence, kept["step"], how)
    infra = 1 - len(rewards) / max(len(kept["rewards"]), 1)
    return replace(measured, void=_void(policy, kept, bound, infra) or measured.void)


def _void(
    policy: RewardPolicy, kept: Mapping[str, Any], bound: RewardBound, infra: float
) -> str | None:
    """Why a measurement decides nothing about this checkpoint; None where it does."""
    if kept["weights"] != bound.weights:
        return "void: other weights than the checkpoint's were measured"
    if kept["prompts"] != bound.prompts:
        return "void: other prompts were asked than the task bank's"
    if kept["decoding"] != policy.decoding:
        return (
            f"stale: answered with {kept['decoding']}, the recipe says {policy.decoding}: "
            "train again"
        )
    if kept["scorer_version"] != bound.scorer_version:
        return (
            f"stale: scored by {kept['scorer_version']}, the scorer is now {bound.scorer_version}: "
            "train again"
        )
    if infra > MAX_INFRA_SHARE:
        most = percent(MAX_INFRA_SHARE)
        return f"void: {percent(infra)} infrastructure outcomes, at most {most} allowed"
    return None


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
