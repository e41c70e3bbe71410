"""Group ``baseline``, second half: the gap proof (stage 1 findings), in recipes with
``[gap_proof]``; else skipped."""

from dataclasses import replace
from pathlib import Path

import dagster as dg

from ..bench.samples import join_turns, read_samples, write_samples
from ..gates.gap import Gap
from ..gates.keys import artifact_key
from ..records import Decided, GateVerdict, SampleScore, Task
from ..records.gap_spec import GapProof, PeerModel
from ..store import Artifact, Draft, read_parquet
from .stage import (
    RECIPES,
    Stage,
    as_dagster_failure,
    current_scorer_version,
    open_view,
    recipe_asset,
    report_check,
    skipped_check,
    unlicensed,
)

NO_PROOF = "this recipe has no [gap_proof]"
PROOF = "gap_proof"
SIGN_OFF = "gap_sign_off"
"""The two gates: what was measured, and what a person said of it."""


def answer_formats(
    stage: Stage, out: Draft, model: Path, model_hash: str, bank: Artifact, spec: GapProof
) -> None:
    """The model's answers to the proof's suite in each prompt format, scored, into ``gap/FORMAT``
    of a report."""
    from ..bench.evaluate import score_answers
    from ..training.planning.gap_models import has_chat_template
    from ..worker.jobs import AnswerJob, answer_job, read_job, write_job

    suite = bank.path(f"suites/{spec.suite}.parquet")
    tasks = [Task.from_row(row) for row in read_parquet(suite)]
    for prompt_format in spec.formats:
        if prompt_format == "chat" and not has_chat_template(model):
            continue  # it cannot be asked so: no such cell in the matrix
        logs = out.folder / "logs" / f"gap_{prompt_format}"
        job = read_job(
            answer_job(stage.recipe, model, {spec.suite: suite}, logs, stage.home, model_hash)
        )
        assert isinstance(job, AnswerJob)
        stage.work(
            write_job(replace(job, decoding=replace(job.decoding, prompt_format=prompt_format)))
        )
        samples = join_turns(list(score_answers(tasks, logs / f"{spec.suite}.jsonl")))
        write_samples(out, f"gap/{prompt_format}", samples)
        out.metrics[f"pass_at_1_{prompt_format}"] = sum(s.outcome == "pass" for s in samples) / max(
            len(samples), 1
        )


def _peer_report(stage: Stage, name: str) -> None:
    """Train or resolve one peer and let it answer."""
    from ..training.planning.gap_models import peer

    bank = stage.parent("task_bank")
    gap = stage.recipe.gap_proof
    if gap is None:
        stage.skip(NO_PROOF, bank)
        return
    with stage.making(bank, keep=True) as out:
        spec: PeerModel = getattr(gap, name)
        model = peer(spec, stage.home.state / "models", stage.work, stage.home.device_lock)
        answer_formats(stage, out, model.folder, model.identity, bank, gap)
        out.json("model.json", {"source": spec.model.source, "sha256": model.identity})
        out.metrics |= {"trained_seconds": model.seconds, "from_cache": str(model.cached)}


@recipe_asset(
    group="baseline",
    rooms=["training", "bench"],
    deps=["task_bank"],
    kinds={"pytorch", "parquet"},
    pool="device",
)
def instruct_report(stage: Stage) -> None:
    """The instruct model's answers in every prompt format: the evidence that the task can be done
    by a model at all."""
    _peer_report(stage, "instruct")


@recipe_asset(
    group="baseline",
    rooms=["training", "bench"],
    deps=["task_bank"],
    kinds={"pytorch", "parquet"},
    pool="device",
)
def alt_base_report(stage: Stage) -> None:
    """Another base model's answers in every prompt format: whether the gap holds for base models in
    general."""
    _peer_report(stage, "alternative")


