"""A gate's verdict: of which gate, about which artifact, checkpoint and suite, answered how, by
which scorer and policy; and what was measured and decided.

What this module does not do: decide (``gates.policies``) or keep verdicts (``store.ledger``).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from .report import Interval

Verdict = Literal["pass", "fail", "inconclusive"]


@dataclass(frozen=True, kw_only=True)
class VerdictKey:
    """Which verdict: of this gate about this artifact by this scorer and policy. What the ledger is
    asked for, and asked with.

    A verdict about a report is bound to what was answered too: checkpoint, suite and decoding. They
    are empty where nothing answered: a fence over rows, a licence, a signature.
    """

    name: str
    """The gate: ``pass_at_1``, ``syntax_rate``, ``capability_gap`` …"""
    subject: str
    """What is judged, for people: ``tiny/sft_report``."""
    subject_hash: str
    """Content hash of the artifact that is judged: a verdict holds for this content and no
    other."""
    scorer_version: str
    policy_hash: str
    """Hash of the policy that decides; a changed policy makes the verdict stale."""
    against_hash: str | None = None
    """Content hash of the report that a paired gate compares with; None for an absolute gate, ""
    where there is no such report."""
    suite_file: str | None = None
    """Hash of the file that the suite was read from, where it is the user's own; None for one that
    comes with the product, "" where the file is gone."""
    checkpoint_hash: str = ""
    """Content hash of the checkpoint that gave the answers."""
    suite_hash: str = ""
    """Hash of the contents of the suite's items, whatever their ids."""
    decoding: str = ""
    """How the answers were drawn, with the prompt format, as canonical JSON."""

    def verdict(self, decided: Decided) -> GateVerdict:
        """What was decided, as this gate's verdict."""
        return GateVerdict(
            **{entry.name: getattr(self, entry.name) for entry in fields(VerdictKey)},
            **{entry.name: getattr(decided, entry.name) for entry in fields(Decided)},
        )


@dataclass(frozen=True, kw_only=True)
class Decided:
    """What a policy made of a measurement."""

    verdict: Verdict
    measured: float | None
    threshold: float
    n: int
    """Independent answers that it was decided on: of several answers an item so many as they are
    worth."""
    interval: Interval | None
    reason: str
    """The numbers and the rule, in words."""
    look: int = 1
    """Which look this was at the same weights and items, counted from 1: each further one is
    decided at a higher confidence, so that trying again does not promote by luck."""


@dataclass(frozen=True, kw_only=True)
class GateVerdict(VerdictKey, Decided):
    """One decision of one gate about one artifact; immutable, kept in the ledger."""

    def stale(self, key: VerdictKey) -> str | None:
        """Why this verdict does not answer for ``key``, which asks about the same gate and content;
        None where it does."""
        if self.scorer_version != key.scorer_version:
            return f"decided by scorer {self.scorer_version}, now {key.scorer_version}"
        if self.policy_hash != key.policy_hash:
            return "its policy changed"
        if key.against_hash is not None and self.against_hash != key.against_hash:
            return "it compared with another report"
        if key.suite_file is not None and self.suite_file != key.suite_file:
            return "the file of its suite changed"
        if key.checkpoint_hash and self.checkpoint_hash != key.checkpoint_hash:
            about = self.checkpoint_hash[:12] or "one that it does not name"
            return f"it is about checkpoint {about}, not about {key.checkpoint_hash[:12]}"
        if key.suite_hash and self.suite_hash != key.suite_hash:
            about = self.suite_hash[:12] or "unknown content"
            return f"it was decided on other items ({about}, now {key.suite_hash[:12]})"
        if key.decoding and self.decoding != key.decoding:
            return f"it was answered with {self.decoding or 'unknown decoding'}, the recipe says {key.decoding}"
        return None
