"""A run whose process is gone is noticed, one that lives is left alone, and setting the clock
changes neither."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import dagster as dg
import psutil
import pytest
from dagster import DagsterRunStatus
from dagster._core.events import EngineEventData
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._core.test_utils import create_run_for_test

from sentinel_pipeline.defs import dead_runs
from sentinel_pipeline.defs.dead_runs import (
    DEVICE_POOL,
    GONE,
    PID_TAG,
    end_dead_runs,
    free_slots,
    is_alive,
    process_mark,
    size_pool,
)
from sentinel_pipeline.defs.runs import RunLog
from sentinel_pipeline.store import Home


@pytest.fixture
def instance(home: Home) -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test(temp_dir=str(home.state)) as made:
        yield made


def started(
    instance: dg.DagsterInstance,
    pid: int | None = None,
    host: str = "localhost",
    mark: str | None = None,
) -> str:
    """A run that Dagster's server on ``host`` says that it started as process ``pid``."""
    tags = {PID_TAG: mark} if mark else {}
    tags |= {
        "dagster/partition": "tiny",
        GRPC_INFO_TAG: f'{{"host": "{host}", "socket": "/tmp/x"}}',
    }
    run = create_run_for_test(
        instance, job_name="nightly", status=DagsterRunStatus.STARTED, tags=tags
    )
    if pid is not None:
        said = f"Started process for run (pid: {pid})."
        instance.report_engine_event(said, run, EngineEventData.in_process(pid))
    return str(run.run_id)


def ends(instance: dg.DagsterInstance, run_id: str) -> bool:
    end_dead_runs(instance, "tiny")
    run = instance.get_run_by_id(run_id)
    assert run is not None
    if run.status == DagsterRunStatus.FAILURE:
        assert GONE in RunLog(instance, run, "tiny").why
    return run.status == DagsterRunStatus.FAILURE


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


def test_a_run_ends_with_its_process_and_not_before(
    instance: dg.DagsterInstance, child: subprocess.Popen[bytes]
) -> None:
    mark = process_mark(child.pid)
    assert mark and is_alive(mark)
    by_tag, by_log = started(instance, mark=mark), started(instance, child.pid)
    assert not ends(instance, by_tag) and not ends(instance, by_log)
    child.kill()
    while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert ends(instance, by_log), "a zombie works no more"
    child.wait()
    assert ends(instance, by_tag)


def test_a_pid_that_another_process_has_now_is_no_sign_of_life(
    instance: dg.DagsterInstance,
) -> None:
    mark = process_mark(os.getpid())
    assert mark is not None
    assert ends(instance, started(instance, mark=mark[:-1] + ("0" if mark[-1] != "0" else "1")))
    run_id = started(instance, os.getpid())
    assert not ends(instance, run_id)
    young = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        run = started(instance, young.pid)
        records = instance.all_logs(run)
        assert records and not ends(instance, run)
        born = psutil.Process(young.pid).create_time()
        assert born <= time.time()
    finally:
        young.kill()
        young.wait()
    assert ends(instance, run)


def test_the_device_is_given_back_by_runs_that_are_over_or_dead_and_by_no_other(
    instance: dg.DagsterInstance,
) -> None:
    storage = instance.event_log_storage
    storage.set_concurrency_slots("device", 3)
    mark = process_mark(os.getpid())
    assert mark is not None
    living = started(instance, mark=mark)
    dead = started(instance, mark="4194304:gone-1")
    over = create_run_for_test(instance, job_name="nightly", status=DagsterRunStatus.FAILURE).run_id
    for run_id in (living, dead, over):
        storage.claim_concurrency_slot("device", run_id, "sft_checkpoint")
    assert set(storage.get_concurrency_run_ids()) == {living, dead, over}
    free_slots(instance)
    assert set(storage.get_concurrency_run_ids()) == {living}
    assert storage.get_concurrency_info("device").active_slot_count == 1
    run = instance.get_run_by_id(dead)
    assert run is not None and run.status == DagsterRunStatus.FAILURE


def test_runs_of_other_machines_are_left_to_those_who_launched_them(
    instance: dg.DagsterInstance,
) -> None:
    assert not ends(instance, started(instance, 4_194_304, host="code.example.org"))
    assert not ends(instance, started(instance))


def test_setting_the_clock_does_not_change_who_a_process_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mark = process_mark(os.getpid())
    monkeypatch.setattr(psutil, "boot_time", lambda: 0.0)
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: 12345.0)
    assert process_mark(os.getpid()) == mark


def test_a_process_that_is_hidden_is_not_taken_for_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit's ``ProtectProc`` hides the processes of other services from ``/proc``."""
    mark = process_mark(os.getpid())
    child = subprocess.Popen([sys.executable, "-c", ""])
    gone = process_mark(child.pid)
    child.wait()
    monkeypatch.setattr("sentinel_pipeline.defs.dead_runs.process_mark", lambda _: None)
    assert mark and is_alive(mark)
    assert gone and not is_alive(gone)


def test_the_devices_pool_has_a_place_for_each_gpu_unless_somebody_chose(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two recipes compute side by side on two devices; one device, or none, is the instance's own
    limit."""

    def limits() -> dict[str, int]:
        return {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()}

    monkeypatch.setattr(dead_runs, "physical_gpus", lambda: 1)
    size_pool(instance)
    assert DEVICE_POOL not in limits()
    monkeypatch.setattr(dead_runs, "physical_gpus", lambda: 2)
    size_pool(instance)
    assert limits()[DEVICE_POOL] == 2
    instance.event_log_storage.set_concurrency_slots(DEVICE_POOL, 5)
    size_pool(instance)
    assert limits()[DEVICE_POOL] == 5
