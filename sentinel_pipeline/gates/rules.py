"""The one engine of rules over what a run has recorded so far: which rules hold, and whether the
run goes on.

A rule is a name, an action and a test of a series. The series is the windows of a run
(``window_rules``: the step gate, the stop rules) or its curves (``curve_rules``: a recipe's watch
rules). What this module does not do: act, keep state or read files; the same series always gives
the same findings, so that a resumed run decides as the killed one did.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, NamedTuple, TypeVar

Series = TypeVar("Series")


class RuleHit(NamedTuple):
    """What made a test hold."""

    step: int
    metric: str
    saw: float
    """The value that decided."""
    text: str
    """The numbers in words."""


@dataclass(frozen=True, slots=True)
class Rule(Generic[Series]):
    """One rule; ``stop`` ends the run, ``warn`` is written down and shown."""

    name: str
    action: Literal["stop", "warn"]
    test: Callable[[Series], RuleHit | None]
    because: str = ""
    """What it means and what to do, for people."""


class Finding(NamedTuple):
    """A rule that holds: ``saw`` is the value that decided, ``reason`` a sentence with the numbers
    and the remedy."""

    rule: str
    action: str
    step: int
    metric: str
    saw: float
    reason: str


def findings(rules: Sequence[Rule[Series]], series: Series) -> list[Finding]:
    """The rules that hold at the end of ``series``, in their order."""
    holding = []
    for rule in rules:
        hit = rule.test(series)
        if hit is not None:
            reason = f"{rule.name}: {hit.text}"
            if rule.because:
                reason += f". {rule.because}"
            holding.append(Finding(rule.name, rule.action, hit.step, hit.metric, hit.saw, reason))
    return holding


def stop_reason(rules: Sequence[Rule[Series]], series: Series) -> str | None:
    """Why the run should stop at the end of ``series``: the first rule that says so; None to go
    on."""
    return next(
        (finding.reason for finding in findings(rules, series) if finding.action == "stop"), None
    )
