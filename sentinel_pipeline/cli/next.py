"""``sentinel next``: the recipe's decision tree, what it decided so far, and what comes next."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ..errors import EXIT_GATE, BadInput
from ..records.decision_spec import GOING_ON
from ..store import Ledger, Store, find_home
from .console import AsJson, emit, err
from .scenarios import ask_tree


def next_step(
    recipe: Annotated[str, typer.Argument(help="A recipe: the stem of a file under data/recipes.")],
    curves: Annotated[
        Path | None, typer.Option(help="Recorded curves of GRPO; the run's own by default.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where the next recipe goes; data/recipes by default.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What RECIPE's decision points made of its reports, and what its tree over the finished GRPO run makes of that.

    Where a scenario of the tree is decided the next recipe is written, beside its evidence; where the evidence does not decide,
    the run that would is named. Nothing is started. Exit code 3 when a point says to stop or to investigate.

    Examples:

        sentinel next tiny

        sentinel next tucano-0.5b-v4.1 --json
    """
    home = find_home()
    if not (home.recipe(recipe).decisions or home.recipe(recipe).next):
        fix = "Add [[decisions]] points or [[next]] scenarios to it."
        raise BadInput(
            f"recipe {recipe!r} has no decision tree: only its gates decide.",
            field="decisions",
            fix=fix,
        )
    made, ledger = home.recipe(recipe), Ledger(home.ledger)
    store = Store.reading(home, recipe)
    newest, missing = None, None
    for stage in made.reported:
        report = store.find(f"{stage}_report")
        decision = ledger.latest_decision(report.hash) if report else None
        if decision is not None:
            newest = decision
            err.print(
                f"after {stage}: {decision.action}: {decision.reason}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
        elif made.decision_after(stage) is not None and missing is None:
            missing = stage
            err.print(
                f"after {stage}: not decided yet: sentinel run {recipe} --until {stage}",
                markup=False,
                highlight=False,
            )
    tree = ask_tree(home, made, curves, out) if made.next else {}
    if as_json:
        trail = [asdict(one) for one in ledger.decisions(recipe=recipe)]
        points = {"action": newest.action if newest else None, "undecided": missing, "trail": trail}
        emit({"recipe": recipe, **points, **tree})
    if newest is not None and newest.action not in GOING_ON:
        raise typer.Exit(EXIT_GATE)
