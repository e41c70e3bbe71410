"""Direct preference optimisation on TRL: prefer the chosen answer, no further from the starting
model than beta allows.

The loss of a pair is -log sigmoid(beta * (chosen's log-ratio - rejected's log-ratio)), each
log-ratio against the reference (Rafailov et al., 2023, arXiv:2305.18290, equation 7). The larger
beta, the smaller the deviation that satisfies it: a *higher* beta stays *closer* to the reference.
The reference is the model that training starts from: its log-probabilities are computed once,
before the first step; an adapter keeps a frozen copy of itself, and a new adapter has the model
without it.

What surrounds the loss is ``fit``'s. Falling log-probabilities of the chosen side are normal and
stop nothing: windows and gates look at the task.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...generation.loading import load_tokenizer
from ...store import write_json
from ...worker import ranks
from ...worker.interrupts import Interrupts
from ...worker.jobs import DpoJob
from ...worker.progress import Progress
from ..data.pair_tokens import EncodedPair, prepare_pairs
from ..data.shared_rows import shared_rows
from ..loop.watch import Watch
from ..loop.windows import Scorer, critic_scorer
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
    from transformers import PreTrainedModel


def train_dpo(
    job: DpoJob, progress: Progress, interrupts: Interrupts, scorer: Scorer = critic_scorer
) -> dict[str, Any]:
    """Optimise ``job.model`` on the pairs of ``job.rows``; returns what ``training.json`` holds
    (see ``fit``).

    Raises:
        BadInput: pairs, template, model or rates that cannot work, or a loss that is not finite.
        Infrastructure: the disk is full, or the job was asked to stop (then a full checkpoint was
            saved).
    """
    tokenizer = load_tokenizer(job.model)
    pairs, report = prepare_pairs(
        job.rows,
        tokenizer,
        job.spec.max_length,
        train_on_thoughts=job.spec.train_on_thoughts,
    )
    if ranks.is_main():
        write_json(job.out / "token_report.json", report.to_json())
    progress.note(
        f"{report.kept} of {report.rows} pairs, {report.tokens:,} tokens, beta {job.spec.beta:g}"
    )
    model = load_trainable(job.model, job.spec.method, job.spec.load_in_4bit)
    check_vocabulary(
        (pair.prompt + pair.chosen + pair.rejected for pair in pairs), model, job.model
    )
    reached = {
        "rows": report.kept,
        "tokens": report.tokens,
        "trainable_tokens": report.trainable_tokens,
    }
    fitting = TrainingSetup(
        job=job, tokenizer=tokenizer, rows=len(pairs), reached=reached, opening_window=True
    )
    return fit(
        fitting,
        lambda watch: build_trainer(fitting, model, pairs, watch),
        progress,
        interrupts,
        scorer,
    )


def build_trainer(
    fitting: TrainingSetup, model: PreTrainedModel, pairs: Sequence[EncodedPair], watch: Watch
) -> Any:
    """TRL's trainer over the tokenized pairs in their fixed order."""
    from datasets import Dataset

    from .trainer import dpo_trainer_class

    job = fitting.job
    fitting.tokenizer.padding_side = "right"
    args = dpo_config(job, job.spec.total_steps(len(pairs)))
    rows = Dataset.from_dict(
        {
            "prompt_ids": [pair.prompt for pair in pairs],
            "chosen_ids": [pair.chosen for pair in pairs],
            "rejected_ids": [pair.rejected for pair in pairs],
        }
    )
    masters = masters_of(model)
    trainer = dpo_trainer_class()(
        model=model,
        args=args,
        train_dataset=shared_rows(rows, job.logs / "pairs"),
        processing_class=fitting.tokenizer,
        peft_config=new_adapter(job.spec, model),
    )
    return prepare_trainer(trainer, fitting, watch, masters)


def dpo_config(job: Any, steps: int) -> Any:
    """The trainer's settings; the reference's log-probabilities are computed before the first step,
    from the starting weights."""
    from trl import DPOConfig

    spec = job.spec
    weighted: dict[str, Any] = (
        {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, spec.sft_weight]}
        if spec.sft_weight
        else {}
    )
    return DPOConfig(
        **config_values(job, steps),
        **weighted,
        beta=spec.beta,
        precompute_ref_log_probs=True,
        precompute_ref_batch_size=spec.batch_size,
    )
