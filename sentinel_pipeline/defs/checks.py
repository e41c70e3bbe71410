"""Asset checks: the gates. Each verdict goes to the ledger first, then to the UI.

A check fences one run (``blocking``); the ledger is what every trainer asks again. Inconclusive is
shown as a warning that did not pass: Dagster would let a run go on past it, the ledger does not. A
check reads what an asset wrote and computes nothing else.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from ..gates.fences import (
    FEW_INFRA,
    NO_OVERLAP,
    NO_PAIR,
    PARITY,
    SHARES,
    decide_clean,
    decide_infrastructure,
    decide_parity,
    decide_shares,
    fence_key,
    fence_policy,
    fence_severity,
)
from ..gates.simulation import ErrorRates, error_rates
from ..markdown import table
from ..rates import verdict_words, with_interval
from ..records import Decided, GateVerdict, VerdictKey
from ..records.gate_spec import GatePolicy
from ..records.recipe import Recipe
from ..records.stages import (
    REPORT_STAGES,
    TRAINING_STAGES,
    gates_of_stage,
    report_of,
    stage_of_report,
)
from ..store import Artifact, skipped_reason
from .gap import gap_gates
from .gate_inputs import judge
from .mix import suite_tasks, training_tasks, wording_rows
from .stage import (
    FIRST,
    RECIPES,
    CheckOutcome,
    View,
    as_dagster_failure,
    current_scorer_version,
    open_view,
    recipe_check,
    report_check,
    rounded,
    samples_link,
    skipped_check,
    undecidable,
    unlicensed,
    unused,
)

REPORT_GATES: Mapping[str, Mapping[str, str]] = {
    report_of(name): {gate: one.description for gate, one in gates_of_stage(name).items()}
    for name in REPORT_STAGES
}
"""The default gates of each report, a check each. A recipe's own gates are decided together, by the
check ``recipe_gates``."""
RECIPE_GATES = "recipe_gates"


def _view(context: dg.AssetCheckExecutionContext) -> View:
    return open_view(context.run, context.op_execution_context.partition_key)


def verdict_result(
    asset: str, verdict: GateVerdict, severity: str, rates: ErrorRates | None = None
) -> dg.AssetCheckResult:
    """A gate's verdict as the UI shows it; only ``fail`` of a blocking gate is an error."""
    error = verdict.verdict == "fail" and severity == "block"
    low, high = verdict.interval[:2] if verdict.interval else (None, None)
    numbers = {"measured": verdict.measured, "interval_low": low, "interval_high": high}
    simulated: dict[str, float | str] = {}
    if rates:
        simulated = {
            "false_promotions": rounded(rates.false_promotions),
            "power": rounded(rates.power),
            "error_rates": rates.text(),
        }
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=verdict.name,
        passed=verdict.verdict == "pass",
        severity=dg.AssetCheckSeverity.ERROR if error else dg.AssetCheckSeverity.WARN,
        description=f"{verdict_words(verdict.verdict, severity)}: {verdict.reason}",
        metadata={
            "verdict": verdict.verdict,
            "rate": with_interval(verdict.measured, verdict.interval),
            "n": verdict.n,
            "threshold": verdict.threshold,
            **{key: rounded(value) for key, value in numbers.items() if value is not None},
            **simulated,
            "subject_hash": verdict.subject_hash,
            "scorer_version": verdict.scorer_version,
        },
    )


def record_fence(
    view: View,
    artifact: Artifact,
    name: str,
    decided: Decided,
    key: VerdictKey | None = None,
    **metadata: Any,
) -> dg.AssetCheckResult:
    """Put a fence's verdict into the ledger, then into the UI; ``key`` is that of who decided on
    answers, which are bound to more than the artifact."""
    key = key or fence_key(name, artifact, view.recipe, current_scorer_version())
    verdict = key.verdict(decided)
    view.ledger.record(verdict, recipe=view.recipe.name, run_id=view.store.run_id)
    severity = fence_severity(view.recipe, name)
    shown = verdict_result(artifact.manifest.asset, verdict, severity)
    return shown._replace(metadata={**shown.metadata, **metadata})


def gates_of(recipe: Recipe, asset: str) -> dict[str, GatePolicy]:
    """The gates that judge ``asset``, a report, by name; those that are switched off are not among
    them."""
    stage = stage_of_report(asset)
    return {
        name: policy
        for name, policy in recipe.gates.items()
        if policy.stage == stage and policy.severity != "off"
    }


def _gate_report(stage: View, asset: str, gate: str) -> CheckOutcome:
    policy = stage.recipe.gates.get(gate)
    if policy is None:
        return skipped_check(asset, gate, unused(stage.recipe, stage_of_report(asset)))
    if policy.severity == "off":
        return skipped_check(asset, gate, "off in this recipe")
    if reason := undecidable(stage, asset, policy):
        return skipped_check(asset, gate, reason)
    verdict, discordance = judge(stage, asset, gate)
    rates = error_rates(policy, verdict.n, discordance) if verdict.n else None
    shown = verdict_result(asset, verdict, policy.severity, rates)
    outcome = "" if verdict.verdict == "pass" else "fail"
    answers = samples_link(stage.recipe.name, asset, policy.suite, outcome)
    return shown._replace(metadata={**shown.metadata, "answers": answers})


