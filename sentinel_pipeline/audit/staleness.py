"""Whether a verdict still lets anything go on: one answer for the command and the alerts.

A licence is about the version of its own scorer, a gate about the scorer of answers, a fence over
rows or weights about none. What this module does not do: decide anew, or refuse (the ledger does).
"""

from __future__ import annotations

from ..critic.version import scorer_version
from ..gates import policy_hash
from ..gates.fences import NOT_SCORED
from ..gates.keys import suite_file_hash
from ..records import GateVerdict, VerdictKey
from ..records.recipe import Recipe
from ..store import Home
from .licence import GATE
from .rewards import REWARDS, rewards_version
from .scorers import SCORERS, present_version

LICENCES = (GATE, "judge_licence")
"""Names of the verdicts that license a scorer, or a judge."""


def is_licence(verdict: GateVerdict) -> bool:
    """Whether it is the result of an audit of a scorer or a judge, whose n counts questions, not
    answers of a model."""
    return verdict.name in LICENCES


def version_now(verdict: GateVerdict) -> str:
    """The version that the same verdict would carry if it were decided now."""
    if is_licence(verdict):
        if verdict.subject in SCORERS:
            return present_version(verdict.subject)
        # Of a judge or a reward of the user's own, whoever asks for its licence knows its version.
        return rewards_version() if verdict.subject == REWARDS else verdict.scorer_version
    return NOT_SCORED if verdict.scorer_version == NOT_SCORED else scorer_version()


def why_stale(home: Home, verdict: GateVerdict, recipe: Recipe | None) -> str | None:
    """Why the verdict lets nothing go on any more, or None; of its recipe only what is known."""
    policy = recipe.gates.get(verdict.name) if recipe is not None else None
    suite = suite_file_hash(home, recipe, policy.suite) if recipe is not None and policy else None
    key = VerdictKey(
        name=verdict.name,
        subject=verdict.subject,
        subject_hash=verdict.subject_hash,
        scorer_version=version_now(verdict),
        policy_hash=policy_hash(policy) if policy else verdict.policy_hash,
        suite_file=suite,
    )
    return verdict.stale(key)
