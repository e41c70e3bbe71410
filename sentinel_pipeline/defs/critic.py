"""Groups ``audit`` and ``critic``: who may gate and reward; seven labels with reasons, and what
they divide the candidates into."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from ..audit.exam import audit_markdown
from ..records import LABELS, Candidate, CriticLabels
from ..store import Artifact, read_jsonl, read_parquet
from ..store.labelled import (
    accepted_rows,
    count_evidence,
    count_labels,
    rejected_rows,
    with_answers,
)
from .mix import suite_tasks
from .report_assets import model_folder
from .stage import Stage, recipe_asset


@recipe_asset(group="audit", rooms=["critic", "sandbox"], deps=["task_bank"], kinds={"python"})
def reward_audit(stage: Stage) -> None:
    """Every scorer answers gold answers, canaries and cheating programs, also under load: which may
    gate, filter and reward."""
    from ..audit.canaries import canaries_hash, read_canaries
    from ..audit.exam import Material
    from ..audit.licence import record_licences
    from ..audit.own_rewards import own_reward_exams
    from ..audit.scorers import EXAMS, audit

    bank = stage.parent("task_bank")
    folder = stage.home.canaries
    grpo = stage.recipe.grpo
    rewards = grpo.reward if grpo is not None else ()
    own = own_reward_exams(rewards, stage.home.root, grpo.rewards if grpo is not None else None)
    material = Material(suite_tasks(bank), read_canaries(folder), stage.recipe.critic)
    audits = audit(material, exams=(*EXAMS, own))
    with stage.making(bank) as out:
        out.json("audit.json", {"scorers": [audited.to_json() for audited in audits]})
        out.metrics |= {
            "scorers": len(audits),
            "licensed": sum(audited.licensed for audited in audits),
        }
    record_licences(
        stage.ledger,
        audits,
        exam=canaries_hash(folder),
        recipe=stage.recipe.name,
        run_id=stage.store.run_id,
    )
    stage.show("licences", audit_markdown(audits))


@recipe_asset(
    group="critic",
    rooms=["critic", "sandbox", "secrets"],
    deps=["raw_candidates", "reward_audit"],
    kinds={"python", "parquet"},
)
def critic_labels(stage: Stage) -> None:
    """The seven labels of every candidate, each with its reason; code runs in the sandbox only."""
    from ..critic.label_blocks import label_table
    from ..critic.labels import label
    from ..sandbox import isolation
    from ..store.label_cache import LabelCache

    raw = stage.parent("raw_candidates")
    spec = stage.recipe.critic
    source = raw.path("candidates.parquet")
    with (
        stage.making(raw) as out,
        LabelCache(stage.home.label_cache) as cache,
        out.writer("labels.parquet", "labels") as labels_table,
    ):
        if spec.engine == "ray":
            for part in label_table(source, spec=spec, cache=cache):
                labels_table.extend(part)
        else:
            candidates = (Candidate.from_row(row) for row in read_parquet(source))
            for labels in label(candidates, spec=spec, cache=cache):
                labels_table.append(labels.to_row())
        out.metrics["candidates"] = labels_table.rows
        out.metrics |= {"known": cache.known, "labelled": cache.unknown}
        out.json("logs/isolation.json", isolation().to_json())
    table = stage.store.get("critic_labels").path("labels.parquet")
    counts = count_labels(table)
    lines = ["| label | true | false | not applicable |", "|---|---|---|---|"]
    lines += [
        f"| {name} | {counts[name]['true']} | {counts[name]['false']} | {counts[name]['none']} |"
        for name in LABELS
    ]
    evidence = ", ".join(f"{rows} {quality}" for quality, rows in count_evidence(table).items())
    stage.show("labels", "\n".join([*lines, "", f"Accepted rows by evidence: {evidence}."]))


@recipe_asset(
    group="critic",
    rooms=["critic"],
    deps=["critic_labels", "raw_candidates"],
    kinds={"duckdb", "parquet"},
)
def accepted_set(stage: Stage) -> None:
    """Candidates that every applicable label accepts: the only ones that may be trained on."""
    stage.require_licensed_scorers()
    labels = stage.parent("critic_labels")
    raw = stage.store.origin(labels, "raw_candidates")
    rows = accepted_rows(raw.path("candidates.parquet"), labels.path("labels.parquet"))
    with stage.making(raw, labels) as out:
        out.metrics["accepted"] = out.table("accepted.parquet", rows, "candidates")


@recipe_asset(
    group="critic",
    rooms=["critic", "secrets"],
    deps=["critic_labels", "raw_candidates"],
    kinds={"duckdb", "parquet"},
)
def rejected_set(stage: Stage) -> None:
    """Candidates that a label rejects, or that have no label because of infrastructure: kept with
    their reasons, never dropped; their secrets are masked."""
    stage.require_licensed_scorers()
    labels = stage.parent("critic_labels")
    raw = stage.store.origin(labels, "raw_candidates")
    rows = rejected_rows(raw.path("candidates.parquet"), labels.path("labels.parquet"))
    with stage.making(raw, labels) as out:
        out.metrics["rejected"] = out.table("rejected.parquet", rows, "rejected")


@recipe_asset(
    group="critic",
    rooms=["critic", "generation", "sandbox", "secrets"],
    deps=["rejected_set", "base_checkpoint"],
    kinds={"pytorch", "parquet"},
    pool="device",
)
def self_repairs(stage: Stage) -> None:
    """The base model's second attempts at failed answers, given what failed; empty unless the
    recipe asks for them."""
    from ..critic.self_repair import SUITE, repair_tasks
    from ..critic.self_repair import self_repairs as traces
    from ..store.label_cache import LabelCache
    from ..worker.jobs import answer_job

    rejected = stage.parent("rejected_set")
    base = stage.parent("base_checkpoint")
    spec = stage.recipe.critic
    with (
        stage.making(rejected, base, keep=True) as out,
        LabelCache(stage.home.label_cache) as cache,
    ):
        logs = out.folder / "logs"
        table = out.folder / "asked.parquet"
        tasks_file = out.table(
            table.name,
            (task.to_row() for task in repair_tasks(_failures(rejected), spec.self_repair)),
            "tasks",
        )
        if tasks_file:
            stage.work(
                answer_job(
                    stage.recipe, model_folder(base), {SUITE: table}, logs, stage.home, base.hash
                )
            )
        answers = (
            {row["id"]: row["completion"] for row in read_jsonl(logs / f"{SUITE}.jsonl")}
            if tasks_file
            else {}
        )
        rows = (
            trace.to_row() for trace in traces(_failures(rejected), answers, spec=spec, cache=cache)
        )
        out.metrics |= {
            "asked": tasks_file,
            "repairs": out.table("repairs.parquet", rows, "repairs"),
        }


@recipe_asset(
    group="critic",
    rooms=["critic", "secrets"],
    deps=["accepted_set", "rejected_set", "self_repairs"],
    kinds={"python", "parquet"},
)
def repair_traces(stage: Stage) -> None:
    """Failed output, what failed, corrected output: a conversation for each failure that a person
    or the model corrected."""
    from ..critic.repair import repair_traces as traces

    accepted, rejected, repairs = (
        stage.parent(name) for name in ("accepted_set", "rejected_set", "self_repairs")
    )
    tables = rejected.path("rejected.parquet"), accepted.path("accepted.parquet")
    with (
        stage.making(accepted, rejected, repairs) as out,
        TemporaryDirectory(dir=out.folder) as scratch,
    ):
        joined = with_answers(*tables, Path(scratch), stage.recipe.mix.memory_mib)
        failed = (
            (Candidate.from_row(bad), CriticLabels.from_row(bad), Candidate.from_row(answer))
            for bad, answer in joined
        )
        rows = chain(
            (trace.to_row() for trace in traces(failed)),
            read_parquet(repairs.path("repairs.parquet")),
        )
        out.metrics["repairs"] = out.table("repairs.parquet", rows, "repairs")


def _failures(rejected: Artifact) -> Iterator[tuple[Candidate, CriticLabels]]:
    rows = read_parquet(rejected.path("rejected.parquet"))
    return ((Candidate.from_row(row), CriticLabels.from_row(row)) for row in rows)
