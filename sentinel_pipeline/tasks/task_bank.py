"""The generated task bank: training tasks, held-out tasks and window tasks that share no
composition and no prompt.

Windows are what a training run looks at to choose a checkpoint; the held-out suite is what its
gates look at, and ``reward_prompts`` what the check ``eval_reward`` looks at. They are apart, since
a checkpoint chosen by the items that judge it would be judged too well.

``build`` is a pure function of its arguments: the same seed gives the same tasks with the same ids,
and asking for more of a family only adds to its end. It writes nothing (``store`` does) and checks
no reference (the audit does).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import accumulate
from random import Random
from typing import NamedTuple

from ..errors import BadInput, did_you_mean
from ..records import Task
from ..records.candidate import content_id
from ..records.task_source import TasksSpec
from .assistant import ASSISTANT
from .commerce import COMMERCE
from .families import FAMILIES, Draft, Family, is_window
from .levelled import LEVELLED

TRAIN = "train"
HELDOUT = "heldout"
FRESH = "fresh"
WINDOW = "window"
REWARD = "reward"
EVERY_FAMILY = (*FAMILIES, *COMMERCE, *LEVELLED, *ASSISTANT)
Levels = Mapping[str, tuple[int, int]]
"""Family name -> least and most difficult level."""
ATTEMPTS = 200
"""Draws without a new prompt before a composition is held to be used up."""


class TaskBank(NamedTuple):
    """The three sides, family after family in the order of ``EVERY_FAMILY``."""

    train: tuple[Task, ...]
    heldout: tuple[Task, ...]
    window: tuple[Task, ...]


def build(
    seed: int,
    train: dict[str, int],
    heldout: dict[str, int],
    window: dict[str, int] | None = None,
    levels: Levels | None = None,
) -> TaskBank:
    """So many tasks of each family on each side, all prompts different.

    Args:
        seed: what every draw derives from.
        train: family name -> number of training tasks.
        heldout: family name -> number of held-out tasks.
        window: family name -> number of window tasks; none when absent.
        levels: family name -> least and most difficult level that is drawn, on every side; all
            levels when absent.

    Raises:
        BadInput: an unknown family, a negative count, a level that the family does not have, or
            more tasks than the family has different prompts.
    """
    levels = levels or {}
    _check_levels(levels)
    sizes = {HELDOUT: heldout, WINDOW: window or {}, TRAIN: train}
    for suite, counts in sizes.items():
        _check(suite, counts)
    prompts: set[tuple[object, ...]] = set()
    sides = {
        suite: tuple(
            task
            for family in EVERY_FAMILY
            for task in _tasks(family, suite, counts.get(family.name, 0), seed, prompts, levels)
        )
        for suite, counts in sizes.items()
    }
    return TaskBank(sides[TRAIN], sides[HELDOUT], sides[WINDOW])


def fresh_heldout(
    seed: int, heldout: dict[str, int], bank: TaskBank, levels: Levels | None = None
) -> tuple[Task, ...]:
    """The suite ``fresh``: so many held-out tasks of each family by another seed, none with a
    prompt of ``bank``.

    Settings that were chosen on the held-out suite look too good on it; on items that nobody looked
    at while choosing they look as they are. The compositions are those of the held-out suite.

    Raises:
        BadInput: as ``build``.
    """
    _check(FRESH, heldout)
    prompts: set[tuple[object, ...]] = {task.messages for side in bank for task in side}
    return tuple(
        replace(task, suite=FRESH)
        for family in EVERY_FAMILY
        for task in _tasks(
            family, HELDOUT, heldout.get(family.name, 0), seed, prompts, levels or {}
        )
    )


def reward_counts(tasks: TasksSpec, items: int) -> dict[str, int]:
    """``items`` prompts of the check ``eval_reward`` among the generated families, in the windows'
    shares, else in those of the held-out suite, else in those of training; none without a family.
    """
    for sizes in (tasks.window, tasks.heldout, tasks.train):
        total = sum(sizes.values())
        if total:
            ends = [items * end // total for end in accumulate(sizes.values())]
            return {
                name: end - start
                for name, start, end in zip(sizes, [0, *ends], ends, strict=False)
                if end > start
            }
    return {}


def reward_prompts(
    seed: int, counts: dict[str, int], others: Iterable[Task], levels: Levels | None = None
) -> tuple[Task, ...]:
    """So many tasks of each family for the check ``eval_reward``, none with a prompt of ``others``;
    of a family that has fewer different prompts, as many as there are.

    The weights that are kept were chosen by the windows, and look too good on them. These prompts
    are of compositions that neither train nor are asked by a window, and nothing is chosen by them.

    Raises:
        BadInput: an unknown family, or a negative count.
    """
    _check(REWARD, counts)
    prompts: set[tuple[object, ...]] = {task.messages for task in others}
    drawn: list[Task] = []
    for family in EVERY_FAMILY:
        tasks = _tasks(family, REWARD, counts.get(family.name, 0), seed, prompts, levels or {})
        with suppress(BadInput):  # The family's prompts are used up.
            for task in tasks:
                drawn.append(task)
    return tuple(drawn)


def _check(side: str, counts: dict[str, int]) -> None:
    names = [family.name for family in EVERY_FAMILY]
    for name, count in counts.items():
        if name not in names:
            raise BadInput(
                f"unknown family {name!r}. {did_you_mean(name, names)}", field=f"{side}.{name}"
            )
        if count < 0:
            raise BadInput(f"expected a count of 0 or more, got {count}", field=f"{side}.{name}")


def _check_levels(levels: Levels) -> None:
    by_name = {family.name: family for family in EVERY_FAMILY}
    for name, (least, most) in levels.items():
        field = f"levels.{name}"
        if name not in by_name:
            raise BadInput(f"unknown family {name!r}. {did_you_mean(name, by_name)}", field=field)
        has = by_name[name].levels
        if has is None:
            names = ", ".join(family.name for family in LEVELLED)
            raise BadInput(
                f"{name} is of one difficulty.", field=field, fix=f"With levels: {names}."
            )
        if not has[0] <= least <= most <= has[1]:
            raise BadInput(
                f"expected two levels from {has[0]} to {has[1]}, the lower first, got [{least}, {most}].",
                field=field,
            )


def _tasks(
    family: Family,
    suite: str,
    count: int,
    seed: int,
    prompts: set[tuple[object, ...]],
    levels: Levels,
) -> Iterator[Task]:
    """``count`` tasks over a shuffled round of the side's compositions, so that each is used about
    equally often."""
    compositions = _compositions(family, suite)
    if family.name in levels:
        least, most = levels[family.name]
        compositions = [each for each in compositions if least <= family.level_of(each) <= most]
    if count and not compositions:
        raise BadInput(
            f"family {family.name} has no {suite} composition of these levels.",
            field=f"levels.{family.name}",
            fix="Allow more levels.",
        )
    Random(f"order|{seed}|{family.name}|{suite}").shuffle(compositions)
    count_made = index = misses = 0
    while count_made < count:
        composition = compositions[index % len(compositions)]
        draft = family.generate(composition, Random(f"task|{seed}|{family.name}|{suite}|{index}"))
        index += 1
        if draft.messages in prompts:
            misses += 1
            if misses > ATTEMPTS + 2 * len(compositions):
                raise BadInput(
                    f"family {family.name} has no {count} different {suite} prompts, only about {count_made}",
                    fix=f"Ask for at most {count_made} of {family.name}.",
                )
            continue
        prompts.add(draft.messages)
        count_made = count_made + 1
        misses = 0
        yield _task(family, suite, composition, draft)


def _compositions(family: Family, suite: str) -> list[str]:
    if suite == TRAIN:
        return list(family.split(heldout=False))
    return [
        composition
        for composition in family.split(heldout=True)
        if is_window(family.name, composition) == (suite == WINDOW)
    ]


def _task(family: Family, suite: str, composition: str, draft: Draft) -> Task:
    return Task(
        id=f"{family.name}-{content_id(draft.messages, draft.reference)}",
        suite=suite,
        category=family.category,
        family=family.name,
        messages=draft.messages,
        verifier=draft.verifier,
        reference=draft.reference,
        composition=composition,
    )
