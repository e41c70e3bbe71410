"""Fences: verdicts about rows and checkpoints, beside the gates, which are about answers.

Every fence is in the ledger under the artifact that it is about. Who trains on an artifact, starts
from it or releases it asks for the fences of all that it was made from (``blocking_fences``). What
this module does not do: read artifacts. The checks do, and hand over counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..rates import percent
from ..records import Decided, VerdictKey
from ..records.recipe import Recipe
from ..records.report import MAX_INFRA_SHARE
from ..records.stages import GRPO, TRAINING_STAGES
from ..store import Artifact, skipped_reason
from .keys import artifact_key
from .reward import EVAL_REWARD, WATCH_RULES, RewardPolicy, WatchPolicy, decoding_of

NO_OVERLAP = "no_benchmark_overlap"
SHARES = "shares_are_met"
NO_PAIR = "no_pair_from_a_benchmark"
NO_ANSWER = "no_answer_from_a_benchmark"
FEW_INFRA = "few_infrastructure_outcomes"
PARITY = "export_parity"

_OF_ROWS = {"rebalanced_mix": (NO_OVERLAP, SHARES), "preference_pairs": (NO_PAIR,)}
FENCES: Mapping[str, tuple[str, ...]] = {
    "critic_labels": (FEW_INFRA,),
    **{
        stage.trains_on: _OF_ROWS.get(stage.trains_on, (NO_ANSWER,))
        for stage in TRAINING_STAGES
        if stage.rows is not None
    },
    **{stage.checkpoint: (PARITY,) for stage in TRAINING_STAGES},
    GRPO.checkpoint: (PARITY, EVAL_REWARD, WATCH_RULES),
}
"""Asset -> its fences."""
_SCORED = (EVAL_REWARD, WATCH_RULES)
"""Decided on rewards, which the current scorer must have given."""
NOT_SCORED = "-"
"""The scorer of a fence that is about no score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FencePolicy:
    """The bar of a fence: at most this share of the rows, or this number of faults."""

    fence: str
    at_most: float = 0.0
    require_trust: float = 0.0
    """Share of the passed verdicts whose tests ran apart from the program."""


def fence_severity(recipe: Recipe, name: str) -> str:
    """``block`` where nothing goes on without a pass, ``warn`` where the recipe only wants to
    know."""
    return str(getattr(recipe.fences, name, "block"))


def fences_of(recipe: Recipe, artifact: Artifact) -> tuple[str, ...]:
    """The fences that ``artifact`` has; a skipped one, and a stage that the recipe does not use,
    has none."""
    names = FENCES.get(artifact.manifest.asset, ())
    if not names or skipped_reason(artifact):
        return ()
    return tuple(name for name in names if name not in _SCORED or recipe.grpo is not None)


def blocking_fences(recipe: Recipe, artifact: Artifact) -> tuple[str, ...]:
    """Those of ``fences_of`` without whose pass nothing goes on."""
    return tuple(
        name for name in fences_of(recipe, artifact) if fence_severity(recipe, name) == "block"
    )


def fence_policy(recipe: Recipe, name: str) -> Any:
    """What the recipe decides a fence by."""
    if name == EVAL_REWARD:
        assert recipe.grpo is not None
        return RewardPolicy(
            threshold=recipe.grpo.min_eval_reward,
            items=recipe.grpo.reward_items,
            decoding=decoding_of(recipe.grpo.sampling(recipe.decoding())),
            report_temperature=recipe.bench.temperature,
        )
    if name == WATCH_RULES:
        assert recipe.grpo is not None
        return WatchPolicy(watch=recipe.grpo.watch)
    if name == FEW_INFRA:
        trust = recipe.critic.require_trust
        return FencePolicy(fence=name, at_most=MAX_INFRA_SHARE, require_trust=trust)
    at_most = recipe.fences.max_shortfall if name == SHARES else 0.0
    return FencePolicy(fence=name, at_most=at_most)


def fence_key(name: str, artifact: Artifact, recipe: Recipe, scorer_version: str) -> VerdictKey:
    """The key of a fence about ``artifact``. A fence over rows or weights stays as it is when the
    scorer changes."""
    scorer = scorer_version if name in _SCORED else NOT_SCORED
    policy = fence_policy(recipe, name)
    key = artifact_key(name, artifact, policy, scorer)
    if name == EVAL_REWARD:
        # The checkpoint answered: the verdict is bound as a gate's is.
        key = replace(key, checkpoint_hash=artifact.hash, decoding=policy.decoding)
    return key


