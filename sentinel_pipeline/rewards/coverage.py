"""How many of the training prompts a run sees: planned from its steps before it starts, counted
while it runs.

The V4.1 handoff's run saw 13.5 % of its prompts and its smallest tasks starved. TRL goes through
the shuffled prompts without repeating one before all were seen; what a task has seen of its own
after ``n`` draws is hypergeometric. What this module does not do: sample.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Share(NamedTuple):
    """Unique prompts seen of those there are; in a plan ``seen`` is the mean, [``low``, ``high``]
    holds 95 % of runs (normal approximation of the hypergeometric)."""

    prompts: int
    seen: float
    low: float
    high: float

    @property
    def share(self) -> float:
        """Of the prompts; 0 where there are none."""
        return self.seen / self.prompts if self.prompts else 0.0


class Coverage(NamedTuple):
    """``epochs`` counts passes over all prompts: above 1 some are seen again."""

    total: Share
    tasks: dict[str, Share]
    epochs: float


def prompts_per_step(completions_per_batch: int, accumulation: int, generations: int) -> float:
    """Different prompts of one optimizer step: TRL's batch counts *completions*.

    A batch of 2 with 16 generations is an eighth of a prompt, not two prompts; the trainers that
    accept it raise it to 16, one prompt.
    """
    return completions_per_batch * accumulation / generations


def planned(prompts: Mapping[str, int], steps: int, per_step: float) -> Coverage:
    """Coverage after ``steps`` steps of ``per_step`` prompts over so many prompts of each task."""
    total = sum(prompts.values())
    draws = steps * per_step
    draws_seen = min(draws, total)
    share = draws_seen / total if total else 0.0
    tasks = {name: _hypergeometric(count, total, share) for name, count in prompts.items()}
    return Coverage(
        Share(total, draws_seen, draws_seen, draws_seen), tasks, draws / total if total else 0.0
    )


def _hypergeometric(count: int, total: int, share: float) -> Share:
    mean = count * share
    spread = (
        1.96 * math.sqrt(mean * (1 - share) * (total - count) / (total - 1)) if total > 1 else 0.0
    )
    return Share(count, mean, max(0.0, mean - spread), min(float(count), mean + spread))


@dataclass(slots=True)
class Seen:
    """The prompts that a running run has met, by task; a prompt is known by its id."""

    prompts: Mapping[str, int]
    ids: dict[str, set[str]] = field(default_factory=dict)

    def add(self, rows: Iterable[tuple[str, str]]) -> None:
        """Note (task, prompt id) of a batch; repetitions are harmless."""
        for task, name in rows:
            self.ids.setdefault(task, set()).add(name)

    def coverage(self) -> Coverage:
        """What was seen so far. ``epochs`` is the share of all prompts seen."""
        tasks = {
            name: _counted(count, len(self.ids.get(name, ())))
            for name, count in self.prompts.items()
        }
        total = sum(self.prompts.values())
        covered = sum(int(share.seen) for share in tasks.values())
        return Coverage(_counted(total, covered), tasks, covered / total if total else 0.0)


def _counted(prompts: int, covered: int) -> Share:
    return Share(prompts, covered, covered, covered)
