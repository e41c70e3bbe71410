"""A group for each training stage: the checkpoint of each that trains on rows, and the pairs that
DPO trains on.

What the chain declares is read from it (``records.stages``); a stage asks the ledger before it
touches the device: for the gates of the checkpoint that it starts from and no other, and for the
fences of the rows that it trains on and of all that either was made from. GRPO, which trains on
tasks, is in ``grpo``.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg

from ..gates.curve_files import CURVES
from ..markdown import table
from ..plots import curves
from ..rates import percent
from ..records import Candidate, Decided, Task, VerdictKey
from ..records.report import Interval
from ..records.stages import BASE, DPO, TRAINING_STAGES, TrainingStage, report_of
from ..store import Artifact, Draft, read_jsonl, read_parquet
from .gap import PROOF, require_gap
from .mix import suite_tasks
from .report_assets import model_folder
from .stage import Stage, current_scorer_version, recipe_asset


class Start(NamedTuple):
    """What a stage starts from, once the gates allow it."""

    checkpoint: Artifact
    report: Artifact
    proof: tuple[Artifact, ...]
    """The gap proof, where the start is the base model."""

    @property
    def parents(self) -> tuple[Artifact, ...]:
        return (self.checkpoint, self.report, *self.proof)


def start_deps(trained: TrainingStage) -> list[str]:
    """The assets of every checkpoint that a stage may start from; a recipe's run reads those of
    one."""
    assets = [asset for name in trained.starts for asset in (f"{name}_checkpoint", report_of(name))]
    return [*assets, PROOF]


def require_start(stage: Stage, trained: TrainingStage) -> Start:
    """The checkpoint that the recipe's stage starts from.

    Raises:
        GateRefused: a gate of its report, the gap proof of the base model or the recipe's decision
            point does not allow it.
    """
    name = stage.recipe.start_of(trained.name)
    report = stage.parent(report_of(name))
    stage.require_gates(report)  # first: a refused gate leaves no gap proof to ask for
    proof = (stage.parent(PROOF),) if name == BASE else ()
    for gate in proof:
        require_gap(stage, gate)
    stage.follow(report)
    return Start(stage.parent(f"{name}_checkpoint"), report, proof)


def weights(start: Start, method: str) -> Path:
    """The folder that training goes on from: an adapter where there is one to go on with, else the
    whole model."""
    adapter = start.checkpoint.folder / "adapter"
    if method == "lora" and adapter.is_dir():
        return start.checkpoint.path("adapter")
    return Path(model_folder(start.checkpoint))


def checkpoint_asset(trained: TrainingStage) -> dg.AssetsDefinition:
    """The asset ``{stage}_checkpoint`` of a stage that trains on rows."""

    def checkpoint(stage: Stage) -> None:
        from ..training.planning.starting_point import start_of
        from ..worker.jobs import tune_job

        if reason := stage.left_out(trained.name):
            stage.skip(reason)
            return
        spec = stage.recipe.spec_of(trained.name)
        start = require_start(stage, trained)
        rows = stage.parent(trained.trains_on)
        stage.require_fences(rows)
        bank = stage.parent("task_bank")
        choice = start_of(start.checkpoint)
        learns = choice is not None and getattr(spec, "distillation", None) is not None
        with stage.making(rows, *start.parents, bank, keep=True) as out:
            job = tune_job(
                stage.recipe,
                trained.name,
                weights(start, spec.method),
                rows.path("train.jsonl"),
                window_suite(bank, spec.windows.suite),
                out.folder,
                stage.home.device_lock,
                Path(choice["teacher"]["folder"]) if choice and learns else None,
            )
            reached = tune(stage, out, job)
        # Put what the windows decided at the gate step into the ledger, under the checkpoint that
        # training ended with.
        verdicts = reached["step_gate"]
        artifact = stage.store.get(stage.asset)
        for row in verdicts:
            key = VerdictKey(
                name=row["name"],
                subject=f"{stage.recipe.name}/{stage.asset}",
                subject_hash=artifact.hash,
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
        stage.headline(training_headline(reached))
        show_training(stage)
        if choice is not None:
            stage.show("starting point", f"{choice['chosen']}: {choice['reason']}")

    checkpoint.__name__ = trained.checkpoint
    checkpoint.__doc__ = (
        f"{trained.description.rstrip('.')}; refused unless what it starts from passed its gates."
    )
    return recipe_asset(
        group=trained.name,
        rooms=["training", "generation"],
        deps=[trained.trains_on, *start_deps(trained), "task_bank"],
        kinds={"pytorch", "huggingface"},
        pool="device",
    )(checkpoint)


CHECKPOINTS = [checkpoint_asset(trained) for trained in TRAINING_STAGES if trained.rows is not None]


@recipe_asset(
    group=DPO.name,
    rooms=["generation", "critic", "sandbox", "mix"],
    deps=[*start_deps(DPO), "task_bank"],
    kinds={"pytorch", "parquet"},
    pool="device",
)
def preference_pairs(stage: Stage) -> None:
    """Best of N: the model's own answers to training tasks, ranked by the critic; one accepted and
    one rejected a prompt."""
    from ..llm_judge.verdicts import add_verdicts
    from ..pairs.best_of_n import build_pairs, judge_answers
    from ..worker.jobs import sample_job

    if reason := stage.left_out(DPO.name):
        stage.skip(reason)
        return
    start = require_start(stage, DPO)
    bank = stage.parent("task_bank")
    spec = stage.recipe.pairs
    recipe = stage.recipe
    tasks, contaminated = clean_tasks(stage, bank, spec.prompts, judged=spec.ranked_by == "judge")
    with stage.making(*start.parents, bank, keep=True) as out:
        out.table("tasks.parquet", (task.to_row() for task in tasks), "tasks")
        job = sample_job(
            recipe,
            model_folder(start.checkpoint),
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


def clean_tasks(
    stage: Stage, bank: Artifact, prompts: int | None, *, judged: bool = False
) -> CleanTasks:
    """``prompts`` training tasks drawn by seed, or all, less those that overlap an item of a suite;
    with ``judged`` those that only a judge can rank are among them."""
    from ..mix.decontam import decontaminate
    from ..pairs.best_of_n import choose_tasks

    found = [Task.from_row(row) for row in read_parquet(bank.path("train.parquet"))]
    if judged and (bank.folder / "judged.parquet").is_file():
        found += [Task.from_row(row) for row in read_parquet(bank.path("judged.parquet"))]
    tasks = choose_tasks(found, prompts or len(found), stage.recipe.seed)
    report = decontaminate(map(_as_candidate, tasks), suite_tasks(bank), corpus=())
    hits = {hit.id for hit in report.hits}
    return CleanTasks([task for task in tasks if task.id not in hits], len(hits))


def _as_candidate(task: Task) -> Candidate:
    return Candidate(
        id=task.id,
        source="reference",
        messages=task.messages,
        completion=task.reference,
        verifier=task.verifier,
    )


def training_headline(reached: dict[str, Any]) -> str:
    """What a training came to, in a sentence."""
    text = f"{reached['steps']:,} of {reached['planned_steps']:,} steps on {reached['rows']:,} rows"
    if reached["final_loss"] is not None:
        text += f", final loss {reached['final_loss']:.4g}"
    if reached["best_pass_at_1"] is not None:
        best = percent(reached["best_pass_at_1"])
        text += f"; best window: Pass@1 {best} at step {reached['best_step']}"
    stopped = f" Stopped: {reached['stopped_by']}." if reached["stopped_by"] else ""
    return f"{text}.{stopped}"


def window_suite(bank: Artifact, name: str) -> Path:
    """The file of the suite that windows ask."""
    return bank.path("window.parquet" if name == "window" else f"suites/{name}.parquet")


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
    artifact = stage.store.get(stage.asset)
    name = "losses.jsonl" if (artifact.folder / "losses.jsonl").exists() else CURVES
    losses = [row for row in read_jsonl(artifact.path(name)) if "loss" in row]
    windows = (
        list(read_jsonl(artifact.folder / "windows.jsonl"))
        if (artifact.folder / "windows.jsonl").exists()
        else []
    )
    stage.show("loss", curves({"training loss": _points(losses, "loss")}, "Training loss", "step"))
    if any("rewards/margins" in row for row in losses):
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
    if any("rewards/accuracies" in row for row in losses):
        accuracy = {"reward accuracy": _points(losses, "rewards/accuracies")}
        stage.show(
            "accuracy",
            curves(accuracy, "Pairs whose chosen side has the higher reward", "step", percent=True),
        )
    if any("kl" in row for row in losses):
        drift = {"KL estimate": _points(losses, "kl")}
        stage.show("kl", curves(drift, "How far the model has moved from its reference", "step"))
    rates = {
        name: _points(windows, key)
        for name, key in (("Pass@1", "pass_at_1"), ("syntax rate", "syntax_rate"))
    }
    stage.show("windows", curves(rates, "Evaluation windows", "step", percent=True))
    report = artifact.json("token_report.json")
    stage.show("tokens", table(("", ""), report.items()))


def _points(rows: list[dict[str, float]], key: str) -> list[tuple[float, float]]:
    """The rows that have a value of ``key``; not every step says everything."""
    return [(row["step"], row[key]) for row in rows if row.get(key) is not None]
