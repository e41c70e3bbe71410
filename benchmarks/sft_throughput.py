"""SFT throughput: our trainer against TRL's defaults, on one model, one set of rows, one machine, in one run.

Prints one JSON line: tokens (padding not counted) a second of both, their ratio, and the final losses. TRL's side is
``SFTTrainer`` with ``SFTConfig``'s own defaults but for what the comparison needs equal: batch size, learning rate, schedule,
warm-up, steps, and the device. What it does not do: judge what was learned.

    python benchmarks/sft_throughput.py --steps 60
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from sentinel_pipeline.bench.task_bank import build
from sentinel_pipeline.generation.loading import load_tokenizer
from sentinel_pipeline.records.data_spec import SHARES
from sentinel_pipeline.records.model_spec import EmbeddedModel
from sentinel_pipeline.records.training_spec import SftSpec
from sentinel_pipeline.store import read_jsonl, write_jsonl
from sentinel_pipeline.training.device import prepare_cpu
from sentinel_pipeline.training.embedded import pretrain
from sentinel_pipeline.training.interrupts import Interrupts
from sentinel_pipeline.training.jobs import PretrainJob, SftJob
from sentinel_pipeline.training.progress import Progress
from sentinel_pipeline.training.sft import fine_tune
from sentinel_pipeline.training.tokens import prepare_rows
from sentinel_pipeline.training.worker import be_quiet

LOGGED = 10
"""Steps over which TRL averages a logged loss by default: both sides' final loss is such a mean."""
FAMILIES = ("functions", "edits", "tools", "shell", "chat")


def training_rows(path: Path, rows: int) -> None:
    counts = {name: int(rows * share) for name, share in zip(FAMILIES, SHARES.values(), strict=True)}
    write_jsonl(
        path,
        (
            {
                "prompt": [turn.to_dict() for turn in task.messages],
                "completion": [{"role": "assistant", "content": task.reference}],
            }
            for task in build(3, counts, {}).train
        ),
    )


def base_model(folder: Path) -> Path:
    spec = EmbeddedModel(pretrain_steps=2)
    job = PretrainJob(out=folder, logs=folder / "logs", spec=spec)
    pretrain(job, Progress(job.logs / "progress.jsonl", "base", lambda text: None), Interrupts())
    return folder / "model"


def ours(folder: Path, model: Path, rows: Path, spec: SftSpec) -> dict[str, float]:
    """Our side, windows off; full checkpoints only at the end, as TRL's side."""
    job = SftJob(out=folder, logs=folder / "logs", model=model, rows=rows, spec=spec)
    marks: list[tuple[float, int]] = []
    progress = Progress(job.logs / "progress.jsonl", "ours", lambda text: None)

    def update(step: int, total: int, *, loss: float | None = None, tokens: int = 0, **numbers: float) -> None:
        marks.append((time.perf_counter(), tokens))

    progress.update = update  # type: ignore[method-assign]
    fine_tune(job, progress, Interrupts())
    tail = [row["loss"] for row in read_jsonl(folder / "losses.jsonl")][-LOGGED:]
    seconds, tokens = marks[-1][0] - marks[0][0], sum(count for _, count in marks[1:])
    return {"tokens_per_s": tokens / seconds, "final_loss": sum(tail) / len(tail)}


def theirs(folder: Path, model: Path, rows: Path, spec: SftSpec, steps: int) -> dict[str, float]:
    """TRL's defaults: its own tokenization, collation, order, loss and memory savings."""
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    config = SFTConfig(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=spec.batch_size,
        learning_rate=spec.learning_rate,
        lr_scheduler_type=spec.schedule,
        warmup_steps=spec.warmup_steps,
        weight_decay=spec.weight_decay,
        use_cpu=True,
        bf16=False,
        report_to=[],
        save_strategy="no",
    )
    marks: list[tuple[float, float]] = []
    losses: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            marks.append((time.perf_counter(), trainer._total_train_tokens))

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
            losses.append(logs.get("loss", losses[-1] if losses else 0.0))

    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(model),
        args=config,
        train_dataset=Dataset.from_list(list(read_jsonl(rows))),
        processing_class=load_tokenizer(model),
        callbacks=[Clock()],
    )
    trainer.train()
    (start, before), (end, after) = marks[0], marks[-1]
    return {"tokens_per_s": (after - before) / (end - start), "final_loss": losses[-1]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rows", type=int, default=3000)
    arguments = parser.parse_args()
    be_quiet()
    spec = SftSpec(max_steps=arguments.steps, save_every=10**9, optimizer="adamw", schedule="linear", epochs=100.0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        training_rows(folder / "rows.jsonl", arguments.rows)
        model = base_model(folder / "base")
        default = theirs(folder / "trl", model, folder / "rows.jsonl", spec, arguments.steps)
        prepare_cpu()
        own = ours(folder / "ours", model, folder / "rows.jsonl", replace(spec))
        report = prepare_rows(folder / "rows.jsonl", load_tokenizer(model), spec.max_length).report
    print(
        json.dumps(
            {
                "benchmark": "sft_throughput",
                "ours": own,
                "trl_defaults": default,
                "ratio": own["tokens_per_s"] / default["tokens_per_s"],
                "steps": arguments.steps,
                "tokens_per_row": report.tokens / report.kept,
            }
        )
    )


if __name__ == "__main__":
    main()
