"""Group ``training``: each trainer asks the ledger before it touches the device."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from ..gates.curve_files import CURVES
from ..plots import curves
from ..records import Candidate, Decided, Task, VerdictKey
from ..records.report import Interval
from ..store import Artifact, Draft, read_jsonl, read_parquet
from .gap import require_gap
from .mix import suite_tasks
from .report_assets import model_folder
from .stage import Stage, current_scorer_version, recipe_asset


@recipe_asset(
    group="training",
    rooms=["training", "generation"],
    deps=["rebalanced_mix", "base_checkpoint", "base_report", "gap_proof", "task_bank"],
    kinds={"pytorch", "huggingface"},
    pool="device",
)
def sft_checkpoint(stage: Stage) -> None:
    """Supervised fine-tuning on the mix, with evaluation windows and checkpoints; refused unless the base model's gap is proven."""
    from ..training.starting_point import start_of
    from ..worker.jobs import sft_job

    base, report = stage.parent("base_checkpoint"), stage.parent("base_report")
    stage.require_gates(report)  # first: a refused gate leaves no gap proof and no mix to ask for
    mix, proof, bank = (stage.parent(name) for name in ("rebalanced_mix", "gap_proof", "task_bank"))
    require_gap(stage, proof)
    stage.follow(report)
    window, lock = window_suite(bank, stage.recipe.sft.windows.suite), stage.home.device_lock
    start, rows = start_of(base), mix.path("train.jsonl")
    teacher = Path(start["teacher"]["folder"]) if start else None
    _tune(
        stage,
        [mix, base, report, proof, bank],
        lambda out: sft_job(stage.recipe, model_folder(base), rows, window, out, lock, teacher),
    )
    if start is not None:
        stage.show("starting point", f"{start['chosen']}: {start['reason']}")


@recipe_asset(
    group="training",
    rooms=["generation", "critic", "sandbox", "mix"],
    deps=["sft_checkpoint", "sft_report", "task_bank"],
    kinds={"pytorch", "parquet"},
    pool="device",
)
def preference_pairs(stage: Stage) -> None:
    """Best of N: the fine-tuned model's answers to training tasks, ranked by the critic; one accepted and one rejected a prompt."""
    from ..llm_judge.verdicts import add_verdicts
    from ..pairs.best_of_n import build_pairs, judge_answers
    from ..worker.jobs import sample_job

    tuned, report, bank = (
        stage.parent(name) for name in ("sft_checkpoint", "sft_report", "task_bank")
    )
    stage.require_gates(report)
    stage.follow(report)
    spec, recipe = stage.recipe.pairs, stage.recipe
    tasks, contaminated = clean_tasks(stage, bank, spec.prompts)
    with stage.making(tuned, report, bank, keep=True) as out:
        out.table("tasks.parquet", (task.to_row() for task in tasks), "tasks")
        job = sample_job(
            recipe,
            model_folder(tuned),
            out.folder / "tasks.parquet",
            out.folder / "logs",
            stage.home.device_lock,
        )
        stage.work(job)
        answers = out.folder / "logs" / "pairs.jsonl"
        if spec.ranked_by == "judge":
            add_verdicts(
                stage.home,
                stage.ledger,
                recipe.judge,
                tasks,
                answers,
                samples=spec.samples,
                every=True,
            )
        judged = judge_answers(tasks, answers, spec.samples, recipe.critic)
        built = build_pairs(tasks, judged, spec, recipe.seed)
        out.metrics["pairs"] = out.table(
            "pairs.parquet", (pair.to_row() for pair in built.pairs), "pairs"
        )
        out.jsonl("train.jsonl", (pair.to_trl() for pair in built.pairs))
        out.json("report.json", built.report.to_json())
        out.metrics |= {
            "tasks": len(tasks),
            "contaminated": contaminated,
            "answers": built.report.answers,
        }
    stage.show("pairs", built.report.to_markdown())
    stage.show("plot", built.report.to_plot())


class CleanTasks(NamedTuple):
    kept: list[Task]
    contaminated: int
    """Tasks that were left out: they overlap an item of a suite."""


def clean_tasks(stage: Stage, bank: Artifact, prompts: int | None) -> CleanTasks:
    """``prompts`` training tasks drawn by seed, or all, less those that overlap an item of a suite."""
    from ..mix.decontam import decontaminate
    from ..pairs.best_of_n import choose_tasks

    found = [Task.from_row(row) for row in read_parquet(bank.path("train.parquet"))]
    tasks = choose_tasks(found, prompts or len(found), stage.recipe.seed)
    hits = {hit.id for hit in decontaminate(map(_as_candidate, tasks), suite_tasks(bank)).hits}
    return CleanTasks([task for task in tasks if task.id not in hits], len(hits))


def _as_candidate(task: Task) -> Candidate:
    return Candidate(
        id=task.id,
        source="reference",
        messages=task.messages,
        completion=task.reference,
        verifier=task.verifier,
    )


