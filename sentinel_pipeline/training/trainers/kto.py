"""KTO on TRL: more of the answers that are labelled desirable, less of the others, no further from
the reference than beta allows.

The loss of an answer is its class's weight times 1 - sigmoid(+-beta * (log-ratio - z)), plus for a
desirable answer and minus for an undesirable one (Ethayarajh et al., 2024, arXiv:2402.01306). z,
the reference point, is the mean log-ratio of mismatched answers within the micro-batch, at least 0,
through which nothing is learnt. At the first step model and reference are one, so z is 0 and the
loss is half the mean weight. The reference is the model that training starts from, as in DPO.

What surrounds the loss is ``fit``'s. TRL shifts the answers of a micro-batch in the order of its
rows, which is not the order in which they are trained here: the rows are laid out in training order
before it sees them (``unpaired_tokens.laid_out``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...errors import BadInput
from ...generation.loading import load_tokenizer
from ...records.kto_spec import LEAST_RATIO, MOST_RATIO, SMALLEST_BATCH, KtoSpec, LossWeights
from ...store import write_json
from ...worker import ranks
from ...worker.interrupts import Interrupts
from ...worker.job_kinds import TuneJob
from ...worker.progress import Progress
from ..data.shared_rows import shared_rows
from ..data.unpaired_tokens import EncodedAnswer, laid_out, prepare_answers
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
from .trainer import sample_order

if TYPE_CHECKING:
    from transformers import PreTrainedModel

KtoJob = TuneJob[KtoSpec]
"""Its rows are ``{"prompt": [turns], "completion": [turn], "label": true or false}``."""
NUMBERS = (
    "rewards/margins",
    "rewards/chosen",
    "rewards/rejected",
    "logps/chosen",
    "logps/rejected",
    "kl",
)
"""What KTO tells of each step, in TRL's names: ``chosen`` are the desirable answers, ``kl`` is z. A
step without answers of one class says nothing of that class."""


def train_kto(
    job: KtoJob, progress: Progress, interrupts: Interrupts, scorer: Scorer = critic_scorer
) -> dict[str, Any]:
    """Optimise ``job.model`` on the answers of ``job.rows``; returns what ``training.json`` holds
    (see ``fit``).

    Raises:
        BadInput: answers, template, model or rates that cannot work, or a loss that is not finite.
        Infrastructure: the disk is full, or the job was asked to stop (then a full checkpoint was
        saved).
    """
    spec = job.spec
    if spec.batch_size // ranks.world() < SMALLEST_BATCH:
        raise BadInput(
            f"is {spec.batch_size} for {ranks.world()} processes: the reference point is "
            f"estimated on {SMALLEST_BATCH} answers or more of each process.",
            field="kto.batch_size",
            fix=f"Set it to {SMALLEST_BATCH * ranks.world()} or more.",
        )
    tokenizer = load_tokenizer(job.model)
    prepared = prepare_answers(
        job.rows, tokenizer, spec.max_length, train_on_thoughts=spec.train_on_thoughts
    )
    answers, report = prepared.answers, prepared.report
    weights = spec.weights(prepared.desirable, prepared.undesirable)
    ratio = weights.ratio(prepared.desirable, prepared.undesirable)
    classes = {
        "desirable": prepared.desirable,
        "undesirable": prepared.undesirable,
        "desirable_weight": round(weights.desirable, 6),
        "undesirable_weight": round(weights.undesirable, 6),
    }
    if ranks.is_main():
        write_json(job.out / "token_report.json", {**report.to_json(), **classes})
    progress.note(
        f"{report.kept} of {report.rows} answers, {prepared.desirable} desirable (weight "
        f"{weights.desirable:g}) and {prepared.undesirable} undesirable (weight "
        f"{weights.undesirable:g}), {report.tokens:,} tokens, beta {spec.beta:g}"
    )
    if not LEAST_RATIO - 1e-9 <= ratio <= MOST_RATIO + 1e-9:
        progress.note(
            f"the recipe's weights let the desirable answers weigh {ratio:.2f} times the "
            f"undesirable ones; {LEAST_RATIO:g} to {MOST_RATIO:.2f} is advised"
        )
    model = load_trainable(job.model, spec.method, spec.load_in_4bit)
    check_vocabulary((answer.prompt + answer.completion for answer in answers), model, job.model)
    reached = {
        "rows": report.kept,
        "tokens": report.tokens,
        "trainable_tokens": report.trainable_tokens,
        **classes,
    }
    setup = TrainingSetup(
        job=job, tokenizer=tokenizer, rows=len(answers), reached=reached, opening_window=True
    )
    return fit(
        setup,
        lambda watch: build_trainer(setup, model, answers, weights, watch),
        progress,
        interrupts,
        scorer,
    )


def build_trainer(
    setup: TrainingSetup,
    model: PreTrainedModel,
    answers: Sequence[EncodedAnswer],
    weights: LossWeights,
    watch: Watch,
) -> Any:
    """TRL's trainer over the tokenized answers, laid out in the order of training."""
    from datasets import Dataset

    job: Any = setup.job
    spec = job.spec
    setup.tokenizer.padding_side = "right"
    steps = spec.total_steps(len(answers))
    count = steps * spec.batch_size * spec.gradient_accumulation_steps
    micro_batch = spec.batch_size // ranks.world()
    samples = laid_out(answers, sample_order(len(answers), count, job.seed), micro_batch)
    rows = Dataset.from_dict(
        {
            "prompt_ids": [sample.answer.prompt for sample in samples],
            "completion_ids": [sample.answer.completion for sample in samples],
            "KL_completion_ids": [sample.mismatched for sample in samples],
            "label": [sample.answer.desirable for sample in samples],
        }
    )
    masters = masters_of(model)
    trainer = kto_trainer_class()(
        model=model,
        args=kto_config(job, steps, weights),
        train_dataset=shared_rows(rows, job.logs / "answers"),
        processing_class=setup.tokenizer,
        peft_config=new_adapter(spec, model),
    )
    prepare_trainer(trainer, setup, watch, masters)
    trainer.order = range(len(samples))
    return trainer


def kto_config(job: Any, steps: int, weights: LossWeights) -> Any:
    """The trainer's settings; the reference's log-probabilities are computed before the first step,
    from the starting weights, in the very batches of training."""
    from trl import KTOConfig

    values = config_values(job, steps)
    return KTOConfig(
        **values,
        beta=job.spec.beta,
        desirable_weight=weights.desirable,
        undesirable_weight=weights.undesirable,
        precompute_ref_log_probs=True,
        precompute_ref_batch_size=values["per_device_train_batch_size"],
    )


def kto_trainer_class() -> Any:
    """The class, made late: its base lives in TRL."""
    from trl import KTOTrainer

    from .trainer import trainer_on_encoded_rows

    return trainer_on_encoded_rows(KTOTrainer, NUMBERS)
