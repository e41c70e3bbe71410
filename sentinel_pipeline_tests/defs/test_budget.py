"""The budget inside a run: an optional stage is skipped with the numbers and is never a pass, and a
resumed run with more of it does what was skipped."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import pytest
from dagster import DagsterRunStatus
from dagster._core.test_utils import create_run_for_test

from sentinel_pipeline.costs import loop_hours
from sentinel_pipeline.definitions import defs
from sentinel_pipeline.defs.runs import check_skipped, last_loop, selected_assets, unfinished
from sentinel_pipeline.defs.stage import LOOP_TAG, MAX_HOURS_TAG, RECIPES, budget_of
from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.phases import is_for_budget
from sentinel_pipeline.records.training_spec import Budget
from sentinel_pipeline.store import Home, Store, skipped_reason
from sentinel_pipeline.store.launched import freeze, keep_expected

ASSETS = ("preference_pairs", "dpo_checkpoint", "dpo_report")
LOOP = "11111111-1111-1111-1111-111111111111"
COST = '{"wall_s": 9.0, "device_s": 7200.0, "tokens": 5, "attempts": 1}'


@pytest.fixture
def instance(home: Home) -> Iterator[dg.DagsterInstance]:
    """A loop that has spent two hours on the base model's report."""
    (home.recipes / "mine.toml").write_text('[budget]\nmax_hours = 3.0\noptional = ["dpo"]\n')
    store = Store(home, "mine", LOOP, LOOP)
    with store.writing("base_report", recipe_hash="h", seed=1) as out:
        (out.folder / "logs").mkdir()
        (out.folder / "logs" / "cost.json").write_text(COST)
    with dg.instance_for_test(temp_dir=str(home.state)) as instance:
        instance.add_dynamic_partitions(str(RECIPES.name), ["mine"])
        yield instance


def run(instance: dg.DagsterInstance, **tags: str) -> dg.ExecuteInProcessResult:
    return defs.resolve_job_def("train_recipe").execute_in_process(
        instance=instance,
        partition_key="mine",
        asset_selection=[dg.AssetKey(name) for name in ASSETS],
        tags={LOOP_TAG: LOOP, **tags},
        raise_on_error=False,
    )


def test_an_optional_stage_that_does_not_fit_is_skipped_whole_and_passes_nothing(
    home: Home, instance: dg.DagsterInstance
) -> None:
    keep_expected(home, LOOP, {"preference_pairs": 0.25, "dpo_checkpoint": 1.0})
    result = run(instance)
    assert result.success
    store = Store.reading(home, "mine")
    reasons = {name: skipped_reason(store.get(name)) or "" for name in ASSETS}
    assert all(map(is_for_budget, reasons.values()))
    assert "3 h allowed, 2.000 h spent and expected without it" in reasons["dpo_checkpoint"]
    assert result.get_asset_check_evaluations() == []
    skipped = [
        check_skipped(event)
        for event in result.all_events
        if event.event_type == dg.DagsterEventType.ASSET_OBSERVATION
    ]
    gates = {check.check: check.reason for check in skipped if check}
    assert is_for_budget(gates["dpo_pass_at_1"]) and is_for_budget(gates["next_step"])
    left = unfinished(defs.get_repository_def(), "mine", LOOP, ASSETS)
    assert left == list(ASSETS), "a resumed run does what was skipped"


def test_with_a_higher_limit_of_the_command_the_stage_is_begun(
    home: Home, instance: dg.DagsterInstance
) -> None:
    keep_expected(home, LOOP, {"preference_pairs": 0.25, "dpo_checkpoint": 1.0})
    result = run(instance, **{MAX_HOURS_TAG: "3.5"})
    assert not result.success, "there is no checkpoint to start from: it was really begun"
    assert Store.reading(home, "mine").find("dpo_checkpoint") is None


def test_a_loop_s_hours_are_those_of_all_that_it_made(
    home: Home, instance: dg.DagsterInstance
) -> None:
    assert loop_hours(Store(home, "mine", "other", LOOP)) == 2.0
    assert loop_hours(Store(home, "mine", "other", "other")) == 0.0


def test_the_limits_of_a_run_take_the_place_of_the_recipe_s() -> None:
    tagged = dg.DagsterRun(job_name="j", tags={MAX_HOURS_TAG: "2.5", "sentinel/max_cost": ""})
    budget = Budget(hourly_rate=2.0, max_hours=9.0, max_cost=2.0)
    assert budget_of(tagged, budget).hours_allowed == 2.5
    assert budget_of(dg.DagsterRun(job_name="j"), budget).hours_allowed == 1.0


def test_a_run_that_ended_where_it_was_told_to_can_be_gone_on_with(
    home: Home, instance: dg.DagsterInstance
) -> None:
    tags = {"dagster/partition": "mine", LOOP_TAG: LOOP}
    with pytest.raises(BadInput, match="nothing to resume: mine has no run"):
        last_loop(instance, "mine")
    create_run_for_test(
        instance, job_name="train_recipe", status=DagsterRunStatus.SUCCESS, tags=tags
    )
    assert last_loop(instance, "mine") == LOOP
    recipe = freeze(home, "mine", LOOP)
    names = selected_assets(defs.get_repository_def(), recipe)
    left = unfinished(defs.get_repository_def(), "mine", LOOP, names)
    assert "sft_checkpoint" in left and "dpo_report" in left
