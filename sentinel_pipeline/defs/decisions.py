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
from ..store import Artifact, skipped_reason
from .stage import CheckOutcome, View, recipe_check, skipped_check


def evidence_of(view: View, point: DecisionPoint, report: Artifact) -> dict[str, Measured]:
    """What a point may ask of a report: its rates on the point's suite, and the paired gain over
    the stage before."""
    evidence = report_rates(report_from_json(report.json(f"{point.suite}/report.json")))
    if point.stage != BASE:
        before = _measured_before(view, point.stage)
        pair = {before: view.store.get(report_of(before)), point.stage: report}
        ((gain, _),) = compare_reports(pair, [point.suite])
        evidence["gain"] = measure_gain(gain)
    return evidence


def _measured_before(view: View, stage: str) -> str:
    """The nearest stage before ``stage`` whose report was made; the base model's always was."""
    names = view.recipe.reported
    for name in reversed(names[: names.index(stage)]):
        artifact = view.store.find(report_of(name))
        if artifact is not None and not skipped_reason(artifact):
            return name
    return BASE


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
    report = report_of(stage)

    def check(view: View) -> CheckOutcome:
        artifact = view.store.find(report)
        if artifact is not None and (reason := skipped_reason(artifact)):
            return skipped_check(report, NEXT_STEP, reason)
        decision = decide_next(view, stage)
        if decision is None:
            return skipped_check(report, NEXT_STEP, "the recipe has no decision point here")
        return dg.AssetCheckResult(
            asset_key=report,
            check_name=NEXT_STEP,
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

    description = "Does the recipe's decision tree go on after this report?"
    return recipe_check(report, name=NEXT_STEP, description=description, blocking=stage == BASE)(
        check
    )


DECISIONS = [next_step_check(stage) for stage in REPORT_STAGES]
