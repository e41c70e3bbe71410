"""What a GRPO step spends its time on: generation, gradient, rewards, the rest. The bar: 15 %
neither generation nor gradient.

    python benchmarks/grpo_step.py [--steps N] [--model FOLDER] [--tasks PARQUET]

Without a model a small embedded one is pretrained first, so that its answers are as long as they
may be. Shares are of one run and need no peer; seconds depend on the machine. Windows are left out.
What it does not do: say that anything was learnt.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from sentinel_pipeline.generation import Decoding
from sentinel_pipeline.records.grpo_spec import GrpoSpec
from sentinel_pipeline.records.model_spec import EmbeddedModel
from sentinel_pipeline.run_job import run_job
from sentinel_pipeline.store import write_parquet
from sentinel_pipeline.tasks.task_bank import build
from sentinel_pipeline.worker.jobs import GrpoJob, PretrainJob

BAR = 0.15
SKIPPED = 2
"""First steps, in which workers and kernels warm up."""
FAMILIES = {"functions": 24, "edits": 10, "tools": 8, "shell": 6, "chat": 6}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--model", type=Path, help="a Transformers folder")
    parser.add_argument("--tasks", type=Path, help="Parquet of training tasks")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "grpo"
        model, tasks = (
            args.model or small_model(Path(folder)),
            args.tasks or small_tasks(Path(folder)),
        )
        spec = GrpoSpec(
            method="full", max_steps=args.steps, prompts_per_step=8, num_generations=8, learning_rate=1e-5,
            max_prompt_length=256, max_completion_length=112, eval_steps=args.steps, eval_items=8,
        )  # fmt: skip
        decoding = Decoding(max_new_tokens=112, batch_size=64)
        logs = out / "logs"
        run_job(
            GrpoJob(
                kind="grpo",
                out=out,
                logs=logs,
                model=model,
                rows=tasks,
                suite=None,
                spec=spec,
                decoding=decoding,
            )
        )
        rows = [json.loads(line) for line in (logs / "timings.jsonl").read_text().splitlines()][
            SKIPPED:
        ]
    report(rows)


def small_model(folder: Path) -> Path:
    out = folder / "base"
    shape = EmbeddedModel(
        hidden=128, layers=3, heads=4, intermediate=384, vocabulary=1536, pretrain_steps=20
    )
    run_job(PretrainJob(out=out, logs=out / "logs", spec=shape))
    return out / "model"


def small_tasks(folder: Path) -> Path:
    path = folder / "tasks.parquet"
    write_parquet(path, (task.to_row() for task in build(3, FAMILIES, {}).train), "tasks")
    return path


def report(rows: list[dict[str, float]]) -> None:
    total = sum(row["total"] for row in rows)
    sums = {name: sum(row[name] for row in rows) for name in ("generation", "gradient", "rewards")}
    other = 1 - (sums["generation"] + sums["gradient"]) / total
    print(f"{len(rows)} steps of 64 completions, {total / len(rows):.2f} s each")
    for name, seconds in sums.items():
        print(f"  {name:11} {seconds / total:6.1%}")
    print(
        f"  neither generation nor gradient {other:.1%} (bar {BAR:.0%}): {'met' if other <= BAR else 'missed'}"
    )


if __name__ == "__main__":
    main()
