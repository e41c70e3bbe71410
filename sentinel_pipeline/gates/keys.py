"""Keys of verdicts: which gate, about which artifact, by which scorer and policy; made here for
whoever asks or writes the ledger.

What this module does not do: read the ledger, or say which scorer is the current one.
"""

from __future__ import annotations

from typing import Any

from ..records import VerdictKey
from ..records.recipe import Recipe, section_hash
from ..records.stages import report_of
from ..store import Artifact, Store


def policy_hash(policy: Any) -> str:
    """Identity of a policy, which is any section of a recipe: a verdict decided under another one
    is stale."""
    return section_hash(policy)[:16]


def artifact_key(name: str, artifact: Artifact, policy: Any, scorer_version: str) -> VerdictKey:
    """The key of gate ``name`` about ``artifact``, decided by ``policy``."""
    return VerdictKey(
        name=name,
        subject=f"{artifact.manifest.recipe}/{artifact.manifest.asset}",
        subject_hash=artifact.hash,
        scorer_version=scorer_version,
        policy_hash=policy_hash(policy),
    )


def report_key(
    store: Store, recipe: Recipe, gate: str, report: Artifact, scorer_version: str
) -> VerdictKey:
    """The key of one of the recipe's gates about ``report``; of a paired gate, beside the report of
    ``against`` as it is now."""
    policy = recipe.gates[gate]
    against_hash = None
    if policy.against:
        against = store.find(report_of(policy.against))
        against_hash = against.hash if against else ""
    return VerdictKey(
        name=gate,
        subject=f"{report.manifest.recipe}/{report.manifest.asset}",
        subject_hash=report.hash,
        scorer_version=scorer_version,
        policy_hash=policy_hash(policy),
        against_hash=against_hash,
    )
