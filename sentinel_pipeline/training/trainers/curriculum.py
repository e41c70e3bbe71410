"""Which prompts GRPO asks, and in what order: known pass rates first, then easy before hard, and no
prompt without contrast.

A prompt whose answers all earn the same teaches nothing: every advantage of its group is zero. What
the model earns on a prompt is measured once, before the first step, and kept, so that a resumed run
walks the same order. What this module does not do: look again while the model gets better; the
share of groups without contrast is logged and watched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import NamedTuple

from ...generation.answers import Engine
from ...generation.prompts import Prompt
from ...records import Task
from ...records.decoding import Decoding
from ...rewards import Scoring, reward_of, training_rows
from ...store import read_jsonl, write_jsonl
from ...worker import ranks
from .trainer import sample_order


class PassRate(NamedTuple):
    """What the model that training starts from earns on a prompt."""

    task_id: str
    mean: float | None
    """None where nothing was judged."""
    contrast: bool
    """Whether its answers earned differently."""


def pass_rates(
    path: Path,
    tasks: Sequence[Task],
    mine: Sequence[Task],
    engine: Callable[[], Engine],
    decoding: Decoding,
    samples: int,
    scoring: Scoring,
    progress: Callable[[int], None],
) -> list[PassRate]:
    """Rates of ``tasks`` in their order, from ``path`` where it is written already; ``engine`` is
    opened only where it is not, and ``progress`` hears how many were answered. Of several processes
    each answers for ``mine``, its share, and rank 0 writes."""
    if ranks.from_main(path.is_file()):
        return [PassRate(**row) for row in read_jsonl(path)]
    verifiers = {row["task_id"]: row["verifier"] for row in training_rows(mine)}
    prompts = [
        Prompt(f"{task.id}\t{sample}", task.messages) for task in mine for sample in range(samples)
    ]
    earned: dict[str, list[float]] = {task.id: [] for task in mine}
    done = 0
    for batch in engine()(prompts, replace(decoding, prompt_format="chat")):
        names = [answer.id.rpartition("\t")[0] for answer in batch]
        judged = scoring.judge(
            [answer.completion for answer in batch], [verifiers[name] for name in names]
        )
        for name, one in zip(names, judged, strict=True):
            if one.score is not None:
                earned[name].append(round(reward_of(one.score), 6))
        done += len(batch)
        progress(done)
    everything = ranks.joined(earned)
    rates = [_rate(task.id, everything[task.id]) for task in tasks]
    if ranks.is_main():
        write_jsonl(path, (rate._asdict() for rate in rates))
    return rates


def _rate(name: str, earned: list[float]) -> PassRate:
    mean = round(sum(earned) / len(earned), 6) if earned else None
    return PassRate(name, mean, len(set(earned)) > 1)


def by_rate(rates: Sequence[PassRate], count: int, least: int, seed: int) -> list[int]:
    """Indices of ``wanted`` prompts: those with contrast, easy first; one pass after another where
    there are fewer.

    With fewer than ``least`` of them nothing is known to choose by, and every prompt is taken, in
    random order.
    """
    usable = [index for index, rate in enumerate(rates) if rate.contrast]
    if len(usable) < least:
        return sample_order(len(rates), count, seed)
    random = Random(f"curriculum|{seed}")
    order: list[int] = []
    while len(order) < count:
        drawn = random.sample(usable, min(len(usable), count - len(order)))
        order += sorted(drawn, key=lambda index: -(rates[index].mean or 0.0))
    return order


def completion_order(
    prompts: Sequence[int], per_step: int, generations: int, accumulation: int
) -> list[int]:
    """What TRL's data loader is to yield: each step's prompts, each once a generation, that batch
    once a micro-batch."""
    order: list[int] = []
    for start in range(0, len(prompts), per_step):
        batch = [index for index in prompts[start : start + per_step] for _ in range(generations)]
        order += batch * accumulation
    return order
