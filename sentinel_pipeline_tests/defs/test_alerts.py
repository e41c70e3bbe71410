"""The alerts sensor over real runs: each way in which a check can go wrong is told once, with its
reason."""

from __future__ import annotations

import datetime as dt
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import dagster as dg
import pytest
from dagster import DagsterEvent, DagsterEventType, DagsterRunStatus
from dagster._core.events import EngineEventData, JobFailureData
from dagster._core.test_utils import create_run_for_test
from dagster._utils import get_run_crash_explanation
from dagster._utils.error import serializable_error_info_from_exc_info

from sentinel_pipeline.alerts.notice import Night, about_nights, about_queue, about_staleness
from sentinel_pipeline.alerts.rules import AlertRules, Kind, Rule
from sentinel_pipeline.defs.alerts import alerts, noticed
from sentinel_pipeline.defs.stage import RECIPES, current_scorer_version
from sentinel_pipeline.gates import policy_hash
from sentinel_pipeline.records import GateVerdict, Interval
from sentinel_pipeline.records.alert import Alert
from sentinel_pipeline.store import Home, Ledger, Outbox, Store
from sentinel_pipeline_tests.alerts.doubles import webhook

Outcome = Literal["pass", "fail", "inconclusive"]
KINDS: tuple[Kind, ...] = (
    "check_failed",
    "check_crashed",
    "check_missing",
    "check_stale",
    "check_inconclusive",
    "run_failed",
    "budget_reached",
)
TINY = {"dagster/partition": "tiny"}
RULES = AlertRules(link="http://ui", rules=tuple(Rule(on=kind, to=("team",)) for kind in KINDS))


@pytest.fixture
def instance(home: Home) -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test(temp_dir=str(home.state)) as made:
        made.add_dynamic_partitions(str(RECIPES.name), ["tiny"])
        yield made


@dg.asset(partitions_def=RECIPES)
def report() -> None:
    """An asset for checks to look at."""


def run(
    instance: dg.DagsterInstance,
    *checks: dg.AssetChecksDefinition,
    asset: dg.AssetsDefinition = report,
) -> str:
    job = dg.define_asset_job("nightly", selection=dg.AssetSelection.all(), partitions_def=RECIPES)
    defs = dg.Definitions(assets=[asset], asset_checks=list(checks), jobs=[job])
    done = defs.resolve_job_def("nightly").execute_in_process(
        instance=instance, partition_key="tiny", raise_on_error=False
    )
    return done.run_id


def told(instance: dg.DagsterInstance, home: Home) -> dict[str, Alert]:
    found = list(noticed(instance, home, RULES, since=0))
    assert len({alert.key for alert in found}) == len(found)
    return {alert.key: alert for alert in found}


def test_a_failed_check_is_told_even_where_its_run_is_green(
    instance: dg.DagsterInstance, home: Home
) -> None:
    @dg.asset_check(asset=report, partitions_def=RECIPES)
    def pass_at_1() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False, description="31.0 % [26.0, 36.5], n 300")

    run_id = run(instance, pass_at_1)
    done = instance.get_run_by_id(run_id)
    assert done is not None and done.is_success
    (alert,) = told(instance, home).values()
    assert alert.key == f"check_failed/{run_id}/report/pass_at_1"
    assert "31.0 % [26.0, 36.5], n 300" in alert.body
    assert alert.link == "http://ui/assets/report?view=checks&partition=tiny"


def test_a_warning_and_a_pass_are_not_told(instance: dg.DagsterInstance, home: Home) -> None:
    @dg.asset_check(asset=report, partitions_def=RECIPES)
    def smoke() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.WARN)

    @dg.asset_check(asset=report, partitions_def=RECIPES)
    def fine() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    run(instance, smoke, fine)
    assert told(instance, home) == {}


def test_a_check_that_raises_is_told_as_crashed_with_the_reason(
    instance: dg.DagsterInstance, home: Home
) -> None:
    @dg.asset_check(asset=report, partitions_def=RECIPES)
    def broken() -> dg.AssetCheckResult:
        raise ZeroDivisionError("no items")

    run_id = run(instance, broken)
    found = told(instance, home)
    assert set(found) == {f"check_crashed/{run_id}/report/broken", f"run_failed/{run_id}"}
    assert "no items" in found[f"check_crashed/{run_id}/report/broken"].body


