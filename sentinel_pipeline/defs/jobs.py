"""Jobs, and the sensor that makes a partition of every recipe that can run here."""

from pathlib import Path

import dagster as dg

from ..errors import SentinelError
from ..records.stages import REPORT_STAGES, report_of
from ..store import Home, find_home
from .dead_runs import size_pool
from .stage import NIGHTLY_TAG, RECIPES

RELEASE = "release"
"""The group that no run of the loop makes: to release is a person's decision."""
_LOOP = dg.AssetSelection.all() - dg.AssetSelection.groups(RELEASE)
_CANDIDATES = dg.AssetSelection.groups("candidates", "critic", "mix")
_REPORTS = dg.AssetSelection.assets(*map(report_of, REPORT_STAGES), "comparison")

train_recipe = dg.define_asset_job(
    "train_recipe",
    selection=_LOOP,
    partitions_def=RECIPES,
    description="The whole loop of one recipe: baseline, candidates, critic, mix, its training stages, evaluation.",
)
build_mix = dg.define_asset_job(
    "build_mix",
    selection=dg.AssetSelection.assets("human_corrections", "task_bank", "reward_audit")
    | _CANDIDATES,
    partitions_def=RECIPES,
    description="From the human corrections and the task bank to the rebalanced mix; touches no device.",
)
evaluate_recipe = dg.define_asset_job(
    "evaluate_recipe",
    selection=_REPORTS,
    partitions_def=RECIPES,
    description="Answer and score every suite again with the current checkpoints, and compare.",
)
nightly = dg.define_asset_job(
    "nightly",
    selection=_LOOP,
    partitions_def=RECIPES,
    tags={NIGHTLY_TAG: "true"},
    description="The loop as the schedule launches it, one run for every recipe marked nightly.",
)
release_recipe = dg.define_asset_job(
    "release_recipe",
    selection=dg.AssetSelection.groups(RELEASE),
    partitions_def=RECIPES,
    description="Bundle the last tuned checkpoint, and record whether it may chat; refused without passing gates.",
)
JOBS = [train_recipe, build_mix, evaluate_recipe, nightly, release_recipe]


def was_run(home: Home, name: str) -> bool:
    """Whether a run of the recipe left something."""
    return any((home.runs / name).glob("*/current"))


def runs_here(home: Home, name: str) -> bool:
    """Whether its model is made on the spot, or lies in a folder of this machine; one of the hub is
    fetched only when somebody runs the recipe by name. A recipe whose file is invalid does not."""
    try:
        model = home.recipe(name).model
    except SentinelError:
        return False
    sources = [candidate.source for candidate in model.candidates] or [model.source]
    return all(
        source == "embedded" or (Path(source).expanduser() / "config.json").is_file()
        for source in sources
    )


@dg.sensor(
    name="recipe_files", minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING
)
def recipe_files(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Every recipe that this machine can run, or has run, is a partition; one that is gone keeps
    its history. The others get theirs by ``sentinel run RECIPE``, so that "Materialize all" never
    begins with weights that nobody meant to fetch."""
    home = find_home()
    size_pool(context.instance)
    partitions = set(context.instance.get_dynamic_partitions(str(RECIPES.name)))
    new = [
        name
        for name in home.recipe_names()
        if name not in partitions and (was_run(home, name) or runs_here(home, name))
    ]
    if not new:
        return dg.SkipReason("every recipe that can run here has its partition")
    return dg.SensorResult(dynamic_partitions_requests=[RECIPES.build_add_request(new)])
