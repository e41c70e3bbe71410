"""What every fine-tuning does alike around its trainer: load, watch, train or go on, keep weights,
say what was reached.

The same job run again goes on from its last full checkpoint, with the same sample order, and ends
with the same weights. What is judged here is only when to stop and which weights were best so far;
gates judge models. The loss is the caller's.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...gates.keys import policy_hash
from ...gates.window_rules import step_policies, step_verdicts
from ...generation.loading import load_model
from ...records.training_spec import StageSpec
from ...records.window import Window
from ...store import write_json
from ...worker import ranks
from ...worker.device import bfloat16_pays
from ...worker.interrupts import Interrupts
from ...worker.jobs import TuneJob
from ...worker.progress import Progress
from ..loop.checkpoints import Checkpoint, last_checkpoint, replace_folder
from ..loop.freezing import Freezing
from ..loop.parity import check_parity
from ..loop.watch import Watch, watch_callback
from ..loop.windows import Scorer, rewind_rows, rewind_windows, window_tasks
from .distil import rate_of
from .trainable import check_vocabulary as check_vocabulary
from .trainable import load_trainable as load_trainable

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TAIL = 50
"""Steps whose mean loss is the run's final loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSetup:
    """A tuning that is ready to begin."""

    job: TuneJob[Any]
    tokenizer: PreTrainedTokenizerBase
    rows: int
    """Samples of the loss in one pass."""
    reached: dict[str, Any]
    """What ``training.json`` says of the rows."""
    opening_window: bool = False
    """Hold a window before the first step: an optimised model must beat its start."""
    watch: Callable[..., Watch] = Watch


def fit(
    fitting: TrainingSetup,
    build: Callable[[Watch], Any],
    progress: Progress,
    interrupts: Interrupts,
    scorer: Scorer,
) -> dict[str, Any]:
    """Train with the trainer that ``build`` makes; writes ``model/``, ``final/`` and reports,
    returns what ``training.json`` holds.

    Raises:
        BadInput: a loss that is not finite.
        Infrastructure: the disk is full, or the job was asked to stop (then a full checkpoint was
            saved).
    """
    job = fitting.job
    checkpoint = last_checkpoint(job.logs / "checkpoints")
    watch = open_watch(fitting, progress, interrupts, scorer, checkpoint)
    trainer = build(watch)
    _run(trainer, checkpoint, watch)
    if watch.failure is not None:
        raise watch.failure
    if watch.freezing is not None:
        watch.freezing.close()
    # A signal after the last step may have reached one process alone.
    if ranks.reduced(0.0, 0.0, interrupts.asked is not None)[2]:
        interrupts.asked = interrupts.asked or "another process"
    interrupts.stop_if_asked(int(trainer.state.global_step))
    weights = trainer.weights()
    if not ranks.is_main():
        return {}
    _keep_models(fitting, trainer, watch.best(), weights)
    write_json(job.out / "parity.json", check_parity(job.out).to_json())
    result = _result(fitting, trainer, watch)
    write_json(job.out / "training.json", result)
    return result


def prepare_trainer(trainer: Any, fitting: TrainingSetup, watch: Watch) -> Any:
    """Give one of our trainers its order, optimizer and folders."""
    from transformers import PrinterCallback

    from .trainer import sample_order

    job = fitting.job
    spec = fitting.job.spec
    fitting.tokenizer.padding_side = "right"
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(watch_callback(watch))
    samples = spec.total_steps(fitting.rows) * spec.batch_size * spec.gradient_accumulation_steps
    trainer.order = sample_order(fitting.rows, samples, job.seed)
    trainer.optimizer_name = spec.optimizer
    trainer.checkpoints = job.logs / "checkpoints"
    trainer.save_total_limit = spec.save_total_limit
    trainer.factor = partial(rate_of, spec)
    if spec.stages:
        watch.freezing = Freezing(
            spec.stages, trainer.model, job.out / "stages.jsonl", f"{job.kind}.stages"
        )
    watch.trainer = trainer
    return trainer


def config_values(job: TuneJob[Any], steps: int) -> dict[str, Any]:
    """The settings that TRL's configurations share."""
    import torch

    spec = job.spec
    return {
        "output_dir": str(job.logs / "trainer"),
        "max_steps": steps,
        "per_device_train_batch_size": spec.batch_size // ranks.world(),
        "gradient_accumulation_steps": spec.gradient_accumulation_steps,
        "learning_rate": spec.learning_rate,
        "lr_scheduler_type": spec.lr_scheduler_type,
        "lr_scheduler_kwargs": spec.schedule_kwargs(steps),
        "warmup_steps": min(spec.warmup_steps, steps),
        "weight_decay": spec.weight_decay,
        "max_grad_norm": 1.0,
        "bf16": bfloat16_pays(),
        "use_cpu": not torch.cuda.is_available(),
        "activation_checkpointing": spec.gradient_checkpointing,
        # TRL's default leaves router logits switched on in the saved configuration, and then cached
        # generation fails.
        "router_aux_loss_coef": 0.0,
        # A parameter that is frozen later gets no gradient, which several processes must be told
        # of.
        "ddp_find_unused_parameters": bool(spec.stages),
        "max_length": None,
        "save_strategy": "steps",
        "save_steps": spec.save_steps,
        "logging_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
        "seed": job.seed,
        "data_seed": job.seed,
    }


