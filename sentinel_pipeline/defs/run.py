"""One run of the loop in this process, on the shared instance: what ``sentinel run`` starts as a child and watches.

``python -m sentinel_pipeline.defs.run RECIPE --events FILE [--run-id ID] [--until ASSET] [--resume]`` appends one JSON
object an event to FILE: ``run`` (id, stages), ``stage`` (name, status, seconds), ``check``, ``end`` (status, exit code,
message). What it does not do: print for people, or know what a stage does.
"""

import argparse
import json
import os
import threading
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from dagster import DagsterEventType, DagsterRunStatus, RunsFilter

from ..errors import EXIT_DONE, EXIT_FAILED, EXIT_GATE, BadInput, SentinelError, did_you_mean
from ..processes import die_with_parent
from ..store import find_home
from .checks import REPORT_GATES, gates_of
from .gap import PROOF
from .jobs import RELEASE
from .stage import LOOP_TAG, RECIPES, View, open_view
from .workers import PID_TAG, end_dead_runs, free_slots, process_mark

JOB = "train_recipe"
LOOP_JOBS = (JOB, "nightly")
QUICKLY = 1 << 28
"""Larger files are not hashed to know what is left of a loop: the schedule asks, and has a minute."""
_STATUS = {
    DagsterEventType.STEP_START: "running",
    DagsterEventType.STEP_SUCCESS: "done",
    DagsterEventType.STEP_FAILURE: "failed",
    DagsterEventType.STEP_SKIPPED: "skipped",
}


def stages(repository: dg.RepositoryDefinition, until: str | None) -> list[str]:
    """Asset names in the order of the graph, up to and with ``until`` (an asset, or ``sft`` for ``sft_report``).

    Raises:
        BadInput: no such asset.
    """
    graph = repository.asset_graph
    names = [key.to_user_string() for key in graph.toposorted_asset_keys]
    if until is None:
        return [name for name in names if graph.get(dg.AssetKey(name)).group_name != RELEASE]
    target = until if until in names else f"{until}_report"
    if target not in names:
        short = [name.removesuffix("_report") for name in names if name.endswith("_report")]
        raise BadInput(f"no stage {until!r}.", fix=did_you_mean(until, [*names, *short]))
    wanted = dg.AssetSelection.assets(target).upstream().resolve(graph)
    return [name for name in names if dg.AssetKey(name) in wanted]


class Events:
    """An append-only JSONL file that another process tails."""

    def __init__(self, path: Path) -> None:
        self._stream = path.open("a", encoding="utf-8", buffering=1)

    def write(self, **event: Any) -> None:
        self._stream.write(json.dumps(event) + "\n")


def last_loop(instance: dg.DagsterInstance, recipe: str) -> str:
    """The loop to resume: that of the recipe's newest run, which must not have succeeded; a dead run is marked failed.

    Raises:
        BadInput: there is no run, the newest finished, or it is still going on.
    """
    run = newest_run(instance, recipe)
    if run is None or run.status == DagsterRunStatus.SUCCESS:
        raise BadInput(
            f"nothing to resume: {recipe} has no interrupted run.",
            fix=f"Start one: sentinel run {recipe}.",
        )
    if not run.is_finished:
        raise BadInput(
            f"run {run.run_id} of {recipe} is still going on.", fix="Wait for it, or stop it."
        )
    return run.tags.get(LOOP_TAG, run.run_id)


def newest_run(instance: dg.DagsterInstance, recipe: str) -> dg.DagsterRun | None:
    """The recipe's newest run of the loop, by hand or by night; one whose process died unnoticed is marked failed."""
    end_dead_runs(instance, recipe)
    found = [
        run
        for job in LOOP_JOBS
        for run in instance.get_run_records(
            RunsFilter(job_name=job, tags={"dagster/partition": recipe}), limit=1
        )
    ]
    return max(found, key=lambda record: record.create_timestamp).dagster_run if found else None


def unfinished(recipe: str, loop: str, names: Sequence[str]) -> list[str]:
    """Stages of ``names`` that the loop has no artefact of, or no verdict about."""
    view = open_view(dg.DagsterRun(job_name=JOB, run_id=loop), recipe)
    gates: dict[str, Iterable[str]] = {name: gates_of(view.recipe, name) for name in REPORT_GATES}
    gates[PROOF] = (PROOF,) if view.recipe.gap_proof else ()
    return [name for name in names if not _finished(view, name, loop, gates.get(name, ()))]


def _finished(view: View, name: str, loop: str, gates: Iterable[str]) -> bool:
    """It is made and whole, and whatever is to be decided about it was."""
    made = [artefact for artefact in view.store.history(name) if artefact.manifest.loop_id == loop]
    if (
        not made
        or made[-1].damage(QUICKLY)
        or not all(view.ledger.latest(gate, made[-1].hash) for gate in gates)
    ):
        return False
    decided = view.recipe.decision_after(name.removesuffix("_report")) is None
    return decided or view.ledger.latest_decision(made[-1].hash) is not None


def run(recipe: str, events: Events, *, run_id: str, until: str | None, resume: bool) -> int:
    """Run the loop; returns the exit code that the command ends with.

    Raises:
        SentinelError: the recipe, stage or resume request is wrong.
    """
    from ..definitions import defs

    home = find_home()
    home.recipe(recipe)
    instance = dg.DagsterInstance.get()
    instance.add_dynamic_partitions(str(RECIPES.name), [recipe])
    free_slots(instance)
    names = stages(defs.get_repository_def(), until)
    loop = last_loop(instance, recipe) if resume else run_id
    selected = unfinished(recipe, loop, names) if resume else names
    events.write(event="run", run_id=run_id, loop=loop, stages=selected)
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


class Watcher:
    """Follows a run's event log from a thread and writes stage and check events; remembers the first failure."""

    def __init__(self, instance: dg.DagsterInstance, run_id: str, events: Events) -> None:
        self._instance, self._run_id, self._events = instance, run_id, events
        self._started: dict[str, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self.exit_code, self.message = EXIT_FAILED, ""

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
                description=evaluation.description,
            )

    def _failure(self, event: dg.DagsterEvent) -> None:
        data = event.step_failure_data
        if self.message:
            return
        code, self.message = failure_code(data), failure_message(data)
        self.exit_code = code


def failure_code(data: Any) -> int:
    """The exit code that a failed step stands for."""
    metadata = data.user_failure_data.metadata if data.user_failure_data else {}
    if "exit_code" in metadata:
        return int(metadata["exit_code"].value)
    return (
        EXIT_GATE
        if data.error and data.error.cls_name == "DagsterAssetCheckFailedError"
        else EXIT_FAILED
    )


def failure_message(data: Any) -> str:
    """What a failed step says to a person: our own words, else the innermost exception's."""
    if data.user_failure_data and data.user_failure_data.description:
        return str(data.user_failure_data.description)
    return innermost(data.error) or "failed without a word"


def innermost(error: Any) -> str:
    """What the exception that began it said; empty where there is none."""
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error else ""


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