@recipe_asset(
    group="training",
    rooms=["training", "generation"],
    deps=["preference_pairs", "sft_checkpoint", "sft_report", "task_bank"],
    kinds={"pytorch", "huggingface"},
    pool="device",
)
def dpo_checkpoint(stage: Stage) -> None:
    """Preference optimisation of the fine-tuned model on its own pairs, with windows; refused unless SFT passed its gates."""
    from ..worker.jobs import dpo_job

    pairs, tuned, report, bank = (
        stage.parent(name)
        for name in ("preference_pairs", "sft_checkpoint", "sft_report", "task_bank")
    )
    stage.require_gates(report)
    stage.follow(report)
    window = window_suite(bank, stage.recipe.dpo.windows.suite)
    start = tuned.folder / "adapter"
    model = start if stage.recipe.dpo.method == "lora" and start.is_dir() else tuned.path("model")
    _tune(
        stage,
        [pairs, tuned, report, bank],
        lambda out: dpo_job(
            stage.recipe, model, pairs.path("train.jsonl"), window, out, stage.home.device_lock
        ),
    )


def window_suite(bank: Artifact, name: str) -> Path:
    """The file of the suite that windows ask."""
    return bank.path("window.parquet" if name == "window" else f"suites/{name}.parquet")


def _tune(stage: Stage, parents: list[Artifact], write_job: Callable[[Path], Path]) -> None:
    """Run a tuning's job into the asset's artifact, and show its curves."""
    with stage.making(*parents, keep=True) as out:
        reached = tune(stage, out, write_job(out.folder))
    _record_step_gate(stage, reached["step_gate"])
    show_training(stage)


def _record_step_gate(stage: Stage, verdicts: list[dict[str, Any]]) -> None:
    """Put what the windows decided at the gate step into the ledger, under the checkpoint that training ended with."""
    made = stage.store.get(stage.asset)
    for row in verdicts:
        key = VerdictKey(
            name=row["name"],
            subject=f"{stage.recipe.name}/{stage.asset}",
            subject_hash=made.hash,
            scorer_version=current_scorer_version(),
            policy_hash=row["policy_hash"],
        )
        decided = Decided(
            verdict=row["verdict"],
            measured=row["measured"],
            threshold=row["threshold"],
            n=row["n"],
            interval=Interval(*row["interval"]) if row["interval"] else None,
            reason=row["reason"],
        )
        stage.ledger.record(
            key.verdict(decided), recipe=stage.recipe.name, run_id=stage.store.run_id
        )


def tune(stage: Stage, out: Draft, job: Path) -> dict[str, Any]:
    """Run a tuning's job and keep what it reached, which is returned."""
    stage.work(job)
    reached: dict[str, Any] = json.loads((out.folder / "training.json").read_text(encoding="utf-8"))
    out.metrics |= {
        key: reached[key] for key in ("final_loss", "steps", "tokens", "rows", "stopped_by")
    }
    return reached


def show_training(stage: Stage) -> None:
    """The curves of loss and rewards, the windows and the token report, for the asset's page."""
    made = stage.store.get(stage.asset)
    name = "losses.jsonl" if (made.folder / "losses.jsonl").exists() else CURVES
    losses = [row for row in read_jsonl(made.path(name)) if "loss" in row]
    windows = (
        list(read_jsonl(made.folder / "windows.jsonl"))
        if (made.folder / "windows.jsonl").exists()
        else []
    )
    stage.show("loss", curves({"training loss": _points(losses, "loss")}, "Training loss", "step"))
    if losses and "rewards/margins" in losses[0]:
        rewards = {
            name: _points(losses, f"rewards/{name}") for name in ("chosen", "rejected", "margins")
        }
        stage.show(
            "rewards",
            curves(rewards, "Implicit rewards: beta times log-ratio to the reference", "step"),
        )
        logps = {name: _points(losses, f"logps/{name}") for name in ("chosen", "rejected")}
        stage.show(
            "log-probabilities",
            curves(logps, "Log-probability of either side (falling is normal)", "step"),
        )
        accuracy = {"reward accuracy": _points(losses, "rewards/accuracies")}
        stage.show(
            "accuracy",
            curves(accuracy, "Pairs whose chosen side has the higher reward", "step", percent=True),
        )
    rates = {
        name: _points(windows, key)
        for name, key in (("Pass@1", "pass_at_1"), ("syntax rate", "syntax_rate"))
    }
    stage.show("windows", curves(rates, "Evaluation windows", "step", percent=True))
    report = made.json("token_report.json")
    stage.show(
        "tokens",
        "\n".join(
            ["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in report.items())]
        ),
    )


def _points(rows: list[dict[str, float]], key: str) -> list[tuple[float, float]]:
    return [(row["step"], row[key]) for row in rows if row[key] is not None]
