"""What every asset shares: the recipe partition, the stage handed to its body, and how results
reach the UI.

``@recipe_asset`` is ``@dg.asset`` with the house's defaults; its body takes a ``Stage`` and makes
one artifact. Our errors become ``dg.Failure``: only infrastructure may be retried. Nothing here
does a stage's work.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial, wraps
from inspect import cleandoc
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import dagster as dg
from dagster._core.errors import (
    DagsterPipesExecutionError,
)  # raised by the Pipes client, exported nowhere public

from ..costs import (
    DEVICE_ASSETS,
    Cost,
    cost_rows,
    costs_markdown,
    draft_cost,
    last_costs,
    loop_hours,
    refuse_beyond,
    write_cost,
    write_estimate,
)
from ..errors import GateRefused, Infrastructure, SentinelError
from ..gates.decisions import NEXT_STEP
from ..gates.fences import blocking_fences, fence_key
from ..gates.keys import artifact_key, report_key
from ..phases import SUITE, choose, is_for_budget, skip_reason, skipped_suites
from ..records.gate_spec import GatePolicy
from ..records.recipe import Recipe
from ..records.stages import BASE, report_of, stage_named, stage_of_report
from ..records.training_spec import Budget
from ..store import Artifact, Draft, Home, Ledger, Store, find_home, skip, skipped_reason
from ..store.launched import expected_hours, freeze
from ..store.manifest import code_version
from ..store.marks import refuse_superseded
from ..store.retention import lineage

RECIPES = dg.DynamicPartitionsDefinition(name="recipe")
OWNERS = ["team:sentinel"]
FIRST = {"dagster/priority": "10"}
"""Tags of checks whose verdict a trainer asks for: of the steps that are ready, they go first."""
PATIENCE_S = 300.0
"""How long a trainer waits for a verdict that its own run is deciding in another process."""
NIGHTLY_TAG = "sentinel/nightly"
LOOP_TAG = "sentinel/loop"
"""Run tag that names the run whose loop this run resumes."""
MAX_HOURS_TAG = "sentinel/max_hours"
MAX_COST_TAG = "sentinel/max_cost"
"""Run tags with the limits that a command set in the place of the recipe's; empty: none."""


class View(NamedTuple):
    """A recipe and its artifacts, seen from one run."""

    home: Home
    recipe: Recipe
    store: Store
    ledger: Ledger


def open_view(run: dg.DagsterRun, recipe: str) -> View:
    """The recipe and its store as ``run`` sees them: the recipe as its loop was launched with it;
    its own artifacts, else those of the loop it resumes, else current ones."""
    home = find_home()
    loop = run.tags.get(LOOP_TAG) or run.root_run_id or run.run_id
    frozen = freeze(home, recipe, loop)
    return View(home, frozen, Store(home, recipe, run.run_id, loop), Ledger(home.ledger))