def test_a_check_that_never_ran_on_a_new_artifact_is_told_as_missing(
    instance: dg.DagsterInstance, home: Home
) -> None:
    @dg.asset_check(asset=report, partitions_def=RECIPES)
    def later() -> dg.AssetCheckResult:
        os._exit(9)

    child = os.fork()
    if child == 0:
        run(instance, later)
    os.waitpid(child, 0)
    (record,) = instance.get_run_records()
    run_id = record.dagster_run.run_id
    assert told(instance, home) == {}, (
        "the daemon has not noticed yet, and the run may still give the result"
    )
    instance.report_run_failed(record.dagster_run, "its process has ended")
    found = told(instance, home)
    assert set(found) == {f"check_missing/{run_id}/report/later", f"run_failed/{run_id}"}
    assert "no evidence is not a pass" in found[f"check_missing/{run_id}/report/later"].body


def test_a_failed_run_says_what_its_first_failure_said(
    instance: dg.DagsterInstance, home: Home
) -> None:
    @dg.asset(name="report", partitions_def=RECIPES)
    def failing() -> None:
        raise dg.Failure("the disk is full: free some", allow_retries=False)

    run_id = run(instance, asset=failing)
    (alert,) = told(instance, home).values()
    assert alert.key == f"run_failed/{run_id}"
    assert "the disk is full: free some" in alert.body


def test_a_run_that_never_began_says_why(instance: dg.DagsterInstance, home: Home) -> None:
    run = create_run_for_test(
        instance, job_name="nightly", status=DagsterRunStatus.STARTING, tags=TINY
    )
    try:
        raise RuntimeError("the definitions do not load")
    except RuntimeError:
        error = serializable_error_info_from_exc_info(sys.exc_info())
    instance.report_engine_event(
        "it could not be launched", run, EngineEventData.engine_error(error)
    )
    instance.report_run_failed(run)
    (alert,) = told(instance, home).values()
    assert "the definitions do not load" in alert.body


def test_a_run_that_failed_outside_of_its_steps_says_what_was_thrown(
    instance: dg.DagsterInstance, home: Home
) -> None:
    """Dagster's own event could not be written: its message says that something was thrown, its
    data what."""
    run = create_run_for_test(
        instance, job_name="nightly", status=DagsterRunStatus.STARTED, tags=TINY
    )
    try:
        try:
            raise OSError("database or disk is full")
        except OSError as error:
            raise RuntimeError("an event could not be kept") from error
    except RuntimeError:
        data = JobFailureData(serializable_error_info_from_exc_info(sys.exc_info()))
    event = DagsterEvent(
        DagsterEventType.RUN_FAILURE.value, "nightly", message="failed.", event_specific_data=data
    )
    instance.report_dagster_event(event, run.run_id)
    (alert,) = told(instance, home).values()
    assert "OSError: database or disk is full" in alert.body


@pytest.mark.parametrize(
    ("code", "words"),
    [(1, "unexpectedly exited with code 1"), (-9, "was terminated by signal 9 (SIGKILL)")],
)
def test_a_run_whose_process_died_without_a_word_names_what_does_so(
    instance: dg.DagsterInstance, home: Home, code: int, words: str
) -> None:
    """As Dagster's server tells of it: a full disk takes the events of the process, too."""
    run = create_run_for_test(
        instance, job_name="nightly", status=DagsterRunStatus.STARTED, tags=TINY
    )
    instance.report_engine_event(
        get_run_crash_explanation("Run execution process for it", code), run
    )
    instance.report_run_failed(run)
    (alert,) = told(instance, home).values()
    assert f"its process {words}: killed, out of memory or of disk space" in alert.body


def test_a_run_over_its_budget_is_told_once(instance: dg.DagsterInstance, home: Home) -> None:
    with (home.recipes / "tiny.toml").open("a") as stream:
        stream.write("\n[budget]\nmax_hours = 1e-9\n")
    run_id = run(instance)
    (alert,) = told(instance, home).values()
    assert alert.key == f"budget_reached/{run_id}"
    assert "budget.max_hours" in alert.body


def verdict(outcome: Outcome, name: str = "pass_at_1") -> GateVerdict:
    return GateVerdict(
        name=name,
        subject="tiny/sft_report",
        subject_hash="0" * 64,
        verdict=outcome,
        measured=0.41,
        threshold=0.4,
        n=300,
        interval=Interval(0.36, 0.47, 0.95),
        reason="41.0 % [36, 47] spans 40 %: about 900 more items would decide",
        scorer_version="1",
        policy_hash="2",
    )


