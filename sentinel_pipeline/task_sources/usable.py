"""What a recipe's tasks and rows come to before anything runs: how many there are for each stage,
and what cannot be done with them.

Sources are read as a run reads them, so that a plan counts what the run will use; references are
run where there are few enough. What this module does not do: touch a device, reach for a data set
of the hub that only gives rows (``candidates.hub``), or keep anything.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ..candidates.files import read_files
from ..candidates.hub import read_hub
from ..errors import BadInput
from ..records import Quarantined
from ..records.recipe import Recipe
from ..records.stages import DPO, GRPO, Pool
from ..tasks.task_bank import reward_counts
from .divide import Report, divide, sources_of

CHECKED_BY_A_PLAN = 2_000
"""A plan runs the references of at most so many tasks; of more it counts all as passing."""


class Unusable(NamedTuple):
    """A demand of the recipe that its tasks do not meet."""

    field: str
    reason: str
    asset: str
    """The first asset of a run that would fail."""


@dataclass(slots=True, kw_only=True)
class Counted:
    """Tasks and rows of a recipe."""

    train: Counter[str] = field(default_factory=Counter)
    """Family -> training tasks that the scorer can judge."""
    window: int = 0
    heldout: int = 0
    reward: int = 0
    """Fresh prompts of the check ``eval_reward``, as many as it asks at most; 0 without GRPO."""
    judged: int = 0
    """Training tasks and rows that only a judge can rank."""
    answers: int = 0
    """Rows to learn from without a verifier: of the sources, the recipe's files and local data
    sets."""
    report: Report | None = None
    """Of the recipe's own sources; None where it has none."""
    notes: list[str] = field(default_factory=list)

    @property
    def pool(self) -> Pool:
        return Pool(dict(self.train), self.judged, self.answers)


def count_tasks(recipe: Recipe, root: Path, *, rows: bool = True) -> Counted:
    """Count what a run of ``recipe`` will use.

    Args:
        recipe: the recipe.
        root: what its paths are relative to.
        rows: whether the files of ``[candidates]`` are counted too.

    Raises:
        BadInput: a source does not exist or gives nothing, or one group is on two sides.
        Infrastructure: a source's data set cannot be reached.
        GateRefused: references are programs, and this machine isolates less than is demanded.
    """
    tasks = recipe.tasks
    counted = Counted(
        train=Counter({name: n for name, n in tasks.train.items() if n}),
        window=sum(tasks.window.values()),
        heldout=sum(tasks.heldout.values()),
    )
    if recipe.grpo is not None:
        counted.reward = sum(reward_counts(tasks, recipe.grpo.reward_items).values())
    if tasks.source:
        with tempfile.TemporaryDirectory(prefix="sentinel-tasks-") as folder:
            division = divide(
                sources_of(recipe),
                recipe.seed,
                root=root,
                scratch=Path(folder),
                maps=recipe.candidates.map,
            )
            few = len(division.dealt.sides) <= CHECKED_BY_A_PLAN
            for _ in division.rows(recipe.critic, check=few):
                pass
        report = division.report
        counted.report = report
        counted.train += report.train
        counted.window += sum(report.sides["window"].values())
        counted.heldout += sum(report.sides["heldout"].values())
        if recipe.grpo is not None:
            of_sources = sum(report.sides["reward"].values())
            counted.reward = min(recipe.grpo.reward_items, counted.reward + of_sources)
        counted.judged = report.judged + report.unscored
        counted.answers = report.unscored + report.judged
        if not few:
            counted.notes.append(
                f"the references of {sum(report.train.values()):,} training tasks are run by the "
                "run itself: those that fail will be left out."
            )
    if rows:
        _count_files(recipe, root, counted)
    return counted


