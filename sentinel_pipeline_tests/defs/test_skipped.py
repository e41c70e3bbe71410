"""A stage that its recipe does not use, launched all the same: it waits for nothing, holds nothing,
and says why."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import pytest

from sentinel_pipeline.definitions import defs
from sentinel_pipeline.defs.runs import check_skipped
from sentinel_pipeline.defs.stage import RECIPES, rounded
from sentinel_pipeline.store import Home, Store, skipped_reason

ASSETS = ("preference_pairs", "dpo_checkpoint", "dpo_report", "grpo_checkpoint", "grpo_report")
REASON = "the recipe's stages are sft, without "


@pytest.fixture
def result(home: Home) -> Iterator[dg.ExecuteInProcessResult]:
    """Nothing was made before: no task bank, no mix, no base model, no verdict."""
    (home.recipes / "mine.toml").write_text('stages = ["sft"]\n')
    with dg.instance_for_test(temp_dir=str(home.state)) as instance:
        instance.add_dynamic_partitions(str(RECIPES.name), ["mine"])
        yield defs.resolve_job_def("train_recipe").execute_in_process(
            instance=instance,
            partition_key="mine",
            asset_selection=[dg.AssetKey(name) for name in ASSETS],
            raise_on_error=False,
        )


def test_unused_stages_are_skipped_with_the_reason_and_their_checks_say_so(
    home: Home, result: dg.ExecuteInProcessResult
) -> None:
    assert result.success
    store = Store.reading(home, "mine")
    reasons = {name: skipped_reason(store.get(name)) for name in ASSETS}
    assert reasons == {
        name: REASON + ("grpo" if name.startswith("grpo") else "dpo") for name in ASSETS
    }
    assert result.get_asset_check_evaluations() == [], "what asked nothing is not green"
    skipped = [
        check_skipped(event)
        for event in result.all_events
        if event.event_type == dg.DagsterEventType.ASSET_OBSERVATION
    ]
    reasons = {f"{check.asset}.{check.check}": check.reason for check in skipped if check}
    assert {
        "preference_pairs.no_pair_from_a_benchmark",
        "dpo_checkpoint.export_parity",
        "dpo_report.dpo_pass_at_1",
        "grpo_checkpoint.eval_reward",
        "grpo_checkpoint.watch_rules",
        "grpo_report.recipe_gates",
        "grpo_report.next_step",
    } <= set(reasons)
    assert all(reasons.values()), "each says why"


def test_a_page_begins_with_a_sentence_and_ends_with_files_and_costs(
    result: dg.ExecuteInProcessResult,
) -> None:
    events = [
        event
        for event in result.all_events
        if event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION
    ]
    assert len(events) == len(ASSETS)
    for event in events:
        metadata = event.materialization.metadata
        names = list(metadata)
        assert names[0] == "headline"
        assert str(metadata["headline"].value).startswith(f"Skipped: {REASON}")
        assert names.index("folder") < names.index("files") < names.index("content_hash")
        assert names.index("content_hash") < names.index("costs"), "what it took comes last"
        wall = metadata["wall_s"].value
        assert isinstance(wall, float) and wall == round(wall, 1)


def test_numbers_of_a_page_are_rounded_and_its_first_words_are_its_numbers() -> None:
    assert (rounded(0.123456), rounded(1234567.0), rounded(7), rounded("a")) == (
        0.1235,
        1235000.0,
        7,
        "a",
    )
