"""The graph as reviewers see it: a changed asset, dependency, check, job or schedule changes the
snapshot."""

from __future__ import annotations

import json
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import dagster as dg
import pytest

from sentinel_pipeline.costs import DEVICE_ASSETS
from sentinel_pipeline.definitions import defs
from sentinel_pipeline.defs.runs import selected_assets
from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.records.recipe import Recipe
from sentinel_pipeline.records.stages import STAGE_NAMES, default_gates
from sentinel_pipeline_tests.conftest import ROOT
from sentinel_pipeline_tests.defs.drawing import GROUPS, drawing

SNAPSHOT = Path(__file__).with_name("lineage.json")
PICTURE = ROOT / "docs" / "images" / "graph.svg"


def _partitions(definition: dg.PartitionsDefinition[str] | None) -> str | None:
    if definition is None:
        return None
    assert isinstance(definition, dg.DynamicPartitionsDefinition)
    return definition.name


def lineage() -> dict[str, object]:
    repository = defs.get_repository_def()
    graph = repository.asset_graph
    assets = {}
    for key in sorted(graph.get_all_asset_keys(), key=str):
        node = graph.get(key)
        checks = sorted(graph.get_check_keys_for_assets({key}), key=lambda check: check.name)
        assets[key.to_user_string()] = {
            "group": node.group_name,
            "deps": sorted(parent.to_user_string() for parent in node.parent_keys),
            "checks": {
                check.name: "blocking" if graph.get(check).blocking else "shown" for check in checks
            },
            "kinds": sorted(node.kinds),
            "partitions": _partitions(node.partitions_def),
            "pools": sorted(node.pools or ()),
        }
    jobs = {
        job.name: sorted(key.to_user_string() for key in job.asset_layer.selected_asset_keys)
        for job in repository.get_all_jobs()
    }
    return {
        "assets": assets,
        "jobs": {name: keys for name, keys in jobs.items() if not name.startswith("__")},
        "schedules": {
            one.name: [one.cron_schedule, one.default_status.value]
            for one in repository.schedule_defs
        },
        "sensors": {one.name: one.default_status.value for one in repository.sensor_defs},
    }


def test_the_lineage_is_the_one_that_was_reviewed() -> None:
    """After a change that is meant: ``python -m sentinel_pipeline_tests.defs.test_graph`` writes
    the snapshot anew."""
    assert lineage() == json.loads(SNAPSHOT.read_text(encoding="utf-8"))


def test_the_picture_in_the_readme_is_drawn_from_the_snapshot() -> None:
    assets = json.loads(SNAPSHOT.read_text(encoding="utf-8"))["assets"]
    assert {asset["group"] for asset in assets.values()} == set(GROUPS)
    assert PICTURE.read_text(encoding="utf-8") == drawing(assets)


def test_every_asset_tells_people_what_it_is() -> None:
    for asset in defs.get_repository_def().asset_graph.asset_nodes:
        assert asset.description and asset.description.endswith("."), asset.key
        assert asset.owners and asset.kinds and asset.code_version, asset.key


def test_every_default_gate_has_its_check_on_the_report_that_it_judges() -> None:
    from sentinel_pipeline.defs.checks import REPORT_GATES

    known = default_gates(STAGE_NAMES)
    assert {gate for gates in REPORT_GATES.values() for gate in gates} == set(known)
    for asset, gates in REPORT_GATES.items():
        assert {f"{known[gate].stage}_report" for gate in gates} == {asset}


def run_of(*stages: str, until: str | None = None) -> list[str]:
    recipe = Recipe(name="mine", stages=stages or ("sft", "dpo"))
    return selected_assets(defs.get_repository_def(), recipe, until)


def test_until_takes_an_asset_or_a_stage_and_all_that_it_needs() -> None:
    assert set(run_of(until="base")) == {
        "base_checkpoint",
        "human_corrections",
        "task_bank",
        "reward_audit",
        "base_report",
    }
    assert "sft_checkpoint" not in run_of(until="rebalanced_mix")
    assert run_of()[-1] == "leaderboard"
    with pytest.raises(BadInput, match="Did you mean 'sft'"):
        run_of(until="stf")


@pytest.mark.parametrize("asset", ["grpo", "grpo_report", "chat_clearance"])
def test_until_knows_no_asset_that_the_recipes_run_does_not_make(asset: str) -> None:
    with pytest.raises(
        BadInput, match=f"unknown asset '{asset}': not an asset or stage of recipe mine"
    ):
        run_of("sft", "dpo", until=asset)


