"""Group ``candidates``: raw material from every source that the recipe names."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import GateRefused
from ..gates.statistics import wilson
from ..markdown import table
from ..rates import percent
from ..records import JudgedAnswer, Quarantined, Task
from ..records.data_spec import SelfGenerated
from ..store import Artifact, Draft, read_parquet, write_jsonl
from .report_assets import model_folder
from .stage import Stage, recipe_asset

if TYPE_CHECKING:
    from ..generation.self_instruct import Attempt


@recipe_asset(
    group="candidates",
    rooms=["generation", "critic", "mix"],
    deps=["base_checkpoint"],
    kinds={"pytorch", "parquet"},
    pool="device",
)
def self_generated(stage: Stage) -> None:
    """Instructions and responses that the base model writes itself, under contamination guards;
    empty unless the recipe asks."""
    from ..generation.self_instruct import read_attempts, summary

    base = stage.parent("base_checkpoint")
    spec = stage.recipe.candidates.self_generated
    with stage.making(base, keep=spec is not None) as out:
        if spec is not None:
            out.json("sentinels.json", require_a_base_model(stage, out, base, spec))
            write_rows(stage, out, model_folder(base), spec)
        attempts = read_attempts(out.folder / "logs" / "rounds.jsonl")
        if spec is not None and spec.kind == "conversations":
            attempts = judged_conversations(stage, out, attempts)
        report = summary(attempts, spec or SelfGenerated(rows=0))
        accepted = [attempt for attempt in attempts if attempt.reason == "accepted"][
            : report["rows"]
        ]
        out.table(
            "candidates.parquet",
            (attempt.to_candidate().to_row() for attempt in accepted),
            "candidates",
        )
        out.jsonl("rows.jsonl", (attempt.to_row() for attempt in accepted))
        out.jsonl("attempts.jsonl", (asdict(attempt) for attempt in attempts))
        out.json("report.json", report)
        out.metrics |= {name: report[name] for name in ("rows", "attempts", "shortfall")}
    stage.show(
        "rows",
        table(("", ""), report.items()),
    )


def judged_conversations(stage: Stage, out: Draft, attempts: "list[Attempt]") -> "list[Attempt]":
    """The attempts with what the recipe's judge says of those that the critic accepted: only what
    it passes stays accepted. Without a judge in the recipe the critic's word stands; a judge
    without a licence, or that does not answer, passes nothing."""
    from ..llm_judge.verdicts import add_verdicts, read_verdicts

    accepted = {
        attempt.to_candidate().id: attempt for attempt in attempts if attempt.reason == "accepted"
    }
    if stage.recipe.judge.model is None or not accepted:
        return attempts
    answers = out.folder / "logs" / "conversations.jsonl"
    write_jsonl(
        answers,
        [{"id": name, "completion": attempt.response} for name, attempt in accepted.items()],
    )
    tasks = [
        Task(
            id=name,
            suite="train",
            category="general_chat",
            family=attempt.category,
            messages=attempt.messages,
            verifier=JudgedAnswer(),
            reference="",
        )
        for name, attempt in accepted.items()
    ]
    add_verdicts(stage.home, stage.ledger, stage.recipe.judge, tasks, answers)
    verdicts = read_verdicts(answers)

    def judged(attempt: "Attempt") -> "Attempt":
        verdict = verdicts.get(attempt.to_candidate().id) if attempt.reason == "accepted" else None
        if attempt.reason != "accepted" or (verdict and verdict["outcome"] == "pass"):
            return attempt
        why = verdict["reason"] if verdict else "the judge gave no verdict"
        kind = "rejected" if verdict and verdict["outcome"] == "fail" else "unjudged"
        return replace(attempt, reason=f"{kind}: {why}")

    return [judged(attempt) for attempt in attempts]


def write_rows(stage: Stage, out: Draft, model: Path, spec: SelfGenerated) -> None:
    """The attempts, in a child process; what was verified of the tokenizer stands in
    ``guards.json``."""
    from ..worker.jobs import SelfInstructJob, write_job

    recipe = stage.recipe
    logs = out.folder / "logs"
    job = SelfInstructJob(
        logs=logs, model=model, spec=spec, shares=recipe.mix.shares, critic=recipe.critic, seed=recipe.seed,
        batch_size=recipe.bench.batch_size, engine=recipe.bench.engine, vllm=recipe.vllm,
        server=recipe.server, load_in_4bit=recipe.bench.load_in_4bit, device_lock=stage.home.device_lock,
        trust_remote_code=recipe.model.trust_remote_code,
    )  # fmt: skip
    stage.work(write_job(job))
    out.text("guards.json", (logs / "guards.json").read_text(encoding="utf-8"))


def require_a_base_model(
    stage: Stage, out: Draft, base: Artifact, spec: SelfGenerated
) -> dict[str, float]:
    """Ask the sentinels (stage 1 plan) raw; returns how many of those that ask for something were
    followed.

    Raises:
        GateRefused: more than a base model would, by the whole interval: its rows would be
            another's instructions.
    """
    from ..bench.evaluate import score_answers
    from ..tasks.suites import load_suite
    from ..worker.jobs import answer_job

    tasks = load_suite("sentinels")
    logs = out.folder / "logs" / "sentinels"
    table = out.folder / "sentinels.parquet"
    out.table(table.name, (task.to_row() for task in tasks), "tasks")
    stage.work(
        answer_job(
            stage.recipe, model_folder(base), {"sentinels": table}, logs, stage.home, base.hash
        )
    )
    scores = score_answers(tasks, logs / "sentinels.jsonl", samples=stage.recipe.bench.samples)
    outcomes_passed = [
        sample.outcome == "pass"
        for sample in scores
        if sample.family != "pattern" and sample.outcome != "infra"
    ]
    low = wilson(sum(outcomes_passed), len(outcomes_passed)).low
    if low > spec.max_sentinels:
        raise GateRefused(
            f"the base model follows {sum(outcomes_passed)} of {len(outcomes_passed)} raw sentinels "
            f"(lower bound {percent(low, 0)}, at most "
            f"{percent(spec.max_sentinels, 0)}): it has seen instructions, so its rows would not be its own."
        )
    return {
        "followed": sum(outcomes_passed),
        "n": len(outcomes_passed),
        "lower_bound": round(low, 6),
    }


@recipe_asset(
    group="candidates",
    rooms=["candidates"],
    deps=["task_bank", "human_corrections", "self_generated"],
    kinds={"python", "parquet"},
)
def raw_candidates(stage: Stage) -> None:
    """References, corrupted variants, files, hub data, rows of task sources, the base model's rows,
    corrections; unreadable ones are quarantined."""
    from ..candidates.file_blocks import ReadPart
    from ..candidates.raw import raw_candidates as read

    bank, human, self_made = (
        stage.parent(name) for name in ("task_bank", "human_corrections", "self_generated")
    )
    tasks = (Task.from_row(row) for row in read_parquet(bank.path("train.parquet")))
    # A bank of an earlier version has generated tasks only.
    answers = bank.folder / "answers.parquet"
    with (
        stage.making(bank, human, self_made) as out,
        out.writer("candidates.parquet", "candidates") as good,
        out.writer("quarantine.parquet", "quarantine") as bad,
    ):
        for row in read(tasks, stage.recipe.candidates, stage.recipe.seed, root=stage.home.root):
            if isinstance(row, ReadPart):
                good.extend(row.candidates)
                for refused in row.quarantined:
                    bad.append(asdict(refused))
            elif isinstance(row, Quarantined):
                bad.append(asdict(row))
            else:
                good.append(row.to_row())
        sources = [source.path("candidates.parquet") for source in (self_made, human)]
        for table in [*([answers] if answers.is_file() else []), *sources]:
            for candidate in read_parquet(table):
                good.append(candidate)
        out.metrics |= {"candidates": good.rows, "quarantined": bad.rows}
