"""What Dagster's records say of a recipe's runs: which is newest, what it left unfinished, what its
checks and failures said.

Read by the loop's script, the nightly schedule, the digest and the alerts. What this module does
not do: start a run.
"""

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg
from dagster import DagsterEventType, DagsterRunStatus, RunsFilter

from ..alerts.notice import CheckSeen, Outcome, RunSeen
from ..errors import EXIT_FAILED, EXIT_GATE, BadInput, did_you_mean
from ..gates.fences import fences_of
from ..records.recipe import Recipe
from ..records.stages import TRAINING_STAGES, report_of, stage_of_report
from .checks import REPORT_GATES, gates_of
from .dead_runs import CAUSES, end_dead_runs
from .gap import PROOF
from .jobs import RELEASE
from .stage import LOOP_TAG, View, open_view

JOB = "train_recipe"
LOOP_JOBS = (JOB, "nightly")
QUICKLY = 1 << 28
"""Larger files are not hashed to know what is left of a loop: the schedule asks, and has a
minute."""
_DIED = re.compile(r"(?:unexpectedly exited|was terminated by signal) [^.]*")
"""How Dagster's server tells of a run's process that is gone."""
_SEEN = {
    DagsterEventType.ASSET_CHECK_EVALUATION,
    DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED,
    DagsterEventType.ASSET_MATERIALIZATION,
    DagsterEventType.STEP_FAILURE,
    DagsterEventType.RUN_FAILURE,
}


def selected_assets(
    repository: dg.RepositoryDefinition, recipe: Recipe, until: str | None = None
) -> list[str]:
    """What a run of ``recipe`` makes, in the order of the graph: no stage that it does not use, and
    nothing that only such a stage needs; up to and with ``until`` (an asset, or ``sft`` for
    ``sft_report``).

    Raises:
        BadInput: ``until`` is not one of them.
    """
    graph = repository.asset_graph
    parents: dict[str, set[str]] = {}
    leaves: set[str] = set()
    left_out = {
        asset
        for stage in TRAINING_STAGES
        if stage not in recipe.chain
        for asset in (stage.checkpoint, stage.report)
    }
    for key in graph.toposorted_asset_keys:
        name = key.to_user_string()
        node = graph.get(key)
        needs = {parent.to_user_string() for parent in node.parent_keys}
        # What is made of unused stages alone has nothing to look at.
        if name in left_out or node.group_name == RELEASE or (needs and needs <= left_out):
            left_out.add(name)
            continue
        parents[name] = needs - left_out
        if all(graph.get(child).group_name == RELEASE for child in node.child_keys):
            leaves.add(name)
    needed = _with_ancestors(leaves, parents)
    selected = [name for name in parents if name in needed]
    if until is None:
        return selected
    target = until if until in selected else report_of(until)
    if target not in selected:
        raise BadInput(
            f"unknown asset {until!r}: not an asset or stage of recipe {recipe.name}.",
            field="--until",
            fix=did_you_mean(until, [*selected, *recipe.reported]),
        )
    needed = _with_ancestors({target}, parents)
    return [name for name in selected if name in needed]


def _with_ancestors(names: Iterable[str], parents: Mapping[str, set[str]]) -> set[str]:
    ancestors: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        if name not in ancestors:
            ancestors.add(name)
            left += parents[name]
    return ancestors


def last_loop(instance: dg.DagsterInstance, recipe: str) -> str:
    """The loop to resume: that of the recipe's newest run, which must not have succeeded; a dead
    run is marked failed.

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
    """The recipe's newest run of the loop, by hand or by night; one whose process died unnoticed is
    marked failed."""
    end_dead_runs(instance, recipe)
    records = [
        run
        for job in LOOP_JOBS
        for run in instance.get_run_records(
            RunsFilter(job_name=job, tags={"dagster/partition": recipe}), limit=1
        )
    ]
    return max(records, key=lambda record: record.create_timestamp).dagster_run if records else None


def unfinished(recipe: str, loop: str, names: Sequence[str]) -> list[str]:
    """Assets of ``names`` that the loop has no artifact of, or no verdict about."""
    view = open_view(dg.DagsterRun(job_name=JOB, run_id=loop), recipe)
    gates: dict[str, Iterable[str]] = {name: gates_of(view.recipe, name) for name in REPORT_GATES}
    gates[PROOF] = (PROOF,) if view.recipe.gap_proof else ()
    return [name for name in names if not _finished(view, name, loop, gates.get(name, ()))]


def _finished(view: View, name: str, loop: str, gates: Iterable[str]) -> bool:
    """It is made and whole, and whatever is to be decided about it was."""
    artifacts = [
        artifact for artifact in view.store.history(name) if artifact.manifest.loop_id == loop
    ]
    if not artifacts or artifacts[-1].damage(QUICKLY):
        return False
    # A fence that was not decided must be decided before anything trains on what it is about.
    needed = (*gates, *fences_of(view.recipe, artifacts[-1]))
    if not all(view.ledger.latest(name, artifacts[-1].hash) for name in needed):
        return False
    decided = view.recipe.decision_after(stage_of_report(name)) is None
    return decided or view.ledger.latest_decision(artifacts[-1].hash) is not None


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
    """What a failed step says to a person: our own words, else the root_cause exception's."""
    if data.user_failure_data and data.user_failure_data.description:
        return str(data.user_failure_data.description)
    return root_cause(data.error) or "failed without an error message"


