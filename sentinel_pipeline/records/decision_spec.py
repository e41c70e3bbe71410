"""Recipe sections about decision points: after a stage's report, which rule holds, and what it makes the orchestrator do.

A point is data: rules in order, the first that holds decides. What this module does not do: evaluate them (``gates.decisions``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..errors import did_you_mean
from .decode import Fault
from .report import Interval
from .stages import REPORT_STAGES

Action = Literal["continue", "investigate", "stop", "complete"]
GOING_ON: frozenset[Action] = frozenset({"continue", "complete"})
"""``investigate`` and ``stop`` refuse whatever depends on the report; ``complete`` says that the goal is reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRule:
    """Holds where ``metric`` lies beyond every bound that is named; a rule without bounds always holds."""

    action: Action
    why: str
    """What a person should think of; printed as it stands."""
    metric: Literal["pass_at_1", "syntax_rate", "gain"] = "pass_at_1"
    """``gain``: the paired difference in Pass@1 to the stage before."""
    above: float | None = None
    below: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionPoint:
    """One point of the tree: what is decided when the report of ``stage`` is there."""

    stage: str
    suite: str = "heldout"
    decide_on: Literal["interval", "point"] = "interval"
    """``interval``: a bound is passed only where the whole 95 % interval lies beyond it."""
    rules: tuple[DecisionRule, ...] = ()

    def check(self) -> None:
        if self.stage not in REPORT_STAGES:
            fix = did_you_mean(self.stage, REPORT_STAGES)
            raise Fault(f"unknown stage {self.stage!r}", "stage", fix)
        if not self.rules:
            raise Fault("has no rules", "rules", "Add [[decisions.rules]].")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a point decided about one report; immutable, kept in the ledger as the audit trail."""

    stage: str
    action: Action
    subject_hash: str
    """Content hash of the report that was read: the decision holds for this content and no other."""
    reason: str
    """The rule in words, with the numbers it was decided on."""
    metric: str | None
    measured: float | None
    interval: Interval | None
    n: int
    scorer_version: str
    point_hash: str
    """Hash of the point's rules; other rules make the decision stale."""
