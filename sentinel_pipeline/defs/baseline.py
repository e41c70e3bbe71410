"""Group ``baseline``: the tasks, the base model, and what the base model can do before any training."""

from .answering import report_asset
from .review import without_retired
from .stage import Stage, recipe_asset


@recipe_asset(group="baseline", rooms=["bench", "review"], deps=["human_corrections"], kinds={"python", "parquet"})
def task_bank(stage: Stage) -> None:
    """Training tasks, and the suites that will judge: fixed before training, without items whose corrections are rows."""
    from ..bench.suite_audit import load_audited
    from ..bench.suites import first_items
    from ..bench.task_bank import build

    spec, bench = stage.recipe.tasks, stage.recipe.bench
    corrections = stage.parent("human_corrections")
    bank = build(stage.recipe.seed, spec.train, spec.heldout, spec.window)
    with stage.making(corrections) as out:
        out.metrics["train"] = out.table("train.parquet", (task.to_row() for task in bank.train), "tasks")
        out.metrics["window"] = out.table("window.parquet", (task.to_row() for task in bank.window), "tasks")
        retired = {}
        for suite in bench.suites:
            data = stage.home.suite_file(suite, bench.data)
            tasks = list(bank.heldout) if suite == "heldout" else load_audited(suite, data)
            kept, retired[suite] = without_retired(stage.home, first_items(tasks, bench.limit))
            out.metrics[suite] = out.table(f"suites/{suite}.parquet", (task.to_row() for task in kept), "tasks")
        out.json("retired.json", retired)
        out.metrics["retired"] = sum(map(len, retired.values()))


@recipe_asset(group="baseline", rooms=["training"], kinds={"pytorch", "huggingface"}, pool="device")
def base_checkpoint(stage: Stage) -> None:
    """The model that training starts from: pretrained on the spot for an embedded recipe, else resolved and hashed."""
    from ..training.base import resolve_model
    from ..training.jobs import pretrain_job

    with stage.making(keep=True) as out:
        if stage.recipe.model.source == "embedded":
            stage.work(pretrain_job(stage.recipe, out.folder, stage.home.device_lock))
        else:
            out.json("model.json", resolve_model(stage.recipe.model))


base_report = report_asset(
    "base",
    group="baseline",
    description="The base model's answers to every suite of the recipe: the evidence that there is something to learn.",
)
