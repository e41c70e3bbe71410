"""Licences: a scorer that failed its audit, or never sat it in this version, may not gate, filter
or reward.

A licence is a verdict of the gate ``scorer_licence`` in the ledger about one version of a scorer: a
changed scorer has none. What this module does not do: examine (``audit`` does).
"""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import GateRefused
from ..gates.statistics import wilson
from ..records import Decided, GateVerdict, VerdictKey
from ..records.verdict import Verdict
from ..store import Ledger
from .exam import MIN_GOLD, ScorerAudit

GATE = "scorer_licence"


def record_licences(
    ledger: Ledger, audits: Iterable[ScorerAudit], *, exam: str, recipe: str, run_id: str
) -> list[GateVerdict]:
    """Write each scorer's verdict to the ledger; ``exam`` says which questions were asked (a
    hash)."""
    verdicts = [_verdict(audited, exam) for audited in audits]
    for verdict in verdicts:
        ledger.record(verdict, recipe=recipe, run_id=run_id)
    return verdicts


def _verdict(audit: ScorerAudit, exam: str) -> GateVerdict:
    counts = f"{audit.n_gold} gold answers, {audit.n_bad} known-bad ones, {audit.rounds} rounds"
    verdict: Verdict = "inconclusive"
    interval = None
    if audit.gold is not None:
        interval = wilson(round(audit.gold * audit.n_gold), audit.n_gold)
        if audit.n_bad > 0:
            verdict = "fail"
    if audit.licensed:
        verdict = "pass"
    key = VerdictKey(
        name=GATE,
        subject=audit.name,
        subject_hash=_subject(audit.name, audit.version),
        scorer_version=audit.version,
        policy_hash=exam,
    )
    return key.verdict(
        Decided(
            verdict=verdict,
            measured=audit.gold,
            threshold=MIN_GOLD,
            n=audit.n_gold,
            interval=interval,
            reason=f"{audit.refusal or 'licensed'} ({counts})",
        )
    )


def _subject(name: str, version: str) -> str:
    return f"{name}@{version}"


def refusal(ledger: Ledger, scorers: Iterable[str], version: str) -> str | None:
    """Why these scorers, at this version, may not be used; None when each holds a licence."""
    for name in scorers:
        verdict = ledger.latest(GATE, _subject(name, version))
        if verdict is None:
            return f"scorer {name} {version} was never audited: run sentinel audit, or materialize reward_audit."
        if verdict.verdict != "pass":
            return f"scorer {name} {version} failed its audit: {verdict.reason}."
    return None


def require_licences(ledger: Ledger, scorers: Iterable[str], version: str) -> None:
    """Go on only with licensed scorers.

    Raises:
        GateRefused: one has no licence; says which and why.
    """
    if reason := refusal(ledger, scorers, version):
        raise GateRefused(reason)
