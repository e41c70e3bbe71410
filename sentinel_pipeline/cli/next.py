"""``sentinel next``: the recipe's decision tree, what it decided so far, and what comes next."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ..errors import EXIT_GATE, BadInput
from ..records.decision_spec import GOING_ON
from ..records.stages import GRPO
from ..store import Ledger, Store, find_home
from ..store.address import recipe_address
from .console import AsJson, emit, say
from .next_recipe import decide_next_recipe


def next_step(
    recipe: Annotated[
        str, typer.Argument(help="A recipe, or RECIPE/STAGE for the decision after that stage.")
    ],
    curves: Annotated[
        Path | None, typer.Option(help="Recorded curves of GRPO; the run's own by default.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File of the next recipe; in data/recipes by default.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what RECIPE's decision points said about its reports, and the recommended next step.

    After a finished GRPO run the recipe's point over its curves is checked too. Where a rule is
    decided, the next recipe is written with its evidence; where the evidence does not decide, the
    output names the run that would. Nothing is started. Exit code 3 when a decision says to stop or
    to investigate.

    Examples:

        sentinel next tiny

        sentinel next tucano-0.5b-v4.1 --json
    """
    home = find_home()
    name, only_stage = recipe_address(home, recipe)
    loaded = home.recipe(name)
    if not loaded.decisions:
        fix = "Add [[decisions]] points to it."
        raise BadInput(
            f"recipe {name!r} has no decision tree: only its gates decide.",
            field="decisions",
            fix=fix,
        )
    ledger = Ledger(home.ledger)
    store = Store.reading(home, name)
    newest = None
    undecided = None
    for stage in loaded.reported if only_stage is None else (only_stage,):
        report = store.find(f"{stage}_report")
        decision = ledger.latest_decision(report.hash) if report else None
        if decision is not None:
            newest = decision
            say(f"after {stage}: {decision.action}: {decision.reason}")
        # The first stage without a decision is the one to run; those behind it wait for it anyway.
        elif loaded.decision_after(stage) is not None and undecided is None:
            undecided = stage
            say(f"after {stage}: not decided yet: sentinel run {name} --until {stage}")
        elif only_stage is not None:
            say(f"after {stage}: the recipe has no decision point here")
    tree = {}
    over_curves = loaded.decision_after(GRPO.name, "curves")
    if over_curves is not None and only_stage in (None, GRPO.name):
        tree = decide_next_recipe(home, loaded, over_curves, curves, out)
    if as_json:
        trail = [asdict(decision) for decision in ledger.decisions(recipe=name)]
        action = newest.action if newest else None
        emit({"recipe": name, "action": action, "undecided": undecided, "trail": trail, **tree})
    if newest is not None and newest.action not in GOING_ON:
        raise typer.Exit(EXIT_GATE)
