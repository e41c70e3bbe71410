"""Groups ``tasks`` and ``baseline``: the task bank, the base model, and what the base model can do
before any training."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ..gates.keys import suite_file_hash
from ..records import Quarantined, Task
from ..records.stages import BASE
from ..store import Draft, read_parquet
from .report_assets import report_asset
from .review import without_retired
from .stage import LOOP_TAG, Stage, recipe_asset

if TYPE_CHECKING:
    from ..task_sources.divide import Report
    from ..tasks.task_bank import TaskBank

HELDOUT = "heldout.parquet"
"""The bank's held-out tasks while it is made; its suites are what is kept."""
REWARD_PROMPTS = "reward.parquet"
"""The prompts of the check ``eval_reward``, which nothing else asks; empty without GRPO."""


@recipe_asset(
    group="tasks",
    rooms=["bench", "review", "task_sources"],
    deps=["human_corrections"],
    kinds={"python", "parquet"},
)
def task_bank(stage: Stage) -> None:
    """Training tasks and the suites of the gates: fixed before training, without items whose
    corrections are training rows."""
    from ..audit.suites import load_audited
    from ..tasks.suites import first_items
    from ..tasks.task_bank import build, fresh_heldout, reward_counts, reward_prompts

    spec = stage.recipe.tasks
    bench = stage.recipe.bench
    require_tasks(stage)
    corrections = stage.parent("human_corrections")
    bank = build(stage.recipe.seed, spec.train, spec.heldout, spec.window, spec.levels)
    hashes = {suite: suite_file_hash(stage.home, stage.recipe, suite) for suite in bench.suites}
    drawn = {"heldout": bank.heldout}
    if spec.fresh_seed is not None:
        drawn["fresh"] = fresh_heldout(spec.fresh_seed, spec.fresh_sizes, bank, spec.levels)
    reward: tuple[Task, ...] = ()
    if stage.recipe.grpo is not None:
        counts = reward_counts(spec, stage.recipe.grpo.reward_items)
        asked = [task for side in (*bank, drawn.get("fresh", ())) for task in side]
        reward = reward_prompts(stage.recipe.seed, counts, asked, spec.levels)
    with stage.making(corrections) as out:
        own = add_sources(stage, out, bank, reward)
        heldout = out.folder / HELDOUT
        retired = {}
        for suite in bench.suites:
            data = stage.home.suite_file(suite, bench.data)
            if suite == "heldout":
                tasks = _tasks_of(heldout)
            else:
                tasks = list(drawn[suite]) if suite in drawn else load_audited(suite, data)
            remaining, retired[suite] = without_retired(stage.home, first_items(tasks, bench.limit))
            out.metrics[suite] = out.table(
                f"suites/{suite}.parquet", (task.to_row() for task in remaining), "tasks"
            )
        out.json("retired.json", retired)
        out.json("suites.json", hashes)
        out.metrics["retired"] = sum(map(len, retired.values()))
        heldout.unlink()
    if own is not None:
        stage.show("sources", own.to_markdown())


def _tasks_of(table: Path) -> list[Task]:
    return [Task.from_row(row) for row in read_parquet(table)]


def require_tasks(stage: Stage) -> None:
    """Refuse what the recipe's tasks cannot give, before a device is touched; the command looked
    before it started its run.

    Raises:
        BadInput: a source is wrong, or a stage of this run has no tasks.
    """
    if LOOP_TAG in stage.context.run.tags:
        return
    from ..task_sources.usable import require_usable

    selection = stage.context.run.asset_selection
    assets = {key.to_user_string() for key in selection} if selection is not None else None
    file = stage.home.recipe_file(stage.recipe.name)
    require_usable(stage.recipe, stage.home.root, file, assets)