class Stage:
    """One asset's work on one recipe in one run: its inputs, its output, its log."""

    def __init__(self, context: dg.AssetExecutionContext) -> None:
        self.context = context
        self.asset = context.asset_key.to_user_string()
        self.home, self.recipe, self.store, self.ledger = open_view(
            context.run, context.partition_key
        )
        self.shown: dict[str, Any] = {}
        self._headline = ""
        self._began = time.monotonic()

    def parent(self, asset: str) -> Artifact:
        """An input artifact; only declared dependencies may be read, so that lineage never lies.

        Raises:
            BadInput: there is none yet.
            GateRefused: a person marked it as superseded.
        """
        declared = {
            key.to_user_string()
            for key in self.context.assets_def.asset_deps[self.context.asset_key]
        }
        if asset not in declared:
            raise RuntimeError(f"{self.asset} reads {asset} without declaring it as a dependency")
        artifact = self.store.get(asset)
        refuse_superseded(self.home, artifact)
        return artifact

    @contextmanager
    def making(self, *parents: Artifact, keep: bool = False) -> Iterator[Draft]:
        """The output artifact, sealed on a clean exit; ``keep`` leaves the draft of interrupted
        long work for a resume."""
        with self.store.writing(
            self.asset,
            parents=parents,
            recipe_hash=self.recipe.sha256(),
            seed=self.recipe.seed,
            keep=keep,
        ) as out:
            if self.asset in DEVICE_ASSETS:
                write_estimate(
                    out.folder / "logs", last_costs(self.store, [self.asset]).get(self.asset)
                )
            try:
                yield out
            finally:
                write_cost(out.folder / "logs", time.monotonic() - self._began)

    def skip(self, reason: str, *parents: Artifact) -> None:
        """Make an artifact that only says why its recipe does not use it."""
        with self.making(*parents) as out:
            skip(out, reason)
        self.headline(f"Skipped: {reason}.")

    def require_licensed_scorers(self) -> None:
        """Go on only when every scorer that filters and gates holds a licence at its present
        version.

        Raises:
            GateRefused: one failed its audit, or never sat it.
        """
        if reason := unlicensed(self.ledger):
            raise GateRefused(reason)

    def require(self, gate: str, report: Artifact, checkpoint: Artifact) -> None:
        """Go on only with a passing, fresh verdict of ``gate`` about ``report``, where that is
        about exactly this checkpoint, answered as the recipe says, by licensed scorers; see
        ``Ledger.require``."""
        from ..bench.binding import bound_now

        self.require_licensed_scorers()
        self._wait(report, lambda: self.ledger.latest(gate, report.hash))
        bound = bound_now(
            self.recipe, self.recipe.gates[gate].suite, checkpoint, self.parent("task_bank")
        )
        version = current_scorer_version()
        self.ledger.require(report_key(self.store, self.recipe, gate, report, version, bound))

    def require_fences(self, artifact: Artifact) -> None:
        """Go on only with a passing verdict of every blocking fence of ``artifact`` and of all that
        it was made from.

        Raises:
            GateRefused: one is missing, stale, failed or inconclusive; says which.
        """
        for ancestor in lineage(self.home, artifact):
            for name in blocking_fences(self.recipe, ancestor):
                self._wait(ancestor, partial(self.ledger.latest, name, ancestor.hash))
                key = fence_key(name, ancestor, self.recipe, current_scorer_version())
                self.ledger.require(key)

    def follow(self, report: Artifact) -> None:
        """Go on only where the recipe's decision point after ``report``, if it has one, decided so;
        see ``Ledger.follow``."""
        point = self.recipe.decision_after(stage_of_report(report.manifest.asset))
        if point is not None:
            self._wait(report, lambda: self.ledger.latest_decision(report.hash))
            self.ledger.follow(artifact_key(NEXT_STEP, report, point, current_scorer_version()))

    def _wait(self, report: Artifact, decided: Callable[[], object]) -> None:
        """Checks that do not fence may be decided while this step starts; a report of another run
        is not waited for."""
        deadline = time.monotonic() + PATIENCE_S
        while (
            report.manifest.run_id == self.context.run_id
            and decided() is None
            and time.monotonic() < deadline
        ):
            time.sleep(0.2)

    def require_gates(self, report: Artifact) -> None:
        """Go on only with a passing, fresh verdict of every blocking gate of ``report``'s stage,
        the recipe's own among them, about the stage's checkpoint as it is now; and of the fences of
        that checkpoint and all that it was made from."""
        stage = stage_of_report(report.manifest.asset)
        checkpoint = self.parent(f"{stage}_checkpoint")
        for name, policy in self.recipe.gates.items():
            if policy.stage == stage and policy.severity == "block":
                self.require(name, report, checkpoint)
        self.require_fences(checkpoint)

    def budget(self) -> Budget:
        """The recipe's, with the limits that this run was started with."""
        return budget_of(self.context.run, self.recipe.budget)

    def left_out(self, name: str) -> str | None:
        """Why this run makes nothing for a training stage: its recipe does not use it, or it is
        optional and the budget does not suffice; None where it does."""
        stage = stage_named(name)
        if stage not in self.recipe.chain:
            return unused(self.recipe, name)
        if name not in self.recipe.budget.optional:
            return None
        # Rows that were skipped a moment ago leave nothing to train on, and no start to start from.
        for asset in (stage.trains_on, stage.checkpoint):
            if reason := self._skipped(asset):
                return reason
        start = self.recipe.start_of(name)
        if start != BASE and (reason := self._skipped(f"{start}_checkpoint")):
            return reason
        return self._for_budget(name)

    def suites_left_out(self) -> dict[str, str]:
        """Optional suites -> why this report does not answer them: the base model's did not, so
        that there is nothing to compare with, or the budget does not suffice."""
        reasons = dict(skipped_suites(self.store, report_of(BASE)))
        if self.asset == report_of(BASE):
            reasons = {}
        for unit in self.recipe.budget.optional:
            suite = unit.removeprefix(SUITE)
            if suite != unit and suite not in reasons and (reason := self._for_budget(unit)):
                reasons[suite] = reason
        return reasons

    def _skipped(self, asset: str) -> str | None:
        """Why an asset of this run was skipped for the budget; None where it was not."""
        artifact = self.store.find(asset)
        if artifact is None or artifact.manifest.run_id != self.store.run_id:
            return None
        reason = skipped_reason(artifact)
        return reason if is_for_budget(reason) else None

    def _for_budget(self, unit: str) -> str | None:
        """Why an optional phase does not fit into the budget; None where it does."""
        budget = self.budget()
        if budget.hours_allowed is None:
            return None
        hours = {asset: self._expected(asset) for asset in DEVICE_ASSETS if self._to_come(asset)}
        bank = self.store.find("task_bank")
        items = dict(bank.manifest.metrics) if bank is not None else {}
        in_hours = {
            asset: cost.device_s / 3600 if cost is not None else None
            for asset, cost in hours.items()
        }
        choice = choose(self.recipe, budget, loop_hours(self.store), in_hours, items)
        return skip_reason(unit, choice) if unit in choice.skipped else None

    def _to_come(self, asset: str) -> bool:
        """Whether this run still makes ``asset``."""
        selected = self.context.run.asset_selection
        if selected is not None and dg.AssetKey(asset) not in selected:
            return False
        artifact = self.store.find(asset)
        return artifact is None or artifact.manifest.run_id != self.store.run_id

    def _expected(self, asset: str) -> Cost | None:
        """What an asset is still expected to take: as the run's plan said, else as it took last
        time, less what its unfinished draft took."""
        planned = expected_hours(self.home, self.store.loop_id).get(asset)
        last = last_costs(self.store, [asset]).get(asset)
        if planned is not None:
            seconds = planned * 3600
        elif last is not None:
            seconds = last.device_s
        else:
            return None
        return Cost(device_s=max(0.0, seconds - draft_cost(self.store, asset).device_s))

    def headline(self, text: str) -> None:
        """What the asset came to, in a sentence: the first thing that its page says."""
        self._headline = text

    def show(self, name: str, markdown: str) -> None:
        """Markdown for the asset's page in the UI; images as data URIs, under about 100 KB."""
        self.shown[name] = dg.MetadataValue.md(markdown)

    def work(self, job: Path) -> None:
        """Run one training job in a child process through Dagster Pipes, unless the budget does not
        suffice for it.

        Raises:
            BadInput, GateRefused, Infrastructure: as the child's exit code says, with the child's
                own words.
        """
        from ..worker.failures import worker_error

        budget = self.budget()
        if budget.hours_allowed is not None:
            again = f"sentinel run {self.recipe.name} --resume"
            spent = loop_hours(self.store) * 3600
            refuse_beyond(budget, self.asset, spent, self._expected(self.asset), again)
        command = [sys.executable, "-m", "sentinel_pipeline.run_job", str(job)]
        context = self.context.op_execution_context
        try:
            dg.PipesSubprocessClient().run(
                context=context, command=command, cwd=str(self.home.root)
            )
        except DagsterPipesExecutionError as error:
            raise worker_error(job) from error

    def result(self) -> dg.MaterializeResult[None]:
        artifact = self.store.get(self.asset)
        rows = cost_rows({self.asset: artifact.folder / "logs"}, self.recipe.budget)
        costs: dict[str, Any] = {}
        if rows:
            costs = {
                "wall_s": round(rows[0]["wall_s"], 1),
                "device_s": round(rows[0]["device_s"], 1),
                "cost": round(rows[0]["cost"], 2),
                "costs": dg.MetadataValue.md(costs_markdown(rows, self.recipe.budget)),
            }
        numbers = {
            key: rounded(value)
            for key, value in artifact.manifest.metrics.items()
            if isinstance(value, (int, float, str))
        }
        images = {
            name: text
            for name, text in self.shown.items()
            if "](data:image" in str(getattr(text, "value", ""))
        }
        # What a reader looks for comes first: the sentence, the curves, the rates with their
        # intervals, the numbers; then where it lies, its hash and what it took.
        metadata = {
            "headline": dg.MetadataValue.md(self._headline or _headline(numbers)),
            **images,
            **{name: text for name, text in self.shown.items() if name not in images},
            **numbers,
            **_files(artifact),
            **costs,
        }
        return dg.MaterializeResult(data_version=dg.DataVersion(artifact.hash), metadata=metadata)


