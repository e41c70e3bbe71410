"""A stage that its recipe does not use, launched all the same: it waits for nothing, holds nothing,
and says why."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import pytest

from sentinel_pipeline.definitions import defs
from sentinel_pipeline.defs.stage import RECIPES
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
    checks = {
        f"{check.asset_key.to_user_string()}.{check.check_name}": check
        for check in result.get_asset_check_evaluations()
    }
    assert {
        "preference_pairs.no_pair_from_a_benchmark",
        "dpo_checkpoint.export_parity",
        "dpo_report.dpo_pass_at_1",
        "grpo_checkpoint.eval_reward",
        "grpo_checkpoint.watch_rules",
        "grpo_report.recipe_gates",
    } <= set(checks)
    measured = [name for name in checks if not name.endswith(".next_step")]
    assert all(str(checks[name].description).startswith("skipped: ") for name in measured)
