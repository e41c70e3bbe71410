"""A gate's verdict: what was measured, against what, on how much evidence, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .report import Interval

Verdict = Literal["pass", "fail", "inconclusive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GateVerdict:
    """One decision of one gate about one artifact; immutable, kept in the ledger."""

    name: str
    """The gate: ``pass_at_1``, ``syntax_rate``, ``capability_gap`` …"""
    subject: str
    """What was judged, for people: ``tiny/sft_report``."""
    subject_hash: str
    """Content hash of the artifact that was judged: a verdict holds for this content and no other."""
    verdict: Verdict
    measured: float | None
    threshold: float
    n: int
    """Independent answers that it was decided on: of several answers an item so many as they are worth."""
    interval: Interval | None
    reason: str
    scorer_version: str
    policy_hash: str
    """Hash of the policy that decided; a changed policy makes the verdict stale."""
    against_hash: str | None = None
    """Content hash of the report that a paired gate compared with; None for an absolute one."""
