"""``sentinel audit``: every scorer's exam, and its licence in the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from ..errors import GateRefused
from ..rates import percent
from ..records import Task
from ..records.data_spec import CriticSpec
from ..store import Home, Ledger, find_home
from .console import AsJson, emit, err, styled

if TYPE_CHECKING:
    from ..audit.exam import ScorerAudit
    from ..audit.reward_scores import RewardAudit

_SAMPLE = 24
"""Generated tasks of each family that give the gold answers where no recipe is named."""
_OF_A_GROWING_FAMILY = 4
"""The same of a family with levels: there are many of those."""


def audit(
    recipe: Annotated[
        str | None,
        typer.Argument(
            help="Examine on this recipe's suites; else on generated tasks and the smoke suite."
        ),
    ] = None,
    rounds: Annotated[
        int, typer.Option(min=2, help="Evaluation rounds; the last one runs under load.")
    ] = 2,
    workers: Annotated[
        int | None, typer.Option(help="Grader workers; every core by default.")
    ] = None,
    rewards: Annotated[
        bool,
        typer.Option(
            "--rewards", help="Examine the rewards only, and count the hacks of every family."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Examine every scorer on gold, known-bad and cheating answers, and record its licence in the
    ledger.

    Exit code 3 when a scorer fails: it may not gate, filter or reward.

    Examples:

        sentinel audit tiny --json

        sentinel audit --rewards
    """
    from ..audit.canaries import canaries_hash, read_canaries
    from ..audit.exam import Material
    from ..audit.licence import record_licences
    from ..audit.own_rewards import own_reward_exams
    from ..audit.rewards import by_family
    from ..audit.scorers import EXAMS, reward_exams
    from ..audit.scorers import audit as examine_all

    home = find_home()
    gold, spec = _gold(home, recipe)
    folder = home.canaries
    with err.status("examining the scorers"):
        material = Material(gold, read_canaries(folder), spec, workers)
        built_in = (reward_exams,) if rewards else EXAMS
        grpo = home.recipe(recipe).grpo if recipe is not None else None
        exams: tuple[Any, ...] = built_in
        if grpo is not None:
            exams = (*built_in, own_reward_exams(grpo.reward, home.root, grpo.rewards))
        audits = examine_all(material, repeats=rounds, exams=exams)
        families = by_family(material) if rewards else []
    record_licences(
        Ledger(home.ledger),
        audits,
        exam=canaries_hash(folder),
        recipe=recipe or "-",
        run_id="sentinel audit",
    )
    _print(audits, families)
    if as_json:
        counted = {"families": [family.to_json() for family in families]} if rewards else {}
        emit({"scorers": [exam.to_json() for exam in audits]} | counted)
    if refused := [exam.name for exam in audits if not exam.licensed]:
        raise GateRefused(f"no licence for {', '.join(refused)}: what they would score is refused.")


def _print(audits: list[ScorerAudit], families: list[RewardAudit]) -> None:
    table = Table("scorer", "version", "gold accepted", "bad accepted", "stable", "licence")
    for exam in audits:
        rate = "-" if exam.gold is None else f"{percent(exam.gold)} of {exam.n_gold}"
        licence = styled(("licensed", "green"))
        if not exam.licensed:
            licence = styled(("refused", "red"), f": {exam.refusal}")
        table.add_row(
            exam.name,
            exam.version,
            rate,
            f"{exam.bad_accepted} of {exam.n_bad}",
            str(exam.stable),
            licence,
        )
    err.print(table)
    for exam in audits:
        for example in exam.examples:
            err.print(f"  {exam.name}: {example}", markup=False, highlight=False)
    if not families:
        return
    table = Table("family", "gold earned 1", "wrong accepted", "hacks paid")
    for family in families:
        table.add_row(
            family.name,
            f"{family.gold_accepted} of {family.gold}",
            f"{family.bad_accepted} of {family.bad}",
            f"{family.hacks_paid} of {family.hacks}",
        )
    err.print(table)


def _gold(home: Home, recipe: str | None) -> tuple[list[Task], CriticSpec]:
    """The tasks of a recipe's suites; a few of every generated family and the smoke suite where
    none is named."""
    from ..task_sources.divide import heldout_tasks
    from ..tasks.suites import load_suite
    from ..tasks.task_bank import EVERY_FAMILY, build, fresh_heldout

    if recipe is None:
        counts = {
            family.name: _SAMPLE if family.levels is None else _OF_A_GROWING_FAMILY
            for family in EVERY_FAMILY
        }
        sample = build(17, {}, counts)
        return [*sample.heldout, *load_suite("smoke")], CriticSpec()
    spec = home.recipe(recipe)
    tasks = spec.tasks
    bank = build(spec.seed, tasks.train, tasks.heldout, tasks.window, tasks.levels)
    drawn = {"heldout": (*bank.heldout, *heldout_tasks(spec, home.root))}
    if tasks.fresh_seed is not None:
        drawn["fresh"] = fresh_heldout(tasks.fresh_seed, tasks.fresh_sizes, bank, tasks.levels)
    suites = [
        list(drawn[name])
        if name in drawn
        else load_suite(name, data=home.suite_file(name, spec.bench.data))
        for name in spec.bench.suites
    ]
    return [task for suite in suites for task in suite], spec.critic