def budget_of(run: dg.DagsterRun, budget: Budget) -> Budget:
    """The recipe's budget with the limits that ``run`` was started with in the place of its own."""
    return replace(
        budget,
        max_hours=_limit(run, MAX_HOURS_TAG, budget.max_hours),
        max_cost=_limit(run, MAX_COST_TAG, budget.max_cost),
    )


def _limit(run: dg.DagsterRun, tag: str, own: float | None) -> float | None:
    if tag not in run.tags:
        return own
    return float(run.tags[tag]) if run.tags[tag] else None


def undecidable(view: View, asset: str, policy: GatePolicy) -> str | None:
    """Why a gate has nothing to look at: what it judges, or compares with, was skipped. Not a
    pass."""
    for report in (asset, *([report_of(policy.against)] if policy.against else ())):
        artifact = view.store.find(report)
        if artifact is not None and (reason := skipped_reason(artifact)):
            return reason
        if reason := skipped_suites(view.store, report).get(policy.suite):
            return reason
    return None


def samples_link(recipe: str, asset: str, suite: str = "", outcome: str = "") -> dg.MetadataValue:
    """The page of a report's answers, where ``sentinel ui`` serves it."""
    front = os.environ.get("SENTINEL_FRONT", "http://127.0.0.1:8000")
    chosen = {"suite": suite, "stage": stage_of_report(asset), "outcome": outcome}
    query = urlencode({name: value for name, value in chosen.items() if value})
    return dg.MetadataValue.url(f"{front}/samples/{quote(recipe)}?{query}")


