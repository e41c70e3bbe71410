"""``sentinel next``: the recipe's decision tree, what it decided so far, and what comes next."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from ..bench.compare import STAGES
from ..errors import EXIT_GATE
from ..records.decision_spec import GOING_ON
from ..store import Ledger, Store, find_home
from .console import AsJson, emit, err


def next_step(
    recipe: Annotated[str, typer.Argument(help="A recipe: the stem of a file under data/recipes.")],
    as_json: AsJson = False,
) -> None:
    """Say what RECIPE's decision tree made of its current reports. Exit code 3 when it says to stop or to investigate.

    Example:

        sentinel next tiny
    """
    home = find_home()
    made, ledger = home.recipe(recipe), Ledger(home.ledger)
    store = Store(home, recipe, "next", "next")
    newest, missing = None, None
    for stage in STAGES:
        report = store.find(f"{stage}_report")
        decision = ledger.latest_decision(report.hash) if report else None
        if decision is not None:
            newest = decision
            err.print(
                f"after {stage}: {decision.action}: {decision.reason}", markup=False, highlight=False, soft_wrap=True
            )
        elif made.decision_after(stage) is not None and missing is None:
            missing = stage
            err.print(
                f"after {stage}: not decided yet: sentinel run {recipe} --until {stage}", markup=False, highlight=False
            )
    if not made.decisions:
        err.print("the recipe has no decision points: only its gates decide", highlight=False)
    if as_json:
        trail = [asdict(one) for one in ledger.decisions(recipe=recipe)]
        emit({"recipe": recipe, "action": newest.action if newest else None, "undecided": missing, "trail": trail})
    if newest is not None and newest.action not in GOING_ON:
        raise typer.Exit(EXIT_GATE)