def decide_clean(rows: int, what: str, faults: Mapping[str, int]) -> Decided:
    """Rows without a fault: ``faults`` says in words what was counted; without any row nothing
    was shown to be clean."""
    total = sum(faults.values())
    counts = ", ".join(f"{count} {fault}" for fault, count in faults.items())
    return Decided(
        verdict="pass" if rows and not total else "fail",
        measured=float(total),
        threshold=0.0,
        n=rows,
        interval=None,
        reason=f"{rows} {what}: {counts}" if rows else f"no {what} at all",
    )


def decide_infrastructure(
    policy: FencePolicy, rows: int, unlabelled: int, shared: int = 0, passed: int = 0
) -> Decided:
    """Few candidates lack a label because of infrastructure, and of the ``passed`` verdicts not too
    many are ``shared``: of tests beside the program."""
    trusted = passed - shared >= policy.require_trust * passed
    beside = f"; {shared} of {passed} passed verdicts come of tests beside the program"
    if not trusted:
        beside += f", [critic] require_trust asks for {percent(policy.require_trust)} apart from it"
    return Decided(
        verdict="pass" if rows and unlabelled <= policy.at_most * rows and trusted else "fail",
        measured=unlabelled / rows if rows else None,
        threshold=policy.at_most,
        n=rows,
        interval=None,
        reason=(
            f"{unlabelled} of {rows} candidates without a label because of infrastructure, "
            f"at most {percent(policy.at_most)} allowed"
        )
        + (beside if shared else ""),
    )


LEAST_USED = 0.05
"""Part of what a mix without a size could use that it must hold: one row of a category does not
shrink thousands to ten in silence."""


def decide_shares(policy: FencePolicy, mix: Mapping[str, Any]) -> Decided:
    """No category of a mix (``mix.json``) lacks more than the policy's share of what was wanted,
    and none has so little that the mix leaves nearly everything else out; a mix without any row has
    no shares to meet."""
    short = {
        quota["category"]: quota["short"]
        for quota in mix["quotas"]
        if quota.get("short", 0) > policy.at_most * quota["wanted"]
    }
    texts = [f"{name} {amount:g}" for name, amount in short.items()]
    wanted = sum(quota.get("wanted", 0) for quota in mix["quotas"])
    taken = sum(quota.get("taken", 0) for quota in mix["quotas"])
    usable = mix.get("usable") or 0
    collapsed = bool(mix.get("limited_by")) and taken < LEAST_USED * usable
    all_the_same = "[fences] shares_are_met = 'warn' trains it all the same"
    reason = f"{mix['rows']} rows, no category is short"
    if short:
        reason = f"short of {', '.join(texts)} {mix['unit']}; {all_the_same}"
    elif collapsed:
        reason = (
            f"{mix['limited_by']} has so little that it holds the mix to {taken:g} of {usable:g} usable {mix['unit']} "
            f"({percent(taken / usable)}, at least {percent(LEAST_USED, 0)} expected): add rows of it, lower its share, "
            f"or set mix.size; {all_the_same}"
        )
    return Decided(
        verdict="pass" if mix["rows"] and not short and not collapsed else "fail",
        measured=sum(short.values()) / wanted if wanted else 0.0,
        threshold=policy.at_most,
        n=mix["rows"],
        interval=None,
        reason=reason,
    )


def decide_parity(parity: Mapping[str, Any]) -> Decided:
    """Every form of a checkpoint gives the same logits and answers (``parity.json``)."""
    variants: Sequence[Mapping[str, Any]] = parity.get("variants", ())
    forms = [
        f"{v['name']}: logits {v['logit_distance']:g}, {v['answers_differ']} answers"
        for v in variants
    ]
    lacks = [*parity.get("missing", ()), *parity.get("pickles", ())]
    forms += [
        f"the merged {v['number_format']} weights keep {percent(v['kept'])} of the adapter"
        for v in variants
        if v.get("kept") is not None
    ]
    forms += [f"different: {', '.join(v['different'])}" for v in variants if v.get("different")]
    reason = f"differences over {parity.get('prompts', 0)} prompts: {'; '.join(forms)}"
    if parity.get("not_compared"):
        reason = f"{reason}; {parity['not_compared']}"
    return Decided(
        verdict="pass" if parity.get("passed") is True else "fail",
        measured=max((float(v["logit_distance"]) for v in variants), default=None),
        threshold=0.0,
        n=parity.get("prompts", 0),
        interval=None,
        reason=reason + (f"; missing or unsafe: {', '.join(lacks)}" if lacks else ""),
    )
