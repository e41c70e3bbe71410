"""Groups ``tasks`` and ``baseline``: the task bank, the base model, and what the base model can do
before any training."""

from pathlib import Path
from typing import Any

from ..records.stages import BASE
from ..store import Draft
from .report_assets import report_asset
from .review import without_retired
from .stage import Stage, recipe_asset


@recipe_asset(
    group="tasks",
    rooms=["bench", "review"],
    deps=["human_corrections"],
    kinds={"python", "parquet"},
)
def task_bank(stage: Stage) -> None:
    """Training tasks and the suites of the gates: fixed before training, without items whose
    corrections are training rows."""
    from ..audit.suites import load_audited
    from ..tasks.suites import first_items
    from ..tasks.task_bank import build, fresh_heldout

    spec = stage.recipe.tasks
    bench = stage.recipe.bench
    corrections = stage.parent("human_corrections")
    bank = build(stage.recipe.seed, spec.train, spec.heldout, spec.window)
    drawn = {"heldout": bank.heldout}
    if spec.fresh_seed is not None:
        drawn["fresh"] = fresh_heldout(spec.fresh_seed, spec.heldout, bank)
    with stage.making(corrections) as out:
        out.metrics["train"] = out.table(
            "train.parquet", (task.to_row() for task in bank.train), "tasks"
        )
        out.metrics["window"] = out.table(
            "window.parquet", (task.to_row() for task in bank.window), "tasks"
        )
        retired = {}
        for suite in bench.suites:
            data = stage.home.suite_file(suite, bench.data)
            tasks = list(drawn[suite]) if suite in drawn else load_audited(suite, data)
            remaining, retired[suite] = without_retired(stage.home, first_items(tasks, bench.limit))
            out.metrics[suite] = out.table(
                f"suites/{suite}.parquet", (task.to_row() for task in remaining), "tasks"
            )
        out.json("retired.json", retired)
        out.metrics["retired"] = sum(map(len, retired.values()))


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
        resolve_model(ModelSpec(source=candidate.source, revision=candidate.revision))
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
    start = choose(probed)
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

    with stage.making(keep=True) as out:
        if stage.recipe.model.source == "embedded":
            stage.work(pretrain_job(stage.recipe, out.folder, stage.home.device_lock))
        elif stage.recipe.model.source == "probed":
            out.json("model.json", probe_start(stage, out))
        else:
            out.json("model.json", resolve_model(stage.recipe.model))


base_report = report_asset(
    BASE,
    group="baseline",
    description="The base model's answers to every suite of the recipe: the evidence that there is something to learn.",
)