@recipe_asset(
    group="baseline",
    rooms=["bench", "gates"],
    deps=["task_bank", "base_report", "instruct_report", "alt_base_report"],
    kinds={"python"},
)
def gap_proof(stage: Stage) -> None:
    """Three models by three prompt formats on the same items: a gap in all of them, or training is
    refused."""
    from ..bench import gap_report
    from ..tasks.suites import as_items

    spec = stage.recipe.gap_proof
    bank, *reports = (
        stage.parent(name)
        for name in ("task_bank", "base_report", "instruct_report", "alt_base_report")
    )
    if spec is None:
        stage.skip(NO_PROOF, bank, *reports)
        return
    with stage.making(bank, *reports) as out:
        matrix: dict[tuple[str, str], list[SampleScore]] = {
            (model, prompt_format): read_samples(report, f"gap/{prompt_format}")
            for model, report in zip(("base", "instruct", "alternative"), reports, strict=True)
            for prompt_format in spec.formats
            if (report.folder / f"gap/{prompt_format}/samples.parquet").is_file()
        }
        gap = gap_report.gap_of(spec, matrix)
        tasks = [
            Task.from_row(row) for row in read_parquet(bank.path(f"suites/{spec.suite}.parquet"))
        ]
        out.json("proof.json", gap_report.gap_to_json(gap))
        drawn = gap_report.conversations(
            as_items(tasks), matrix, spec.conversations, stage.recipe.seed
        )
        out.jsonl("conversations.jsonl", drawn)
    stage.show("proof", gap_report.gap_markdown(gap))
    stage.show("plot", gap_report.gap_plot(gap, spec))


def gap_verdict(made: Artifact, spec: GapProof) -> GateVerdict:
    """The stored proof as a verdict for the ledger."""
    proof = made.json("proof.json")
    decided = Decided(
        verdict=proof["verdict"],
        measured=max((cell["rate"] for cell in proof["cells"]), default=None),
        threshold=spec.max_base_rate,
        n=proof["instruct"]["n"],
        interval=None,
        reason=proof["reason"],
    )
    return artifact_key(PROOF, made, spec, current_scorer_version()).verdict(decided)


@dg.multi_asset_check(
    name="gap_gates",
    specs=[
        dg.AssetCheckSpec(
            PROOF,
            asset="gap_proof",
            description="Do base models fail in every prompt format where the instruct model succeeds (stage 1 findings)?",
            blocking=True,
            partitions_def=RECIPES,
        ),
        dg.AssetCheckSpec(
            SIGN_OFF,
            asset="gap_proof",
            description="Has a person looked at sampled conversations and signed exactly this proof?",
            partitions_def=RECIPES,
        ),
    ],
    can_subset=True,
)
def gap_gates(context: dg.AssetCheckExecutionContext):  # type: ignore[no-untyped-def]  # Dagster reads annotations
    """Decide the proof, and say whether a person has signed it."""
    with as_dagster_failure():
        stage = open_view(context.run, context.op_execution_context.partition_key)
        proof = stage.store.get("gap_proof")
        spec = stage.recipe.gap_proof
        for name in sorted(key.name for key in context.selected_asset_check_keys):
            if spec is None:
                yield from report_check(context, skipped_check(PROOF, name, NO_PROOF))
                continue
            if name == SIGN_OFF and not spec.sign_off:
                skipped = skipped_check(PROOF, name, "gap_proof.sign_off is false")
                yield from report_check(context, skipped)
                continue
            verdict = (
                gap_verdict(proof, spec)
                if name == PROOF
                else stage.ledger.latest(SIGN_OFF, proof.hash)
            )
            if name == PROOF and verdict is not None:
                if reason := unlicensed(stage.ledger):
                    verdict = replace(verdict, verdict="inconclusive", reason=reason)
                stage.ledger.record(verdict, recipe=stage.recipe.name, run_id=stage.store.run_id)
            yield _shown(name, verdict, stage.recipe.name)


def _shown(name: str, verdict: GateVerdict | None, recipe: str) -> dg.AssetCheckResult:
    if verdict is None:
        text = f"nobody has signed it yet: sentinel gate sign-off gap_proof {recipe}"
        return dg.AssetCheckResult(
            asset_key="gap_proof",
            check_name=name,
            passed=False,
            severity=dg.AssetCheckSeverity.WARN,
            description=text,
        )
    error = verdict.verdict == "fail"
    return dg.AssetCheckResult(
        asset_key="gap_proof",
        check_name=name,
        passed=verdict.verdict == "pass",
        severity=dg.AssetCheckSeverity.ERROR if error else dg.AssetCheckSeverity.WARN,
        description=f"{verdict.verdict}: {verdict.reason}",
        metadata={"verdict": verdict.verdict, "n": verdict.n, "subject_hash": verdict.subject_hash},
    )


def require_gap(stage: Stage, proof: Artifact) -> None:
    """Go on only with a passing proof, and a person's signature under exactly this one, where the
    recipe asks for them."""
    spec = stage.recipe.gap_proof
    if spec is None:
        return
    for name in (PROOF, SIGN_OFF) if spec.sign_off else (PROOF,):
        stage.ledger.require(artifact_key(name, proof, spec, current_scorer_version()))


__all__ = ["Gap", "alt_base_report", "gap_proof", "instruct_report"]
