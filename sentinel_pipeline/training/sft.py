"""Supervised fine-tuning on TRL: completion-only loss, windows, stop rules, checkpoints that survive any kill.

The same job run again goes on from its last full checkpoint, with the same sample order, and ends with the same weights. What
is judged here is only when to stop and which weights were best so far; gates judge models.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadInput
from ..generation.loading import load_tokenizer
from ..records.training_spec import SftSpec
from ..store import write_json
from .checkpoints import Checkpoint, last_checkpoint, replace_folder
from .device import bfloat16_pays
from .interrupts import Interrupts
from .jobs import SftJob
from .progress import Progress
from .stopping import Window, best_window, stop_reason
from .tokens import Encoded, Prepared, prepare_rows
from .watch import Watch, watch_callback
from .windows import Scorer, critic_scorer, rewind_rows, rewind_windows, window_tasks

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

TAIL = 50
"""Steps whose mean loss is the run's final loss."""


def fine_tune(
    job: SftJob, progress: Progress, interrupts: Interrupts, scorer: Scorer = critic_scorer
) -> dict[str, Any]:
    """Train ``job.model`` on ``job.rows``; writes ``model/``, ``final/`` and the reports, returns what ``training.json`` holds.

    Raises:
        BadInput: rows, template, model or rates that cannot work, or a loss that is not finite.
        Infrastructure: the disk is full, or the job was asked to stop (then a full checkpoint was saved).
    """
    tokenizer = load_tokenizer(job.model)
    prepared = prepare_rows(job.rows, tokenizer, job.spec.max_length)
    write_json(job.out / "token_report.json", prepared.report.to_json())
    progress.note(_first_words(prepared))
    model = _load_trainable(job.model)
    _check_vocabulary(prepared.rows, model, job.model)
    found = last_checkpoint(job.logs / "checkpoints")
    watch = _watch(job, tokenizer, progress, interrupts, scorer, found)
    trainer = build_trainer(job, model, tokenizer, prepared.rows, watch)
    _run(trainer, found, watch)
    if watch.failure is not None:
        raise watch.failure
    interrupts.stop_if_asked(int(trainer.state.global_step))
    _keep_models(job, trainer, tokenizer, watch.windows)
    result = _result(job, trainer, prepared, watch)
    write_json(job.out / "training.json", result)
    return result