@pytest.mark.parametrize(
    "stages", [("sft",), ("grpo",), ("sft", "grpo"), ("dpo",), ("sft", "dpo", "grpo")]
)
def test_a_run_makes_the_checkpoints_of_its_recipes_stages_and_no_other(
    stages: tuple[str, ...],
) -> None:
    made = run_of(*stages)
    checkpoints = [f"{name}_checkpoint" for name in ("base", *stages)]
    assert [name for name in made if name.endswith("_checkpoint")] == checkpoints
    assert {f"{name}_report" for name in ("base", *stages)} < set(made)
    assert {"comparison", "leaderboard"} < set(made)


def test_a_run_without_sft_builds_no_mix_and_asks_for_no_review_of_its_report() -> None:
    left_out = set(run_of("sft", "grpo")) - set(run_of("grpo"))
    assert left_out == {
        "self_generated", "raw_candidates", "critic_labels", "accepted_set", "rejected_set", "self_repairs",
        "repair_traces", "decontamination_report", "rebalanced_mix", "sft_checkpoint", "sft_report", "review_inbox",
    }  # fmt: skip


def test_the_groups_form_no_cycle_so_that_the_collapsed_graph_reads_left_to_right() -> None:
    graph = defs.get_repository_def().asset_graph
    before: dict[str, set[str]] = {}
    for key in graph.get_all_asset_keys():
        group = graph.get(key).group_name
        earlier = {graph.get(parent).group_name for parent in graph.get(key).parent_keys}
        before.setdefault(group, set()).update(earlier - {group})
    order = list(TopologicalSorter(before).static_order())
    story = ["tasks", "baseline", "candidates", "critic", "mix", *STAGE_NAMES, "evaluation"]
    assert [group for group in order if group in story] == story
    assert order.index("release") > order.index(STAGE_NAMES[-1])
    assert set(order) - set(story) == {"audit", "review", "release"}
    assert (before["audit"], before["review"]) == ({"tasks"}, {"sft"})


def test_the_device_has_one_owner() -> None:
    graph = defs.get_repository_def().asset_graph
    pooled = {
        key.to_user_string()
        for key in graph.get_all_asset_keys()
        if "device" in (graph.get(key).pools or ())
    }
    assert pooled == set(DEVICE_ASSETS)


def test_dagsters_own_check_of_the_definitions_passes() -> None:
    dg_command = Path(sys.executable).with_name("dg")
    if not dg_command.exists():
        pytest.skip("the dg command is missing: install the dev extra")
    done = subprocess.run(
        [str(dg_command), "check", "defs"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "loaded successfully" in done.stdout + done.stderr


def test_the_nightly_asks_for_one_run_a_recipe_marked_nightly(home: object) -> None:
    from datetime import UTC, datetime

    from sentinel_pipeline.defs.nightly import nightly_at_two
    from sentinel_pipeline.store import Home

    assert isinstance(home, Home)
    (home.recipes / "quiet.toml").write_text("nightly = false\n")
    (home.recipes / "loud.toml").write_text("nightly = true\n")
    with dg.instance_for_test() as instance:
        context = dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=datetime(2026, 1, 2, 2, tzinfo=UTC),
            repository_def=defs.get_repository_def(),
        )
        data = nightly_at_two.evaluate_tick(context)
        partitions = set(instance.get_dynamic_partitions("recipe"))
    asked = {request.partition_key: request.run_key for request in data.run_requests or []}
    assert asked["loud"] == "loud-2026-01-02"
    assert "quiet" not in asked
    assert partitions == set(asked)


def test_a_new_recipe_file_becomes_a_partition(home: object) -> None:
    from sentinel_pipeline.defs.jobs import recipe_files
    from sentinel_pipeline.store import Home

    assert isinstance(home, Home)
    (home.recipes / "mine.toml").write_text("")
    instance = dg.DagsterInstance.ephemeral()
    result = recipe_files(dg.build_sensor_context(instance=instance))
    assert isinstance(result, dg.SensorResult)
    added = [
        key
        for request in result.dynamic_partitions_requests or []
        for key in request.partition_keys
    ]
    assert {"mine", "tiny"} <= set(added)
    assert not any("32b" in name for name in added), "weights of a hub are fetched by name alone"
    instance.add_dynamic_partitions("recipe", added)
    assert isinstance(recipe_files(dg.build_sensor_context(instance=instance)), dg.SkipReason)


if __name__ == "__main__":
    SNAPSHOT.write_text(json.dumps(lineage(), indent=2) + "\n", encoding="utf-8")
    PICTURE.write_text(drawing(json.loads(SNAPSHOT.read_text(encoding="utf-8"))["assets"]))
