"""One run of the loop in this process, on the shared instance: what ``sentinel run`` starts as a
child and watches.

``python -m sentinel_pipeline.run_loop RECIPE --events FILE [--run-id ID] [--until ASSET]
[--resume]`` appends one JSON object an event to FILE: ``run`` (id, stages), ``stage`` (name,
status, seconds), ``check``, ``end`` (status, exit code, message). What it does not do: print for
people, or know what a stage does.
"""

import argparse
import json
import os
import threading
import uuid
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
from dagster import DagsterEventType

# Dagster's server builds a run's origin from these; no public name does.
from dagster._core.definitions.definitions_class import SINGLETON_REPOSITORY_NAME
from dagster._core.remote_origin import RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.workspace.load import location_origins_from_yaml_paths

from .audit.own_rewards import check_own_rewards
from .definitions import defs
from .defs.dead_runs import PID_TAG, free_slots, process_mark
from .defs.runs import JOB, failure_code, failure_message, last_loop, selected_assets, unfinished
from .defs.stage import LOOP_TAG, RECIPES
from .errors import EXIT_DONE, EXIT_FAILED, SentinelError
from .processes import die_with_parent
from .records.stages import GRPO
from .store import find_home
from .store.launched import freeze, refuse_edited
from .task_sources.usable import require_usable

_STATUS = {
    DagsterEventType.STEP_START: "running",
    DagsterEventType.STEP_SUCCESS: "done",
    DagsterEventType.STEP_FAILURE: "failed",
    DagsterEventType.STEP_SKIPPED: "skipped",
}


class Events:
    """An append-only JSONL file that another process tails."""

    def __init__(self, path: Path) -> None:
        self._stream = path.open("a", encoding="utf-8", buffering=1)

    def write(self, **event: Any) -> None:
        self._stream.write(json.dumps(event) + "\n")


def run(recipe: str, events: Events, *, run_id: str, until: str | None, resume: bool) -> int:
    """Run the loop; returns the exit code that the command ends with.

    Raises:
        SentinelError: the recipe, stage or resume request is wrong, or the recipe was edited since
            the run that is to be resumed was launched.
    """
    home = find_home()
    loaded = home.recipe(recipe)
    instance = dg.DagsterInstance.get()
    instance.add_dynamic_partitions(str(RECIPES.name), [recipe])
    free_slots(instance)
    loop = last_loop(instance, recipe) if resume else run_id
    launched = freeze(home, recipe, loop)
    refuse_edited(launched, loaded)
    names = selected_assets(defs.get_repository_def(), launched, until)
    selected = unfinished(recipe, loop, names) if resume else names
    if "task_bank" in selected:
        require_usable(launched, home.root, home.recipes / f"{recipe}.toml", selected)
    if GRPO.checkpoint in selected and launched.grpo is not None:
        check_own_rewards(launched.grpo.reward, home.root)
    events.write(event="run", run_id=run_id, loop=loop, stages=selected)
    record_as_launched(instance, JOB, home.workspace)
    watcher = Watcher(instance, run_id, events)
    with watcher:
        result = defs.resolve_job_def(JOB).execute_in_process(
            instance=instance,
            partition_key=recipe,
            asset_selection=[dg.AssetKey(name) for name in selected],
            raise_on_error=False,
            run_id=run_id,
            tags={LOOP_TAG: loop, PID_TAG: process_mark(os.getpid()) or ""},
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    code = EXIT_DONE if result.success else watcher.exit_code
    events.write(event="end", exit_code=code, message=watcher.message)
    return code


def record_as_launched(instance: dg.DagsterInstance, job: str, workspace: Path) -> None:
    """Let runs that this process creates name the code location that they come from, as runs of
    Dagster's server do.

    ``execute_in_process`` records none, and Dagster's timeline and Jobs pages show only runs of a
    known location.
    """
    location = location_origins_from_yaml_paths([str(workspace)])[0]
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(location, SINGLETON_REPOSITORY_NAME), job)
    create = partial(instance.create_run_for_job, remote_job_origin=origin)
    instance.create_run_for_job = create  # type: ignore[method-assign]  # Dagster has no setting for it


class Watcher:
    """Follows a run's event log from a thread and writes stage and check events; remembers the
    first failure."""

    def __init__(self, instance: dg.DagsterInstance, run_id: str, events: Events) -> None:
        self._instance = instance
        self._run_id = run_id
        self._events = events
        self._started: dict[str, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self.exit_code = EXIT_FAILED
        self.message = ""

    def __enter__(self) -> "Watcher":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _follow(self) -> None:
        cursor: str | None = None
        while True:
            last = self._stop.wait(0.3)
            page = self._instance.get_records_for_run(self._run_id, cursor=cursor, limit=1000)
            cursor = page.cursor
            for record in page.records:
                if record.event_log_entry.dagster_event:
                    self._one(
                        record.event_log_entry.dagster_event, record.event_log_entry.timestamp
                    )
            if last and not page.has_more:
                return

    def _one(self, event: dg.DagsterEvent, at: float) -> None:
        status = _STATUS.get(event.event_type)
        if status and event.step_key:
            self._started.setdefault(event.step_key, at)
            seconds = round(at - self._started[event.step_key], 3)
            self._events.write(event="stage", name=event.step_key, status=status, seconds=seconds)
        if event.event_type == DagsterEventType.STEP_FAILURE:
            self._failure(event)
        if event.event_type == DagsterEventType.ASSET_CHECK_EVALUATION:
            evaluation = event.asset_check_evaluation_data
            self._events.write(
                event="check",
                name=evaluation.check_name,
                asset=evaluation.asset_key.to_user_string(),
                passed=evaluation.passed,
                warns=evaluation.severity == dg.AssetCheckSeverity.WARN,
                description=evaluation.description,
            )

    def _failure(self, event: dg.DagsterEvent) -> None:
        data = event.step_failure_data
        if self.message:
            return
        code = failure_code(data)
        self.message = failure_message(data)
        self.exit_code = code


def main(argv: Sequence[str] | None = None) -> int:
    die_with_parent()
    parser = argparse.ArgumentParser()
    parser.add_argument("recipe")
    parser.add_argument("--events", type=Path, required=True)
    parser.add_argument("--run-id", default=str(uuid.uuid4()))
    parser.add_argument("--until")
    parser.add_argument("--resume", action="store_true")
    args = parser.parse_args(argv)
    events = Events(args.events)
    try:
        return run(args.recipe, events, run_id=args.run_id, until=args.until, resume=args.resume)
    except SentinelError as error:
        events.write(event="end", exit_code=error.exit_code, message=str(error))
        return error.exit_code


if __name__ == "__main__":
    raise SystemExit(main())