def total_steps(rows: int, spec: SftSpec) -> int:
    """Optimizer steps: whole batches of ``epochs`` passes, at most ``max_steps``."""
    steps = max(1, int(rows * spec.epochs) // (spec.batch_size * spec.gradient_accumulation))
    return min(steps, spec.max_steps) if spec.max_steps else steps


def build_trainer(
    job: SftJob, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: Sequence[Encoded], watch: Watch
) -> Any:
    """TRL's trainer over the tokenized rows in their fixed order."""
    from datasets import Dataset
    from transformers import PrinterCallback

    from .trainer import sample_order, trainer_class

    spec = job.spec
    steps = total_steps(len(rows), spec)
    batch = spec.batch_size * spec.gradient_accumulation
    tokenizer.padding_side = "right"
    trainer = trainer_class()(
        model=model,
        args=sft_config(job, steps),
        train_dataset=Dataset.from_dict(
            {"input_ids": [row.input_ids for row in rows], "labels": [row.labels for row in rows]}
        ),
        processing_class=tokenizer,
        peft_config=_lora(spec) if spec.method == "lora" else None,
        callbacks=[watch_callback(watch)],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.order = sample_order(len(rows), steps * batch, job.seed)
    trainer.optimizer_name = spec.optimizer
    trainer.checkpoints = job.logs / "checkpoints"
    watch.trainer = trainer
    return trainer


def sft_config(job: SftJob, steps: int) -> Any:
    """The trainer's settings. Rows are tokenized and masked already, so TRL prepares nothing."""
    import torch
    from trl import SFTConfig

    spec = job.spec
    decay = {"num_decay_steps": max(1, int(spec.decay_share * steps)), "decay_type": "linear"}
    return SFTConfig(
        output_dir=str(job.logs / "trainer"),
        max_steps=steps,
        per_device_train_batch_size=spec.batch_size,
        gradient_accumulation_steps=spec.gradient_accumulation,
        learning_rate=spec.learning_rate,
        lr_scheduler_type=spec.schedule,
        lr_scheduler_kwargs=decay if spec.schedule == "warmup_stable_decay" else None,
        warmup_steps=min(spec.warmup_steps, steps),
        weight_decay=spec.weight_decay,
        max_grad_norm=1.0,
        bf16=bfloat16_pays(),
        use_cpu=not torch.cuda.is_available(),
        gradient_checkpointing=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
        save_strategy="steps",
        save_steps=spec.save_every,
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=False,
        seed=job.seed,
        data_seed=job.seed,
    )


def _lora(spec: SftSpec) -> Any:
    from peft import LoraConfig

    return LoraConfig(
        r=spec.lora_r, lora_alpha=spec.lora_alpha, target_modules="all-linear", lora_dropout=0.0, task_type="CAUSAL_LM"
    )


def _load_trainable(folder: Path) -> PreTrainedModel:
    """Float32 masters: a checkpoint's own bfloat16 would swallow small updates."""
    import torch
    from transformers import AutoModelForCausalLM

    try:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    except (OSError, ValueError) as error:
        raise BadInput(f"holds no causal language model: {error}", file=folder, field="model.source") from error
    return model


def _check_vocabulary(rows: Sequence[Encoded], model: PreTrainedModel, folder: Path) -> None:
    size = int(model.config.get_text_config().vocab_size)
    largest = max(max(row.input_ids) for row in rows)
    if largest >= size:
        raise BadInput(f"its tokenizer writes token {largest}, but the model embeds only {size}.", file=folder)


def _first_words(prepared: Prepared) -> str:
    report = prepared.report
    return (
        f"{report.kept} of {report.rows} rows, {report.tokens:,} tokens, {report.trainable_tokens:,} trained, "
        f"each ending with {report.stop_token}"
    )


def _watch(
    job: SftJob,
    tokenizer: PreTrainedTokenizerBase,
    progress: Progress,
    interrupts: Interrupts,
    scorer: Scorer,
    found: Checkpoint | None,
) -> Watch:
    step = found.step if found else 0
    tasks = window_tasks(job.suite, job.spec.windows.items) if job.suite else []
    job.logs.mkdir(parents=True, exist_ok=True)
    rewind_rows(job.out / "losses.jsonl", step)
    return Watch(
        job=job,
        tokenizer=tokenizer,
        progress=progress,
        interrupts=interrupts,
        scorer=scorer,
        tasks=tasks,
        windows=rewind_windows(job.out / "windows.jsonl", step),
    )


def _run(trainer: Any, found: Checkpoint | None, watch: Watch) -> None:
    """Train, or go on; a run that had stopped by rule is not trained further."""
    if found is None:
        trainer.train()
        return
    watch.progress.note(f"resumed from step {found.step}")
    watch.stopped_by = stop_reason(watch.windows, watch.job.spec.windows)
    if watch.stopped_by:
        trainer._load_from_checkpoint(str(found.folder))
        trainer.state.global_step = found.step
        return
    trainer.train(resume_from_checkpoint=str(found.folder))


def _keep_models(job: SftJob, trainer: Any, tokenizer: PreTrainedTokenizerBase, windows: Sequence[Window]) -> None:
    """``final/`` is what training ended with; ``model/`` the best window's weights, or the same where none was scored."""
    tokenizer.padding_side = "left"

    def write_final(folder: Path) -> None:
        trainer.model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)

    replace_folder(job.out / "final", write_final)
    best = best_window(windows)
    source = job.logs / "best" / f"step-{best.step}" if best else None
    chosen = source if source is not None and source.is_dir() else job.out / "final"

    def write_chosen(folder: Path) -> None:
        shutil.copytree(chosen, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("complete.json"))

    replace_folder(job.out / "model", write_chosen)


def _result(job: SftJob, trainer: Any, prepared: Prepared, watch: Watch) -> dict[str, Any]:
    lines = (job.out / "losses.jsonl").read_text(encoding="utf-8").splitlines()
    losses = [json.loads(line)["loss"] for line in lines]
    best = best_window(watch.windows)
    parameters = list(trainer.model.parameters())
    return {
        "kind": job.kind,
        "method": job.spec.method,
        "steps": int(trainer.state.global_step),
        "planned_steps": total_steps(len(prepared.rows), job.spec),
        "final_loss": round(sum(losses[-TAIL:]) / len(losses[-TAIL:]), 6) if losses else None,
        "stopped_by": watch.stopped_by,
        "best_step": best.step if best else None,
        "best_pass_at_1": best.pass_at_1 if best else None,
        "parameters": sum(p.numel() for p in parameters),
        "trained_parameters": sum(p.numel() for p in parameters if p.requires_grad),
        "rows": prepared.report.kept,
        "tokens": prepared.report.tokens,
        "trainable_tokens": prepared.report.trainable_tokens,
        "seed": job.seed,
        "spec": asdict(job.spec),
    }