def _count_files(recipe: Recipe, root: Path, counted: Counted) -> None:
    spec = recipe.candidates
    for name in spec.files:
        try:
            items = [
                not isinstance(item, Quarantined)
                for item in read_files([name], root=root, maps=spec.map)
            ]
        except BadInput:
            continue  # a plan refuses it with the other inputs that are missing
        counted.answers += sum(items)
        if bad := len(items) - sum(items):
            counted.notes.append(f"{name}: {bad:,} rows cannot be read and will be quarantined.")
    for source in spec.hub:
        if not (root / source.name).is_dir():
            counted.notes.append(f"the rows of the data set {source.name} are not counted.")
            continue
        rows = read_hub(source.name, source.split, limit=source.limit, root=root, maps=spec.map)
        counted.answers += sum(not isinstance(item, Quarantined) for item in rows)


def unusable(recipe: Recipe, counted: Counted) -> list[Unusable]:
    """What ``recipe`` asks of tasks that it does not have, the causes before what follows from
    them."""
    problems: list[Unusable] = []
    report = counted.report
    scorable = sum(counted.train.values())
    if not scorable:
        problems += _without_verifiers(recipe, counted)
    if report is None:
        return problems
    if "heldout" in recipe.bench.suites and not counted.heldout:
        fix = (
            "give the split a larger share of it, more rows, or name another suite in bench.suites"
        )
        if not any(sum(tasks.values()) for tasks in report.sides.values()):
            fix = "add verifier or tests to rows, or name another suite in bench.suites"
        problems.append(Unusable("tasks.source", f"there is no held-out task: {fix}.", "task_bank"))
    for stage in recipe.chain:
        if recipe.spec_of(stage.name).windows.suite == "window" and not counted.window:
            other = f", or say {stage.name}.windows.suite" if stage.rows is not None else ""
            reason = (
                f"there is no window task, and {stage.name} chooses its checkpoint by them: give "
                f"the split a larger window share{other}."
            )
            problems.append(Unusable("tasks.source", reason, stage.checkpoint))
    return problems


def _without_verifiers(recipe: Recipe, counted: Counted) -> list[Unusable]:
    """DPO and GRPO of tasks that nothing can score: which, and what to add."""
    examples = counted.report.unscored_examples if counted.report is not None else []
    if examples:
        more = " …" if counted.judged > len(examples) else ""
        names = f"{', '.join(examples)}{more}"
        what = f"none of the {counted.judged:,} training rows has a verifier ({names})"
        add = "Add verifier or tests to them"
    elif counted.answers:
        what = (
            "there is no training task: rows of candidates.files and candidates.hub are learnt "
            "from, not answered"
        )
        add = "Name a file of tasks with verifiers in [[tasks.source]], or families in tasks.train"
    else:
        what = "there is no training task"
        add = "Name a file of tasks in [[tasks.source]], or families in tasks.train"
    key = "tasks.source" if recipe.tasks.source else "tasks.train"
    problems: list[Unusable] = []
    by_judge = recipe.pairs.ranked_by == "judge" and recipe.judge.model is not None
    if DPO in recipe.chain and not (by_judge and counted.judged):
        fix = (
            f'{add}, let a licensed judge rank (pairs.ranked_by = "judge" with [judge.model]), '
            "or leave dpo out of stages."
        )
        reason = f"DPO needs answers that something can score, and {what}. {fix}"
        problems.append(Unusable(key, reason, DPO.trains_on))
    if GRPO in recipe.chain:
        fix = f"{add}, or leave grpo out of stages."
        reason = f"GRPO needs tasks that a scorer rewards, and {what}. {fix}"
        problems.append(Unusable(key, reason, GRPO.checkpoint))
    return problems


def require_usable(
    recipe: Recipe, root: Path, file: Path, assets: Collection[str] | None = None
) -> None:
    """Refuse, before anything runs, what the recipe's tasks cannot give.

    Args:
        recipe: the recipe.
        root: what its paths are relative to.
        file: the recipe's file, for the error.
        assets: what is to be made; None: everything.

    Raises:
        BadInput: as ``count_tasks``, or a stage that has no tasks.
        Infrastructure, GateRefused: as ``count_tasks``.
    """
    if not recipe.tasks.source and any(recipe.tasks.train.values()):
        return
    for problem in unusable(recipe, count_tasks(recipe, root, rows=False)):
        if assets is None or problem.asset in assets:
            raise BadInput(problem.reason, file=file, field=problem.field)
