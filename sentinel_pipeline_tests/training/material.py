"""A model of a few thousand weights and jobs over it: made in a second or two, thrown away with the
test."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sentinel_pipeline.generation import Decoding
from sentinel_pipeline.records import Task
from sentinel_pipeline.records.model_spec import EmbeddedModel
from sentinel_pipeline.records.training_spec import SftSpec, Windows
from sentinel_pipeline.store import write_parquet
from sentinel_pipeline.tasks.task_bank import build
from sentinel_pipeline.worker.interrupts import Interrupts
from sentinel_pipeline.worker.jobs import PretrainJob, SftJob
from sentinel_pipeline.worker.progress import Progress

SMALL = EmbeddedModel(
    hidden=32,
    layers=2,
    heads=2,
    intermediate=64,
    vocabulary=600,
    context=256,
    pretrain_steps=6,
    pretrain_batch=4,
    pretrain_length=64,
    warmup_steps=2,
)


class Score(NamedTuple):
    """A stand-in for the critic's score: exact match, so that no sandbox is needed."""

    outcome: str
    syntax_ok: bool | None


def exact_match(tasks: Sequence[Task], completions: Sequence[str]) -> list[Score]:
    return [
        Score("pass" if a == t.reference else "fail", bool(a))
        for t, a in zip(tasks, completions, strict=True)
    ]


def silent(folder: Path, label: str = "test") -> Progress:
    return Progress(folder / "progress.jsonl", label, lambda text: None)


def stop_at_step(progress: Progress, interrupts: Interrupts, stop: int) -> None:
    """Ask the run that reports to ``progress`` to stop as soon as it has reported step ``stop``."""
    update = progress.update

    def stopping(
        step: int, total: int, *, loss: float | None = None, tokens: int = 0, **numbers: float
    ) -> None:
        update(step, total, loss=loss, tokens=tokens, **numbers)
        if step == stop:
            interrupts.asked = "SIGTERM"

    progress.update = stopping  # type: ignore[method-assign]  # the run holds this very object


def pretrain_small(out: Path, spec: EmbeddedModel = SMALL, seed: int = 17) -> Path:
    """Train the small base model into ``out``; returns the model's folder."""
    from sentinel_pipeline.training.embedded.embedded_model import pretrain

    job = PretrainJob(out=out, logs=out / "logs", seed=seed, spec=spec)
    pretrain(job, silent(job.logs), Interrupts())
    return out / "model"


def write_rows(path: Path, tasks: Sequence[Task]) -> Path:
    rows = [
        {
            "prompt": [turn.to_dict() for turn in task.messages],
            "completion": [{"role": "assistant", "content": task.reference}],
        }
        for task in tasks
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def sft_material(folder: Path, rows: int = 96) -> tuple[Path, Path]:
    """Training rows and a suite of eight held-out tasks."""
    bank = build(5, {"functions": rows // 2, "chat": rows // 2}, {"functions": 4, "chat": 4})
    suite = folder / "heldout.parquet"
    write_parquet(suite, (task.to_row() for task in bank.heldout), "tasks")
    return write_rows(folder / "train.jsonl", bank.train), suite


def small_sft_job(out: Path, model: Path, rows: Path, suite: Path | None, **changes: Any) -> SftJob:
    settings: dict[str, Any] = {
        "batch_size": 4,
        "learning_rate": 3e-3,
        "warmup_steps": 2,
        "save_steps": 4,
        "windows": Windows(eval_steps=6, eval_items=8, early_stop_step=0, syntax_drops=0),
    }
    spec = SftSpec(**{**settings, **changes})
    decoding = Decoding(max_new_tokens=8, batch_size=8)
    return SftJob(
        kind="sft",
        out=out,
        logs=out / "logs",
        model=model,
        rows=rows,
        suite=suite,
        seed=3,
        spec=spec,
        decoding=decoding,
    )
