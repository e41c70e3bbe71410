"""What every asset shares: the recipe partition, the stage handed to its body, and how results
reach the UI.

``@recipe_asset`` is ``@dg.asset`` with the house's defaults; its body takes a ``Stage`` and makes
one artifact. Our errors become ``dg.Failure``: only infrastructure may be retried. Nothing here
does a stage's work.
"""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial, wraps
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg
from dagster._core.errors import (
    DagsterPipesExecutionError,
)  # raised by the Pipes client, exported nowhere public

from ..costs import (
    DEVICE_ASSETS,
    cost_rows,
    costs_markdown,
    last_costs,
    loop_costs,
    refuse_beyond,
    write_cost,
    write_estimate,
)
from ..errors import GateRefused, Infrastructure, SentinelError
from ..gates.decisions import NEXT_STEP
from ..gates.fences import blocking_fences, fence_key
from ..gates.keys import artifact_key, report_key
from ..records.recipe import Recipe
from ..records.stages import stage_of_report
from ..store import Artifact, Draft, Home, Ledger, Store, find_home, skip
from ..store.launched import freeze
from ..store.manifest import code_version
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
        self._began = time.monotonic()

    def parent(self, asset: str) -> Artifact:
        """An input artifact; only declared dependencies may be read, so that lineage never lies."""
        declared = {
            key.to_user_string()
            for key in self.context.assets_def.asset_deps[self.context.asset_key]
        }
        if asset not in declared:
            raise RuntimeError(f"{self.asset} reads {asset} without declaring it as a dependency")
        return self.store.get(asset)

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
        self.show("skipped", reason)

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

    def show(self, name: str, markdown: str) -> None:
        """Markdown for the asset's page in the UI; images as data URIs, under about 100 KB."""
        self.shown[name] = dg.MetadataValue.md(markdown)

    def work(self, job: Path) -> None:
        """Run one training job in a child process through Dagster Pipes, unless a nightly run's
        budget is used up.

        Raises:
            BadInput, GateRefused, Infrastructure: as the child's exit code says, with the child's
                own words.
        """
        from ..worker.failures import worker_error

        if self.context.run.tags.get(NIGHTLY_TAG):
            spent = loop_costs(self.store, DEVICE_ASSETS).values()
            estimate = last_costs(self.store, [self.asset]).get(self.asset)
            refuse_beyond(
                self.recipe.budget, self.asset, sum(cost.device_s for cost in spent), estimate
            )
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
        cost = (
            {"wall_s": rows[0]["wall_s"], "device_s": rows[0]["device_s"], "cost": rows[0]["cost"]}
            if rows
            else {}
        )
        self.show("costs", costs_markdown(rows, self.recipe.budget))
        metadata = {**_metadata(artifact), **cost, **self.shown}
        return dg.MaterializeResult(data_version=dg.DataVersion(artifact.hash), metadata=metadata)


def _metadata(artifact: Artifact) -> dict[str, Any]:
    numbers = {
        key: value
        for key, value in artifact.manifest.metrics.items()
        if isinstance(value, (int, float, str))
    }
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
        **numbers,
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


def skipped_check(asset: str, check: str, reason: str) -> dg.AssetCheckResult:
    """The result of a check that has nothing to look at; Dagster knows no third outcome, so the
    description says it."""
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=check,
        passed=True,
        description=f"skipped: {reason}",
        metadata={"verdict": "skipped"},
    )


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
