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
from ..errors import EXIT_FAILED, EXIT_GATE, BadInput, GateRefused, did_you_mean
from ..gates.fences import blocking_fences, fence_key, fences_of
from ..gates.keys import artifact_key, report_key
from ..phases import is_for_budget
from ..records.recipe import Recipe
from ..records.stages import TRAINING_STAGES, report_of, stage_of_report
from ..store import skipped_reason
from .checks import REPORT_GATES, gates_of
from .dead_runs import CAUSES, end_dead_runs
from .gap import PROOF
from .jobs import RELEASE
from .stage import (
    LOOP_TAG,
    SKIPPED_CHECK,
    SkippedCheck,
    View,
    current_scorer_version,
    open_view,
    undecidable,
)

JOB = "train_recipe"
LOOP_JOBS = (JOB, "nightly")
QUICKLY = 1 << 28
"""Larger files are not hashed to know what is left of a loop: the schedule asks, and has a
minute."""
_SHARED_ROWS = ("rebalanced_mix", "task_bank")
"""What a stage trains on and did not make for itself alone."""
_DIED = re.compile(r"(?:unexpectedly exited|was terminated by signal) [^.]*")
"""How Dagster's server tells of a run's process that is gone."""
_SEEN = {
    DagsterEventType.ASSET_CHECK_EVALUATION,
    DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED,
    DagsterEventType.ASSET_MATERIALIZATION,
    DagsterEventType.ASSET_OBSERVATION,
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
    """The loop to resume: that of the recipe's newest run, which may have succeeded as far as it
    was to go (``--until``); a dead run is marked failed.

    Raises:
        BadInput: there is no run, or it is still going on.
    """
    run = newest_run(instance, recipe)
    if run is None:
        raise nothing_to_resume(recipe, "has no run")
    if not run.is_finished:
        raise BadInput(
            f"run {run.run_id} of {recipe} is still going on.", fix="Wait for it, or stop it."
        )
    return run.tags.get(LOOP_TAG, run.run_id)


def nothing_to_resume(recipe: str, why: str) -> BadInput:
    """The answer to ``--resume`` where nothing is left to do."""
    fix = f"Start a new run: sentinel run {recipe}."
    return BadInput(f"nothing to resume: {recipe} {why}.", field="--resume", fix=fix)


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


def unfinished(
    repository: dg.RepositoryDefinition, recipe: str, loop: str, names: Sequence[str]
) -> list[str]:
    """Assets of ``names`` that the loop has no artifact of, or no verdict about; a phase that its
    budget did not suffice for is one of them, with all that was made without it."""
    view = open_view(dg.DagsterRun(job_name=JOB, tags={LOOP_TAG: loop}), recipe)
    gates: dict[str, Iterable[str]] = {
        name: [
            gate
            for gate, policy in gates_of(view.recipe, name).items()
            if undecidable(view, name, policy) is None
        ]
        for name in REPORT_GATES
    }
    gates[PROOF] = (PROOF,) if view.recipe.gap_proof else ()
    left = {name for name in names if not _finished(view, name, loop, gates.get(name, ()))}
    reopened = {name for name in left if is_for_budget(_skipped(view, name))}
    graph = repository.asset_graph
    # A stage's graph names every start that it might have: one that starts elsewhere stays.
    needs = {
        asset: {stage.trains_on, f"{view.recipe.start_of(stage.name)}_checkpoint"}
        for stage in view.recipe.chain
        for asset in (stage.trains_on, stage.checkpoint)
        if stage.trains_on not in _SHARED_ROWS or asset == stage.checkpoint
    }
    for name in names:  # in the order of the graph: parents come first
        parents = {key.to_user_string() for key in graph.get(dg.AssetKey(name)).parent_keys}
        if reopened & needs.get(name, parents):
            reopened.add(name)
    return [name for name in names if name in left | reopened]


def _skipped(view: View, name: str) -> str | None:
    """Why the loop's artifact of an asset holds nothing; None where it does, or there is none."""
    artifact = view.store.find(name)
    return skipped_reason(artifact) if artifact is not None else None


def _finished(view: View, name: str, loop: str, gates: Iterable[str]) -> bool:
    """It is made and whole, and whatever is to be decided about it was."""
    artifacts = [
        artifact for artifact in view.store.history(name) if artifact.manifest.loop_id == loop
    ]
    if not artifacts or artifacts[-1].damage(QUICKLY):
        return False
    if reason := skipped_reason(artifacts[-1]):
        return not is_for_budget(reason)
    # A fence that was not decided must be decided before anything trains on what it is about.
    needed = (*gates, *fences_of(view.recipe, artifacts[-1]))
    if not all(view.ledger.latest(name, artifacts[-1].hash) for name in needed):
        return False
    decided = view.recipe.decision_after(stage_of_report(name)) is None
    return decided or view.ledger.latest_decision(artifacts[-1].hash) is not None


def refusals(recipe: str, loop: str, names: Iterable[str]) -> list[str]:
    """Why nothing may go on from what the loop made of ``names``: of each gate, fence and gap proof
    that blocks and does not pass, what a later stage would have been told.

    A gate of the last stage is asked by no later one. What was skipped, or only warns, is not among
    them; a person's signature, which may come after the run, neither.
    """
    view = open_view(dg.DagsterRun(job_name=JOB, tags={LOOP_TAG: loop}), recipe)
    version = current_scorer_version()
    reasons: list[str] = []
    for name in names:
        artifact = view.store.find(name)
        if artifact is None or artifact.manifest.loop_id != loop or skipped_reason(artifact):
            continue
        keys = [
            report_key(view.store, view.recipe, gate, artifact, version)
            for gate, policy in (
                gates_of(view.recipe, name) if name in REPORT_GATES else {}
            ).items()
            if policy.severity == "block" and undecidable(view, name, policy) is None
        ]
        keys += [
            fence_key(fence, artifact, view.recipe, version)
            for fence in blocking_fences(view.recipe, artifact)
        ]
        if name == PROOF and view.recipe.gap_proof is not None:
            keys.append(artifact_key(PROOF, artifact, view.recipe.gap_proof, version))
        for key in keys:
            try:
                view.ledger.require(key)
            except GateRefused as error:
                reasons.append(str(error))
    return reasons


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


def check_skipped(event: dg.DagsterEvent) -> SkippedCheck | None:
    """Which check an observation says asked nothing, and why; None of any other observation."""
    observation = event.asset_observation_data.asset_observation
    check = observation.metadata.get(SKIPPED_CHECK)
    if check is None:
        return None
    reason = str(observation.metadata["reason"].value)
    return SkippedCheck(observation.asset_key.to_user_string(), str(check.value), reason)


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
        elif kind == DagsterEventType.ASSET_OBSERVATION:
            if (skipped := check_skipped(event)) is not None:
                self._add(skipped.asset, skipped.check, "skipped", skipped.reason)
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
