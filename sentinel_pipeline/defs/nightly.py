"""The night: a schedule that starts every nightly recipe once, and a sensor that writes the digest when all are over.

A recipe whose run still goes on is not started again. One whose last run was killed (by a crash, a power cut, a full disk)
goes on from what that run finished; one that a gate refused, or whose file changed, starts anew. A run never exceeds its
recipe's ``budget.max_hours``: Dagster's run monitoring ends it there.
"""

import datetime as dt
import math
import os
import time
from collections.abc import Iterator

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

from ..alerts.digest import Digest, build_digest, digest_markdown
from ..alerts.rules import load_rules
from ..errors import EXIT_BAD_INPUT, EXIT_GATE
from ..records.alert import Alert
from ..records.recipe import Recipe
from ..store import Home, Outbox, Store, atomic_write, find_home, write_json
from .alerts import RunLog, run_seen
from .jobs import nightly
from .run import newest_run, stages, unfinished
from .stage import LOOP_TAG, RECIPES

NIGHT_TAG = "sentinel/night"
MAX_RESUMES = 3
ZONE = os.environ.get("SENTINEL_TIMEZONE", "UTC")
_ACTIVE = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]


@dg.schedule(
    name="nightly_at_two",
    job=nightly,
    cron_schedule="0 2 * * *",
    execution_timezone=ZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def nightly_at_two(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """At two, one run for every recipe with ``nightly = true``; time zone from ``SENTINEL_TIMEZONE``, else UTC."""
    home, night = find_home(), context.scheduled_execution_time.date()
    names = [name for name in home.recipe_names() if home.recipe(name).nightly]
    context.instance.add_dynamic_partitions(str(RECIPES.name), names)
    if not names:
        yield dg.SkipReason("no recipe says nightly = true")
    waiting = [name for name in names if in_progress(context.instance, name)]
    for name in names:
        if name not in waiting:
            yield tonight(context, home, home.recipe(name), night)
    if names and names == waiting:
        yield dg.SkipReason(f"still in progress: {', '.join(waiting)}")


def in_progress(instance: dg.DagsterInstance, recipe: str) -> bool:
    newest_run(instance, recipe)
    return bool(instance.get_runs(RunsFilter(tags={"dagster/partition": recipe}, statuses=_ACTIVE), limit=1))


def tonight(context: dg.ScheduleEvaluationContext, home: Home, recipe: Recipe, night: dt.date) -> dg.RunRequest:
    """The night's run of one recipe: the rest of a killed loop, else the whole."""
    tags = {NIGHT_TAG: night.isoformat()}
    if recipe.budget.max_hours is not None:
        tags["dagster/max_runtime"] = str(math.ceil(recipe.budget.max_hours * 3600))
    loop, selection = killed_loop(context.instance, home, recipe), None
    if loop is not None:
        left = unfinished(recipe.name, loop, stages(context.repository_def, None))
        selection, tags[LOOP_TAG] = [dg.AssetKey(name) for name in left], loop
    return dg.RunRequest(
        run_key=f"{recipe.name}-{night.isoformat()}", partition_key=recipe.name, tags=tags, asset_selection=selection
    )


def killed_loop(instance: dg.DagsterInstance, home: Home, recipe: Recipe) -> str | None:
    """The loop that the recipe's newest run left unfinished through no fault of a gate, a person or the recipe's file.

    None too when that loop made nothing yet, was made by another version of the file, or died ``MAX_RESUMES`` times already.
    """
    run = newest_run(instance, recipe.name)
    if run is None or run.status not in (DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED):
        return None
    if {EXIT_BAD_INPUT, EXIT_GATE} & RunLog(instance, run, recipe.name).codes:
        return None
    loop = run.tags.get(LOOP_TAG, run.run_id)
    tried = len(instance.get_runs(RunsFilter(tags={LOOP_TAG: loop})))
    store = Store(home, recipe.name, run_id=run.run_id, loop_id=loop)
    made = [one for asset in store.assets() for one in store.history(asset) if one.manifest.loop_id == loop]
    whole = made and all(one.manifest.recipe_hash == recipe.sha256() for one in made)
    return loop if whole and tried <= MAX_RESUMES else None


@dg.sensor(name="nightly_digest", minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING)
def nightly_digest(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Once every run of a night is over: one page under ``data/state/digests``, told as the alert ``digest``."""
    home = find_home()
    records = context.instance.get_run_records(RunsFilter(job_name=nightly.name), limit=200)
    nights = sorted({record.dagster_run.tags.get(NIGHT_TAG, "") for record in records} - {""})
    if not nights:
        return dg.SkipReason("no night yet")
    night = nights[-1]
    mine = [record for record in records if record.dagster_run.tags.get(NIGHT_TAG) == night]
    going = [record for record in mine if not record.dagster_run.is_finished]
    path = home.digests / f"{night}.md"
    if going or path.exists():
        return dg.SkipReason(f"{len(going)} runs of {night} still go on" if going else f"{path.name} is written")
    digest = _digest(context.instance, home, dt.date.fromisoformat(night), mine)
    write_json(path.with_suffix(".json"), digest.to_json())
    with atomic_write(path) as stream:
        stream.write(digest_markdown(digest))
    _tell(home, digest)
    return dg.SkipReason(f"wrote {path.name}")


def _digest(instance: dg.DagsterInstance, home: Home, night: dt.date, records: list[dg.RunRecord]) -> Digest:
    seen = []
    money = {}
    for record in sorted(records, key=lambda record: record.create_timestamp):
        run = record.dagster_run
        one = run_seen(record, RunLog(instance, run, run.tags["dagster/partition"]))
        seen.append(one)
        budget = home.recipe(one.recipe).budget if one.recipe in home.recipe_names() else None
        if budget and budget.hourly_rate:
            money[one.run_id] = f"{one.hours * budget.hourly_rate:.2f} {budget.currency}"
    ran = {one.recipe for one in seen}
    idle = [name for name in home.recipe_names() if name not in ran and home.recipe(name).nightly]
    return build_digest(home, night, seen, money, idle)


def _tell(home: Home, digest: Digest) -> None:
    rules = load_rules(home.alert_rules)
    rule = rules.of("digest", "nightly")
    if rule is None:
        return
    needs = f"{len(digest.needs)} things need a person" if digest.needs else "nothing needs a person"
    alert = Alert(
        key=f"digest/{digest.night.isoformat()}",
        kind="digest",
        recipe="nightly",
        title=f"Night of {digest.night.isoformat()}: {needs}",
        body=digest_markdown(digest),
        link=f"{rules.link}/runs",
    )
    Outbox(home.outbox).add(alert, rules.reachable(rule), time.time())