def _recipe_gates(stage: View, asset: str) -> CheckOutcome:
    """The gates that the recipe adds, decided one by one and recorded under their own names."""
    added = {
        name: policy
        for name, policy in gates_of(stage.recipe, asset).items()
        if name not in REPORT_GATES[asset]
    }
    if not added:
        return skipped_check(asset, RECIPE_GATES, "this recipe adds no gate here")
    skipped = {name: undecidable(stage, asset, policy) for name, policy in added.items()}
    mine = [name for name, reason in skipped.items() if reason is None]
    if not mine:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in skipped.items())
        return skipped_check(asset, RECIPE_GATES, reasons)
    verdicts = [judge(stage, asset, name)[0] for name in mine]
    failed = [
        verdict
        for verdict in verdicts
        if verdict.verdict == "fail" and stage.recipe.gates[verdict.name].severity == "block"
    ]
    undecided = [(name, "skipped", reason) for name, reason in skipped.items() if reason]
    summary_text = "; ".join(
        [
            *(f"{verdict.name} {verdict.verdict}" for verdict in verdicts),
            *(f"{name} skipped" for name, _, _ in undecided),
        ]
    )
    rows = [*((v.name, v.verdict, v.reason) for v in verdicts), *undecided]
    lines = table(("gate", "verdict", "reason"), rows)
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=RECIPE_GATES,
        passed=all(verdict.verdict == "pass" for verdict in verdicts),
        severity=dg.AssetCheckSeverity.ERROR if failed else dg.AssetCheckSeverity.WARN,
        description=summary_text,
        metadata={"gates": len(verdicts), "verdicts": dg.MetadataValue.md(lines)},
    )


