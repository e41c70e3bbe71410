"""One run of the loop in this process, on the shared instance: what ``sentinel run`` starts as a
child and watches.

``python -m sentinel_pipeline.run_loop RECIPE --events FILE [--run-id ID] [--until ASSET]
[--resume] [--max-hours H] [--max-cost M]`` appends one JSON object an event to FILE: ``run`` (id,
stages), ``note`` (text), ``stage`` (name, status, seconds), ``check``, ``end`` (status, exit code,
message). What it does not do: print for
people, or know what a stage does.
"""

import argparse
import json
import os
import threading
import uuid
from collections.abc import Sequence
from dataclasses import replace
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
from .costs import loop_hours
from .definitions import defs
from .defs.dead_runs import PID_TAG, free_slots, process_mark, size_pool
from .defs.runs import (
    JOB,
    check_skipped,
    failure_code,
    failure_message,
    last_loop,
    nothing_to_resume,
    refusals,
    selected_assets,
    unfinished,
)
from .defs.stage import LOOP_TAG, MAX_COST_TAG, MAX_HOURS_TAG, RECIPES
from .errors import EXIT_DONE, EXIT_FAILED, EXIT_GATE, GateRefused, SentinelError
from .phases import choose, limited, skip_reason
from .processes import die_with_parent
from .records.recipe import Recipe
from .records.stages import GRPO
from .records.training_spec import Budget
from .store import Home, Store, find_home
from .store.launched import freeze, keep_expected, refuse_edited
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


def run(
    recipe: str,
    events: Events,
    *,
    run_id: str,
    until: str | None,
    resume: bool,
    max_hours: float | None = None,
    max_cost: float | None = None,
) -> int:
    """Run the loop; returns the exit code that the command ends with.

    Raises:
        SentinelError: the recipe, stage or resume request is wrong, the recipe was edited since
            the run that is to be resumed was launched, its critical phases exceed the budget, or
            nothing is left to make and a gate of what is there does not pass.
    """
    home = find_home()
    loaded = home.recipe(recipe)
    instance = dg.DagsterInstance.get()
    instance.add_dynamic_partitions(str(RECIPES.name), [recipe])
    free_slots(instance)
    size_pool(instance)
    loop = last_loop(instance, recipe) if resume else run_id
    launched = freeze(home, recipe, loop)
    refuse_edited(launched, loaded)
    names = selected_assets(defs.get_repository_def(), launched, until)
    selected = names
    if resume:
        selected = unfinished(defs.get_repository_def(), recipe, loop, names)
        if not selected:
            events.write(event="run", run_id=run_id, loop=loop, stages=[])
            if reasons := refusals(recipe, loop, names):
                raise GateRefused(_refused(reasons))
            finished = f"of its newest run {loop[:8]} everything is made"
            raise nothing_to_resume(recipe, f"is finished: {finished}")
    budget = limited(loaded, max_hours, max_cost).budget
    if budget.hours_allowed is not None:
        _keep_to_budget(home, launched, budget, Store(home, recipe, run_id, loop), selected, events)
    if "task_bank" in selected:
        require_usable(launched, home.root, home.recipe_file(recipe), selected)
    if GRPO.checkpoint in selected and launched.grpo is not None:
        check_own_rewards(launched.grpo.reward, home.root, launched.grpo.rewards)
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
            tags={
                LOOP_TAG: loop,
                PID_TAG: process_mark(os.getpid()) or "",
                MAX_HOURS_TAG: _tag(budget.max_hours),
                MAX_COST_TAG: _tag(budget.max_cost),
            },
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    if not result.success:
        events.write(event="end", exit_code=watcher.exit_code, message=watcher.message)
        return watcher.exit_code
    # What fails in the middle of the chain stops the stage that asks for it; at its end none asks.
    reasons = refusals(recipe, loop, names)
    code = EXIT_GATE if reasons else EXIT_DONE
    events.write(event="end", exit_code=code, message=_refused(reasons) if reasons else "")
    return code


def _refused(reasons: Sequence[str]) -> str:
    """What a run ends with that made everything and may not be built on."""
    return "\n".join(
        [*reasons, "Everything was made and is kept; nothing is released or goes on from it."]
    )


def _tag(limit: float | None) -> str:
    return "" if limit is None else str(limit)


def _keep_to_budget(
    home: Home,
    recipe: Recipe,
    budget: Budget,
    store: Store,
    selected: Sequence[str],
    events: Events,
) -> None:
    """Say before anything runs which optional phases the budget does not suffice for.

    Raises:
        GateRefused: the critical phases alone exceed it.
    """
    from .training.planning.plan import make_plan, suite_items

    planned = make_plan(replace(recipe, budget=budget), home)
    hours = {asset: each for asset, each in planned.hours.items() if asset in selected}
    keep_expected(home, store.loop_id, hours)
    spent = loop_hours(store)
    choice = choose(recipe, budget, spent, hours, suite_items(planned, store))
    unknown = [asset for asset, each in hours.items() if each is None]
    text = f"budget: {choice.allowed:g} h allowed, {spent:.3f} h spent, {choice.hours - spent:.3f} h expected"
    text += f"; the hours of {', '.join(unknown)} are unknown" if unknown else ""
    events.write(event="note", text=text)
    for name in choice.skipped:
        events.write(event="note", text=f"will be skipped: {skip_reason(name, choice)}")
    if not choice.fits:
        skipped = f" without {', '.join(choice.skipped)}" if choice.skipped else ""
        raise GateRefused(
            f"the critical phases do not fit into the budget: {choice.hours:.3f} h spent and "
            f"expected{skipped}, {choice.allowed:g} h allowed. Raise --max-hours or --max-cost, "
            "train less, or stop earlier with --until; what was made is kept."
        )


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

        if event.event_type == DagsterEventType.ASSET_OBSERVATION:
            skipped = check_skipped(event)
            if skipped is not None:
                self._events.write(
                    event="check",
                    name=skipped.check,
                    asset=skipped.asset,
                    passed=False,
                    skipped=True,
                    warns=False,
                    description=skipped.reason,
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
    parser.add_argument("--max-hours", type=float)
    parser.add_argument("--max-cost", type=float)
    args = parser.parse_args(argv)
    events = Events(args.events)
    try:
        return run(
            args.recipe,
            events,
            run_id=args.run_id,
            until=args.until,
            resume=args.resume,
            max_hours=args.max_hours,
            max_cost=args.max_cost,
        )
    except SentinelError as error:
        events.write(event="end", exit_code=error.exit_code, message=str(error))
        return error.exit_code


if __name__ == "__main__":
    raise SystemExit(main())
