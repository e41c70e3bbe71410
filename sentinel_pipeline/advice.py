"""What to try where training or answering goes wrong, told where the symptom is seen (the stage 1
plan's troubleshooting).

Each symptom has its words, in the recipe's keys and in the order in which they are to be tried, and
the bound from which it counts as one. What this module does not do: look for a symptom, or change
anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

FLAT_LOSS = "loss_flat"
SLOW = "slow_generation"
NO_GAIN = "sft_not_better"

LEAST_STEPS = 20
"""A loss of fewer steps is not called flat."""
LEAST_FALL = 0.02
"""Share of its start by which a loss falls that is learning."""
SLOW_HOURS = 6.0
"""Hours of answering from which the stage 1 plan calls it slow."""


def is_flat(losses: Sequence[float]) -> bool:
    """Whether the last tenth of a run's losses is not lower than its first tenth by
    ``LEAST_FALL``; a short run is not judged."""
    if len(losses) < LEAST_STEPS:
        return False
    tenth = max(5, len(losses) // 10)
    return fmean(losses[-tenth:]) > fmean(losses[:tenth]) * (1 - LEAST_FALL)


def flat_loss(kind: str, losses: Sequence[float]) -> str:
    """About a loss that does not fall."""
    tenth = max(5, len(losses) // 10)
    return (
        f"the loss does not fall: {fmean(losses[:tenth]):.3f} at first, {fmean(losses[-tenth:]):.3f} "
        f"at step {len(losses)}. Look at rows of train.jsonl (right prompts, right answers, the form "
        f"that the template expects); then raise or lower {kind}.learning_rate by three times; then "
        f"train longer ({kind}.num_train_epochs)"
    )


def slow_generation(hours: float, engine: str, section: str, temperature: float) -> str:
    """About answers that take too long; ``section`` is where the recipe bounds their tokens."""
    steps = ['answer by an engine with a fast attention kernel (bench.engine = "vllm")']
    if engine != "transformers":
        steps = [f"look at what the {engine} engine logs: it should use its fast attention kernel"]
    steps.append(f"allow fewer tokens ({section})")
    if temperature > 0:
        steps.append("answer greedily where samples are not needed (temperature = 0)")
    steps.append("ask in smaller parts (bench.limit, pairs.prompts, bench.batch_size)")
    return f"answering is expected to take {hours:.1f} h, which is slow: {'; '.join(steps)}"


def out_of_memory(kind: str) -> str:
    """About memory that does not suffice for a stage of training, in the order of the plan."""
    return (
        f"Lower {kind}.batch_size to 2 or 1 and raise {kind}.gradient_accumulation_steps as much, "
        f"then {kind}.lora_r to 16, then set {kind}.gradient_checkpointing = true, then shorten "
        f"{kind}.max_length"
    )


def out_of_memory_answering() -> str:
    """About memory that does not suffice for answering."""
    return (
        "Lower bench.batch_size, then bench.max_new_tokens, or answer in 4 bit "
        "(bench.load_in_4bit = true)"
    )


def sft_not_better(measured: Sequence[str]) -> str:
    """About an SFT that is not shown to be better than the base model; ``measured`` has a suite
    with its numbers each."""
    return (
        f"SFT is not shown to be better than the base model: {'; '.join(measured)}. Read some of its "
        "answers beside the base model's (sentinel ui, page Answers); look at the curve of its loss, "
        "and at the rows that it was trained on: their quality, and the form that training expects. "
        "Then try another sft.learning_rate, and more sft.num_train_epochs"
    )