def rounded(value: float | str) -> float | str:
    """A number as people read it: four digits that count; what is whole, or text, stays."""
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _headline(numbers: dict[str, float | str]) -> str:
    """Of an asset that says none: its first numbers."""
    shown = [
        f"{name.replace('_', ' ')} {value:,}"
        for name, value in numbers.items()
        if isinstance(value, (int, float))
    ]
    return ", ".join(shown[:4]) or "Made."


def _files(artifact: Artifact) -> dict[str, Any]:
    records = [
        dg.TableRecord(
            {
                "file": entry.path,
                "rows": entry.rows,
                "bytes": entry.bytes,
                "sha256": entry.sha256[:12],
            }
        )
        for entry in artifact.manifest.files[:50]
    ]
    columns = [
        dg.TableColumn("file"),
        dg.TableColumn("rows", "int"),
        dg.TableColumn("bytes", "int"),
        dg.TableColumn("sha256"),
    ]
    return {
        "folder": dg.MetadataValue.path(str(artifact.folder)),
        "files": dg.MetadataValue.table(records, dg.TableSchema(columns)),
        "content_hash": artifact.hash,
    }


def current_scorer_version() -> str:
    """The scorer's version, read late: importing definitions stays cheap."""
    from ..critic.version import scorer_version

    return scorer_version()


def unlicensed(ledger: Ledger) -> str | None:
    """Why the present scorers may not filter or gate; None when they may."""
    from ..audit import scorers

    return scorers.unlicensed(ledger)


