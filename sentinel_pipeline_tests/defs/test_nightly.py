"""The night: who is started, who is not, what a killed run goes on from, and the page in the
morning."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator

import dagster as dg
import pytest
from dagster import DagsterRunStatus
from dagster._core.test_utils import create_run_for_test

from sentinel_pipeline.alerts.digest import NightSeen, Spent, build_digest, digest_markdown
from sentinel_pipeline.alerts.notice import RunSeen
from sentinel_pipeline.bench.samples import write_samples
from sentinel_pipeline.definitions import defs
from sentinel_pipeline.defs.digest import nightly_digest
from sentinel_pipeline.defs.nightly import NIGHT_TAG, nightly_at_two
from sentinel_pipeline.defs.runs import selected_assets
from sentinel_pipeline.defs.stage import LOOP_TAG, RECIPES
from sentinel_pipeline.records import SampleScore
from sentinel_pipeline.store import Home, Ledger, Outbox, Store
from sentinel_pipeline_tests.defs.test_alerts import verdict

NIGHT = dt.datetime(2026, 1, 2, 2, tzinfo=dt.UTC)


@pytest.fixture
def instance(home: Home) -> Iterator[dg.DagsterInstance]:
    for path in home.recipes.glob("*.toml"):
        path.unlink()
    recipe(home, "tiny")
    with dg.instance_for_test(temp_dir=str(home.state)) as made:
        made.add_dynamic_partitions(str(RECIPES.name), ["tiny"])
        yield made


def recipe(home: Home, name: str, extra: str = "") -> None:
    (home.recipes / f"{name}.toml").write_text(f"nightly = true\n{extra}")


def tick(instance: dg.DagsterInstance) -> tuple[dict[str, dg.RunRequest], str | None]:
    context = dg.build_schedule_context(
        instance=instance, scheduled_execution_time=NIGHT, repository_def=defs.get_repository_def()
    )
    data = nightly_at_two.evaluate_tick(context)
    return {
        str(request.partition_key): request for request in data.run_requests or []
    }, data.skip_message


def whole_run(home: Home, name: str) -> set[str]:
    return set(selected_assets(defs.get_repository_def(), home.recipe(name)))


def past_run(instance: dg.DagsterInstance, status: DagsterRunStatus, **tags: str) -> str:
    run = create_run_for_test(
        instance, job_name="nightly", status=status, tags={"dagster/partition": "tiny", **tags}
    )
    return str(run.run_id)


def artifact(
    home: Home, asset: str, run_id: str, samples: list[SampleScore] | None = None
) -> Store:
    store = Store(home, "tiny", run_id=run_id, loop_id=run_id)
    with store.writing(asset, recipe_hash=home.recipe("tiny").sha256(), seed=1) as out:
        out.text("note", run_id)
        if samples:
            write_samples(out, "heldout", samples)
    return store


def test_a_recipe_that_still_runs_is_not_started_again_and_the_others_are(
    instance: dg.DagsterInstance, home: Home
) -> None:
    recipe(home, "other")
    past_run(instance, DagsterRunStatus.STARTED)
    requests, skipped = tick(instance)
    assert set(requests) == {"other"}
    assert skipped is None


def test_when_all_still_run_the_tick_says_so(instance: dg.DagsterInstance, home: Home) -> None:
    past_run(instance, DagsterRunStatus.STARTED)
    requests, skipped = tick(instance)
    assert requests == {}
    assert skipped == "still in progress: tiny"


def test_a_run_whose_process_is_gone_is_not_in_progress(
    instance: dg.DagsterInstance, home: Home
) -> None:
    run_id = past_run(instance, DagsterRunStatus.STARTED, **{"sentinel/pid": "4194304:1.00"})
    assert set(tick(instance)[0]) == {"tiny"}
    run = instance.get_run_by_id(run_id)
    assert run is not None and run.status == DagsterRunStatus.FAILURE


def test_the_budget_is_the_longest_that_a_run_may_take(
    instance: dg.DagsterInstance, home: Home
) -> None:
    assert "dagster/max_runtime" not in tick(instance)[0]["tiny"].tags
    recipe(home, "tiny", "[budget]\nmax_hours = 0.5\n")
    assert tick(instance)[0]["tiny"].tags["dagster/max_runtime"] == "1800"


def test_a_killed_run_goes_on_from_what_it_made(instance: dg.DagsterInstance, home: Home) -> None:
    run_id = past_run(instance, DagsterRunStatus.FAILURE)
    artifact(home, "task_bank", run_id)
    request = tick(instance)[0]["tiny"]
    assert request.tags[LOOP_TAG] == run_id
    names = {key.to_user_string() for key in request.asset_selection or []}
    assert "task_bank" not in names
    assert {"base_report", "sft_checkpoint", "comparison"} <= names


def test_a_damaged_artifact_is_made_again_by_the_run_that_goes_on(
    instance: dg.DagsterInstance, home: Home
) -> None:
    run_id = past_run(instance, DagsterRunStatus.FAILURE)
    store = artifact(home, "task_bank", run_id)
    artifact(home, "human_corrections", run_id)
    store.get("task_bank").path("note").write_text("another word")
    names = {key.to_user_string() for key in tick(instance)[0]["tiny"].asset_selection or []}
    assert "task_bank" in names and "human_corrections" not in names


def test_a_run_that_made_nothing_or_of_a_changed_recipe_starts_anew(
    instance: dg.DagsterInstance, home: Home
) -> None:
    run_id = past_run(instance, DagsterRunStatus.FAILURE)
    assert LOOP_TAG not in tick(instance)[0]["tiny"].tags
    artifact(home, "task_bank", run_id)
    recipe(home, "tiny", "seed = 3\n")
    request = tick(instance)[0]["tiny"]
    names = {key.to_user_string() for key in request.asset_selection or []}
    assert LOOP_TAG not in request.tags and "task_bank" in names
    assert names == whole_run(home, "tiny")


def test_the_night_asks_for_the_recipes_stages_and_for_no_other(
    instance: dg.DagsterInstance, home: Home
) -> None:
    recipe(home, "tiny", 'stages = ["grpo"]\n')
    names = {key.to_user_string() for key in tick(instance)[0]["tiny"].asset_selection or []}
    assert {"base_checkpoint", "base_report", "grpo_checkpoint", "grpo_report"} < names
    assert not {name for name in names if name.startswith(("sft_", "dpo_"))}
    assert not names & {"rebalanced_mix", "preference_pairs"}


def test_a_loop_that_dies_every_night_is_given_up_and_begun_anew(
    instance: dg.DagsterInstance, home: Home
) -> None:
    run_id = past_run(instance, DagsterRunStatus.FAILURE)
    artifact(home, "task_bank", run_id)
    for _ in range(4):
        assert tick(instance)[0]["tiny"].tags.get(LOOP_TAG) == run_id
        past_run(instance, DagsterRunStatus.FAILURE, **{LOOP_TAG: run_id})
    assert LOOP_TAG not in tick(instance)[0]["tiny"].tags


def test_a_gates_refusal_is_not_resumed(instance: dg.DagsterInstance, home: Home) -> None:
    @dg.asset(partitions_def=RECIPES)
    def gated() -> None:
        raise dg.Failure("refused", metadata={"exit_code": 3}, allow_retries=False)

    job = dg.define_asset_job("nightly", selection=dg.AssetSelection.all(), partitions_def=RECIPES)
    done = (
        dg.Definitions(assets=[gated], jobs=[job])
        .resolve_job_def("nightly")
        .execute_in_process(instance=instance, partition_key="tiny", raise_on_error=False)
    )
    artifact(home, "task_bank", done.run_id)
    assert LOOP_TAG not in tick(instance)[0]["tiny"].tags


def sample(index: int, passed: bool) -> SampleScore:
    return SampleScore(
        task_id=f"t{index:03}",
        category="executable_code",
        family="functions",
        completion="<script>",
        outcome="pass" if passed else "fail",
        reason="",
        syntax_ok=True,
        stopped=True,
        tokens=3,
        seconds=0.1,
    )


def test_the_digest_compares_with_the_loop_before_item_by_item(home: Home) -> None:
    artifact(home, "sft_report", "r1", [sample(i, passed=i < 60) for i in range(100)])
    artifact(home, "sft_report", "r2", [sample(i, passed=i < 40) for i in range(100)])
    Ledger(home.ledger).record(verdict("inconclusive"), recipe="tiny", run_id="r2")
    run = RunSeen("r2", "tiny", "nightly", False, 0.1, "")
    spent = {"r2": Spent(0.5, "1.20 USD")}
    digest = build_digest(
        home, NightSeen(NIGHT.date(), [run], spent, ["other"], ["the machine slept"])
    )
    (change,) = digest.changes
    assert change.comparison.difference == pytest.approx(-0.2)
    assert change.comparison.n == 100 and change.comparison.p == pytest.approx(2 / 2**20)
    assert len(digest.needs) == 4
    assert digest.needs[0] == "the machine slept"
    assert digest.needs[1].startswith("tiny: pass_at_1 inconclusive.")
    assert "sft_report got worse on heldout: -20.0 % [" in digest.needs[2]
    assert digest.needs[3] == "other: did not run, an earlier run was still going on."
    page = digest_markdown(digest)
    assert "| tiny | r2 | refused | 0.10 | 0.50 | 1.20 USD |" in page
    assert "<script>" not in page
    json.dumps(digest.to_json())


@pytest.mark.parametrize(
    ("name", "section", "status"),
    [
        ("pass_at_1", "", "refused"),
        ("pass_at_1", '[gates.pass_at_1]\nseverity = "warn"\n', "done"),
        ("eval_reward", "", "refused"),
        ("eval_reward", '[fences]\neval_reward = "warn"\n', "done"),
        ("scorer_licence", "", "done"),
    ],
)
def test_a_run_is_refused_by_what_blocks_and_only_warned_by_what_warns(
    home: Home, name: str, section: str, status: str
) -> None:
    recipe(home, "tiny", section)
    Ledger(home.ledger).record(verdict("fail", name), recipe="tiny", run_id="r1")
    run = RunSeen("r1", "tiny", "nightly", False, 0.1, "")
    digest = build_digest(home, NightSeen(NIGHT.date(), [run], {}, [], []))
    assert f"| tiny | r1 | {status} |" in digest_markdown(digest)
    warns = bool(section)
    assert [len(digest.needs), len(digest.warnings)] == [int(not warns), int(warns)]


def test_a_night_is_written_once_when_its_last_run_is_over(
    instance: dg.DagsterInstance, home: Home
) -> None:
    (home.root / "data" / "alerts.toml").write_text('[[rules]]\non = "digest"\nto = []\n')
    recipe(home, "other")
    past_run(instance, DagsterRunStatus.FAILURE, **{NIGHT_TAG: "2026-01-02"})
    going = past_run(instance, DagsterRunStatus.STARTED, **{NIGHT_TAG: "2026-01-02"})

    def look() -> str:
        said = nightly_digest(dg.build_sensor_context(instance=instance))
        assert isinstance(said, dg.SkipReason)
        return str(said.skip_message)

    assert look() == "1 runs of 2026-01-02 still go on"
    run = instance.get_run_by_id(going)
    assert run is not None
    instance.report_run_failed(run)
    assert look() == "wrote 2026-01-02.md"
    assert look() == "2026-01-02.md is written"
    ((_, alert),) = Outbox(home.outbox).alerts()
    assert alert.title == "Night of 2026-01-02: 3 things need a person"
    assert (home.digests / "2026-01-02.md").read_text() == alert.body
