"""What a gate is decided on, gathered: the report, the suite's size, the scorer of now and, for a paired gate, the other report."""

from dataclasses import replace
from pathlib import Path

from ..bench.confounds import explained
from ..bench.pairing import paired_counts
from ..bench.report import report_from_json
from ..bench.rescore import cutting_scorer
from ..bench.samples import read_samples
from ..gates import Paired, decide
from ..records import GateVerdict
from ..records.conversation import conversation_of
from ..records.gate_spec import GatePolicy
from ..store import Artifact, read_parquet
from .stage import View, current_scorer_version, unlicensed


def judge(stage: View, asset: str, gate: str) -> tuple[GateVerdict, float | None]:
    """Decide one gate of one report and record the verdict; beside it, for a paired gate, the share of discordant items."""
    policy, made = stage.recipe.gates[gate], stage.store.get(asset)
    report = report_from_json(made.json(f"{policy.suite}/report.json"))
    suite = stage.store.origin(made, "task_bank").path(f"suites/{policy.suite}.parquet")
    paired = _paired(stage, policy, made) if policy.against else None
    verdict = decide(
        gate,
        policy,
        report,
        subject=f"{stage.recipe.name}/{asset}",
        subject_hash=made.hash,
        paired=paired,
        items=_items(suite) * int(report.decoding.get("samples", 1)),
        scorer_now=current_scorer_version(),
    )
    if reason := unlicensed(stage.ledger):
        verdict = replace(verdict, verdict="inconclusive", reason=reason)
    stage.ledger.record(verdict, recipe=stage.recipe.name, run_id=stage.store.run_id)
    return verdict, (paired.gained + paired.lost) / paired.n if paired and paired.n else None


def _items(suite: Path) -> int:
    """A conversation is one item, however many turns it has."""
    return len({conversation_of(str(row["id"])) for row in read_parquet(suite, columns=["id"])})


def _paired(stage: View, policy: GatePolicy, made: Artifact) -> Paired | None:
    other = stage.store.find(f"{policy.against}_report")
    if other is None:
        return None
    first, second = read_samples(other, policy.suite), read_samples(made, policy.suite)
    bank = stage.store.origin(made, "task_bank").path(f"suites/{policy.suite}.parquet")
    found = explained(first, second, cutting_scorer(bank)) if policy.metric == "pass_at_1" else []
    void = "; ".join(one.reason for one in found if one.explains) or None
    return paired_counts(first, second, policy.metric)._replace(against_hash=other.hash, void=void)