def unused(recipe: Recipe, stage: str) -> str:
    """Why a training stage is skipped."""
    return f"the recipe's stages are {', '.join(recipe.reported[1:])}, without {stage}"


SKIPPED_CHECK = "skipped check"
"""Metadata of the observation that says which check asked nothing; ``reason`` is beside it."""


class SkippedCheck(NamedTuple):
    """The outcome of a check that has nothing to look at: neither passed nor failed."""

    asset: str
    check: str
    reason: str


CheckOutcome = dg.AssetCheckResult | SkippedCheck


def skipped_check(asset: str, check: str, reason: str) -> SkippedCheck:
    """The outcome of a check that asks nothing here."""
    return SkippedCheck(asset, check, reason)


def report_check(
    context: dg.AssetCheckExecutionContext, outcome: CheckOutcome
) -> Iterator[dg.AssetCheckResult]:
    """The result, or none where the check asked nothing: Dagster shows it as skipped and lets what
    follows go on; the reason stands in an observation on the asset's page."""
    if isinstance(outcome, SkippedCheck):
        op = context.op_execution_context
        op.log_event(
            dg.AssetObservation(
                asset_key=outcome.asset,
                partition=op.partition_key,
                description=f"{outcome.check} skipped: {outcome.reason}",
                metadata={SKIPPED_CHECK: outcome.check, "reason": outcome.reason},
            )
        )
        return
    yield outcome


def recipe_check(
    asset: str, *, name: str | None = None, description: str | None = None, blocking: bool = False
) -> Callable[[Callable[[View], CheckOutcome]], dg.AssetChecksDefinition]:
    """``@dg.asset_check`` with the recipe partition, of a body that may also say that it asks
    nothing. The body's docstring is the description: the question that the check answers."""

    def decorate(body: Callable[[View], CheckOutcome]) -> dg.AssetChecksDefinition:
        spec = dg.AssetCheckSpec(
            name or body.__name__,
            asset=asset,
            description=cleandoc(description or body.__doc__ or ""),
            blocking=blocking,
            partitions_def=RECIPES,
        )

        # A check that may be left out of a selection need not give a result.
        @dg.multi_asset_check(
            name=spec.get_python_identifier(), specs=[spec], can_subset=True, op_tags=FIRST
        )
        def check(context: dg.AssetCheckExecutionContext):  # type: ignore[no-untyped-def]  # Dagster reads annotations
            with as_dagster_failure():
                outcome = body(open_view(context.run, context.op_execution_context.partition_key))
            yield from report_check(context, outcome)

        return check

    return decorate


@contextmanager
def as_dagster_failure() -> Iterator[None]:
    """Turn our errors into ``dg.Failure``: a refusal or bad input is never retried, infrastructure
    may be."""
    try:
        yield
    except SentinelError as error:
        raise dg.Failure(
            description=str(error),
            metadata={"kind": type(error).__name__, "exit_code": error.exit_code},
            allow_retries=isinstance(error, Infrastructure),
        ) from error


def recipe_asset(
    *,
    group: str,
    rooms: Sequence[str],
    deps: Sequence[str] = (),
    kinds: frozenset[str] | set[str] = frozenset({"python"}),
    pool: str | None = None,
) -> Callable[[Callable[[Stage], None]], dg.AssetsDefinition]:
    """``@dg.asset`` with the recipe partition, owners, tags and the code version of the ``rooms``
    that do the work.

    The body's docstring is the asset's description; the body makes the artifact through
    ``stage.making``.
    """

    def decorate(body: Callable[[Stage], None]) -> dg.AssetsDefinition:
        @wraps(body)
        def run(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
            with as_dagster_failure():
                stage = Stage(context)
                body(stage)
                return stage.result()

        run.__annotations__ = {"context": dg.AssetExecutionContext, "return": dg.MaterializeResult}
        del run.__wrapped__
        return dg.asset(
            name=body.__name__,
            description=body.__doc__,
            group_name=group,
            deps=list(deps),
            kinds=set(kinds),
            owners=OWNERS,
            tags={"sentinel/stage": group},
            partitions_def=RECIPES,
            code_version=code_version(*rooms),
            pool=pool,
        )(run)

    return decorate