def report_checks(asset: str) -> dg.AssetChecksDefinition:
    """The gates of one report, as one op: they are decided together and recorded together."""
    texts = {
        **REPORT_GATES[asset],
        RECIPE_GATES: "Do the gates pass that the recipe adds to this report? Each is recorded by its name.",
    }
    specs = [
        dg.AssetCheckSpec(
            gate,
            asset=asset,
            description=text,
            blocking=asset == "base_report",
            partitions_def=RECIPES,
        )
        for gate, text in texts.items()
    ]

    @dg.multi_asset_check(name=f"{asset}_gates", specs=specs, can_subset=True, op_tags=FIRST)
    def gates(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        with as_dagster_failure():
            stage = _view(context)
            for key in sorted(context.selected_asset_check_keys, key=lambda key: key.name):
                if key.name == RECIPE_GATES:
                    outcome = _recipe_gates(stage, asset)
                else:
                    outcome = _gate_report(stage, asset, key.name)
                yield from report_check(context, outcome)

    return gates


@dg.asset_check(asset="rebalanced_mix", blocking=True, partitions_def=RECIPES, op_tags=FIRST)
def no_benchmark_overlap(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Is every row of the mix free of items of the recipe's suites? Measured on the mix itself."""
    from ..mix.decontam import RowBlock, decontaminate, decontaminate_blocks
    from ..records import Row
    from ..store import read_parquet
    from ..store.tables import table_blocks

    with as_dagster_failure():
        stage = _view(context)
        mix = stage.store.get("rebalanced_mix")
        table = mix.path("rows.parquet")
        bank = stage.store.get("task_bank")
        suites = suite_tasks(bank)
        training = training_tasks(bank)
        wording = wording_rows(stage.store.get("accepted_set"), stage.store.get("repair_traces"))
        if stage.recipe.mix.engine == "ray":
            blocks = [RowBlock(each) for each in table_blocks(table)]
            report = decontaminate_blocks(blocks, suites, relatives=training, corpus=wording)
        else:
            rows = (Row.from_row(row) for row in read_parquet(table))
            report = decontaminate(rows, suites, relatives=training, corpus=wording)
        hits = len(report.hits)
        return record_fence(
            stage,
            mix,
            NO_OVERLAP,
            decide_clean(report.rows, "rows", {"overlap a suite": hits}),
            rows=report.rows,
            contaminated=hits,
            report=dg.MetadataValue.md(report.to_markdown()),
        )


@recipe_check("preference_pairs", blocking=True)
def no_pair_from_a_benchmark(stage: View) -> CheckOutcome:
    """Is every pair free of items of the recipe's suites, with two different sides and a prompt of
    its own?"""
    from ..mix.decontam import decontaminate
    from ..records import Candidate, PreferencePair
    from ..store import read_parquet

    pairs_artifact = stage.store.get("preference_pairs")
    if reason := skipped_reason(pairs_artifact):
        return skipped_check("preference_pairs", NO_PAIR, reason)
    rows = read_parquet(pairs_artifact.path("pairs.parquet"))
    pairs = [PreferencePair.from_row(row) for row in rows]
    candidates = (
        Candidate(id=p.id, source="model", messages=p.messages, completion=p.chosen) for p in pairs
    )
    bank = stage.store.get("task_bank")
    report = decontaminate(candidates, suite_tasks(bank), relatives=training_tasks(bank), corpus=())
    ties = sum(p.chosen == p.rejected or p.chosen_score <= p.rejected_score for p in pairs)
    repeated = len(pairs) - len({p.messages for p in pairs})
    faults = {"overlap a suite": len(report.hits), "tie": ties, "repeat a prompt": repeated}
    return record_fence(
        stage,
        pairs_artifact,
        NO_PAIR,
        decide_clean(len(pairs), "pairs", faults),
        pairs=len(pairs),
        contaminated=len(report.hits),
        ties=ties,
        repeated=repeated,
    )


@dg.asset_check(asset="decontamination_report", partitions_def=RECIPES)
def contamination_is_found(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Does the search find planted contaminations, recall and precision at least 95 % each?
    Without a measurement the check does not pass."""
    with as_dagster_failure():
        measured = (
            _view(context).store.get("decontamination_report").json("report.json")["measured"]
        )
    recall = measured["recall"]
    precision = measured["precision"]
    return dg.AssetCheckResult(
        passed=measured["good"],
        severity=dg.AssetCheckSeverity.WARN,
        description=f"recall {_of(recall)}, precision {_of(precision)}",
        metadata={"recall_n": recall["n"], "precision_n": precision["n"]},
    )


def _of(rate: dict[str, Any]) -> str:
    return f"{rate['hits']} of {rate['n']}"


@dg.asset_check(asset="rebalanced_mix", partitions_def=RECIPES, op_tags=FIRST)
def shares_are_met(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Has every category of the recipe its share? A shortfall is never filled by repetition, and
    not trained unless the recipe says so."""
    with as_dagster_failure():
        stage = _view(context)
        mix = stage.store.get("rebalanced_mix")
        report = mix.json("mix.json")
        decided = decide_shares(fence_policy(stage.recipe, SHARES), report)
        return record_fence(
            stage, mix, SHARES, decided, rows=report["rows"], shortfall=report["shortfall"]
        )


@dg.asset_check(asset="critic_labels", blocking=True, partitions_def=RECIPES, op_tags=FIRST)
def few_infrastructure_outcomes(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Have all but 2 % of the candidates a label, infrastructure aside, and do as many verdicts as
    ``[critic] require_trust`` asks for come of tests apart from the program? Else the labels are
    void and the fault is ours."""
    from ..store.labelled import count_labels, count_shared

    with as_dagster_failure():
        stage = _view(context)
        labels = stage.store.get("critic_labels")
        table = labels.path("labels.parquet")
        counts = count_labels(table)["accepted"]
        rows = sum(counts.values())
        shared, passed = count_shared(table)
        policy = fence_policy(stage.recipe, FEW_INFRA)
        decided = decide_infrastructure(policy, rows, counts["none"], shared, passed)
        return record_fence(
            stage,
            labels,
            FEW_INFRA,
            decided,
            rows=rows,
            infrastructure=counts["none"],
            shared_trust=shared,
        )


def parity_check(asset: str) -> dg.AssetChecksDefinition:
    """The check of one checkpoint: what its worker compared when it had saved it."""

    def export_parity(view: View) -> CheckOutcome:
        artifact = view.store.get(asset)
        if reason := skipped_reason(artifact):
            return skipped_check(asset, PARITY, reason)
        parity = artifact.json("parity.json")
        distances = {v["name"]: rounded(v["logit_distance"]) for v in parity["variants"]}
        return record_fence(view, artifact, PARITY, decide_parity(parity), None, **distances)

    description = (
        "Do adapter, merged model and a re-saved copy give the same logits and greedy answers?"
    )
    return recipe_check(asset, name=PARITY, description=description, blocking=True)(export_parity)


@dg.asset_check(asset="reward_audit", blocking=True, partitions_def=RECIPES)
def scorers_are_licensed(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Did every scorer that filters and gates pass its exam at its current version? Otherwise its
    scores may not be used."""
    with as_dagster_failure():
        stage = _view(context)
        reason = unlicensed(stage.ledger)
        scorers = stage.store.get("reward_audit").json("audit.json")["scorers"]
    return dg.AssetCheckResult(
        passed=reason is None,
        description=reason or f"{len(scorers)} scorers licensed",
        metadata={
            "gold_answers": sum(scorer["n_gold"] for scorer in scorers),
            "known_bad_answers": sum(scorer["n_bad"] for scorer in scorers),
            "bad_accepted": sum(scorer["bad_accepted"] for scorer in scorers),
        },
    )


CHECKS = [
    scorers_are_licensed,
    *(report_checks(asset) for asset in REPORT_GATES),
    few_infrastructure_outcomes,
    contamination_is_found,
    no_benchmark_overlap,
    no_pair_from_a_benchmark,
    *(parity_check(trained.checkpoint) for trained in TRAINING_STAGES),
    shares_are_met,
    gap_gates,
]