def root_cause(error: Any) -> str:
    """What the exception that began it said; empty where there is none."""
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error else ""


def run_seen(record: dg.RunRecord, log: "RunLog") -> RunSeen:
    """A run with its hours so far, or in all."""
    run = record.dagster_run
    end = record.end_time or time.time()
    hours = (end - record.start_time) / 3600 if record.start_time else 0.0
    failed = run.status == DagsterRunStatus.FAILURE
    return RunSeen(
        run.run_id, log.recipe, run.job_name, failed, hours, log.why, tuple(log.failures)
    )


class RunLog:
    """One run's log, as far as checks are concerned."""

    def __init__(self, instance: dg.DagsterInstance, run: dg.DagsterRun, recipe: str) -> None:
        self.run = run
        self.recipe = recipe
        self._instance = instance
        self.failures: list[str] = []
        """What each failed step said, in order; where none did, what ended the run."""
        self._planned: dict[tuple[str, str], str | None] = {}
        self._made: set[str] = set()
        self._failed: set[str | None] = set()
        self.codes: set[int] = set()
        """Exit codes of the steps that failed."""
        self._done: dict[tuple[str, str], CheckSeen] = {}
        for entry in instance.all_logs(run.run_id, of_type=_SEEN):
            if entry.dagster_event:
                self._read(entry.dagster_event)

    @property
    def why(self) -> str:
        """The first failure."""
        return self.failures[0] if self.failures else ""

    def _read(self, event: dg.DagsterEvent) -> None:
        kind = event.event_type
        if kind == DagsterEventType.ASSET_MATERIALIZATION and event.asset_key:
            self._made.add(event.asset_key.to_user_string())
        elif kind == DagsterEventType.STEP_FAILURE:
            self._failed.add(event.step_key)
            self.codes.add(failure_code(event.step_failure_data))
            self.failures.append(f"{event.step_key}: {failure_message(event.step_failure_data)}")
        elif kind == DagsterEventType.RUN_FAILURE:
            thrown = root_cause(event.job_failure_data and event.job_failure_data.error)
            message = (
                thrown
                or self._wordless_end()
                or event.message
                or "it exited without an error message"
            )
            self.failures = self.failures or [message]
        elif kind == DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED:
            key = event.asset_check_planned_data.asset_check_key
            self._planned[key.asset_key.to_user_string(), key.name] = event.step_key
        elif kind == DagsterEventType.ASSET_CHECK_EVALUATION:
            evaluation = event.asset_check_evaluation_data
            asset = evaluation.asset_key.to_user_string()
            error = evaluation.severity == dg.AssetCheckSeverity.ERROR
            self._add(
                asset,
                evaluation.check_name,
                "passed" if evaluation.passed else "failed" if error else "warned",
                evaluation.description,
            )

    def _wordless_end(self) -> str | None:
        """Why a run ended of which no step says so: definitions that do not load, a server that is
        gone, a process that died."""
        events = self._instance.all_logs(self.run.run_id, of_type=DagsterEventType.ENGINE_EVENT)
        for event in reversed([entry.dagster_event for entry in events if entry.dagster_event]):
            if event.engine_event_data.error:
                return event.engine_event_data.error.message.strip()
            if died := _DIED.search(event.message or ""):
                return f"its process {died[0]}: {CAUSES}"
        return None

    def _add(self, asset: str, check: str, outcome: Outcome, description: str | None) -> None:
        self._done[asset, check] = CheckSeen(
            self.run.run_id, self.recipe, asset, check, outcome, description or ""
        )

    def checks(self) -> list[CheckSeen]:
        """Results, and once the run is over the planned checks without one: of a step that failed,
        or of an asset it made."""
        if self.run.is_finished:
            for (asset, check), step in self._planned.items():
                if (asset, check) in self._done:
                    continue
                if step in self._failed:
                    self._add(asset, check, "crashed", self.why)
                elif asset in self._made:
                    self._add(asset, check, "missing", self.why)
        return list(self._done.values())
