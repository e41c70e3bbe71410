"""The night: a schedule that starts every nightly recipe once; ``digest`` writes what came of it.

A recipe whose run still goes on is not started again. One whose last run was killed (by a crash, a
power cut, a full disk) goes on from what that run finished; one that a gate refused, or whose file
changed, starts anew. A run never exceeds the hours that its recipe's budget allows:
Dagster's run monitoring ends it there.
"""

import datetime as dt
import math
import os
from collections.abc import Iterator

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

from ..errors import EXIT_BAD_INPUT, EXIT_GATE
from ..records.recipe import Recipe
from ..store import Home, Store, find_home
from .jobs import nightly
from .runs import RunLog, newest_run, selected_assets, unfinished
from .stage import LOOP_TAG, RECIPES

NIGHT_TAG = "sentinel/night"
MAX_RESUMES = 3
ZONE = os.environ.get("SENTINEL_TIMEZONE", "UTC")
AT_TWO = dt.time(2)
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
def nightly_at_two(
    context: dg.ScheduleEvaluationContext,
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """At two, one run for every recipe with ``nightly = true``; time zone from
    ``SENTINEL_TIMEZONE``, else UTC.

    A recipe whose file is invalid is skipped, and the digest says why."""
    home = find_home()
    night = context.scheduled_execution_time.date()
    recipes = {name: recipe for name, recipe in home.every_recipe().valid.items() if recipe.nightly}
    names = list(recipes)
    context.instance.add_dynamic_partitions(str(RECIPES.name), names)
    if not names:
        yield dg.SkipReason("no recipe says nightly = true")
    waiting = [name for name in names if in_progress(context.instance, name)]
    for name in names:
        if name not in waiting:
            yield tonight(context, home, recipes[name], night)
    if names and names == waiting:
        yield dg.SkipReason(f"still in progress: {', '.join(waiting)}")


def in_progress(instance: dg.DagsterInstance, recipe: str) -> bool:
    newest_run(instance, recipe)
    return bool(
        instance.get_runs(RunsFilter(tags={"dagster/partition": recipe}, statuses=_ACTIVE), limit=1)
    )


def tonight(
    context: dg.ScheduleEvaluationContext, home: Home, recipe: Recipe, night: dt.date
) -> dg.RunRequest:
    """The night's run of one recipe: the rest of a killed loop, else the whole."""
    tags = {NIGHT_TAG: night.isoformat()}
    allowed = recipe.budget.hours_allowed
    if allowed is not None:
        tags["dagster/max_runtime"] = str(math.ceil(allowed * 3600))
    names = selected_assets(context.repository_def, recipe)
    loop = killed_loop(context.instance, home, recipe)
    if loop is not None:
        names = unfinished(context.repository_def, recipe.name, loop, names)
        tags[LOOP_TAG] = loop
    return dg.RunRequest(
        run_key=f"{recipe.name}-{night.isoformat()}",
        partition_key=recipe.name,
        tags=tags,
        asset_selection=[dg.AssetKey(name) for name in names],
    )


def killed_loop(instance: dg.DagsterInstance, home: Home, recipe: Recipe) -> str | None:
    """The loop that the recipe's newest run left unfinished through no fault of a gate, a person or
    the recipe's file.

    None too when that loop made nothing yet, was made by another version of the file, or died
    ``MAX_RESUMES`` times already.
    """
    run = newest_run(instance, recipe.name)
    if run is None or run.status not in (DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED):
        return None
    if {EXIT_BAD_INPUT, EXIT_GATE} & RunLog(instance, run, recipe.name).codes:
        return None
    loop = run.tags.get(LOOP_TAG, run.run_id)
    tried = len(instance.get_runs(RunsFilter(tags={LOOP_TAG: loop})))
    store = Store(home, recipe.name, run_id=run.run_id, loop_id=loop)
    artifacts = [
        artifact
        for asset in store.assets()
        for artifact in store.history(asset)
        if artifact.manifest.loop_id == loop
    ]
    whole = artifacts and all(
        artifact.manifest.recipe_hash == recipe.sha256() for artifact in artifacts
    )
    return loop if whole and tried <= MAX_RESUMES else None