def nights(*outcomes: Outcome) -> list[Night]:
    return [
        Night(dt.date(2026, 1, 1 + index), verdict(outcome))
        for index, outcome in enumerate(outcomes)
    ]


def test_an_inconclusive_gate_is_told_after_so_many_nights_in_a_row_and_once_a_streak() -> None:
    rules = AlertRules(rules=(Rule(on="check_inconclusive", to=(), nights=3),))
    unsure: list[Outcome] = ["inconclusive"] * 3
    assert about_nights(rules, "tiny", nights(*unsure[:2])) is None
    assert about_nights(rules, "tiny", nights("inconclusive", "pass", *unsure[:2])) is None
    third, fourth = (
        about_nights(rules, "tiny", nights(*unsure)),
        about_nights(rules, "tiny", nights(*unsure, unsure[0])),
    )
    assert third is not None and fourth is not None
    assert third.key == fourth.key, "the same streak"
    assert "about 900 more items" in third.body
    again = about_nights(rules, "tiny", nights(*unsure, "pass", *unsure))
    assert again is not None and again.key != third.key


def test_the_ledger_gives_the_last_verdict_of_a_day(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    for outcome in ("fail", "inconclusive"):
        ledger.record(verdict(outcome), recipe="tiny", run_id="r")
    ledger.record(verdict("pass", name="syntax_rate"), recipe="tiny", run_id="r")
    found = ledger.nights("tiny")
    assert [one.verdict for _, one in found["pass_at_1"]] == ["inconclusive"]
    assert [one.verdict for _, one in found["syntax_rate"]] == ["pass"]
    assert ledger.nights("other") == {}


def test_stale_gates_of_a_recipe_are_one_alert() -> None:
    rules = AlertRules(rules=(Rule(on="check_stale", to=()),))
    alert = about_staleness(rules, "tiny", ["syntax_rate", "pass_at_1"], "abc")
    assert alert is not None and alert.title == "tiny: 2 stale gates"
    assert alert.key == "check_stale/tiny/abc/pass_at_1,syntax_rate"
    assert about_staleness(rules, "tiny", [], "abc") is None


def test_a_verdict_of_another_policy_on_a_current_report_is_told_as_stale(
    instance: dg.DagsterInstance, home: Home
) -> None:
    store = Store(home, "tiny", run_id="r", loop_id="r")
    with store.writing("sft_report", recipe_hash="", seed=1) as out:
        out.text("note", "x")
    policy, version = policy_hash(home.recipe("tiny").gates["pass_at_1"]), current_scorer_version()
    judged = replace(
        verdict("pass"), subject_hash=store.get("sft_report").hash, scorer_version=version
    )
    Ledger(home.ledger).record(replace(judged, policy_hash=policy), recipe="tiny", run_id="r")
    assert told(instance, home) == {}
    Ledger(home.ledger).record(judged, recipe="tiny", run_id="r")
    (alert,) = told(instance, home).values()
    assert alert.kind == "check_stale" and "pass_at_1" in alert.body


def test_a_long_review_queue_is_told_once_a_day(home: Home) -> None:
    rules, day = AlertRules(rules=(Rule(on="review_queue", to=(), pending=3),)), dt.date(2026, 1, 2)
    assert about_queue(rules, 3, day) is None
    alert = about_queue(rules, 4, day)
    assert alert is not None and alert.title == "4 cards wait for review"
    assert alert.key == "review_queue/2026-01-02"


def test_the_sensor_delivers_once_over_many_ticks(
    instance: dg.DagsterInstance, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dg.asset_check(asset=report, partitions_def=RECIPES)
    def pass_at_1() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False, description="31 %")

    (home.root / "data" / "alerts.toml").write_text(
        '[channels]\nteam = "env:SENTINEL_ALERTS"\n[[rules]]\non = "check_failed"\nto = ["team"]\n'
    )
    run(instance, pass_at_1)
    with webhook() as hook:
        monkeypatch.setenv("SENTINEL_ALERTS", hook.url)
        cursor: str | None = str(time.time() + 100.0)  # left by a clock that was ahead
        for _ in range(3):
            context = dg.build_sensor_context(instance=instance, cursor=cursor)
            said = alerts(context)
            assert isinstance(said, dg.SkipReason)
            cursor = context.cursor
    assert [got["title"] for got in hook.got] == ["tiny: check pass_at_1 failed"]
    assert Outbox(home.outbox).deliveries()[0].delivered_at is not None
    assert cursor is not None and float(cursor) < time.time()