def new_adapter(spec: StageSpec, model: Any) -> Any:
    """The configuration of a new adapter; None where all is trained, or the model brings its
    adapter."""
    if spec.method != "lora" or hasattr(model, "peft_config"):
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=spec.lora_r,
        lora_alpha=spec.lora_alpha,
        target_modules="all-linear",
        lora_dropout=0.0,
        task_type="CAUSAL_LM",
    )


def open_watch(
    fitting: TrainingSetup,
    progress: Progress,
    interrupts: Interrupts,
    scorer: Scorer,
    checkpoint: Checkpoint | None,
) -> Watch:
    """The watch over a run that begins, or goes on from ``found``: what came after the checkpoint
    is forgotten."""
    job = fitting.job
    step = checkpoint.step if checkpoint else 0
    tasks = window_tasks(job.suite, job.spec.windows.eval_items) if job.suite else []
    job.logs.mkdir(parents=True, exist_ok=True)
    rewind_rows(job.out / job.curves, step)
    return fitting.watch(
        job=job,
        tokenizer=fitting.tokenizer,
        progress=progress,
        interrupts=interrupts,
        scorer=scorer,
        tasks=tasks,
        windows=rewind_windows(job.out / "windows.jsonl", step),
        opening_window=fitting.opening_window,
    )


def _run(trainer: Any, checkpoint: Checkpoint | None, watch: Watch) -> None:
    """Train, or go on; a run that had stopped by rule is not trained further."""
    if checkpoint is None:
        trainer.train()
        return
    watch.progress.note(f"resumed from step {checkpoint.step}")
    watch.stopped_by = watch.stopped()
    if watch.stopped_by:
        from transformers import TrainerState

        trainer._load_from_checkpoint(str(checkpoint.folder))  # noqa: SLF001 -- public ones train on
        trainer.state = TrainerState.load_from_json(str(checkpoint.folder / "trainer_state.json"))
        return
    trainer.train(resume_from_checkpoint=str(checkpoint.folder))


def _keep_models(fitting: TrainingSetup, trainer: Any, best: Window | None, weights: Any) -> None:
    """``final/`` is what training ended with; ``model/`` the best window's weights, or the same
    where none was scored.

    Of an adapter, ``adapter/`` is what ``model/`` would be, and ``model/`` is that adapter merged:
    it loads without PEFT.
    """
    job = fitting.job
    tokenizer = fitting.tokenizer
    tokenizer.padding_side = "left"

    def write_final(folder: Path) -> None:
        trainer.save_weights(folder, weights)
        tokenizer.save_pretrained(folder)

    replace_folder(job.out / "final", write_final)
    source = job.logs / "best" / f"step-{best.step}" if best else None
    chosen = source if source is not None and source.is_dir() else job.out / "final"

    def write_chosen(folder: Path) -> None:
        shutil.copytree(
            chosen, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("complete.json")
        )

    if job.spec.method != "lora":
        replace_folder(job.out / "model", write_chosen)
        return
    replace_folder(job.out / "adapter", write_chosen)
    replace_folder(
        job.out / "model", lambda folder: write_merged(job.out / "adapter", folder, tokenizer)
    )


def write_merged(adapter: Path, folder: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    """An adapter merged into its base, as a plain Transformers folder."""
    load_model(adapter).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _result(fitting: TrainingSetup, trainer: Any, watch: Watch) -> dict[str, Any]:
    job = fitting.job
    lines = (job.out / job.curves).read_text(encoding="utf-8").splitlines()
    losses = [row["loss"] for row in map(json.loads, lines) if "loss" in row]
    best = watch.best()
    policies = step_policies(job.spec.windows)
    parameters = list(trainer.model.parameters())
    return {
        "kind": job.kind,
        "method": job.spec.method,
        "steps": int(trainer.state.global_step),
        "planned_steps": job.spec.total_steps(fitting.rows),
        "final_loss": round(sum(losses[-TAIL:]) / len(losses[-TAIL:]), 6) if losses else None,
        "stopped_by": watch.stopped_by,
        "step_gate": [
            {"name": name, "policy_hash": policy_hash(policies[name]), **asdict(decided)}
            for name, decided in step_verdicts(watch.windows, job.spec.windows).items()
        ],
        "best_step": best.step if best else None,
        "best_pass_at_1": best.pass_at_1 if best else None,
        "parameters": sum(p.numel() for p in parameters),
        "trained_parameters": watch.freezing.trained
        if watch.freezing
        else sum(p.numel() for p in parameters if p.requires_grad),
        **fitting.reached,
        "seed": job.seed,
        "spec": asdict(job.spec),
    }
