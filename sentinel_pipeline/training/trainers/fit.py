"""What every fine-tuning does alike around its trainer: load, watch, train or go on, keep weights,
say what was reached.

The same job run again goes on from its last full checkpoint, with the same sample order, and ends
with the same weights. What is judged here is only when to stop and which weights were best so far;
gates judge models. The loss is the caller's.
"""

from __future__ import annotations

import gc
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import Infrastructure
from ...gates.keys import policy_hash
from ...gates.window_rules import step_policies, step_verdicts
from ...generation.engine import name_stops
from ...generation.loading import ANSWER_DTYPE, allow_sampling
from ...records.training_spec import StageSpec
from ...records.window import Window
from ...store import write_json
from ...worker import ranks
from ...worker.device import bfloat16_pays, first_line, is_out_of_memory, on_gpu, torch_device
from ...worker.interrupts import Interrupts
from ...worker.jobs import TuneJob
from ...worker.progress import Progress
from ...worker.remote_code import trust_remote_code
from ..loop.checkpoints import Checkpoint, last_checkpoint, replace_folder
from ..loop.freezing import Freezing
from ..loop.parity import LEAST_KEPT, check_parity, kept_by_rounding
from ..loop.trackers import tracker_settings
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
    result = _result(fitting, trainer, watch)
    fitting.tokenizer.padding_side = "left"

    def write_final(folder: Path) -> None:
        trainer.save_weights(folder, weights)
        fitting.tokenizer.save_pretrained(folder)

    replace_folder(job.out / "final", write_final)
    # From here on nothing of the trainer is needed; what it held on the device makes room.
    release(trainer)
    try:
        _keep_models(fitting, watch.best())
        parity = check_parity(job.out).to_json()
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        # Not an error of training: nothing that is finished is done again, or deleted.
        raise Infrastructure(
            f"out of memory while exporting the finished {job.kind} ({first_line(error)}): its last checkpoint and "
            f"{job.out / 'final'} are kept. Free memory, then run again: only the export is done again."
        ) from error
    write_json(job.out / "parity.json", parity)
    write_json(job.out / "training.json", result)
    return result


def release(trainer: Any) -> None:
    """Let go of all that a finished trainer holds on the device, whoever else still names it.

    Tensors are emptied in place: frames and closures of the run keep their references to the model
    until the job ends.
    """
    import torch

    models = [trainer.model, getattr(trainer, "ref_model", None), getattr(trainer, "teacher", None)]
    # Pieces of a model are not emptied one by one; each process holds few of them.
    models = [] if trainer.in_pieces else models
    for name in ("vllm_generation", "llm"):
        if hasattr(trainer, name):
            setattr(trainer, name, None)
    for model in models:
        model = getattr(model, "model", model) if not hasattr(model, "parameters") else model
        if not hasattr(model, "parameters"):
            continue
        for tensor in (*model.parameters(), *model.buffers()):
            tensor.grad = None
            tensor.data = torch.empty(0, dtype=tensor.dtype)
            # Scales and tables of weights in 4 bit.
            if getattr(tensor, "quant_state", None) is not None:
                tensor.quant_state = None
    if trainer.optimizer is not None:
        inner = getattr(trainer.optimizer, "optimizer", trainer.optimizer)
        inner.state.clear()
    trainer.optimizer = None
    trainer.lr_scheduler = None
    trainer.model_wrapped = None
    trainer.accelerator.free_memory()
    gc.collect()
    if on_gpu():
        torch.cuda.empty_cache()


def masters_of(model: Any) -> dict[str, Any]:
    """Copies of the weights of an adapter that a model brings; TRL rounds those over a base in 4
    bit to bfloat16."""
    return {
        name: parameter.detach().clone()
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and getattr(model, "is_loaded_in_4bit", False)
    }


def prepare_trainer(
    trainer: Any, fitting: TrainingSetup, watch: Watch, masters: Mapping[str, Any] | None = None
) -> Any:
    """Give one of our trainers its order, optimizer and folders; ``masters`` are the weights that
    its adapter begins with, where it brought one."""
    import torch
    from transformers import PrinterCallback

    from .trainer import sample_order

    job = fitting.job
    spec = fitting.job.spec
    fitting.tokenizer.padding_side = "right"
    name_stops(trainer.model, fitting.tokenizer)
    if job.spec.method == "lora":
        # At 0.007 two bfloat16 numbers are 3e-5 apart: late updates and decay would vanish.
        for name, parameter in trainer.model.named_parameters():
            if parameter.requires_grad:
                first = (masters or {}).get(name, parameter.data)
                parameter.data = first.to(parameter.device, torch.float32)
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
        "use_cpu": torch_device() == "cpu",
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
        # TRL loads the reference model by itself.
        "trust_remote_code": trust_remote_code(job.model),
        **tracker_settings(job),
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


def _keep_models(fitting: TrainingSetup, best: Window | None) -> None:
    """``final/`` is what training ended with; ``model/`` the best window's weights, or the same
    where none was scored.

    Of an adapter, ``adapter/`` is what ``model/`` would be, and ``model/`` is that adapter merged:
    it loads without PEFT.
    """
    job = fitting.job
    tokenizer = fitting.tokenizer
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
    """An adapter merged into its base, as a plain Transformers folder, in the number format of the
    base's files.

    It is added in memory of the host: on the device it would need room that training needed. Where
    the base's 16 bit would round most of a small adapter's change away, the merged weights are
    float32, and their configuration says that they are to be answered with in it.
    """
    import torch
    from peft import AutoPeftModelForCausalLM

    adapted: Any = AutoPeftModelForCausalLM.from_pretrained(
        adapter, dtype="auto", trust_remote_code=trust_remote_code(adapter)
    )
    kept = kept_by_rounding(adapted)
    if kept < LEAST_KEPT:
        adapted = adapted.to(torch.float32)
    merged = adapted.merge_and_unload()
    if kept < LEAST_KEPT:
        merged.config.dtype = torch.float32
        setattr(merged.config, ANSWER_DTYPE, "float32")
    allow_sampling(merged)
    name_stops(merged, tokenizer)
    merged.save_pretrained(folder)
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
