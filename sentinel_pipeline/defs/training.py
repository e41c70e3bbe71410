"""Group ``training``: each trainer asks the ledger before it touches the device."""

import json

from ..plots import curves
from ..store import read_jsonl
from .answering import model_folder
from .gap import require_gap
from .stage import Stage, recipe_asset


@recipe_asset(
    group="training",
    rooms=["training", "generation"],
    deps=["rebalanced_mix", "base_checkpoint", "base_report", "gap_proof", "task_bank"],
    kinds={"pytorch", "huggingface"},
    pool="device",
)
def sft_checkpoint(stage: Stage) -> None:
    """Supervised fine-tuning on the mix, with evaluation windows and checkpoints; refused unless the base model's gap is proven."""
    from ..training.jobs import sft_job

    names = ("rebalanced_mix", "base_checkpoint", "base_report", "gap_proof", "task_bank")
    mix, base, report, proof, bank = (stage.parent(name) for name in names)
    stage.require_gates(report)
    require_gap(stage, proof)
    window = stage.recipe.sft.windows.suite
    suite = bank.path("window.parquet" if window == "window" else f"suites/{window}.parquet")
    with stage.making(mix, base, report, proof, bank, keep=True) as out:
        stage.work(
            sft_job(
                stage.recipe, model_folder(base), mix.path("train.jsonl"), suite, out.folder, stage.home.device_lock
            )
        )
        reached = json.loads((out.folder / "training.json").read_text(encoding="utf-8"))
        out.metrics |= {key: reached[key] for key in ("final_loss", "steps", "tokens", "rows", "stopped_by")}
    _show_training(stage)


def _show_training(stage: Stage) -> None:
    """The loss curve, the windows and the token report, for the asset's page."""
    made = stage.store.get("sft_checkpoint")
    losses = [(row["step"], row["loss"]) for row in read_jsonl(made.path("losses.jsonl"))]
    windows = list(read_jsonl(made.folder / "windows.jsonl")) if (made.folder / "windows.jsonl").exists() else []
    stage.show("loss", curves({"training loss": losses}, "Fine-tuning loss", "step"))
    rates = {
        name: [(row["step"], row[key]) for row in windows if row[key] is not None]
        for name, key in (("Pass@1", "pass_at_1"), ("syntax rate", "syntax_rate"))
    }
    stage.show("windows", curves(rates, "Evaluation windows", "step", percent=True))
    report = made.json("token_report.json")
    stage.show("tokens", "\n".join(["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in report.items())]))