def add_sources(
    stage: Stage, out: Draft, bank: "TaskBank", reward: Sequence[Task] = ()
) -> "Report | None":
    """Write the bank's tables: the generated tasks, then those of the recipe's sources; ``reward``
    are the generated prompts of the check ``eval_reward``.

    Rows without a verifier and answers that stood beside a reference are ``answers.parquet``, what
    only a judge can rank is ``judged.parquet``. Returns the sources' report; None without any.
    """
    from ..task_sources.divide import divide, sources_of
    from ..task_sources.tables import as_answers, as_judged

    recipe = stage.recipe
    with (
        TemporaryDirectory(dir=out.folder) as scratch,
        out.writer("train.parquet", "tasks") as train,
        out.writer("window.parquet", "tasks") as window,
        out.writer(HELDOUT, "tasks") as heldout,
        out.writer(REWARD_PROMPTS, "tasks") as rewarded,
        out.writer("judged.parquet", "tasks") as judged,
        out.writer("answers.parquet", "candidates") as answers,
        out.writer("quarantine.parquet", "quarantine") as bad,
    ):
        tables = {"train": train, "window": window, "heldout": heldout, "reward": rewarded}
        sides = (bank.train, bank.window, bank.heldout, reward)
        for side, generated in zip(tables, sides, strict=True):
            for task in generated:
                tables[side].append(task.to_row())
        report = None
        if recipe.tasks.source:
            division = divide(
                sources_of(recipe),
                recipe.seed,
                root=stage.home.root,
                scratch=Path(scratch),
                maps=recipe.candidates.map,
            )
            for item in division.rows(recipe.critic):
                if isinstance(item, Quarantined):
                    bad.append(asdict(item))
                    continue
                if item.row.task is not None and (item.row.scorable or item.side == "heldout"):
                    tables[item.side].append(item.row.task.to_row())
                if item.side == "train":
                    for candidate in as_answers(item.row):
                        answers.append(candidate.to_row())
                    if not item.row.scorable:
                        judged.append(as_judged(item.row).to_row())
            report = division.report
            out.json("sources.json", report.to_json())
        out.metrics |= {"train": train.rows, "window": window.rows}
        if recipe.grpo is not None:
            out.metrics["reward"] = rewarded.rows
        if report is not None:
            out.metrics |= {"answers": answers.rows, "quarantined": bad.rows}
    return report


def probe_start(stage: Stage, out: Draft) -> dict[str, Any]:
    """Let every candidate answer the probe, choose, and say why; returns the chosen model as
    ``resolve_model`` does."""
    from ..bench.evaluate import score_answers
    from ..bench.samples import join_turns, write_samples
    from ..records.model_spec import ModelSpec
    from ..tasks.suites import load_suite
    from ..training.planning.starting_point import Probed, choose, probe_format, probe_job
    from ..worker.models import resolve_model

    spec = stage.recipe.model
    tasks = {name: load_suite(name) for name in stage.recipe.model.probe}
    for name, questions in tasks.items():
        out.table(f"start/{name}.parquet", (task.to_row() for task in questions), "tasks")
    models = [
        resolve_model(
            ModelSpec(source=candidate.source, revision=candidate.revision), stage.home.converted
        )
        for candidate in spec.candidates
    ]
    prompt_format = probe_format([Path(model["folder"]) for model in models])
    suites = {name: out.folder / f"start/{name}.parquet" for name in tasks}
    probed = []
    for at, (candidate, model) in enumerate(zip(spec.candidates, models, strict=True)):
        logs = out.folder / "logs" / f"start-{at}"
        stage.work(probe_job(stage.recipe, model, suites, logs, prompt_format, stage.home))
        scored = [
            sample
            for name, questions in tasks.items()
            for sample in join_turns(list(score_answers(questions, logs / f"{name}.jsonl")))
        ]
        write_samples(out, f"start/{at}", scored)
        probed.append(Probed(candidate.name, model, scored))
    start = choose(probed, spec.min_probe)
    out.json(
        "start.json", {**start.to_json(), "probe": list(tasks), "prompt_format": prompt_format}
    )
    out.metrics |= {"start": start.chosen.name, "start_reason": start.reason}
    stage.show("starting point", start.to_markdown())
    return start.chosen.model


@recipe_asset(
    group="baseline",
    rooms=["training", "bench", "critic"],
    kinds={"pytorch", "huggingface"},
    pool="device",
)
def base_checkpoint(stage: Stage) -> None:
    """The model that training starts from: pretrained here, or resolved and hashed, or the better
    of several in a probe."""
    from ..worker.jobs import pretrain_job
    from ..worker.models import resolve_model

    require_tasks(stage)
    with stage.making(keep=True) as out:
        if stage.recipe.model.source == "embedded":
            stage.work(pretrain_job(stage.recipe, out.folder, stage.home.device_lock))
        elif stage.recipe.model.source == "probed":
            out.json("model.json", probe_start(stage, out))
        else:
            resolved = resolve_model(
                stage.recipe.model, stage.home.converted, stage.context.log.info
            )
            out.json("model.json", resolved)


base_report = report_asset(
    BASE,
    group="baseline",
    description="The base model's answers to every suite of the recipe: the evidence that there is something to learn.",
)
