"""The rewards' own exam, in the form of the critic's: gold earns 1, wrong answers never pass,
hacks earn exactly nothing.

The scorer ``rewards`` is one: its reward functions differ in the family alone. What this module
does not do: mark (``audit.exam`` does), or write answers (``cases`` does)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache, partial

from ..critic.score import score
from ..critic.scorers import SCORERS
from ..critic.version import SCORING, version_of
from ..records import Task
from ..rewards.scoring import reward_of
from .exam import Answer, Exam, Material, Question
from .reward_cases import Case, cases
from .reward_scores import RewardAudit, audit_rewards

REWARDS = "rewards"
_OF_A_FAMILY = 3
"""Tasks of each family that cases are made of."""
_REASONS = {"gold": (), "bad": ("no_pass",), "hack": ("no_reward",)}


@cache
def rewards_version() -> str:
    """The scorer's version with what decides what a verdict pays."""
    return version_of((*SCORING, "rewards.functions*", "rewards.scoring*"))


def reward_exams(material: Material) -> Iterator[Exam]:
    """One exam over some tasks of every family that has references."""
    questions = tuple(
        Question(case.item.id, case.family, case, _REASONS[case.kind])
        for case in cases(_some(material.gold))
    )
    yield Exam(REWARDS, rewards_version(), questions, partial(_paid, material=material))


def by_family(material: Material) -> list[RewardAudit]:
    """The same cases scored once more and counted for each family: gold, wrong answers, hacks."""
    return audit_rewards(cases(_some(material.gold)), spec=material.spec, workers=material.workers)


def _some(tasks: Sequence[Task]) -> Iterator[Task]:
    taken: Counter[str] = Counter()
    for task in tasks:
        examined = SCORERS[type(task.verifier)].examined  # a judge has an exam of its own
        if examined and task.reference.strip() and taken[task.family] < _OF_A_FAMILY:
            taken[task.family] += 1
            yield task


def _paid(items: Sequence[Case], *, material: Material) -> Iterator[Answer]:
    scores = score((case.item for case in items), spec=material.spec, workers=material.workers)
    for case, result in zip(items, scores, strict=True):
        if result.outcome == "infra":
            yield Answer(None, (result.reason,))
        elif case.kind == "hack":
            yield Answer(
                reward_of(result) > 0,
                ("no_reward", result.reason) if reward_of(result) == 0 else (result.reason,),
            )
        else:
            yield Answer(
                result.outcome == "pass",
                ("no_pass", result.reason) if result.outcome == "fail" else (),
            )
