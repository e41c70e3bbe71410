"""Runs whose process has ended: Dagster notices that only while the server that started the run
lives, so a power cut or a kill of everything leaves a run that goes on for ever. Such a run is
marked failed here.

A process is known by its pid and its start, counted in the kernel's ticks since this boot: setting
the clock changes neither. What this module does not do: look at runs of other machines; whoever
launched those watches them.
"""

import os
import re
from pathlib import Path

import dagster as dg
from dagster import DagsterEventType, DagsterRunStatus, RunsFilter
from dagster._core.storage.tags import GRPC_INFO_TAG  # no public name says where a run was started

from ..worker.device import physical_gpus

PID_TAG = "sentinel/pid"
DEVICE_POOL = "device"
"""Pool of every asset that computes on a device."""
UNFINISHED = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED]
CAUSES = "killed, out of memory or of disk space, or the machine stopped"
"""What ends a process that can write no reason."""
GONE = f"its process has ended: {CAUSES}"
_STARTED = re.compile(r"Started process for .*\(pid: (\d+)\)")


def process_mark(pid: int) -> str | None:
    """``PID:START``, so that a reused pid is not taken for the process that had it; None when there
    is none."""
    import psutil

    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8")[:8]
        return f"{pid}:{boot}-{fields[19]}"
    except OSError:
        pass
    try:
        return f"{pid}:{psutil.Process(pid).create_time():.2f}"  # no /proc: not Linux
    except psutil.NoSuchProcess:
        return None


def is_alive(mark: str) -> bool:
    """Whether ``PID:START`` still names the process that it named when it was written.

    A process that ``/proc`` hides from this one (a service whose unit says ``ProtectProc``) has no
    start to compare: it counts as alive while there is one of its number.
    """
    pid = int(mark.partition(":")[0])
    now = process_mark(pid)
    if now is not None:
        return mark == now
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def end_dead_runs(instance: dg.DagsterInstance, recipe: str) -> None:
    """Mark the recipe's runs as failed whose process, on this machine, is gone."""
    for run in instance.get_runs(
        RunsFilter(tags={"dagster/partition": recipe}, statuses=UNFINISHED)
    ):
        if _is_gone(instance, run):
            instance.report_run_failed(run, GONE)
    free_slots(instance)


def free_slots(instance: dg.DagsterInstance) -> None:
    """Give back what runs that are over, or whose process is gone, hold of the device's pool; else
    the next run waits for ever.

    Dagster's daemon does so for those that are over (``free_slots_after_run_end_seconds``); a run
    by hand may have no daemon.
    """
    storage = instance.event_log_storage
    if not storage.supports_global_concurrency_limits:
        return
    for run_id in storage.get_concurrency_run_ids():
        run = instance.get_run_by_id(run_id)
        if run is not None and not run.is_finished and _is_gone(instance, run):
            instance.report_run_failed(run, GONE)
            run = instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            storage.free_concurrency_slots_for_run(run_id)


def size_pool(instance: dg.DagsterInstance) -> None:
    """Let as many steps into the device's pool as this machine has GPUs: each takes a device of its
    own (``worker.device.hold_devices``). With one, or none, the instance's own limit of one holds.
    """
    storage = instance.event_log_storage
    count = physical_gpus()
    if count <= 1 or not storage.supports_global_concurrency_limits:
        return
    # A limit that somebody set is theirs.
    chosen = {pool.name for pool in storage.get_pool_limits() if not pool.from_default}
    if DEVICE_POOL not in chosen:
        storage.set_concurrency_slots(DEVICE_POOL, count)


def _is_gone(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    mark = run.tags.get(PID_TAG)
    if mark:
        return not is_alive(mark)
    started = _worker(instance, run)
    return started is not None and not _lived_at(*started)


def _worker(instance: dg.DagsterInstance, run: dg.DagsterRun) -> tuple[int, float] | None:
    """Pid of the process that Dagster's server on this machine started for the run, and when
    (seconds since 1970)."""
    if not any(
        f'"{host}"' in run.tags.get(GRPC_INFO_TAG, "") for host in ("localhost", "127.0.0.1")
    ):
        return None
    for entry in reversed(instance.all_logs(run.run_id, of_type=DagsterEventType.ENGINE_EVENT)):
        if match := _STARTED.search(entry.message or ""):
            return int(match[1]), entry.timestamp
    return None


def _lived_at(pid: int, at: float) -> bool:
    """Whether a process with this pid that is not younger than ``at`` still runs."""
    import psutil

    try:
        process = psutil.Process(pid)
        return bool(process.create_time() <= at + 1 and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
