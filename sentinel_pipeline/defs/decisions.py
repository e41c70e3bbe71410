"""Asset checks ``next_step``: what the recipe's decision tree says of a report, recorded in the
ledger and shown.

A recipe without a point after a stage decides nothing there. Trainers ask the ledger; the check
fences the run that made it.
"""

import dagster as dg

from ..bench.compare import compare_reports
from ..bench.report import report_from_json
from ..gates import Measured
from ..gates.decisions import NEXT_STEP, decide_report
from ..gates.measured import measure_gain, report_rates
from ..rates import with_interval
from ..records.decision_spec import GOING_ON, Decision, DecisionPoint
from ..records.stages import BASE, REPORT_STAGES, report_of
from ..store import Artifact
from .stage import FIRST, RECIPES, View, as_dagster_failure, open_view


def evidence_of(view: View, point: DecisionPoint, report: Artifact) -> dict[str, Measured]:
    """What a point may ask of a report: its rates on the point's suite, and the paired gain over
    the stage before."""
    evidence = report_rates(report_from_json(report.json(f"{point.suite}/report.json")))
    if point.stage != BASE:
        before = view.recipe.before(point.stage)
        pair = {before: view.store.get(report_of(before)), point.stage: report}
        ((gain, _),) = compare_reports(pair, [point.suite])
        evidence["gain"] = measure_gain(gain)
    return evidence


def decide_next(view: View, stage: str) -> Decision | None:
    """Evaluate the recipe's point after ``stage`` on its report and record what it decided; None
    where it has none."""
    point = view.recipe.decision_after(stage)
    if point is None:
        return None
    report = view.store.get(report_of(stage))
    scorer = str(report.json(f"{point.suite}/report.json")["scorer_version"])
    decision = decide_report(
        point, evidence_of(view, point, report), subject_hash=report.hash, scorer_version=scorer
    )
    view.ledger.record_decision(decision, recipe=view.recipe.name, run_id=view.store.run_id)
    return decision


def next_step_check(stage: str) -> dg.AssetChecksDefinition:
    """The check of one report; trainers ask the ledger for what it decided, a comparison or a
    review goes on either way."""

    @dg.asset_check(
        name=NEXT_STEP,
        asset=report_of(stage),
        description="What the recipe's decision tree says comes next.",
        blocking=stage == BASE,
        partitions_def=RECIPES,
        op_tags=FIRST,
    )
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        with as_dagster_failure():
            decision = decide_next(
                open_view(context.run, context.op_execution_context.partition_key), stage
            )
        if decision is None:
            return dg.AssetCheckResult(
                passed=True, description="continue: the recipe has no decision point here"
            )
        return dg.AssetCheckResult(
            passed=decision.action in GOING_ON,
            description=f"{decision.action}: {decision.reason}",
            metadata={
                "action": decision.action,
                "measured": with_interval(decision.measured, decision.interval),
                "n": decision.n,
                "subject_hash": decision.subject_hash,
                "scorer_version": decision.scorer_version,
                "rules": decision.point_hash,
            },
        )

    return check


DECISIONS = [next_step_check(stage) for stage in REPORT_STAGES]
