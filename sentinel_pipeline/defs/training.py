"""Group ``training``: each trainer asks the ledger before it touches the device."""

from .answering import model_folder
from .stage import Stage, recipe_asset


@recipe_asset(
    group="training",
    rooms=["training", "generation"],
    deps=["rebalanced_mix", "base_checkpoint", "base_report", "task_bank"],
    kinds={"pytorch", "huggingface"},
    pool="device",
)
def sft_checkpoint(stage: Stage) -> None:
    """Supervised fine-tuning on the mix, with evaluation windows and checkpoints; refused unless the base model's gap is proven."""
    from ..training.jobs import sft_job

    mix, base, report, bank = (
        stage.parent(name) for name in ("rebalanced_mix", "base_checkpoint", "base_report", "task_bank")
    )
    stage.require("capability_gap", report)
    window = stage.recipe.sft.windows.suite
    suite = bank.path("window.parquet" if window == "window" else f"suites/{window}.parquet")
    with stage.making(mix, base, report, bank, keep=True) as out:
        stage.work(
            sft_job(
                stage.recipe, model_folder(base), mix.path("train.jsonl"), suite, out.folder, stage.home.device_lock
            )
        )
