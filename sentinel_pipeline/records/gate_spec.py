"""Recipe sections about measurement: what is answered, and the gates that judge it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchSpec:
    suites: tuple[str, ...] = ("heldout", "smoke")
    max_new_tokens: int = 128
    batch_size: int = 64
    temperature: float = 0.0
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePolicy:
    """A gate's policy: ``metric`` of the ``suite`` against ``threshold``, decided on the interval or on the point."""

    metric: Literal["pass_at_1", "syntax_rate"]
    threshold: float
    stage: str = "sft"
    """Whose report is judged: ``base``, ``sft`` …"""
    suite: str = "heldout"
    direction: Literal["at_least", "at_most"] = "at_least"
    decide_on: Literal["interval", "point"] = "interval"
    """``interval``: the whole confidence interval must clear the threshold; between the two the gate is inconclusive."""
    confidence: float = 0.95
    max_infra_share: float = 0.02
    """More infrastructure outcomes than this and the report is void: the gate is inconclusive."""
    severity: Literal["block", "warn"] = "block"
    """``warn``: shown, never a reason to refuse (a smoke suite of 8 tasks decides nothing, see the README)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """The recipe's gates, one field each; defaults are the seeds' thresholds."""

    capability_gap: GatePolicy = GatePolicy(metric="pass_at_1", stage="base", threshold=0.30, direction="at_most")
    """Seeds 001 and 003: never train what the base model can do already."""
    pass_at_1: GatePolicy = GatePolicy(metric="pass_at_1", threshold=0.40)
    """Seed 000: at least 40 % Pass@1."""
    syntax_rate: GatePolicy = GatePolicy(metric="syntax_rate", threshold=0.95)
    """Seed 000: at least 95 % syntax rate."""
    smoke_pass_at_1: GatePolicy = GatePolicy(metric="pass_at_1", suite="smoke", threshold=0.40, severity="warn")
    """Eight tasks: a quick look, never a promotion."""
    dpo_pass_at_1: GatePolicy = GatePolicy(metric="pass_at_1", stage="dpo", threshold=0.40)
    """The same, of what is optimised further: a preference loss can fall while the task is forgotten."""
    dpo_syntax_rate: GatePolicy = GatePolicy(metric="syntax_rate", stage="dpo", threshold=0.95)
