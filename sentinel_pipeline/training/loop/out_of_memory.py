"""Out of memory while fine-tuning: the stage 1 plan's remedies, one after another, each recorded,
and training goes on.

In order: a smaller micro-batch with as much more accumulation (a step keeps its samples, so full
checkpoints stay good), then activation checkpointing, then, where no step was kept yet, an adapter
of rank 16 (which begins anew). What was done stands in ``remedies.jsonl`` and holds for a resumed
run too. No remedy deletes a checkpoint. What this module does not do: shorten rows, which would
change what is learnt; answer an error of exporting or generating, which training again would not
cure (``fit`` and ``generation.engine`` do); or survive the kernel's killer.
"""

from __future__ import annotations

import gc
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from ...errors import Infrastructure
from ...records.training_spec import StageSpec
from ...store import read_jsonl, write_jsonl
from ...worker import ranks
from ...worker.device import first_line, is_out_of_memory
from ...worker.jobs import TuneJob
from ...worker.progress import Progress
from .checkpoints import last_checkpoint

SMALL_RANK = 16
"""The stage 1 plan: "reduce LoRA rank (try r=16)"."""
_OF_STEPS = ("losses.jsonl", "curves.jsonl", "windows.jsonl", "stages.jsonl", "evals.jsonl")
"""Files of a run's steps, in ``out``."""
J = TypeVar("J", bound=TuneJob[Any])


class Remedy(NamedTuple):
    """What is changed of a tuning's settings."""

    name: str
    changes: dict[str, Any]


def next_remedy(spec: StageSpec, new_adapter: bool, smallest_batch: int = 1) -> Remedy | None:
    """The first remedy that still has something to give; None when all are used up.

    Args:
        new_adapter: whether this run makes its adapter and kept no step of it yet, so that its
            rank may be chosen.
        smallest_batch: rows of a micro-batch that the loss needs.
    """
    part = (
        next(part for part in range(2, spec.batch_size + 1) if spec.batch_size % part == 0)
        if spec.batch_size > 1
        else 0
    )
    if part and spec.batch_size // part >= smallest_batch:
        return Remedy("batch", spec.in_smaller_batches(part))
    if not spec.gradient_checkpointing:
        return Remedy("checkpointing", {"gradient_checkpointing": True})
    if spec.method == "lora" and new_adapter and spec.lora_r > SMALL_RANK:
        # The same scale of the update: alpha over rank.
        return Remedy(
            "rank",
            {
                "lora_r": SMALL_RANK,
                "lora_alpha": max(1, spec.lora_alpha * SMALL_RANK // spec.lora_r),
            },
        )
    return None


def with_remedies(
    job: J, attempt: Callable[[J], dict[str, Any]], progress: Progress
) -> dict[str, Any]:
    """Run ``attempt``; where memory does not suffice, again with the next remedy.

    Raises:
        Infrastructure: memory does not suffice with every remedy applied.
    """
    done = job.out / "remedies.jsonl"
    for row in read_jsonl(done) if done.is_file() else ():
        job = replace(job, spec=replace(job.spec, **row["changes"]))
    if ranks.world() > 1:
        # A process that runs out of memory leaves the others waiting: there is nobody to go on
        # with.
        return attempt(job)
    while True:
        try:
            return attempt(job)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            message = first_line(error)[:200]
        # Only here is the failed attempt's traceback gone, and with it what held its tensors.
        import torch

        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        begun = last_checkpoint(job.logs / "checkpoints")
        new_adapter = begun is None and not (job.model / "adapter_config.json").is_file()
        remedy = next_remedy(job.spec, new_adapter, job.stage.smallest_batch)
        if remedy is None:
            what_is_kept = f" The checkpoint of step {begun.step} is kept." if begun else ""
            raise Infrastructure(
                f"out of memory with every remedy applied ({message}): smaller batches, activation checkpointing"
                f"{' and rank 16' if job.spec.method == 'lora' else ''} did not suffice. Lower {job.kind}.max_length, take a "
                f"smaller model or a larger device, then run again.{what_is_kept}"
            )
        if remedy.name == "rank":
            # What an adapter of the other rank left (its opening window) is of no use to this one.
            aside = job.logs / f"rank-{job.spec.lora_r}"
            aside.mkdir(exist_ok=True)
            for path in (job.logs / "best", *(job.out / name for name in _OF_STEPS)):
                if path.exists():
                    shutil.move(path, aside / path.name)
        job = _apply(job, remedy, message, done, progress)


def _apply(job: J, remedy: Remedy, message: str, done: Path, progress: Progress) -> J:
    before = {name: getattr(job.spec, name) for name in remedy.changes}
    row = {"remedy": remedy.name, "before": before, "changes": remedy.changes, "said": message}
    write_jsonl(done, [*(read_jsonl(done) if done.is_file() else ()), row])
    progress.note(
        f"out of memory ({message}): {remedy.name}: {json.dumps(before)} becomes {json.dumps(remedy.changes)}"
    )
    return replace(job, spec=replace(job.spec, **remedy.changes))
