"""Supervised fine-tuning on TRL: the loss of completions alone, each ending with the stop token.

What surrounds the loss (windows, stop rules, checkpoints, resuming) is ``fit``'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from ...generation.loading import load_tokenizer
from ...records.training_spec import SftSpec
from ...store import write_json
from ...worker import ranks
from ...worker.interrupts import Interrupts
from ...worker.jobs import SftJob
from ...worker.progress import Progress
from ..data.packing import check_isolated, flash_attention, packing_collator
from ..data.tokens import Encoded, Prepared, prepare_rows
from ..loop.watch import Watch
from ..loop.windows import Scorer, critic_scorer
from .distil import Teacher
from .fit import (
    TrainingSetup,
    check_vocabulary,
    config_values,
    fit,
    load_trainable,
    masters_of,
    new_adapter,
    prepare_trainer,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def train_sft(
    job: SftJob, progress: Progress, interrupts: Interrupts, scorer: Scorer = critic_scorer
) -> dict[str, Any]:
    """Train ``job.model`` on ``job.rows``; returns what ``training.json`` holds (see ``fit``).

    Raises:
        BadInput: rows, template, model or rates that cannot work, or a loss that is not finite.
        Infrastructure: the disk is full, or the job was asked to stop (then a full checkpoint was
            saved).
    """
    tokenizer = load_tokenizer(job.model)
    prepared = prepare_rows(
        job.rows,
        tokenizer,
        job.spec.max_length,
        train_on_thoughts=job.spec.train_on_thoughts,
    )
    if ranks.is_main():
        write_json(job.out / "token_report.json", prepared.report.to_json())
    progress.note(_first_words(prepared))
    flash = job.spec.packing and flash_attention()
    model = load_trainable(job.model, job.spec.method, job.spec.load_in_4bit, flash=flash)
    check_vocabulary((row.input_ids for row in prepared.rows), model, job.model)
    if job.spec.packing:
        check_isolated(model, prepared.rows[0].input_ids, prepared.rows[-1].input_ids)
    report = prepared.report
    reached = {
        "rows": report.kept,
        "tokens": report.tokens,
        "trainable_tokens": report.trainable_tokens,
    }
    fitting = TrainingSetup(job=job, tokenizer=tokenizer, rows=len(prepared.rows), reached=reached)
    return fit(
        fitting,
        lambda watch: build_trainer(fitting, model, prepared.rows, watch),
        progress,
        interrupts,
        scorer,
    )


def build_trainer(
    fitting: TrainingSetup, model: PreTrainedModel, rows: Sequence[Encoded], watch: Watch
) -> Any:
    """TRL's trainer over the tokenized rows in their fixed order."""
    from datasets import Dataset

    from .trainer import sft_trainer_class

    job = fitting.job
    spec = cast("SftSpec", fitting.job.spec)
    fitting.tokenizer.padding_side = "right"
    masters = masters_of(model)
    trainer = sft_trainer_class()(
        model=model,
        args=sft_config(job, spec.total_steps(len(rows))),
        train_dataset=Dataset.from_dict(
            {"input_ids": [row.input_ids for row in rows], "labels": [row.labels for row in rows]}
        ),
        processing_class=fitting.tokenizer,
        data_collator=_collator(fitting.tokenizer, spec),
        peft_config=new_adapter(spec, model),
    )
    if job.teacher is not None and spec.distillation is not None:
        trainer.teacher = Teacher(job.teacher, spec.distillation, fitting.tokenizer)
    return prepare_trainer(trainer, fitting, watch, masters)


def _collator(tokenizer: PreTrainedTokenizerBase, spec: SftSpec) -> Any:
    """None, for TRL's own that pads, unless the recipe packs."""
    if not spec.packing:
        return None
    return packing_collator(
        int(tokenizer.pad_token_id or 0), None if flash_attention() else spec.max_length
    )


def sft_config(job: Any, steps: int) -> Any:
    """The trainer's settings. Rows are tokenized and masked already, so TRL prepares nothing."""
    from trl import SFTConfig

    return SFTConfig(**config_values(job, steps), dataset_kwargs={"skip_prepare_dataset": True})


def _first_words(prepared: Prepared) -> str:
    report = prepared.report
    return (
        f"{report.kept} of {report.rows} rows, {report.tokens:,} tokens, {report.trainable_tokens:,} trained, "
        f"each ending with {report.stop_token}"
    )
