"""Jobs, the nightly schedule, and the sensor that makes a partition of every recipe file."""

import os
from collections.abc import Iterator

import dagster as dg

from ..bench.compare import STAGES
from ..store import find_home
from .stage import NIGHTLY_TAG, RECIPES

_CANDIDATES = dg.AssetSelection.groups("candidates", "critic", "mix")
_REPORTS = dg.AssetSelection.assets(*(f"{stage}_report" for stage in STAGES), "comparison")

train_recipe = dg.define_asset_job(
    "train_recipe",
    selection=dg.AssetSelection.all(),
    partitions_def=RECIPES,
    description="The whole loop of one recipe: baseline, candidates, critic, mix, training, evaluation.",
)
build_mix = dg.define_asset_job(
    "build_mix",
    selection=dg.AssetSelection.assets("task_bank") | _CANDIDATES,
    partitions_def=RECIPES,
    description="From the task bank to the rebalanced mix; touches no device.",
)
evaluate_recipe = dg.define_asset_job(
    "evaluate_recipe",
    selection=_REPORTS,
    partitions_def=RECIPES,
    description="Answer and score every suite again with the current checkpoints, and compare.",
)
nightly = dg.define_asset_job(
    "nightly",
    selection=dg.AssetSelection.all(),
    partitions_def=RECIPES,
    tags={NIGHTLY_TAG: "true"},
    description="The loop as the schedule launches it, one run for every recipe marked nightly.",
)
JOBS = [train_recipe, build_mix, evaluate_recipe, nightly]


@dg.schedule(
    name="nightly_at_two",
    job=nightly,
    cron_schedule="0 2 * * *",
    execution_timezone=os.environ.get("SENTINEL_TIMEZONE", "UTC"),
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def nightly_at_two(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """At two, one run for every recipe with ``nightly = true``; time zone from ``SENTINEL_TIMEZONE``, else UTC."""
    home = find_home()
    names = [name for name in home.recipe_names() if home.recipe(name).nightly]
    context.instance.add_dynamic_partitions(str(RECIPES.name), names)
    if not names:
        yield dg.SkipReason("no recipe says nightly = true")
    day = context.scheduled_execution_time.date().isoformat()
    for name in names:
        yield dg.RunRequest(run_key=f"{name}-{day}", partition_key=name)


@dg.sensor(name="recipe_files", minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING)
def recipe_files(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Every TOML file under ``data/recipes`` is a partition; one that is gone keeps its history."""
    known = set(context.instance.get_dynamic_partitions(str(RECIPES.name)))
    new = [name for name in find_home().recipe_names() if name not in known]
    if not new:
        return dg.SkipReason("every recipe file has its partition")
    return dg.SensorResult(dynamic_partitions_requests=[RECIPES.build_add_request(new)])
