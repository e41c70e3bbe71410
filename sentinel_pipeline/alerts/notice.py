"""What is worth telling: pure functions from what was seen to alerts, in plain words.

What this module does not do: read a database or Dagster (``defs.alerts`` does), or send anything.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from ..records import GateVerdict
from ..records.alert import Alert
from .rules import AlertRules

Outcome = Literal["passed", "failed", "warned", "skipped", "crashed", "missing"]
"""``warned``: did not pass, and does not count as an error (a smoke suite; an inconclusive gate).
``skipped``: it had nothing to ask, and says why. ``crashed``: its step ended without a result.
``missing``: its asset was made in a run that is over, and the check never ran."""


class CheckSeen(NamedTuple):
    """One asset check in one run, as Dagster's event log has it."""

    run_id: str
    recipe: str
    asset: str
    check: str
    outcome: Outcome
    description: str


class RunSeen(NamedTuple):
    run_id: str
    recipe: str
    job: str
    failed: bool
    hours: float
    """Since its start, or to its end."""
    why: str
    """The first failure."""
    failures: tuple[str, ...] = ()
    """Every failed step with what it said; where no step failed, what ended the run."""


class Night(NamedTuple):
    """The last verdict of one gate on one day."""

    day: dt.date
    verdict: GateVerdict


_OUTCOMES: dict[str, tuple[Literal["check_failed", "check_crashed", "check_missing"], str]] = {
    "failed": ("check_failed", "failed"),
    "crashed": ("check_crashed", "crashed: it gave no verdict"),
    "missing": ("check_missing", "never ran: no evidence is not a pass"),
}


def about_checks(rules: AlertRules, checks: Iterable[CheckSeen]) -> Iterator[Alert]:
    """Failed, crashed and missing checks, each once a run."""
    for check in checks:
        if check.outcome not in _OUTCOMES:
            continue
        kind, words = _OUTCOMES[check.outcome]
        if rules.of(kind, check.recipe):
            yield Alert(
                key=f"{kind}/{check.run_id}/{check.asset}/{check.check}",
                kind=kind,
                recipe=check.recipe,
                title=f"{check.recipe}: check {check.check} {words.partition(':')[0]}",
                body=f"{check.check} on {check.asset} of {check.recipe} {words}.\n{check.description}".rstrip(),
                link=f"{rules.link}/assets/{check.asset}?view=checks&partition={check.recipe}",
            )


def about_run(rules: AlertRules, run: RunSeen, max_hours: float | None) -> Iterator[Alert]:
    """A failed run, and a run that used up its recipe's budget."""
    link = f"{rules.link}/runs/{run.run_id}"
    if run.failed and rules.of("run_failed", run.recipe):
        yield Alert(
            key=f"run_failed/{run.run_id}",
            kind="run_failed",
            recipe=run.recipe,
            title=f"{run.recipe}: {run.job} failed",
            body=f"Run {run.run_id[:8]} of {run.recipe} failed after {run.hours:.2f} h.\n{run.why}".rstrip(),
            link=link,
        )
    if max_hours is not None and run.hours >= max_hours and rules.of("budget_reached", run.recipe):
        yield Alert(
            key=f"budget_reached/{run.run_id}",
            kind="budget_reached",
            recipe=run.recipe,
            title=f"{run.recipe}: budget reached",
            body=f"Run {run.run_id[:8]} has taken {run.hours:.2f} h of the {max_hours:g} h that budget.max_hours allows.",
            link=link,
        )


def about_nights(rules: AlertRules, recipe: str, nights: Sequence[Night]) -> Alert | None:
    """A gate that stayed inconclusive for so many nights in a row as its rule says; told once a
    streak.

    ``nights`` are one gate's, oldest first.
    """
    rule = rules.of("check_inconclusive", recipe)
    streak: list[Night] = []
    for night in reversed(nights):
        if night.verdict.verdict != "inconclusive":
            break
        streak.append(night)
    if rule is None or len(streak) < rule.nights:
        return None
    newest = streak[0].verdict
    first = streak[-1].day.isoformat()
    return Alert(
        key=f"check_inconclusive/{recipe}/{newest.name}/{first}",
        kind="check_inconclusive",
        recipe=recipe,
        title=f"{recipe}: {newest.name} inconclusive for {len(streak)} nights",
        body=f"{newest.name} on {newest.subject} has been inconclusive since {first}.\n{newest.reason}",
        link=f"{rules.link}/assets/{newest.subject.rpartition('/')[2]}?view=checks&partition={recipe}",
    )


def about_staleness(
    rules: AlertRules, recipe: str, stale: Sequence[str], version: str
) -> Alert | None:
    """Verdicts that no longer hold, all of a recipe's in one alert; ``version`` is what they are
    stale against."""
    if not stale or rules.of("check_stale", recipe) is None:
        return None
    return Alert(
        key=f"check_stale/{recipe}/{version}/{','.join(sorted(stale))}",
        kind="check_stale",
        recipe=recipe,
        title=f"{recipe}: {len(stale)} stale gate{'s' if len(stale) > 1 else ''}",
        body="Decided by another scorer or policy, so they hold no more: "
        + ", ".join(sorted(stale))
        + ". Rebuild the reports; stored answers are scored again without generation.",
        link=f"{rules.link}/assets",
    )


def about_queue(rules: AlertRules, pending: int, day: dt.date) -> Alert | None:
    """A review queue that is too long; told once a day."""
    rule = rules.of("review_queue", "review")
    if rule is None or pending <= rule.pending:
        return None
    return Alert(
        key=f"review_queue/{day.isoformat()}",
        kind="review_queue",
        recipe="review",
        title=f"{pending} cards wait for review",
        body=f"{pending} failures wait for a person; the rule says at most {rule.pending}. Start: sentinel review serve.",
        link=rules.link,
    )
