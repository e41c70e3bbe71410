"""SFT throughput: our trainer against TRL's defaults, on one model, one set of rows, one machine,
in one run.

Prints one JSON line: tokens (padding not counted) a second of both by the clock and by processor
time, the median ratio of the repeats with its least and largest, and the final losses. The two
sides take turns, each time in a fresh process and in the other order, so that a neighbour's load
falls on both; processor time is what a neighbour cannot take. TRL's side is ``SFTTrainer`` with
``SFTConfig``'s own defaults but for what the comparison needs equal: batch size, learning rate,
schedule, warm-up, steps, and the device. What it does not do: judge what was learned.

    python benchmarks/sft_throughput.py --steps 60 --repeats 3
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from sentinel_pipeline.generation.loading import load_tokenizer
from sentinel_pipeline.records.data_spec import SHARES
from sentinel_pipeline.records.model_spec import EmbeddedModel
from sentinel_pipeline.records.training_spec import SftSpec
from sentinel_pipeline.run_job import be_quiet
from sentinel_pipeline.store import read_jsonl, write_jsonl
from sentinel_pipeline.tasks.task_bank import build
from sentinel_pipeline.training.data.tokens import prepare_rows
from sentinel_pipeline.training.embedded.embedded_model import pretrain
from sentinel_pipeline.training.trainers.sft import train_sft
from sentinel_pipeline.worker.device import prepare_cpu
from sentinel_pipeline.worker.interrupts import Interrupts
from sentinel_pipeline.worker.jobs import PretrainJob, SftJob
from sentinel_pipeline.worker.progress import Progress

LOGGED = 10
"""Steps over which TRL averages a logged loss by default: both sides' final loss is such a mean."""
SIDES = ("trl_defaults", "ours")
FAMILIES = ("functions", "edits", "tools", "shell", "chat")


class Mark(NamedTuple):
    """Where a run was after a step."""

    clock: float
    processor: float
    tokens: float
    """Since the start."""


def mark(tokens: float) -> Mark:
    return Mark(time.perf_counter(), time.process_time(), tokens)


def rates(marks: Sequence[Mark], final_loss: float) -> dict[str, float]:
    """The first step warms up and is not counted."""
    first, last = marks[0], marks[-1]
    done = last.tokens - first.tokens
    return {
        "tokens_per_s": done / (last.clock - first.clock),
        "tokens_per_processor_s": done / (last.processor - first.processor),
        "final_loss": final_loss,
    }


def training_rows(path: Path, rows: int) -> None:
    counts = {
        name: int(rows * share) for name, share in zip(FAMILIES, SHARES.values(), strict=True)
    }
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
    job = SftJob(kind="sft", out=folder, logs=folder / "logs", model=model, rows=rows, spec=spec)
    marks: list[Mark] = []
    progress = Progress(job.logs / "progress.jsonl", "ours", lambda text: None)

    def update(
        step: int, total: int, *, loss: float | None = None, tokens: int = 0, **numbers: float
    ) -> None:
        marks.append(mark((marks[-1].tokens if marks else 0) + tokens))

    progress.update = update  # type: ignore[method-assign]  # the trainer calls it
    train_sft(job, progress, Interrupts())
    tail = [row["loss"] for row in read_jsonl(folder / "losses.jsonl")][-LOGGED:]
    return rates(marks, sum(tail) / len(tail))


def theirs(folder: Path, model: Path, rows: Path, spec: SftSpec) -> dict[str, float]:
    """TRL's defaults: its own tokenization, collation, order, loss and memory savings."""
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    config = SFTConfig(
        output_dir=str(folder),
        max_steps=spec.max_steps or 1,
        per_device_train_batch_size=spec.batch_size,
        learning_rate=spec.learning_rate,
        lr_scheduler_type=spec.lr_scheduler_type,
        warmup_steps=spec.warmup_steps,
        weight_decay=spec.weight_decay,
        use_cpu=True,
        bf16=False,
        report_to=[],
        save_strategy="no",
    )
    marks: list[Mark] = []
    losses: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            marks.append(mark(trainer._total_train_tokens))  # noqa: SLF001 -- TRL's own count

        def on_log(
            self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any
        ) -> None:
            losses.append(logs.get("loss", losses[-1] if losses else 0.0))

    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(model),
        args=config,
        train_dataset=Dataset.from_list(list(read_jsonl(rows))),
        processing_class=load_tokenizer(model),
        callbacks=[Clock()],
    )
    trainer.train()
    return rates(marks, losses[-1])


def one_side(side: str, folder: Path, spec: SftSpec) -> dict[str, float]:
    """Train once, in this process."""
    be_quiet()
    out = Path(tempfile.mkdtemp(dir=folder))
    if side == "ours":
        prepare_cpu()
        return ours(out, folder / "base" / "model", folder / "rows.jsonl", spec)
    return theirs(out, folder / "base" / "model", folder / "rows.jsonl", spec)


def measure(side: str, folder: Path, arguments: argparse.Namespace) -> dict[str, float]:
    """Train once, in a fresh process."""
    settings = ["--steps", str(arguments.steps), "--side", side, "--folder", str(folder)]
    settings += ["--packing"] if arguments.packing else []
    done = subprocess.run(
        [sys.executable, __file__, *settings], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def compared(runs: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Medians of both sides, and of the repeats' ratios."""
    told: dict[str, Any] = {
        side: {key: median(run[key] for run in found) for key in found[0]}
        for side, found in runs.items()
    }
    for name, key in (("ratio", "tokens_per_s"), ("processor_ratio", "tokens_per_processor_s")):
        ratios = [
            own[key] / default[key]
            for own, default in zip(runs["ours"], runs["trl_defaults"], strict=True)
        ]
        told[name] = {"median": median(ratios), "least": min(ratios), "largest": max(ratios)}
    return told


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--packing", action="store_true", help="our side packs its rows instead of padding them"
    )
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.steps % LOGGED:
        parser.error(
            f"--steps {arguments.steps}: expected a multiple of {LOGGED}, over which TRL averages its last logged loss"
        )
    spec = SftSpec(
        max_steps=arguments.steps, save_steps=10**9, optimizer="adamw", lr_scheduler_type="linear", num_train_epochs=100.0,
        packing=arguments.packing,
    )  # fmt: skip
    if arguments.side:
        print(json.dumps(one_side(arguments.side, arguments.folder, spec)))
        return
    be_quiet()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        training_rows(folder / "rows.jsonl", arguments.rows)
        model = base_model(folder / "base")
        report = prepare_rows(folder / "rows.jsonl", load_tokenizer(model), spec.max_length).report
        runs: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
        for turn in range(arguments.repeats):
            for side in SIDES if turn % 2 == 0 else SIDES[::-1]:
                runs[side].append(measure(side, folder, arguments))
    told = {
        "benchmark": "sft_throughput",
        **compared(runs),
        "repeats": arguments.repeats,
        "steps": arguments.steps,
    }
    print(
        json.dumps(
            {**told, "packing": arguments.packing, "tokens_per_row": report.tokens / report.kept}
        )
    )


if __name__ == "__main__":
    main()
