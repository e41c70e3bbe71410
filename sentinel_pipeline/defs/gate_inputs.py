"""The inputs of a gate's decision: the report with its samples, the suite's size, the current
scorer version, which look it is, and for a paired gate the other report."""

from dataclasses import replace
from pathlib import Path

from ..bench.confounds import explained
from ..bench.pairing import paired_counts, unlike
from ..bench.report import recomputed, report_from_json
from ..bench.rescore import cutting_scorer
from ..bench.samples import read_samples
from ..gates import Paired, decide, measure_report
from ..gates.keys import report_key
from ..gates.looks import at_look
from ..rates import percent
from ..records import GateVerdict
from ..records.conversation import conversation_of
from ..records.gate_spec import GatePolicy
from ..records.stages import report_of
from ..store import Artifact, read_parquet
from .stage import View, current_scorer_version, unlicensed


def judge(stage: View, asset: str, gate: str) -> tuple[GateVerdict, float | None]:
    """Decide one gate of one report and record the verdict; beside it, for a paired gate, the share
    of discordant items."""
    from ..bench.binding import bound_by

    policy = stage.recipe.gates[gate]
    artifact = stage.store.get(asset)
    report = report_from_json(artifact.json(f"{policy.suite}/report.json"))
    samples = read_samples(artifact, policy.suite)
    suite = stage.store.origin(artifact, "task_bank").path(f"suites/{policy.suite}.parquet")
    key = report_key(
        stage.store, stage.recipe, gate, artifact, report.scorer_version, bound_by(report)
    )
    # The file that was answered, not the file as it may be by now.
    key = replace(key, suite_file=_answered(stage, artifact, policy.suite))
    paired = None
    if policy.against:
        # One look for both: another run may make a newer report between two.
        against = stage.store.find(report_of(policy.against))
        key = replace(key, against_hash=against.hash if against else "")
        paired = _paired(stage, policy, against, artifact) if against else None
    look = stage.ledger.look(key)
    shown = at_look(policy, look)
    measured = measure_report(
        shown,
        report,
        paired=paired,
        items=_items(suite) * int(report.decoding.get("samples", 1)),
        scorer_now=current_scorer_version(),
    )
    if recomputed(report, samples) != report:
        void = "void: the report does not say what its samples say: rebuild it"
        measured = replace(measured, void=void)
    decided = decide(shown, measured)
    if look > 1:
        at = f"look {look} at these weights and items, decided at {percent(shown.confidence)} confidence"
        decided = replace(decided, reason=f"{decided.reason}; {at}")
    verdict = key.verdict(replace(decided, look=look))
    if reason := unlicensed(stage.ledger):
        verdict = replace(verdict, verdict="inconclusive", reason=reason)
    stage.ledger.record(verdict, recipe=stage.recipe.name, run_id=stage.store.run_id)
    return verdict, (paired.gained + paired.lost) / paired.n if paired and paired.n else None


def _answered(stage: View, report: Artifact, suite: str) -> str | None:
    bank = stage.store.origin(report, "task_bank")
    if not (bank.folder / "suites.json").is_file():
        return None  # a bank of an earlier version: a file of one's own makes its verdicts stale
    answer: str | None = bank.json("suites.json").get(suite)
    return answer


def _items(suite: Path) -> int:
    """A conversation is one item, however many turns it has."""
    return len({conversation_of(str(row["id"])) for row in read_parquet(suite, columns=["id"])})


def _paired(stage: View, policy: GatePolicy, against: Artifact, artifact: Artifact) -> Paired:
    ours, theirs = (
        report_from_json(each.json(f"{policy.suite}/report.json")) for each in (against, artifact)
    )
    if reason := unlike(ours, theirs):
        return Paired(0, 0, 0, 0, void=reason)
    first = read_samples(against, policy.suite)
    second = read_samples(artifact, policy.suite)
    bank = stage.store.origin(artifact, "task_bank").path(f"suites/{policy.suite}.parquet")
    confounds = (
        explained(first, second, cutting_scorer(bank)) if policy.metric == "pass_at_1" else []
    )
    void = "; ".join(finding.reason for finding in confounds if finding.explains) or None
    return paired_counts(first, second, policy.metric)._replace(void=void)
