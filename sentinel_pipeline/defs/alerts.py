"""The sensor that notices what a person should be told, and delivers it.

A failed check leaves its run green where it does not block, and one that raises leaves only its
plan in the event log: so the sensor reads each run's own log, of runs that go on too, and counts a
planned check without a result as crashed or missing. Alerts are kept in the outbox by key, so that
noticing twice tells once.
"""

import datetime as dt
import os
import time
from collections.abc import Iterator

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

from ..alerts.deliver import deliver
from ..alerts.notice import (
    Night,
    about_checks,
    about_nights,
    about_queue,
    about_run,
    about_staleness,
)
from ..alerts.rules import AlertRules, load_rules
from ..audit.staleness import why_stale
from ..errors import SentinelError
from ..records.alert import Alert
from ..store import Home, Ledger, Outbox, Store, find_home
from .checks import REPORT_GATES, gates_of
from .review import open_review_queue
from .runs import RunLog, run_seen
from .stage import current_scorer_version

OVERLAP_S = 120.0
"""A run that ended while the last tick read is read again; its alerts have their keys already."""


@dg.sensor(
    name="alerts", minimum_interval_seconds=10, default_status=dg.DefaultSensorStatus.RUNNING
)
def alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Tells people, by the rules of ``data/alerts.toml``, of failed, crashed, missing, stale and
    long inconclusive checks, failed runs and used-up budgets; retries every delivery until it went
    out."""
    home = find_home()
    rules = load_rules(home.alert_rules)
    outbox = Outbox(home.outbox)
    started = time.time()
    since = (
        min(float(context.cursor), started) if context.cursor else started - 86_400
    )  # the clock may have been set back
    new = sum(
        _keep(outbox, rules, alert) for alert in noticed(context.instance, home, rules, since)
    )
    sent, failed = deliver(outbox, rules)
    context.update_cursor(str(started - OVERLAP_S))
    return dg.SkipReason(f"{new} new alerts, {sent} delivered, {failed} to be tried again")


def _keep(outbox: Outbox, rules: AlertRules, alert: Alert) -> bool:
    rule = next(rule for rule in rules.rules if rule.on == alert.kind)
    return outbox.add(alert, rules.reachable(rule), time.time())


def noticed(
    instance: dg.DagsterInstance, home: Home, rules: AlertRules, since: float
) -> Iterator[Alert]:
    """Everything worth telling about runs that changed after ``since`` (seconds since 1970), and
    about the ledger."""
    for record in _runs(instance, since):
        recipe = record.dagster_run.tags.get("dagster/partition")
        if recipe is not None:
            log = RunLog(instance, record.dagster_run, recipe)
            yield from about_checks(rules, log.checks())
            yield from about_run(rules, run_seen(record, log), _max_hours(home, recipe))
    for recipe in home.recipe_names():
        yield from _ledger(home, rules, recipe)
    queue = about_queue(rules, _pending(home), dt.datetime.now(dt.UTC).date())
    if queue:
        yield queue


def _pending(home: Home) -> int:
    """Cards that wait for a person; 0 where nobody has a queue."""
    if not home.review.exists() and not os.environ.get("SENTINEL_DATABASE_URL"):
        return 0
    from ..review.summary import summary

    with open_review_queue(home) as desk:
        return summary(desk).statuses.get("needs_review", 0)


def _runs(instance: dg.DagsterInstance, since: float) -> Iterator[dg.RunRecord]:
    changed = RunsFilter(updated_after=dt.datetime.fromtimestamp(since, dt.UTC))
    going = RunsFilter(statuses=[DagsterRunStatus.STARTED])
    run_ids: set[str] = set()
    for run_filter in (changed, going):
        for record in instance.get_run_records(run_filter, limit=200):
            if record.dagster_run.run_id not in run_ids:
                run_ids.add(record.dagster_run.run_id)
                yield record


def _max_hours(home: Home, recipe: str) -> float | None:
    """The recipe's budget; None where it has none, or is no valid recipe any more."""
    try:
        return home.recipe(recipe).budget.max_hours
    except SentinelError:
        return None


def _ledger(home: Home, rules: AlertRules, recipe: str) -> Iterator[Alert]:
    ledger = Ledger(home.ledger)
    for nights in ledger.nights(recipe).values():
        alert = about_nights(rules, recipe, [Night(*night) for night in nights])
        if alert:
            yield alert
    version = current_scorer_version()
    alert = about_staleness(rules, recipe, sorted(_stale(home, ledger, recipe)), version)
    if alert:
        yield alert


def _stale(home: Home, ledger: Ledger, name: str) -> Iterator[str]:
    """Gates of the recipe's current reports whose verdict was decided by another scorer or
    policy."""
    try:
        recipe = home.recipe(name)
    except SentinelError:
        return
    store = Store.reading(home, name)
    for asset in REPORT_GATES:
        report = store.find(asset)
        for gate in gates_of(recipe, asset) if report else ():
            verdict = ledger.latest(gate, report.hash) if report else None
            if report is None or verdict is None:
                continue
            # The same answer as sentinel gate list. Which report it was compared with is not asked:
            # a loop that is under way has rebuilt that one and not yet this.
            if why_stale(home, verdict, recipe):
                yield gate
