"""Group-relative policy optimisation on TRL: sample a group of answers to a prompt, reinforce those
that earn more than its mean.

The loss is Dr. GRPO's unless a recipe says otherwise (Liu et al., 2025, arXiv:2503.20783):
advantages are not divided by a group's standard deviation, and token sums not by an answer's length
but by the constant ``max_completion_length``. The method is GRPO's (Shao et al., 2024,
arXiv:2402.03300). Rewards are the benchmarks' one scorer, each task's own, in the sandbox.

What surrounds the loss is ``fit``'s, what happens between steps ``grpo_watch``'s, and what the kept
weights earn on fresh prompts ``kept_reward``'s. What this module does not do: license rewards; who
writes the job does, and refuses without.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import BadInput
from ...generation.answers import Engine
from ...generation.engine import engine_of, stop_tokens
from ...generation.loading import load_tokenizer
from ...generation.prompts import Prompt, encode, opened_thought
from ...generation.vllm_engine import vllm_engine
from ...records import Task
from ...records.decoding import Decoding
from ...rewards import Scoring, reward_functions, training_rows
from ...rewards.own import own_rewards
from ...store import read_jsonl, read_parquet, write_json
from ...worker import ranks
from ...worker.device import cores, torch_device
from ...worker.interrupts import Interrupts
from ...worker.jobs import GrpoJob
from ...worker.progress import Progress
from ..loop.checkpoints import last_checkpoint
from ..loop.grpo_watch import EVALS, FINDINGS, GrpoWatch, eval_gain
from ..loop.kept_reward import measure_kept
from ..loop.windows import Scorer, critic_scorer, rewind_rows
from .curriculum import by_rate, completion_order, pass_rates
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
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class Prepared(NamedTuple):
    """The tasks that are asked, and what became of the others."""

    tasks: list[Task]
    encoded: list[list[int]]
    report: dict[str, int]


def train_grpo(
    job: GrpoJob, progress: Progress, interrupts: Interrupts, scorer: Scorer = critic_scorer
) -> dict[str, Any]:
    """Train ``job.model`` on the tasks of ``job.rows``; returns what ``training.json`` holds (see
    ``fit``).

    Raises:
        BadInput: tasks, lengths, model or rates that cannot work, vLLM where there is none, or a
            loss that is not finite.
        GateRefused: this machine isolates candidates' code less than the rewards demand.
        Infrastructure: the disk is full, or the job was asked to stop (then a full checkpoint was
            saved).
    """
    if job.spec.engine == "vllm" and find_spec("vllm") is None:
        raise BadInput(
            "vLLM is not installed.",
            field="grpo.engine",
            fix="Install the extra gpu (pip install 'sentinel-pipeline[gpu]'), or say transformers.",
        )
    tokenizer = load_tokenizer(job.model)
    model = load_trainable(job.model, job.spec.method)
    prepared = prepare_prompts(job, tokenizer, model)
    check_vocabulary(prepared.encoded, model, job.model)
    checkpoint = last_checkpoint(job.logs / "checkpoints")
    if ranks.is_main():
        write_json(job.out / "token_report.json", prepared.report)
        for name in (EVALS, FINDINGS):
            rewind_rows(job.out / name, checkpoint.step if checkpoint else 0)
    # The processes of a machine share its cores.
    workers = job.spec.rewards.workers or max(1, cores() // ranks.world())
    scoring = Scoring(replace(job.spec.rewards, workers=workers))
    try:
        prompt_order = _asked(job, prepared.tasks, model, tokenizer, scoring, progress, interrupts)
        return _train(
            job, prepared, prompt_order, model, tokenizer, scoring, (progress, interrupts, scorer)
        )
    finally:
        scoring.close()


def _train(
    job: GrpoJob,
    prepared: Prepared,
    prompt_order: list[int],
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    scoring: Scoring,
    surroundings: tuple[Progress, Interrupts, Scorer],
) -> dict[str, Any]:
    prompts_used = len(set(prompt_order))
    fitting = TrainingSetup(
        job=job,
        tokenizer=tokenizer,
        rows=len(prepared.tasks),
        reached={"rows": len(prepared.tasks), "prompts_seen": prompts_used, "tokens": 0},
        opening_window=True,
        watch=partial(GrpoWatch, scoring=scoring, prompts=prepared.tasks, asked=prompt_order),
    )

    trainers: list[Any] = []

    def build(watch: Any) -> Any:
        trainers.append(build_trainer(fitting, model, prepared.tasks, prompt_order, scoring, watch))
        return trainers[0]

    result = fit(fitting, build, *surroundings)
    if not ranks.is_main():
        return {}
    evals = list(read_jsonl(job.out / EVALS)) if (job.out / EVALS).is_file() else []
    result |= {
        "tokens": int(trainers[0].state.num_input_tokens_seen),
        "eval_gain": eval_gain(evals),
    }
    measure_kept(job, result["best_step"], scoring, surroundings[0], surroundings[1])
    write_json(job.out / "training.json", result)
    return result


def prepare_prompts(job: GrpoJob, tokenizer: PreTrainedTokenizerBase, model: Any) -> Prepared:
    """The tasks of ``job.rows`` whose prompt leaves room for a completion; the others are counted.

    Raises:
        BadInput: no task is left.
    """
    tasks = [Task.from_row(row) for row in read_parquet(job.rows)]
    encoded = encode(tokenizer, [Prompt(task.id, task.messages) for task in tasks], Decoding())
    context = int(getattr(model.config.get_text_config(), "max_position_embeddings", 0) or 1 << 30)
    longest = min(job.spec.max_prompt_length, context - job.spec.max_completion_length)
    short_enough = [
        (task, ids) for task, ids in zip(tasks, encoded, strict=True) if len(ids) <= longest
    ]
    if len(short_enough) < job.spec.prompts_per_step:
        raise BadInput(
            f"{len(short_enough)} of {len(tasks)} prompts have at most {longest} tokens, a step needs {job.spec.prompts_per_step}.",
            file=job.rows,
            field="grpo.max_prompt_length",
            fix="Raise it, lower max_completion_length, or name more prompts.",
        )
    report = {
        "prompts": len(tasks),
        "kept": len(short_enough),
        "too_long": len(tasks) - len(short_enough),
        "longest": max(len(ids) for _, ids in short_enough),
        "prompt_tokens": sum(len(ids) for _, ids in short_enough),
    }
    return Prepared([task for task, _ in short_enough], [ids for _, ids in short_enough], report)


def _asked(
    job: GrpoJob,
    tasks: Sequence[Task],
    model: Any,
    tokenizer: Any,
    scoring: Scoring,
    progress: Progress,
    interrupts: Interrupts,
) -> list[int]:
    """The prompt of every place of the run, by index."""
    spec = job.spec
    prompt_count = spec.max_steps * spec.prompts_per_step
    if not spec.curriculum_samples:
        return sample_order(len(tasks), prompt_count, job.seed)

    if ranks.world() > 1:
        # The group of processes is there when the trainer's settings have looked for the device.
        _ = grpo_config(job, []).device
    mine = ranks.share(tasks)

    def told(done: int) -> None:
        asked = len(mine) * spec.curriculum_samples
        progress.note(f"{done} of {asked} answers for the curriculum")
        interrupts.stop_if_asked(0)

    decoding = spec.sampling(job.decoding)

    def engine() -> Engine:
        """On the device, by whom the recipe says; vLLM gives its memory back when it is done."""
        if spec.engine == "vllm":
            return opened.enter_context(vllm_engine(job.model, job.vllm))
        if str(model.device) == "cpu":
            model.to(torch_device())
        return engine_of(model, tokenizer)

    with ExitStack() as opened:
        rates = pass_rates(
            job.out / "pass_rates.jsonl",
            tasks,
            mine,
            engine,
            decoding,
            spec.curriculum_samples,
            scoring,
            told,
        )
    usable = sum(rate.contrast for rate in rates)
    chosen = (
        "only those are used"
        if usable >= spec.prompts_per_step
        else "too few, so all prompts are used"
    )
    progress.note(f"{usable} of {len(rates)} prompts have answers that earn differently: {chosen}")
    return by_rate(rates, prompt_count, spec.prompts_per_step, job.seed)


def build_trainer(
    fitting: TrainingSetup,
    model: PreTrainedModel,
    tasks: Sequence[Task],
    prompt_order: Sequence[int],
    scoring: Scoring,
    watch: Any,
) -> Any:
    """TRL's trainer over the prompts in their fixed order."""
    from datasets import Dataset

    from .grpo_trainer import Clock, grpo_trainer_class

    job: Any = fitting.job
    spec = job.spec
    tokenizer = fitting.tokenizer
    rewards, weights = reward_functions(
        sorted({task.family for task in tasks}),
        scoring,
        spec.weights,
        opened_thought(tokenizer),
        [reward.name for reward in spec.reward],
    )
    own = own_rewards(spec.reward, job.root or Path.cwd(), scoring)
    weights += [spec.weights.get(reward.name, reward.weight) for reward in spec.reward]
    stops = stop_tokens(model, tokenizer)
    masters = masters_of(model)
    trainer = grpo_trainer_class()(
        model=model,
        reward_funcs=[*rewards, *own],
        args=grpo_config(job, weights),
        train_dataset=Dataset.from_list(training_rows(tasks)),
        processing_class=tokenizer,
        peft_config=new_adapter(spec, model),
    )
    prepare_trainer(trainer, fitting, watch, masters)
    trainer.order = completion_order(
        prompt_order, spec.prompts_per_step, spec.num_generations, spec.gradient_accumulation_steps
    )
    trainer.clock = Clock()
    trainer.stops = stops
    trainer.decoding = Decoding(
        max_new_tokens=spec.max_completion_length,
        batch_size=spec.completions,
        temperature=spec.temperature,
        seed=job.seed,
    )
    return trainer


def grpo_config(job: Any, weights: list[float]) -> Any:
    """The trainer's settings. TRL's batch counts completions: a whole step is generated at once and
    divided into micro-batches."""
    from trl import GRPOConfig

    spec = job.spec
    shared = config_values(job, spec.max_steps)
    del shared["max_length"]
    return GRPOConfig(
        **shared,
        num_generations=spec.num_generations,
        generation_batch_size=spec.completions,
        max_completion_length=spec.max_completion_length,
        temperature=spec.temperature,
        loss_type=spec.loss_type,
        scale_rewards=spec.scale_rewards,
        beta=spec.beta,
        reward_weights=weights,
        use_vllm=spec.engine == "vllm",
        vllm_mode=spec.vllm_mode,
        vllm_server_base_url=spec.vllm_server_base_url,
        vllm_gpu_memory_utilization=spec.vllm_gpu_memory_utilization,
        # The whole context of a model may need a cache that no device holds beside the trainer.
        vllm_max_model_length=job.vllm.max_model_len
        or spec.max_prompt_length + spec.max_completion_length,
        vllm_tensor_parallel_size=job.vllm.tensor_parallel_size,
        shuffle_dataset=False,
    )
